//! Cayley transforms of skew and of general matrices.

use super::property::{holds, near, values};
use super::{Case, Target};
use pullback::faer::Mat;

/// The name of the target, its property, and the primitives that it reaches.
pub const TARGET: Target = ("cayley", cayley, &["cayley"]);

/// Cayley transforms of skew and of general matrices.
pub fn cayley(case: &Case) {
    let n = case.size().0;
    // Skew, of any size from 1 down to 1e-17; or general, and then small.
    let skew = case.op.is_multiple_of(2);
    let x = case.stack(n, n, |b| {
        let w = case.entries(1 + b).mat(n, n);
        if skew { (&w - w.transpose()) * case.gap() } else { w * (0.5 / n.max(1) as f64) }
    });
    holds(case, "cayley", |x| vec![x[0].cayley(0.5)], &vec![x.clone()], 10.0);
    if let (true, Ok(y)) = (skew, values(|x| vec![x[0].cayley(0.5)], std::slice::from_ref(&x))) {
        for i in 0..case.members() {
            let c = y[0].member(i);
            near(case, "C'C", &(c.transpose() * &c), &Mat::identity(n, n));
        }
    }
}
