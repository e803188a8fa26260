//! Solves and the factorisations LU, Cholesky, QR.

use crate::{Row, batch, definite};
use pullback::faer::dyn_stack::{MemBuffer, MemStack, StackReq};
use pullback::faer::linalg::cholesky::llt::factor as llt;
use pullback::faer::linalg::householder;
use pullback::faer::linalg::lu::partial_pivoting as lu;
use pullback::faer::linalg::qr::no_pivoting::factor as qr;
use pullback::faer::{Conj, Mat, Par};
use pullback::{Batch, Shape, Triangle, Uplo};

const BY_L_T: Triangle = Triangle::LOWER.transposed();

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row {
            name: "solve",
            inputs: |n| vec![regular(n), batch(n, n, 2)],
            program: |x| vec![x[0].solve(x[1])],
            faer: faer_solve,
            limit: 2.8,
        },
        Row {
            name: "cholesky",
            inputs: |n| vec![definite(n)],
            program: |x| vec![x[0].cholesky()],
            faer: faer_cholesky,
            limit: 4.0,
        },
        Row {
            name: "spd solve",
            inputs: |n| vec![definite(n), batch(n, n, 2)],
            program: |x| vec![x[0].spd().solve(x[1])],
            faer: faer_cholesky,
            limit: f64::INFINITY,
        },
        Row {
            name: "spd logdet",
            inputs: |n| vec![definite(n)],
            program: |x| vec![x[0].spd().logdet()],
            faer: faer_cholesky,
            limit: f64::INFINITY,
        },
        // What the handle is measured against: the same numbers through the factor.
        Row {
            name: "by factor",
            inputs: |n| vec![definite(n), batch(n, n, 2)],
            program: |x| {
                let l = x[0].cholesky();
                let half = l.solve_triangular(Uplo::Lower, x[1]);
                vec![l.solve_triangular_with(BY_L_T, half)]
            },
            faer: faer_cholesky,
            limit: f64::INFINITY,
        },
        Row {
            name: "qr",
            inputs: |n| vec![regular(n)],
            program: |x| {
                let (q, r) = x[0].qr();
                vec![q, r]
            },
            faer: faer_qr,
            limit: 2.8,
        },
        Row {
            name: "lq",
            inputs: |n| vec![regular(n)],
            program: |x| {
                let (l, q) = x[0].lq();
                vec![l, q]
            },
            faer: faer_qr,
            limit: f64::INFINITY,
        },
        Row {
            name: "lu",
            inputs: |n| vec![regular(n)],
            program: |x| {
                let (l, u, _) = x[0].lu_factors();
                vec![l, u]
            },
            faer: faer_lu,
            limit: f64::INFINITY,
        },
        Row {
            name: "inverse",
            inputs: |n| vec![regular(n)],
            program: |x| vec![x[0].inverse()],
            faer: |n, x| faer_solve(n, &[x[0].clone(), eye(n)]),
            limit: f64::INFINITY,
        },
        Row {
            name: "logdet",
            inputs: |n| vec![regular(n)],
            program: |x| vec![x[0].logdet()],
            faer: faer_lu,
            limit: f64::INFINITY,
        },
        Row {
            name: "lstsq",
            inputs: |n| vec![batch(n, n / 2, 1), batch(n, n / 2, 2)],
            program: |x| vec![x[0].lstsq(x[1])],
            faer: |n, x| faer_qr_of(n, n / 2, x),
            limit: f64::INFINITY,
        },
    ]
}

/// A square matrix far from singular.
fn regular(n: usize) -> Batch<f64> {
    let a = batch(n, n, 1);
    Batch::from_fn(a.shape(), |_, i, j| a.data()[j * n + i] + if i == j { 2.0 } else { 0.0 })
}

/// A factorisation, and a solve with the second input.
pub(crate) fn faer_solve(n: usize, x: &[Batch<f64>]) -> Box<dyn FnMut()> {
    let (a, b) = (x[0].clone().into_mat(), x[1].clone().into_mat());
    let (mut f, mut y) = (a.clone(), b.clone());
    let (mut perm, mut inverse) = (vec![0usize; n], vec![0usize; n]);
    let need = lu::factor::lu_in_place_scratch::<usize, f64>(n, n, Par::Seq, Default::default())
        .or(lu::solve::solve_in_place_scratch::<usize, f64>(n, n, Par::Seq));
    let mut mem = MemBuffer::new(need);
    Box::new(move || {
        f.copy_from(&a);
        y.copy_from(&b);
        let stack = MemStack::new(&mut mem);
        let (_, p) = lu::factor::lu_in_place(f.as_mut(), &mut perm, &mut inverse, Par::Seq, stack, Default::default());
        lu::solve::solve_in_place(f.as_ref(), f.as_ref(), p, y.as_mut(), Par::Seq, stack);
    })
}

pub(crate) fn eye(n: usize) -> Batch<f64> {
    Batch::from_fn(Shape::mat(n, n), |_, i, j| f64::from(i == j))
}

fn faer_lu(n: usize, x: &[Batch<f64>]) -> Box<dyn FnMut()> {
    let a = x[0].clone().into_mat();
    let mut f = a.clone();
    let (mut perm, mut inverse) = (vec![0usize; n], vec![0usize; n]);
    let mut mem = MemBuffer::new(lu::factor::lu_in_place_scratch::<usize, f64>(n, n, Par::Seq, Default::default()));
    Box::new(move || {
        f.copy_from(&a);
        let stack = MemStack::new(&mut mem);
        lu::factor::lu_in_place(f.as_mut(), &mut perm, &mut inverse, Par::Seq, stack, Default::default());
    })
}

fn faer_cholesky(n: usize, x: &[Batch<f64>]) -> Box<dyn FnMut()> {
    let a = x[0].clone().into_mat();
    let mut l = a.clone();
    let mut mem = MemBuffer::new(llt::cholesky_in_place_scratch::<f64>(n, Par::Seq, Default::default()));
    Box::new(move || {
        l.copy_from(&a);
        let stack = MemStack::new(&mut mem);
        llt::cholesky_in_place(l.as_mut(), Default::default(), Par::Seq, stack, Default::default()).expect("definite");
    })
}

fn faer_qr(n: usize, x: &[Batch<f64>]) -> Box<dyn FnMut()> {
    faer_qr_of(n, n, x)
}

fn faer_qr_of(m: usize, n: usize, x: &[Batch<f64>]) -> Box<dyn FnMut()> {
    let a = x[0].clone().into_mat();
    let block = qr::recommended_block_size::<f64>(m, n);
    let (mut f, mut q, mut coeff) = (a.clone(), Mat::<f64>::identity(m, n), Mat::<f64>::zeros(block, n));
    let eye = q.clone();
    let need = StackReq::any_of(&[
        qr::qr_in_place_scratch::<f64>(m, n, block, Par::Seq, Default::default()),
        householder::apply_block_householder_sequence_on_the_left_in_place_scratch::<f64>(m, block, n),
    ]);
    let mut mem = MemBuffer::new(need);
    Box::new(move || {
        f.copy_from(&a);
        q.copy_from(&eye);
        let stack = MemStack::new(&mut mem);
        qr::qr_in_place(f.as_mut(), coeff.as_mut(), Par::Seq, stack, Default::default());
        householder::apply_block_householder_sequence_on_the_left_in_place_with_conj(
            f.as_ref(),
            coeff.as_ref(),
            Conj::No,
            q.as_mut(),
            Par::Seq,
            stack,
        );
    })
}
