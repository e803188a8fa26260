//! `kmeans`: the sum over points of the squared distance to the nearest centre, and Newton's direction, whose Hessian is
//! diagonal.

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

fn cost<'t>(x: &[Var<'t>], w: &[Batch<f64>]) -> Var<'t> {
    x[0].pairwise_dist2(&w[0], Axis::Cols).column_min().sum()
}
