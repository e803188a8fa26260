//! Jacobians and Hessians as matrices, column by column or row by row from the maps of `drivers.rs`.

use crate::batch::Batch;
use crate::drivers::{Ran, hessian_map};
use crate::leaves::Leaves;
use crate::lent::Lent;
use crate::programs::{CostFn, Many};
#[cfg(doc)]
use crate::{Error, grad};
use crate::{Result, Scalar, Shape};
use faer::Mat;

/// The Jacobian of `f` at `x0`, `(entries of f) x (entries of x0)`, both in storage order.
///
/// Forward or reverse mode, whichever needs fewer sweeps.
///
/// # Errors
/// The first failure; [`Error::NonFinite`].
#[doc(alias("jacrev", "jacfwd"))]
pub fn jacobian<L: Leaves, F: for<'t> CostFn<'t, L>>(f: F, x0: &L) -> Result<Mat<L::Scalar>> {
    let ran = Ran::new(Lent::recording(), x0, |x| Many(vec![f(x)]))?;
    let y = ran.value(0).map_err(|e| e.naming(x0))?;
    ran.judge_choices()?;
    let shapes = x0.shapes();
    let (m, n) = (y.shape().len(), shapes.iter().map(Shape::len).sum::<usize>());
    let mut j = Batch::zeros(Shape::mat(m, n));
    if m < n {
        for i in 0..m {
            let mut w = Batch::zeros(y.shape());
            w.data_mut()[i] = <L::Scalar as pullback_kernels::Scalar>::of(1.0);
            for (k, g) in ran.pull(&[&w])?.iter().flat_map(Batch::data).enumerate() {
                j.data_mut()[k * m + i] = *g;
            }
        }
    } else {
        for k in 0..n {
            let dy = ran.push(&basis(&shapes, k))?.swap_remove(0);
            j.data_mut()[k * m..(k + 1) * m].copy_from_slice(dy.data());
        }
    }
    Ok(j.into_mat())
}

/// The Hessian of `f` at `x0`, square and symmetric over the entries of `x0` in storage order.
///
/// # Errors
/// As [`grad`].
pub fn hessian<L: Leaves, F: for<'t> CostFn<'t, L>>(f: F, x0: &L) -> Result<Mat<L::Scalar>> {
    let h = hessian_map(f, x0)?;
    let shapes = x0.shapes();
    let n = shapes.iter().map(Shape::len).sum::<usize>();
    let mut out = Batch::zeros(Shape::mat(n, n));
    for k in 0..n {
        let column = h(&x0.rebuild_all(basis(&shapes, k)))?;
        let entries = column.batches().iter().flat_map(|b| b.data().to_vec()).collect::<Vec<_>>();
        out.data_mut()[k * n..(k + 1) * n].copy_from_slice(&entries);
    }
    Ok(out.into_mat())
}

/// The `k`-th unit vector of a tree of the given shapes.
fn basis<T: Scalar>(shapes: &[Shape], mut k: usize) -> Vec<Batch<T>> {
    let mut out: Vec<Batch<T>> = shapes.iter().map(|s| Batch::zeros(*s)).collect();
    for b in &mut out {
        let n = b.data().len();
        if k < n {
            b.data_mut()[k] = T::one();
            break;
        }
        k -= n;
    }
    out
}
