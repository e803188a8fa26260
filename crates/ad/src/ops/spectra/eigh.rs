//! The eigendecomposition of a symmetric matrix, as a handle: numbers without a derivative. What is made of it
//! (functions of the matrix, eigenvalues, eigenvectors) has the rules, in `matrix_functions/spectral.rs`,
//! `spectrum.rs` and `vectors.rs`.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Out, Primitive, Shapes, members, one, square};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape};
use pullback_kernels::tolerances::EIGH_CONQUER;

/// The eigendecomposition of `sym(A)` as a handle: `V`, then the eigenvalues.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Eigh;

/// The eigenvalues of `sym(A)` in a handle without vectors, for what needs them in derivatives only. Small ones have
/// vectors too.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct EighValues;

/// The handle with vectors, from `(A, handle without)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct EighComplete;

impl<T: Scalar> Primitive<T> for Eigh {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`symmetric`: the handle of an eigendecomposition of `(A + A^T)/2`",
        conditions: "finite entries and eigenvalues, else `NonFinite`, `Overflow`",
        gauge: "eigenvectors; never seen",
        cost: &["5-9", "0", "0"],
        degenerate: "none: nothing differentiates an eigenvector",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let n = square(x[0])?;
        one(x[0].with(n, n + 1))
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        members(x[0].shape.batch, |b| T::eigh(x[0].member(b), x[0].shape.rows, y[0].member(b), w))
    }

    no_derivative!();
}

impl<T: Scalar> Primitive<T> for EighValues {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`trace_fun`: the eigenvalues of `(A + A^T)/2`, and what their vectors are made of when a derivative asks for them",
        conditions: "finite entries and eigenvalues, else `NonFinite`, `Overflow`",
        gauge: "none",
        cost: &["1.3", "0", "0"],
        degenerate: "none: nothing differentiates an eigenvector",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let n = square(x[0])?;
        one(x[0].with(n, n + 1))
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let (n, w) = (x[0].shape.rows, &mut *s.work.borrow_mut());
        let run = if n < EIGH_CONQUER { T::eigh } else { T::eigh_values };
        members(x[0].shape.batch, |b| run(x[0].member(b), n, y[0].member(b), w))
    }

    no_derivative!();
}

impl<T: Scalar> Primitive<T> for EighComplete {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "derivatives of `trace_fun`: the vectors that `eigh_values` left out",
        conditions: "of order 32 or more",
        gauge: "eigenvectors; never seen",
        cost: &["3", "0", "0"],
        degenerate: "none: nothing differentiates an eigenvector",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(x[1])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let (n, w) = (x[0].shape.rows, &mut *s.work.borrow_mut());
        members(x[1].shape.batch, |b| T::eigh_complete(x[1].member(b), n, y[0].member(b), w))
    }

    no_derivative!();
}
