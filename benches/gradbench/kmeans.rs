//! `kmeans`: the sum over points of the squared distance to the nearest centre, and Newton's direction, whose Hessian
//! is diagonal.

use crate::measured::Program;
use crate::{Case, uniform};
use pullback::{Batch, Shape, Var};
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

/// The squared distances as `|p|^2 - 2 p.c + |c|^2`, which is one product; `pairwise_dist2` takes differences, which
/// keeps the digits of near points and costs about twice as much.
fn cost<'t>(x: &[Var<'t>], w: &[Batch<f64>]) -> Var<'t> {
    let points = x[0].tape().constant(&w[0]);
    let products = x[0].t_mul(points).lincomb(-2.0, x[0].square().column_sums().t(), 1.0);
    (products.column_min() + points.square().column_sums()).sum()
}
