//! Thin QR.

use super::property::{Program, holds, near, pick, values};
use super::{Case, Family};
use pullback::faer::Mat;

/// The name of the target, its property, and the primitives that it reaches.
pub const FAMILY: Family = ("qr", qr, &["qr"]);

/// Thin QR.
pub fn qr(case: &Case) {
    let (m, n) = case.tall();
    let (a, condition) = case.with_spectrum(m, n, 1);
    let (name, f) = pick(
        case,
        [
            ("qr", |x| {
                let (q, r) = x[0].qr();
                vec![q, r]
            }),
            ("q", |x| vec![x[0].qr().0]),
            ("r", |x| vec![x[0].qr().1]),
            ("projector", |x| {
                let q = x[0].qr().0;
                vec![q.mul_t(q)]
            }),
        ],
    );
    holds(case, name, f, &vec![a.clone()], condition);
    let both: Program = |x| {
        let (q, r) = x[0].qr();
        vec![q, r]
    };
    if let Ok(y) = values(both, std::slice::from_ref(&a)) {
        for i in 0..case.members() {
            let (q, r) = (y[0].member(i), y[1].member(i));
            near(case, "Q R", &(&q * &r), &a.member(i));
            near(case, "Q'Q", &(q.transpose() * &q), &Mat::identity(n, n));
            assert!((0..n).all(|k| r[(k, k)] > 0.0), "diag(R) on {case:?}");
        }
    }
}
