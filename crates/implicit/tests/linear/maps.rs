//! Linear maps whose matrices and metrics are known.

use pullback::{Batch, Shape, faer::Mat};
use pullback_implicit::Result;
use pullback_implicit::linear::{Map, Solved};

/// A matrix for each member, in the inner product `u^T G v` with a diagonal `G`.
pub(crate) struct Matrices {
    pub(crate) a: Vec<Mat<f64>>,
    pub(crate) g: Vec<f64>,
    pub(crate) shapes: Vec<Shape>,
}

impl Matrices {
    pub(crate) fn new(a: Vec<Mat<f64>>, g: Vec<f64>) -> Self {
        let shapes = vec![Shape::batch(a.len(), a[0].nrows(), 1)];
        Matrices { a, g, shapes }
    }
    pub(crate) fn times(&self, v: &[Batch], out: &mut [Batch], f: impl Fn(usize, usize, usize) -> f64) {
        let n = self.g.len();
        for m in 0..self.a.len() {
            for i in 0..n {
                out[0].data_mut()[m * n + i] = (0..n).map(|j| f(m, i, j) * v[0].data()[m * n + j]).sum();
            }
        }
    }
}

impl Map for Matrices {
    fn shapes(&self) -> &[Shape] {
        &self.shapes
    }
    fn dim(&self) -> usize {
        self.g.len()
    }
    fn apply(&self, v: &[Batch], out: &mut [Batch]) -> Result<()> {
        self.times(v, out, |m, i, j| self.a[m][(i, j)]);
        Ok(())
    }
    /// `A* = G^{-1} A^T G`.
    fn adjoint(&self, v: &[Batch], out: &mut [Batch]) -> Result<()> {
        self.times(v, out, |m, i, j| self.a[m][(j, i)] * self.g[j] / self.g[i]);
        Ok(())
    }
    fn lower(&self, v: &[Batch], out: &mut [Batch]) -> Result<()> {
        self.times(v, out, |_, i, j| if i == j { self.g[i] } else { 0.0 });
        Ok(())
    }
}

pub(crate) fn wave(n: usize, c: f64) -> Mat<f64> {
    Mat::from_fn(n, n, |i, j| (((i * n + j) * (i + 3 * j + 2)) as f64 * c + 1.0).sin())
}

/// Self-adjoint for the metric `g`, with the given eigenvalues.
pub(crate) fn selfadjoint(values: &[f64], g: &[f64], c: f64) -> Mat<f64> {
    let n = values.len();
    let q = pullback::Tape::plain().constant(&wave(n, c)).qr().0.value().into_mat();
    let d = Mat::from_fn(n, n, |i, j| if i == j { values[i] } else { 0.0 });
    let s = &q * d * q.transpose();
    Mat::from_fn(n, n, |i, j| s[(i, j)] * (g[j] / g[i]).sqrt())
}

pub(crate) fn spread(n: usize, condition: f64) -> Vec<f64> {
    (0..n).map(|i| condition.powf(-(i as f64) / (n - 1) as f64)).collect()
}

pub(crate) fn metric(n: usize) -> Vec<f64> {
    (0..n).map(|i| 0.5 + (i % 3) as f64).collect()
}

pub(crate) fn right(map: &Matrices) -> Vec<Batch> {
    vec![Batch::from_fn(map.shapes[0], |m, i, _| ((3 * m + 2 * i) as f64 + 0.3).cos())]
}

/// The error against a solve by LU, in member `m`.
pub(crate) fn error(map: &Matrices, b: &[Batch], x: &Solved, m: usize) -> f64 {
    let truth = pullback::value(|a: pullback::Var| a.solve(b[0].member(m)), &map.a[m]).unwrap().into_mat();
    (x.x[0].member(m) - &truth).norm_l2() / truth.norm_l2()
}
