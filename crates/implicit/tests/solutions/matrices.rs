//! Matrices from seeds, and what tests measure of them.
#![allow(dead_code)]

use pullback::faer::Mat;

/// A matrix from a seed, row by row: splitmix64, in [-1, 1).
pub(crate) fn mat(seed: u64, rows: usize, cols: usize) -> Mat<f64> {
    let mut state = seed;
    let mut entries = vec![0.0; rows * cols];
    for e in &mut entries {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        *e = 2.0 * ((z >> 11) as f64 / (1u64 << 53) as f64) - 1.0;
    }
    Mat::from_fn(rows, cols, |i, j| entries[i * cols + j])
}

/// The orthonormal factor with a positive diagonal of R.
pub(crate) fn qf(a: &Mat<f64>) -> Mat<f64> {
    pullback::Tape::plain().constant(a).qr().0.value().into_mat()
}

/// Symmetric with the given eigenvalues.
pub(crate) fn with_spectrum(values: &[f64], seed: u64) -> Mat<f64> {
    let n = values.len();
    let q = qf(&mat(seed, n, n));
    &q * Mat::from_fn(n, n, |i, j| if i == j { values[i] } else { 0.0 }) * q.transpose()
}

pub(crate) fn sym(a: &Mat<f64>) -> Mat<f64> {
    (a + a.transpose()) * 0.5
}

/// `|a - b| / |b|`.
pub(crate) fn apart(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    (a - b).norm_l2() / b.norm_l2()
}

pub(crate) fn dot(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    (0..a.ncols()).map(|j| (0..a.nrows()).map(|i| a[(i, j)] * b[(i, j)]).sum::<f64>()).sum()
}

pub(crate) fn solve(a: &Mat<f64>, b: &Mat<f64>) -> Mat<f64> {
    pullback::value(|a: pullback::Var| a.solve(b), a).unwrap().into_mat()
}

/// A product by the engine: what is compiled with a test is compiled in a hurry, and faer's product is slow then.
pub(crate) fn times(a: &Mat<f64>, b: &Mat<f64>) -> Mat<f64> {
    let tape = pullback::Tape::plain();
    (tape.constant(a) * tape.constant(b)).value().into_mat()
}
