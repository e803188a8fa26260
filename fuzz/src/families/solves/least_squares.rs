//! Least squares and pseudo-inverses, of full and of stated rank.

use super::property::{Program, holds, near, pick, values};
use super::{Case, Target};
use pullback::faer::Mat;

/// The name of the target, its property, and the primitives that it reaches.
pub const TARGET: Target = ("least_squares", least_squares, &["least_squares_factor", "least_squares"]);

/// Least squares and pseudo-inverses.
pub fn least_squares(case: &Case) {
    let (m, n) = case.tall();
    let (a, condition) = case.with_spectrum(m, n, 1);
    let (name, f) = pick(
        case,
        [
            ("lstsq", |x| vec![x[0].lstsq(x[1])]),
            ("lstsq, wide", |x| vec![x[0].t().lstsq(x[2])]),
            ("pinv", |x| vec![x[0].pinv()]),
            ("pinv, wide", |x| vec![x[0].t().pinv()]),
            ("lstsq_of_rank", |x| vec![(x[0] * x[3]).lstsq_of_rank(x[0].cols(), x[1])]),
            ("pinv_of_rank", |x| vec![(x[0] * x[3]).pinv_of_rank(x[0].cols())]),
        ],
    );
    // Derivatives of A+ are as large as its square times the residual; of a product of two, the conditions multiply.
    let (right, other) = case.with_spectrum(n + 2, n, 2);
    let right = case.stack(n, n + 2, |b| right.member(b as usize).transpose().to_owned());
    let condition = if name.ends_with("rank") { condition * other } else { condition };
    let b = case.stack(m, 2, |b| case.entries(3 + b).mat(m, 2));
    let c = case.stack(n, 2, |b| case.entries(7 + b).mat(n, 2));
    holds(case, name, f, &vec![a.clone(), b, c, right], condition * condition);
    let both: Program = |x| vec![x[0].pinv() * x[0]];
    if let (true, Ok(y)) = (condition <= 10.0, values(both, std::slice::from_ref(&a))) {
        for i in 0..case.members() {
            near(case, "A+ A", &y[0].member(i), &Mat::identity(n, n));
        }
    }
}
