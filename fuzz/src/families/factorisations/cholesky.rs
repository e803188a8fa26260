//! Cholesky factors.

use super::property::{holds, near, values};
use super::{Case, Target};
use pullback::Uplo;

/// The name of the target, its property, and the primitives that it reaches.
pub const TARGET: Target = (
    "cholesky",
    cholesky,
    &[
        "cholesky",
        "cholesky_push",
        "cholesky_pull",
        "lower_product",
        "spd",
        "spd_solve",
        "spd_inverse",
        "spd_logdet",
        "spd_factor",
    ],
);

/// Cholesky factors.
pub fn cholesky(case: &Case) {
    let n = case.size().0;
    let (a, condition) = case.symmetric(n, 1);
    holds(case, "cholesky", |x| vec![x[0].cholesky()], &vec![a.clone()], condition);
    holds(
        case,
        "cholesky, used",
        |x| vec![x[0].cholesky().solve_triangular(Uplo::Lower, x[0])],
        &vec![a.clone()],
        condition,
    );
    holds(
        case,
        "spd",
        |x| {
            let a = x[0].spd();
            vec![a.solve(x[1]), a.inverse(), a.logdet(), a.factor(), a.half_solve(x[1])]
        },
        &vec![a.clone(), case.any(n, 2, 2)],
        condition,
    );
    if let Ok(y) = values(|x| vec![x[0].spd().solve(x[0])], std::slice::from_ref(&a))
        && condition < 1e6
    {
        for i in 0..case.members() {
            let a = a.member(i);
            let s = 0.5 * (&a + a.transpose());
            near(case, "sym(A) A^-1 A", &(&s * y[0].member(i)), &a);
        }
    }
    if let Ok(y) = values(|x| vec![x[0].cholesky()], std::slice::from_ref(&a)) {
        for i in 0..case.members() {
            let (l, a) = (y[0].member(i), a.member(i));
            near(case, "L L'", &(&l * l.transpose()), &(0.5 * (&a + a.transpose())));
            assert!((0..n).all(|k| l[(k, k)] > 0.0), "diag(L) on {case:?}");
        }
    }
}
