//! What rests on eigenvalues and singular values, and the Cayley transform.

use crate::factor::{eye, faer_solve};
use crate::{Row, batch, definite};
use pullback::Batch;
use pullback::faer::dyn_stack::{MemBuffer, MemStack};
use pullback::faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use pullback::faer::linalg::matmul::matmul;
use pullback::faer::linalg::svd::{ComputeSvdVectors, svd, svd_scratch};
use pullback::faer::{Accum, Mat, Par};

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row {
            name: "cayley",
            inputs: |n| vec![batch(n, n, 1)],
            program: |x| vec![x[0].cayley(0.5)],
            faer: faer_cayley,
            limit: 2.7,
        },
        Row {
            name: "eigh",
            inputs: |n| vec![separated(n)],
            program: |x| {
                let (l, v) = x[0].eigh();
                vec![l, v]
            },
            faer: faer_eigh,
            limit: 2.3,
        },
        Row {
            name: "eigvalsh",
            inputs: |n| vec![separated(n)],
            program: |x| vec![x[0].eigvalsh()],
            faer: faer_eigh,
            limit: 2.3,
        },
        Row {
            name: "expm_sym",
            inputs: |n| vec![separated(n)],
            program: |x| vec![x[0].expm_sym()],
            faer: faer_function,
            limit: 2.4,
        },
        Row {
            name: "logm_spd",
            inputs: |n| vec![definite(n)],
            program: |x| vec![x[0].logm_spd()],
            faer: faer_function,
            limit: 2.4,
        },
        Row {
            name: "projector",
            inputs: |n| vec![separated(n)],
            program: |x| vec![x[0].spectral_projector(x[0].rows() / 2)],
            faer: faer_function,
            limit: 2.4,
        },
        Row {
            name: "svd",
            inputs: |n| vec![separated(n)],
            program: |x| {
                let (u, s, v) = x[0].svd();
                vec![u, s, v]
            },
            faer: faer_svd,
            limit: 1.7,
        },
        Row {
            name: "svdvals",
            inputs: |n| vec![separated(n)],
            program: |x| vec![x[0].svdvals()],
            faer: faer_svd,
            limit: 1.7,
        },
        Row {
            name: "polar",
            inputs: |n| vec![separated(n)],
            program: |x| {
                let (w, h) = x[0].polar();
                vec![w, h]
            },
            faer: faer_polar,
            limit: 1.7,
        },
    ]
}

/// Eigenvalues and singular values that grow by about 1.
fn separated(n: usize) -> Batch<f64> {
    let a = batch(n, n, 1);
    let noise = 1.0 / (n as f64).sqrt();
    Batch::from_fn(a.shape(), |_, i, j| noise * a.data()[j * n + i] + if i == j { 1.0 + i as f64 } else { 0.0 })
}

/// `I - W/2` factored and inverted.
fn faer_cayley(n: usize, x: &[Batch<f64>]) -> Box<dyn FnMut()> {
    let w = x[0].data();
    let a = Batch::from_fn(x[0].shape(), |_, i, j| f64::from(i == j) - 0.5 * w[j * n + i]);
    faer_solve(n, &[a, eye(n)])
}

/// The lower triangle's decomposition, as faer takes it.
fn eigh(n: usize, x: &[Batch<f64>], mut then: impl FnMut(&Mat<f64>) + 'static) -> Box<dyn FnMut()> {
    let a = x[0].clone().into_mat();
    let (mut u, mut s) = (a.clone(), pullback::faer::diag::Diag::<f64>::zeros(n));
    let vectors = ComputeEigenvectors::Yes;
    let mut mem = MemBuffer::new(self_adjoint_evd_scratch::<f64>(n, vectors, Par::Seq, Default::default()));
    Box::new(move || {
        let stack = MemStack::new(&mut mem);
        self_adjoint_evd(a.as_ref(), s.as_mut(), Some(u.as_mut()), Par::Seq, stack, Default::default())
            .expect("converges");
        then(&u);
    })
}

fn faer_eigh(n: usize, x: &[Batch<f64>]) -> Box<dyn FnMut()> {
    eigh(n, x, |_| {})
}

/// The decomposition and one product.
fn faer_function(n: usize, x: &[Batch<f64>]) -> Box<dyn FnMut()> {
    let mut y = Mat::<f64>::zeros(n, n);
    eigh(n, x, move |u| matmul(y.as_mut(), Accum::Replace, u.as_ref(), u.transpose(), 1.0, Par::Seq))
}

fn singular(n: usize, x: &[Batch<f64>], mut then: impl FnMut(&Mat<f64>, &Mat<f64>) + 'static) -> Box<dyn FnMut()> {
    let a = x[0].clone().into_mat();
    let (mut u, mut v, mut s) = (a.clone(), a.clone(), pullback::faer::diag::Diag::<f64>::zeros(n));
    let thin = ComputeSvdVectors::Thin;
    let mut mem = MemBuffer::new(svd_scratch::<f64>(n, n, thin, thin, Par::Seq, Default::default()));
    Box::new(move || {
        let stack = MemStack::new(&mut mem);
        let (d, left, right) = (s.as_mut(), Some(u.as_mut()), Some(v.as_mut()));
        svd(a.as_ref(), d, left, right, Par::Seq, stack, Default::default()).expect("converges");
        then(&u, &v);
    })
}

fn faer_svd(n: usize, x: &[Batch<f64>]) -> Box<dyn FnMut()> {
    singular(n, x, |_, _| {})
}

/// The decomposition and the two products of the factors.
fn faer_polar(n: usize, x: &[Batch<f64>]) -> Box<dyn FnMut()> {
    let (mut w, mut h) = (Mat::<f64>::zeros(n, n), Mat::<f64>::zeros(n, n));
    singular(n, x, move |u, v| {
        matmul(w.as_mut(), Accum::Replace, u.as_ref(), v.transpose(), 1.0, Par::Seq);
        matmul(h.as_mut(), Accum::Replace, v.as_ref(), v.transpose(), 1.0, Par::Seq);
    })
}
