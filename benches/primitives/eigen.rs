//! Eigenvalues and eigenvectors of general matrices, against faer's.

use crate::{Row, batch};
use pullback::Batch;
use pullback::faer::dyn_stack::{MemBuffer, MemStack};
use pullback::faer::linalg::evd::{ComputeEigenvectors, evd_real, evd_scratch};
use pullback::faer::{Mat, Par};

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row {
            name: "eigvals",
            inputs: |n| vec![batch(n, n, 1)],
            program: |x| vec![x[0].eigvals().0],
            faer: faer_eig,
            limit: 2.0,
        },
        Row {
            name: "eig",
            inputs: |n| vec![batch(n, n, 1)],
            program: |x| {
                let (re, im, v, w) = x[0].eig();
                vec![re, im, v, w]
            },
            faer: faer_eig,
            limit: 2.5,
        },
    ]
}

/// Values and right vectors.
fn faer_eig(n: usize, x: &[Batch<f64>]) -> Box<dyn FnMut()> {
    let a = x[0].clone().into_mat();
    let mut u = Mat::<f64>::zeros(n, n);
    let mut re = pullback::faer::diag::Diag::<f64>::zeros(n);
    let mut im = re.clone();
    let (no, yes) = (ComputeEigenvectors::No, ComputeEigenvectors::Yes);
    let mut mem = MemBuffer::new(evd_scratch::<f64>(n, no, yes, Par::Seq, Default::default()));
    Box::new(move || {
        let stack = MemStack::new(&mut mem);
        evd_real(a.as_ref(), re.as_mut(), im.as_mut(), None, Some(u.as_mut()), Par::Seq, stack, Default::default())
            .expect("converges");
    })
}
