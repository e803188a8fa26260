//! The thin singular value decomposition `A = U diag(s) V^T` of a tall matrix, as a handle.
//!
//! As with `eigh` and `lu`, nothing differentiates the factors: what is computed from the handle is a function of `A`,
//! with rules of its own (`spectrum.rs`, `vectors.rs`).
//!
//! Conditions: `m >= n` (a wide matrix is transposed first); finite. The input is scaled to about 1 and back, so
//! squares neither overflow nor underflow. Cost (n³): 21.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Out, Primitive, Shapes, members, one};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape};
use pullback_kernels::Failure;

/// `U`, `V` and the singular values of `A`, descending, as one column of numbers. The largest entry of each column of
/// `U` (of `V`, if `flip`) is positive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Svd {
    pub(crate) flip: bool,
}

impl<T: Scalar> Primitive<T> for Svd {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`singular`: the handle of a thin SVD (of the transpose, if wide)",
        conditions: "finite entries and singular values, else `NonFinite`, `Overflow`",
        gauge: "singular vectors; never seen",
        cost: &["21", "0", "0"],
        degenerate: "none: nothing differentiates a singular vector; inputs are scaled to about 1",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let (m, n) = (x[0].rows, x[0].cols);
        match m >= n {
            true => one(x[0].with(m * n + n * n + n, 1)),
            false => Err("expected a matrix with at least as many rows as columns".into()),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let Shape { batch, rows, cols } = x[0].shape;
        members(batch, |b| {
            let done = T::svd(x[0].member(b), rows, cols, self.flip, y[0].member(b), w);
            done.map_err(|f: Failure| match f {
                // The failure names the entry of the matrix that was given, of which this one is the transpose.
                Failure::NonFinite { index, value } if self.flip => {
                    Failure::NonFinite { index: index / rows + index % rows * cols, value }
                }
                f => f,
            })
        })
    }

    no_derivative!();
}
