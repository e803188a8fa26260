//! `kmeans`: the sum over points of the squared distance to the nearest centre, and Newton's direction, whose Hessian
//! is diagonal.

use crate::measured::Program;
use crate::{Case, uniform};
use pullback::{Axis, Batch, Shape, Var};
use pullback_benches::worker::Problem;

pub(crate) fn cases() -> Vec<Case> {
    let case = |(k, n, d): (usize, usize, usize)| {
        Case::new(format!("kmeans/k={k},n={n},d={d}"), Program::Diagonal(cost), move || {
            let points = uniform(Shape::mat(d, n), 1);
            // The last points are the centres, so that none is without points.
            let centres = Batch::from_slice(Shape::mat(d, k), &points.data()[d * (n - k)..]);
            Problem { x: vec![centres], w: vec![points], ..Problem::default() }
        })
    };
    [(10, 1_000, 8), (100, 1_000, 8), (100, 10_000, 16)].map(case).into()
}

/// The squared distances as `|p|^2 + (-2 c, |c|^2).(p, 1)`, where the second term is one product for all pairs;
/// `pairwise_dist2` takes differences, which keeps the digits of near points and costs about twice as much.
fn cost<'t>(x: &[Var<'t>], w: &[Batch<f64>]) -> Var<'t> {
    let (centres, points) = (x[0], x[0].tape().constant(&w[0]));
    let ones = points.tape().filled(Shape::mat(1, points.cols()), 1.0);
    let weights = Var::concat(&[centres * -2.0, centres.column_dots(centres)], Axis::Rows);
    let nearest = weights.t_mul(Var::concat(&[points, ones], Axis::Rows)).column_min();
    nearest.sum() + points.dot(points)
}
