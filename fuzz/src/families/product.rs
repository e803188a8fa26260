//! Products with all transposes, and sums of them.

use super::property::{holds, pick};
use super::{Case, Family};
use pullback::Batch;

/// The name of the target, its property, and the primitives that it reaches.
pub const FAMILY: Family = ("product", product, &["matmul", "matmul_add"]);

/// Products with all transposes, and sums of them.
pub fn product(case: &Case) {
    let (m, n) = case.size();
    let k = (case.seed % 4) as usize;
    let (name, f) = pick(
        case,
        [
            ("a b", |x| vec![x[0] * x[1]]),
            ("a' b", |x| vec![x[0].t().t_mul(x[1])]),
            ("a b'", |x| vec![x[0].mul_t(x[1].t())]),
            ("a' b'", |x| vec![x[0].t().t_mul_t(x[1].t())]),
            ("c + a b", |x| vec![x[2].add_mul(-2.0, x[0], x[1])]),
            ("a a'", |x| vec![x[0].mul_t(x[0]), x[0].t_mul(x[0])]),
        ],
    );
    let mut x0 = vec![case.any(m, k, 1), case.any(k, n, 2), case.any(m, n, 3)];
    if case.seed.is_multiple_of(3) {
        // One factor serves all members.
        x0[1] = Batch::of(&x0[1].member(0));
    }
    holds(case, name, f, &x0, 1.0);
}
