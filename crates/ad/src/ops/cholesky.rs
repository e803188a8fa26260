//! Cholesky factor `L` of `(A + A')/2`.
//!
//! From `L L' = A`: `L^{-1} A' L^{-T} = L^{-1} L' + (L^{-1} L')'`, and `L^{-1} L'` is lower triangular, so
//! `L' = L Phi(L^{-1} A' L^{-T})`, where `Phi` takes the lower triangle and halves the diagonal. `Phi` is its own
//! adjoint: `A_bar = sym(L^{-T} Phi(L' L_bar) L^{-1})`.
//! Conditions: positive definite to working precision, else `NotPositiveDefinite`; a semidefinite factor has no
//! derivative. Gauge: `diag(L) > 0`. Cost (n³): value 1/3, JVP 4, VJP 4. Sources: Smith 1995; Murray 2016, arXiv
//! 1602.07527, eqs. 8-10.

use super::part::Part;
use super::{Arg, Out, Primitive, Shapes, members, one, out1, square};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape};
use pullback_kernels::Triangle;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cholesky;

const LEFT: Triangle = Triangle { lower: true, transpose: false, unit: false, right: false };
const LEFT_T: Triangle = Triangle { transpose: true, ..LEFT };
const RIGHT: Triangle = Triangle { right: true, ..LEFT };
const RIGHT_T: Triangle = Triangle { transpose: true, ..RIGHT };

impl<T: Scalar> Primitive<T> for Cholesky {
    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        square(x[0])?;
        one(x[0])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        members(x[0].shape.batch, |b| T::cholesky(x[0].member(b), x[0].shape.rows, y[0].member(b), w))
    }

    fn jvp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let l = y[0];
        out1(dx[0].map(|da| l.mul(&l.trsm(RIGHT_T, &l.trsm(LEFT, &da.part(Part::Sym))).part(Part::Phi))))
    }

    fn vjp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let l = y[0];
        if let Some(g) = &dy[0] {
            let p = l.t_mul(&g.part(Part::Lower)).part(Part::Phi);
            out.add(0, l.trsm(RIGHT, &l.trsm(LEFT_T, &p)).part(Part::Sym));
        }
    }
}
