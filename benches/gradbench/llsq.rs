//! `llsq`: half the sum of squares by which a polynomial misses the sign function at equidistant points.

use crate::measured::Program;
use crate::{Case, uniform};
use pullback::{Batch, Shape, Var};
use pullback_benches::worker::Problem;

/// How many coefficients.
const M: usize = 128;

pub(crate) fn cases() -> Vec<Case> {
    let case = |n: usize| {
        Case::new(format!("llsq/{n}"), Program::Cost(misfit), move || {
            let t = Batch::from_fn(Shape::mat(n, 1), |_, i, _| -1.0 + 2.0 * i as f64 / (n - 1) as f64);
            Problem { x: vec![uniform(Shape::mat(M, 1), 1)], w: vec![t], ..Problem::default() }
        })
    };
    [1024, 4096].map(case).into()
}

/// The polynomial by Horner's scheme.
fn misfit<'t>(x: &[Var<'t>], w: &[Batch<f64>]) -> Var<'t> {
    let t = x[0].tape().constant(&w[0]);
    let last = x[0].row(M - 1).broadcast_to(t.shape());
    let polynomial = (0..M - 1).rev().fold(last, |p, j| p.hadamard_add(t, x[0].row(j)));
    (polynomial - t.sign()).square().sum() * 0.5
}
