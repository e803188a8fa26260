//! Eigenvalues and eigenvectors of a general matrix, `A X = X D`, in packed real columns (`kernels/src/eig.rs`): the
//! row `l` of eigenvalues, the vectors `X`, `W = X^{-T}`, and notes, which are numbers without a derivative.
//!
//! Differentiating `A X = X D` along `dA`, with `dX = X (Z + C)`, where `C = D(c)` commutes with `D` and `Z` has no
//! such part: `W^T dA X = P = Z D - D Z + dD`. So, in the words of `columns.rs`,
//!
//! - `M = dA X`, `dl = half(w^H m)`: the commuting part of `P = W^T M`, column by column, without `P`;
//! - `Z = S(P)`, the quotients `P_ij / (l_j - l_i)` of the complex form; `U = X Z`;
//! - the normal form says what `C` is: with a unit `v` and its largest entry `v_k` real and positive, `dv = u + v c`
//!   gives `Re c = -Re(v^H u)` and `Im c = -Im(u_k) / v_k`;
//! - `dX = U + X D(c)`, `dW = -W Z^T - W D(c)^T`.
//!
//! The adjoint, from the end: `gc = x^H gx - (w^H gw)^*`, `gU = gX - X D(Re gc) - place(Im(gc / v_k))`,
//! `gZ = X^T gU - gW^T W`, `gP = S^*(gZ)`, `gM = W gP + W D(half(gl))`, `gA = gM X^T`.
//!
//! Everything is said by the outputs in words that have rules of their own, so every order follows. `W` takes the place
//! of all solves.
//!
//! Conditions: none for the value. Gauge: length and phase, fixed by the normal form, locally constant. Ties (`Judge`):
//! the cotangent of values must weigh tied ones equally; nothing may be asked of tied vectors; a defective matrix has
//! no derivative (`Defective`). Tangents that do not exist are NaN, and an error only if something depends on them.
//! Cost (n³): value 32, JVP 8, VJP 6 (values alone 2). Sources: Magnus 1985; Giles 2008; Boeddeker et al. 2017, arXiv
//! 1701.00392 (without the normal form); derived here.

use super::columns::{NOTES, columns, with_notes};
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Op, Out, Primitive, Shapes, members, one, out1, square};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Product, Value, plus};
use crate::{Scalar, Shape};
use pullback_kernels::{ColumnOp, Verdict};
use smallvec::smallvec;

/// `(l, X, W, notes)` of `A`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Eig;

/// A verdict on what comes first: the identity where a derivative exists.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Judge(pub(crate) Ask);

/// What is judged, from which inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// `(row, notes)`: the cotangent of values, equal where they are tied; else a failure.
    Weights,
    /// `(columns, notes)`: the cotangent of vectors, zero where they are tied; else a failure.
    Vectors,
    /// `(row, W, M, notes)`: the tangent of values; NaN where tied ones move apart.
    Motion,
    /// `(Z, notes)`: NaN where tied vectors turn.
    Turn,
    /// `(columns, notes)`: NaN where values are tied.
    Blank,
    /// `(row, l, notes)`: along the eigenvalue of largest modulus, if there is one; else a failure.
    Alone,
}

fn judge<V: Value>(ask: Ask, x: &[&V]) -> V {
    V::one(Op::EigVerdict(Judge(ask)), x)
}

const DOTS: ColumnOp = ColumnOp::Dots { conj: false };
const DOTS_CONJ: ColumnOp = ColumnOp::Dots { conj: true };
const TURN: ColumnOp = ColumnOp::Turn { conj: false };
const TURN_CONJ: ColumnOp = ColumnOp::Turn { conj: true };

/// `c` of the tangent `U` of `X`: what brings the columns back to the normal form.
fn normal<V: Value>(x: &V, u: &V, notes: &V) -> V {
    let length = columns(ColumnOp::Real, &[&columns(DOTS, &[x, u, notes]), notes]);
    let phase = columns(ColumnOp::Imaginary, &[&columns(ColumnOp::Pick { real: false }, &[u, notes]), notes]);
    let largest = columns(ColumnOp::Pick { real: true }, &[x, notes]);
    length.lincomb(-1.0, &phase.divide(&largest), -1.0)
}

/// The adjoint of [`normal`] in `U`.
fn normal_pulled<V: Value>(x: &V, gc: &V, notes: &V) -> V {
    let along = columns(TURN, &[x, &columns(ColumnOp::Real, &[gc, notes]), notes]);
    let largest = columns(ColumnOp::Pick { real: true }, &[x, notes]);
    let phase = columns(ColumnOp::Imaginary, &[&gc.divide(&largest), notes]);
    along.lincomb(-1.0, &columns(ColumnOp::Place { real: false }, &[&phase, notes]), -1.0)
}

impl<T: Scalar> Primitive<T> for Eig {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`eigvals`, `eig`, `general`: eigenvalues, right and left eigenvectors of a general matrix as packed real columns",
        conditions: "finite",
        gauge: "length and phase: unit columns, the entry of largest modulus real and positive; order by real part, then imaginary part",
        cost: &["32", "8", "6 (values alone 2)"],
        degenerate: "equal weights on coinciding semisimple values have their gradient, what tells them apart is `NotDifferentiable`, what sees their vectors `GaugeDependent`; a defective matrix has its values, and `Defective` with the condition number for derivatives",
        source: "Magnus 1985; Giles 2008; Boeddeker et al. 2017, arXiv 1701.00392; derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let n = square(x[0])?;
        Ok(smallvec![x[0].with(1, n), x[0], x[0], x[0].with(NOTES, n)])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let work = &mut *s.work.borrow_mut();
        let [l, v, w, notes] = y else { unreachable!("four outputs") };
        members(x[0].shape.batch, |b| {
            let n = x[0].shape.rows;
            T::eig(x[0].member(b), n, l.member(b), v.member(b), w.member(b), notes.member(b), work)
        })
    }

    fn jvp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let [l, x, w, notes] = [y[0], y[1], y[2], y[3]];
        let Some(da) = dx[0] else { return smallvec![None, None, None, None] };
        let m = da.mul(x);
        let dl = columns(ColumnOp::Half, &[&columns(DOTS, &[w, &m, notes]), notes]);
        let dl = judge(Ask::Motion, &[&dl, w, &m, notes]);
        let z = columns(ColumnOp::Quotient { conj: false }, &[l, &w.t_mul(&m), notes]);
        let z = judge(Ask::Turn, &[&z, notes]);
        let u = x.mul(&z);
        let c = normal(x, &u, notes);
        let dv = u.add(&columns(TURN, &[x, &c, notes]));
        let dw = columns(TURN_CONJ, &[w, &c, notes]).add(&w.mul_t(&z)).scaled(-1.0);
        smallvec![Some(dl), Some(dv), Some(dw), None]
    }

    fn vjp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let [l, x, w, notes] = [y[0], y[1], y[2], y[3]];
        let by_values = dy[0].take().map(|gl| {
            let weights = judge(Ask::Weights, &[&columns(ColumnOp::Half, &[&gl, notes]), notes]);
            columns(TURN, &[w, &weights, notes])
        });
        let gv = dy[1].take().map(|g| judge(Ask::Vectors, &[&g, notes]));
        let gw = dy[2].take().map(|g| judge(Ask::Vectors, &[&g, notes]));
        let gc = plus(
            gv.as_ref().map(|gv| columns(DOTS, &[x, gv, notes])),
            gw.as_ref().map(|gw| columns(DOTS_CONJ, &[w, gw, notes]).scaled(-1.0)),
        );
        let gu = plus(gv, gc.map(|gc| normal_pulled(x, &gc, notes)));
        let gz = gu.map(|gu| x.t_mul(&gu));
        let gz = match (gz, gw) {
            (Some(gz), Some(gw)) => Some(gz.plus_product(Product::TN.times(-1.0), &gw, w)),
            (gz, _) => gz,
        };
        let by_vectors = gz.map(|gz| w.mul(&columns(ColumnOp::Quotient { conj: true }, &[l, &gz, notes])));
        if let Some(gm) = plus(by_values, by_vectors) {
            out.add_product(0, Product::NT, &gm, x);
        }
    }
}

impl<T: Scalar> Primitive<T> for Judge {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "guard in the derivatives of `eig` and of `spectral_radius`",
        conditions: "what a derivative asks for exists; else `NotDifferentiable`, `GaugeDependent`, `Defective`, or NaN and an error if a result depends on it",
        cost: &["pass", "pass", "pass"],
        degenerate: "this is the verdict",
        source: "Wilkinson 1965; derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(Shape { batch: with_notes(x)?, ..x[0] })
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let (rows, notes, batch) = (x[0].shape.rows, x[x.len() - 1], y[0].shape.batch);
        for member in 0..batch {
            let (notes, y) = (notes.member(member), y[0].member(member));
            y.copy_from_slice(x[0].member(member));
            let verdict = match self.0 {
                Ask::Weights => T::columns_verdict(Verdict::Weights, notes, rows, y),
                Ask::Vectors => T::columns_verdict(Verdict::Vectors, notes, rows, y),
                Ask::Motion => T::eig_motion(notes, x[1].member(member), x[2].member(member), y),
                Ask::Turn => T::eig_undetermined(notes, y),
                Ask::Blank => T::eig_blank(notes, rows, y),
                Ask::Alone => T::eig_leading_alone(notes, x[1].member(member)),
            };
            match (verdict, self.0) {
                (Ok(()), _) => {}
                // The numbers are NaN where it matters.
                (Err(failure), Ask::Motion | Ask::Turn | Ask::Blank) => {
                    s.miss("eig", batch, Trouble { member: Some(member), failure })
                }
                (Err(failure), _) => return Err(Trouble { member: Some(member), failure }),
            }
        }
        Ok(())
    }

    /// What is not there to first order is not there to second order.
    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let notes = x[x.len() - 1];
        out1(dx[0].map(|d| match self.0 {
            Ask::Motion => judge(Ask::Blank, &[d, notes]),
            Ask::Alone => judge(Ask::Alone, &[d, x[1], notes]),
            ask => judge(ask, &[d, notes]),
        }))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = dy[0].take() else { return };
        let notes = x[x.len() - 1];
        out.add(
            0,
            match self.0 {
                Ask::Weights | Ask::Vectors | Ask::Blank => judge(Ask::Blank, &[&g, notes]),
                Ask::Motion => judge(Ask::Weights, &[&g, notes]),
                Ask::Turn => g,
                Ask::Alone => judge(Ask::Alone, &[&g, x[1], notes]),
            },
        );
    }
}
