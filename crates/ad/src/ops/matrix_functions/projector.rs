//! The spectral projector of a group of eigenvalues of a general matrix: the projector onto the invariant subspace of
//! the group along that of all others, as a family closed under differentiation.
//!
//! Let `V^{-1} A V = diag(A_1, A_2)` with the eigenvalues of the group in `A_1`; then `Pi = V diag(I, 0) V^{-1}`. It is
//! the function of `A` that is 1 near the group and 0 near the others, holomorphic where the two are separated, so its
//! rules are those of any such function (`family.rs`). Only the separation of `A_1` from `A_2` is divided by: ties and
//! Jordan blocks within the group, or among the others, are like anything else. There is no choice of a basis in it:
//! it has no gauge. The sign of a matrix is `2 Pi - I` for the right half plane.
//!
//! The members are derivatives of `A Pi = Pi A` and `Pi Pi = Pi` (`kernels/src/group.rs`).
//!
//! Conditions: finite entries; no eigenvalue on the boundary of the group, to working precision, and a separation that
//! is not rounding, else `Unseparated`; up to four directions, else `Unsupported`. Gauge: none. Cost (n³): value 32,
//! JVP and VJP 16. Sources: Stewart 1973; Bai & Demmel 1993; Roberts 1980; derived here.

use crate::Scalar;
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Op, Out, Primitive, Reads, Shapes, matrix_functions::family, members, out1, square};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use pullback_kernels::Group;
use smallvec::{SmallVec, smallvec};

/// `(Pi, handle, separation)` of `A`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Projector {
    pub(crate) group: Group,
}

/// `D^k Pi(A)[E_1, .., E_k]` from `(A, handle, E_1, .., E_k)`, at least one of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ProjectorAlong;

impl<T: Scalar> Primitive<T> for Projector {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`group_projector`, `signm`",
        conditions: "finite; no eigenvalue on the boundary of the group to working precision, and a separation that is not rounding, else `Unseparated`",
        gauge: "none: the projector needs no basis",
        cost: &["32", "16", "16"],
        degenerate: "ties and Jordan blocks within the group or among the others are like anything else; only the separation of the two is divided by",
        source: "Stewart 1973; Bai & Demmel 1993; Roberts 1980; derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[crate::Shape]) -> Result<Shapes, String> {
        let n = square(x[0])?;
        Ok(smallvec![x[0], x[0].with(n, 3 * n + 1), x[0].with(1, 1)])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let [pi, handle, sep] = y else { unreachable!("three outputs") };
        members(x[0].shape.batch, |b| {
            let n = x[0].shape.rows;
            sep.member(b)[0] = T::group_projector(self.group, x[0].member(b), n, pi.member(b), handle.member(b), w)?;
            Ok(())
        })
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        family::push_value(Op::ProjectorAlong(ProjectorAlong), [x[0], y[1]], dx[0], 3)
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            family::pull_value(Op::ProjectorAlong(ProjectorAlong), [x[0], y[1]], g, out);
        }
    }
}

impl<T: Scalar> Primitive<T> for ProjectorAlong {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "derivatives of `group_projector`",
        conditions: "as `group_projector`; up to four directions, else `Unsupported`",
        gauge: "none",
        cost: &["16 for one direction, about three times as much for each further one"],
        degenerate: "exact everywhere: the family `D^k Pi(A)[E..]` is closed under differentiation",
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[crate::Shape]) -> Result<Shapes, String> {
        family::infer(x)
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        members(y[0].shape.batch, |b| {
            let es: SmallVec<[&[T]; 4]> = x[2..].iter().map(|e| e.member(b)).collect();
            T::group_projector_along(x[1].member(b), x[0].shape.rows, &es, y[0].member(b), w)
        })
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(family::push(&Op::ProjectorAlong(*self), x, dx))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            family::pull(&Op::ProjectorAlong(*self), x, g, out);
        }
    }
}
