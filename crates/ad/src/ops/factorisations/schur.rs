//! The real Schur form of a general matrix as a handle. Its users give the whole derivative to the matrix (see
//! `lu.rs`); the rules of equations are in `sylvester.rs` and `lyapunov.rs`.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Out, Primitive, Shapes, members, one, square};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape};

/// `U` and quasi-triangular `T` with `A = U T U^T`, as a handle of `n x 2n` numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Schur;

impl<T: Scalar> Primitive<T> for Schur {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`schur`: the handle of a real Schur form; `sylvester`, `stein`, `lyapunov`, `discrete_lyapunov`",
        conditions: "finite",
        gauge: "orthogonal factor; never seen",
        cost: &["25", "0", "0"],
        degenerate: "none: nothing differentiates a Schur form, and no derivative takes another",
        source: "Golub & Van Loan 7.5; Braman, Byers & Mathias 2002",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let n = square(x[0])?;
        one(x[0].with(n, 2 * n))
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        members(x[0].shape.batch, |b| T::schur(x[0].member(b), x[0].shape.rows, y[0].member(b), w))
    }

    no_derivative!();
}
