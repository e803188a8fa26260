//! Rotations and rigid motions of the plane and of space, at angles from 0 to several turns.

use super::property::{holds, near, pick, values};
use super::{Case, Target};
use pullback::faer::Mat;

/// The name of the target, its property, and the primitives that it reaches.
pub const TARGET: Target = ("rotations", rotations, &["rotation", "unary", "unary_derivative"]);

/// Rotations and rigid motions of the plane and of space, at angles from 0 to several turns.
pub fn rotations(case: &Case) {
    let size = |b: u64| match case.kind % 4 {
        0 => 1.0,
        1 => case.gap(),
        // Each member at an angle of its own, some beyond the series.
        2 => 4.0 * (b as f64 + case.gap()),
        _ => 0.0,
    };
    let vector = |rows: usize, salt: u64| case.stack(rows, 1, |b| case.entries(salt + b).mat(rows, 1) * size(b));
    let (name, f) = pick(
        case,
        [
            ("so3_exp", |x| vec![x[0].so3_exp()]),
            ("so3_left_jacobian", |x| vec![x[0].so3_left_jacobian()]),
            ("se3_exp", |x| vec![x[1].se3_exp()]),
            ("se2_exp", |x| vec![x[0].se2_exp()]),
        ],
    );
    let x = vec![vector(3, 1), vector(6, 40)];
    holds(case, name, f, &x, 10.0 + 40.0 * f64::from(case.kind % 4 == 2));
    if let Ok(y) = values(|x| vec![x[0].so3_exp()], &x[..1]) {
        for i in 0..case.members() {
            let r = y[0].member(i);
            near(case, "R'R", &(r.transpose() * &r), &Mat::identity(3, 3));
        }
    }
}
