//! The principal logarithm of a general matrix, as a family closed under differentiation: `D^k log(A)[E_1, .., E_k]`.
//!
//! It is a function of the matrix, `log A = int_0^1 (A - I) (t (A - I) + I)^{-1} dt`, and its rules are those of every
//! such function: `family.rs`.
//!
//! The handle holds the Schur form; a member is a function of `A` and its directions, and its rules give the whole
//! derivative to those (see `lu.rs`). What is computed for a member is the derivative of what is computed for the
//! value, square roots and Padé approximant; where that would not be a derivative of the logarithm, because the
//! approximant is cruder than its order asks, there are more roots (`kernels/src/logm.rs`). No gap between eigenvalues
//! is divided by.
//!
//! Conditions: no eigenvalue 0, else `Singular`; none on the negative real axis, else `NoPrincipalValue`; derivatives
//! up to the fourth, else `Unsupported`. Gauge: none. Cost (n³, `s` square roots): value `45 + s`, JVP and VJP
//! `35 + 3 s`. Sources: Al-Mohy & Higham 2012; Al-Mohy, Higham & Relton 2013; derived here.

use super::{Arg, Op, Out, Primitive, Shapes, family, members, out1, square, two};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape};
use smallvec::{SmallVec, smallvec};

/// `(log A, handle)` of `A`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Logm;

/// `D^k log(A)[E_1, .., E_k]` from `(A, handle, E_1, .., E_k)`, at least one of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LogmAlong;

impl<T: Scalar> Primitive<T> for Logm {
    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let n = square(x[0])?;
        Ok(smallvec![x[0], x[0].with(n, 2 * n + 1)])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let (l, handle) = two(y);
        members(x[0].shape.batch, |b| T::logm(x[0].member(b), x[0].shape.rows, l.member(b), handle.member(b), w))
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        family::push_value(Op::LogmAlong(LogmAlong), [x[0], y[1]], dx[0], 2)
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            family::pull_value(Op::LogmAlong(LogmAlong), [x[0], y[1]], g, out);
        }
    }
}

impl<T: Scalar> Primitive<T> for LogmAlong {
    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        family::infer(x)
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        members(y[0].shape.batch, |b| {
            let es: SmallVec<[&[T]; 4]> = x[2..].iter().map(|e| e.member(b)).collect();
            T::logm_along(x[1].member(b), x[0].shape.rows, &es, y[0].member(b), w)
        })
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(family::push(&Op::LogmAlong(*self), x, dx))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            family::pull(&Op::LogmAlong(*self), x, g, out);
        }
    }
}
