//! Polar factors.

use super::property::{Program, holds, near, pick, values};
use super::{Case, Target};
use pullback::faer::Mat;

/// The name of the target, its property, and the primitives that it reaches.
pub const TARGET: Target = ("polar", polar, &["polar", "sym_lyapunov"]);

/// Polar factors.
pub fn polar(case: &Case) {
    let (m, n) = case.tall();
    let (a, condition) = case.with_spectrum(m, n, 1);
    let (name, f) = pick(
        case,
        [
            ("polar", |x| {
                let (w, h) = x[0].polar();
                vec![w, h]
            }),
            ("w", |x| vec![x[0].polar().0]),
            ("h", |x| vec![x[0].polar().1]),
        ],
    );
    holds(case, name, f, &vec![a.clone()], condition);
    let both: Program = |x| {
        let (w, h) = x[0].polar();
        vec![w, h]
    };
    if let Ok(y) = values(both, std::slice::from_ref(&a)) {
        for i in 0..case.members() {
            let (w, h) = (y[0].member(i), y[1].member(i));
            near(case, "W H", &(&w * &h), &a.member(i));
            near(case, "W'W", &(w.transpose() * &w), &Mat::identity(n, n));
            near(case, "H'", &h.transpose().to_owned(), &h);
        }
    }
}
