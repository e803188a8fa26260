//! What rests on the Schur form of a general matrix, beside faer's general eigendecomposition (there is no public Schur
//! form).

use crate::{Row, batch};
use pullback::faer::diag::Diag;
use pullback::faer::dyn_stack::{MemBuffer, MemStack};
use pullback::faer::linalg::evd::{ComputeEigenvectors, evd_real, evd_scratch};
use pullback::faer::linalg::matmul::matmul;
use pullback::faer::{Accum, Mat, Par};
use pullback::{Batch, Group};

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row {
            name: "sylvester",
            inputs: |n| vec![around(n, 1), around(n, 2), batch(n, n, 3)],
            program: |x| vec![x[0].sylvester(x[1], x[2])],
            faer: |n, x| faer_evd(n, &x[..2]),
            limit: 1.7,
        },
        Row {
            name: "lyapunov",
            inputs: |n| vec![around(n, 1), batch(n, n, 3)],
            program: |x| vec![x[0].lyapunov(x[1])],
            faer: |n, x| faer_evd(n, &x[..1]),
            limit: 1.7,
        },
        Row {
            name: "discrete lyapunov",
            inputs: |n| vec![inside(n), batch(n, n, 3)],
            program: |x| vec![x[0].discrete_lyapunov(x[1].sym())],
            faer: |n, x| faer_evd(n, &x[..1]),
            limit: 1.7,
        },
        Row {
            name: "sqrtm",
            inputs: |n| vec![around(n, 1)],
            program: |x| vec![x[0].sqrtm()],
            faer: faer_evd,
            limit: 1.7,
        },
        Row {
            name: "logm",
            inputs: |n| vec![around(n, 1)],
            program: |x| vec![x[0].logm()],
            faer: faer_evd,
            limit: 2.3,
        },
        Row {
            name: "group_projector",
            inputs: |n| vec![halves(n)],
            program: |x| vec![x[0].group_projector(Group::RealAbove(0.0)).0],
            faer: faer_evd,
            limit: 1.7,
        },
        Row {
            name: "powm",
            inputs: |n| vec![around(n, 1)],
            program: |x| vec![x[0].powm(0.3)],
            faer: faer_evd,
            limit: 2.5,
        },
        Row {
            name: "expm_multiply",
            inputs: |n| vec![inside(n), batch(n, 1, 3)],
            program: |x| vec![x[0].expm_multiply(x[1])],
            faer: faer_products,
            limit: 6.0,
        },
    ]
}

/// Eigenvalues in discs of radius about one half around 1 and -1.
fn halves(n: usize) -> Batch<f64> {
    let a = around(n, 1);
    Batch::from_fn(a.shape(), |_, i, j| a.data()[j * n + i] - if i == j && i % 2 == 1 { 2.0 } else { 0.0 })
}

/// Twenty-five products with a column: about as many as the series takes.
fn faer_products(_: usize, x: &[Batch<f64>]) -> Box<dyn FnMut()> {
    let (a, mut b) = (x[0].clone().into_mat(), x[1].clone().into_mat());
    let mut next = b.clone();
    Box::new(move || {
        for _ in 0..25 {
            matmul(&mut next, Accum::Replace, &a, &b, 1.0, Par::Seq);
            core::mem::swap(&mut next, &mut b);
        }
    })
}

/// Eigenvalues in a disc of radius about one half around 1.
fn around(n: usize, seed: u64) -> Batch<f64> {
    let a = batch(n, n, seed);
    let noise = 0.9 / (n as f64).sqrt();
    Batch::from_fn(a.shape(), |_, i, j| noise * a.data()[j * n + i] + f64::from(i == j))
}

/// Eigenvalues inside of the unit circle.
fn inside(n: usize) -> Batch<f64> {
    let a = batch(n, n, 1);
    Batch::from_fn(a.shape(), |_, i, j| 0.9 / (n as f64).sqrt() * a.data()[j * n + i])
}

/// Eigenvalues and right vectors of each.
fn faer_evd(n: usize, x: &[Batch<f64>]) -> Box<dyn FnMut()> {
    let all: Vec<Mat<f64>> = x.iter().map(|a| a.clone().into_mat()).collect();
    let (no, yes) = (ComputeEigenvectors::No, ComputeEigenvectors::Yes);
    let mut mem = MemBuffer::new(evd_scratch::<f64>(n, no, yes, Par::Seq, Default::default()));
    let (mut re, mut im, mut u) = (Diag::<f64>::zeros(n), Diag::<f64>::zeros(n), Mat::<f64>::zeros(n, n));
    Box::new(move || {
        for a in &all {
            let stack = MemStack::new(&mut mem);
            let (re, im, u) = (re.as_mut(), im.as_mut(), Some(u.as_mut()));
            evd_real(a.as_ref(), re, im, None, u, Par::Seq, stack, Default::default()).expect("converges");
        }
    })
}
