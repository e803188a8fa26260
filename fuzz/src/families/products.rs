//! Products with all transposes, and sums of them.

use super::property::{holds, pick};
use super::{Case, Target};
use pullback::faer::{MatMut, MatRef};
use pullback::{Batch, LinearMap};
use std::sync::Arc;

/// The name of the target, its property, and the primitives that it reaches.
pub const TARGET: Target = ("products", products, &["matmul", "matmul_add", "quadratic_form", "linear_map"]);

/// The matrix with entries `(-1)^(i j)`, as an operator.
struct Alternating(usize, usize);

impl LinearMap for Alternating {
    fn size(&self) -> (usize, usize) {
        (self.0, self.1)
    }
    fn apply(&self, x: MatRef<'_, f64>, mut y: MatMut<'_, f64>) {
        let sign = |i: usize, k: usize| if (i * k).is_multiple_of(2) { 1.0 } else { -1.0 };
        for j in 0..x.ncols() {
            (0..y.nrows()).for_each(|i| y[(i, j)] = (0..x.nrows()).map(|k| sign(i, k) * x[(k, j)]).sum());
        }
    }
    fn apply_transpose(&self, x: MatRef<'_, f64>, y: MatMut<'_, f64>) {
        // The entries are symmetric in (i, j).
        self.apply(x, y);
    }
}

/// Products with all transposes, and sums of them.
pub fn products(case: &Case) {
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
            ("linear map", |x| {
                let (m, n) = (x[2].rows(), x[2].cols());
                let (a, b) = (Arc::new(Alternating(m, n)), Arc::new(Alternating(n, m)));
                vec![x[2].mapped_transposed(a), x[2].mapped(b)]
            }),
            ("form", |x| vec![x[2].quadratic_form((x[0] * x[1]).mul_t(x[2]))]),
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
