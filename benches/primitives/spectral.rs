//! What rests on eigenvalues and singular values, the Cayley transform, and the exponential.

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
            name: "expm",
            inputs: |n| vec![of_norm(n, 4.0)],
            program: |x| vec![x[0].expm()],
            faer: |n, x| faer_expm(n, x, 0),
            limit: 3.3,
        },
        Row {
            name: "expm, long",
            inputs: |n| vec![skew_of_norm(n, 30.0)],
            program: |x| vec![x[0].expm()],
            // Two more products make the rotation orthogonal to rounding.
            faer: |n, x| faer_expm(n, x, 3 + 2),
            limit: 3.3,
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

/// A matrix of this 1-norm.
fn of_norm(n: usize, norm: f64) -> Batch<f64> {
    let a = batch(n, n, 1);
    let own = a.data().chunks(n).map(|c| c.iter().map(|x| x.abs()).sum()).fold(0.0, f64::max);
    Batch::from_fn(a.shape(), |_, i, j| norm / own * a.data()[j * n + i])
}

/// Skew, of about this 1-norm.
fn skew_of_norm(n: usize, norm: f64) -> Batch<f64> {
    let a = batch(n, n, 1);
    let w = Batch::from_fn(a.shape(), |_, i, j| a.data()[j * n + i] - a.data()[i * n + j]);
    let own = w.data().chunks(n).map(|c| c.iter().map(|x| x.abs()).sum()).fold(0.0, f64::max);
    Batch::from_fn(a.shape(), |_, i, j| norm / own * w.data()[j * n + i])
}

/// The products, the factorisation and the solve of an approximant of degree 13, and `more` products.
fn faer_expm(n: usize, x: &[Batch<f64>], more: usize) -> Box<dyn FnMut()> {
    let a = x[0].clone().into_mat();
    let near_eye = Batch::from_fn(x[0].shape(), |_, i, j| f64::from(i == j) - 0.05 * x[0].data()[j * n + i]);
    let mut y = Mat::<f64>::zeros(n, n);
    let mut solve = faer_solve(n, &[near_eye, x[0].clone()]);
    Box::new(move || {
        for _ in 0..6 + more {
            matmul(y.as_mut(), Accum::Replace, a.as_ref(), a.as_ref(), 1.0, Par::Seq);
        }
        solve();
    })
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
