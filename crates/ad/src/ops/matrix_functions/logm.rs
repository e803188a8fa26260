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

use crate::ops::by_members::try_members;
use crate::ops::direct::{self, PullPairsStep};
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Op, Out, Primitive, Reads, Shapes, matrix_functions::family, members, out1, square, two};
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
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`logm`",
        conditions: "no eigenvalue 0, else `Singular`; none on the negative real axis, else `NoPrincipalValue`, to working precision; a square root on the way has half of the digits, else `IllConditioned`",
        gauge: "none",
        cost: &["45 + s with s square roots", "35 + 3s", "35 + 3s"],
        degenerate: "near the identity relative to the distance from it; repeated and defective eigenvalues are like any other",
        source: "Al-Mohy & Higham 2012; derived",
        ..PrimitiveDoc::of(file!())
    };

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

    fn pull_pairs(&self, p: PullPairsStep<'_, T>) -> bool {
        pull_pairs(p)
    }
}

impl<T: Scalar> Primitive<T> for LogmAlong {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`logm_along`, `logm_frechet`, derivatives of `logm`",
        conditions: "as `logm`; up to four directions, else `Unsupported`",
        gauge: "none",
        cost: &["35 + 3s for one direction, about three times as much for each further one"],
        degenerate: "exact everywhere: the family `D^k log(A)[E..]` is closed under differentiation",
        source: "Al-Mohy, Higham & Relton 2013; derived",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

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

/// Over pairs, `gA = (D log(A)[gL^T])^T` and its tangent are two coefficients of one jet with the directions `gL^T`,
/// `dA` and, of both symbols, the tangent of `gL^T`: the words of the rule would compute the first three times.
fn pull_pairs<T: Scalar>(mut p: PullPairsStep<'_, T>) -> bool {
    let ((shape, a), [_, (handles, handle)], store) = (p.input(0), p.outputs::<2>(), p.store);
    if a.1.is_none() {
        return false;
    }
    let [g, _] = p.take_all::<2>();
    let Some((mut g, dg)) = g else { return true };
    let (n, each, len) = (shape.rows, shape.each(), handles.each());
    let mut moved = store.take(g.len());
    let done = try_members(store, [&mut g, &mut moved], [each; 2], |b, g, moved, store| {
        let mut work = [each, each, each].map(|len| store.take(len));
        let ([gt, dgt, d], w) = (&mut work, &mut *store.work.borrow_mut());
        T::transpose(g, n, n, gt);
        let f: &[T] = match &dg {
            Some(dg) => {
                T::transpose(&dg[b * each..][..each], n, n, dgt);
                dgt
            }
            None => &[],
        };
        let e = direct::member(a, b, each).1.unwrap_or(&[]);
        let done = T::logm_pair(direct::member(handle, b, len).0, n, [gt, e, f], d, moved, w);
        T::transpose(d, n, n, g);
        d.copy_from_slice(moved);
        T::transpose(d, n, n, moved);
        work.into_iter().for_each(|x| store.put(x));
        done
    });
    dg.into_iter().for_each(|x| store.put(x));
    if let Err(trouble) = done {
        g.fill(T::nan());
        moved.fill(T::nan());
        p.fail("logm_along", shape.batch, trouble);
    }
    p.give((g, moved))
}
