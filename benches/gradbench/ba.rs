//! `ba`: bundle adjustment. Residuals of observations of points by cameras, and the block of the Jacobian that belongs
//! to each. The sparse matrix is not assembled here.

use crate::measured::Program;
use crate::{Case, uniform};
use pullback::{Batch, Shape, Var};
use pullback_benches::worker::Problem;

pub(crate) fn cases() -> Vec<Case> {
    [31_843].map(|p| Case::new(format!("ba/{p}"), Program::Blocks(residuals), move || observations(p))).into()
}

/// Cameras (rotation, centre, focal length, principal point, distortion), points and weights, one each for an
/// observation, and what was observed.
fn observations(p: usize) -> Problem {
    let typical = [-0.8, -1.1, -0.8, 34.0, 40.0, 54.0, 420.0, 6.0, -8.0, 0.09, 0.003];
    let scatter = uniform(Shape::batch(p, 11, 1), 1);
    let cameras = Batch::from_fn(scatter.shape(), |b, i, _| typical[i] * (0.9 + 0.2 * scatter.data()[11 * b + i]));
    let place = uniform(Shape::batch(p, 3, 1), 2);
    let points = Batch::from_fn(place.shape(), |b, i, _| [7.0, 0.0, 3.0][i] + place.data()[3 * b + i]);
    let seen = uniform(Shape::batch(p, 2, 1), 4);
    let observed = Batch::from_fn(seen.shape(), |b, i, _| 300.0 * seen.data()[2 * b + i]);
    Problem { x: vec![cameras, points, uniform(Shape::batch(p, 1, 1), 3)], w: vec![observed], ..Problem::default() }
}

/// `w (f L u + u_0 - observed)`, where `u` is the direction in which the rotated camera sees the point and
/// `L = 1 + k_1 |u|^2 + k_2 |u|^4`; and `1 - w^2`.
fn residuals<'t>(x: &[Var<'t>], observed: &[Batch<f64>]) -> Vec<Var<'t>> {
    let (camera, point, w) = (x[0], x[1], x[2]);
    let seen = camera.row_range(0, 3).so3_exp() * (point - camera.row_range(3, 3));
    let u = seen.row_range(0, 2).elem_div(seen.row(2));
    let r2 = u.square().sum_each();
    let distortion = (camera.row(10).hadamard(r2) + camera.row(9)).hadamard(r2) + 1.0;
    let projected = u.hadamard(distortion.hadamard(camera.row(6))) + camera.row_range(7, 2);
    vec![(projected - &observed[0]).hadamard(w), -w.square() + 1.0]
}
