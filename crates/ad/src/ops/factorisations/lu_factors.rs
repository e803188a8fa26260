//! The factors of `P A = L U` for a tall or square `A`, where `P` orders the rows: found anew at every evaluation,
//! locally constant.
//!
//! Write `S = P dA U^{-1}` and `T = L_1^{-1} S_1`, where the index 1 means the leading `n` rows. From
//! `P dA = dL U + L dU` the leading rows give `T = L_1^{-1} dL_1 + dU U^{-1}`, a strictly lower and an upper matrix, so
//! `dU = triu(T) U`, and then `dL = S - L triu(T)`, which is strictly lower. With both cotangents,
//!
//! `gT = triu(gU U^T - L^T gL)`, `gS = gL + [L_1^{-T} gT; 0]`, `gA = P^T gS U^{-T}`,
//!
//! where `gL` is taken strictly lower and `gU` upper. For a square matrix `dL = L stril(T)`, and the leading part of
//! `gL` goes the same way: `gT = stril(L^T gL) + triu(gU U^T)`, `gS = L^{-T} gT`. There all four products are of two
//! triangles and cost a third of a full product; those of upper triangles are written as products of their transposes.
//! A wide matrix is a composition (`var/factorisations/lu.rs`).
//!
//! Conditions: the leading columns independent to working precision, else `Singular` with the pivot.
//! Gauge: the unit diagonal of `L`. At a tie of pivots `P` jumps: `solve`, `det` and `inverse` do not see that, the
//! factors do.
//! Cost (n³, square): value 2/3, JVP 8/3, VJP 8/3.
//! Sources: de Hoog, Anderssen & Lukas 2011; the tall case derived here.

use super::cholesky::lower;
use super::permute::Permute;
use super::qr::in_registers;
use crate::ops::by_members::{each_member, each_member_of_two};
use crate::ops::direct::{PullPairsStep, PullStep, PushStep, member, member_of};
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::layout::moves::{Axis, Embed, Slice};
use crate::ops::layout::part::Part;
use crate::ops::{Arg, Op, Out, Primitive, Shapes, members};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Product, Value, plus};
use crate::{Scalar, Shape};
use pullback_kernels::threads::Size;
use pullback_kernels::{Failure, Triangle};
use smallvec::smallvec;

/// `(L, U, p)` of `A`: row `i` of `L U` is row `p_i` of `A`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LuFactors;

/// `X U = B`
const BY_U: Triangle = Triangle::UPPER.from_right();
/// `X U^T = B`
const BY_U_T: Triangle = BY_U.transposed();
/// `L X = B`
const BY_L: Triangle = Triangle::LOWER.unit_diagonal();
/// `L^T X = B`
const BY_L_T: Triangle = BY_L.transposed();

fn permuted<V: Value>(x: &V, p: &V, inverse: bool) -> V {
    V::one(Op::Permute(Permute { axis: Axis::Rows, inverse }), &[x, p])
}

/// The leading square block.
fn leading<V: Value>(x: &V) -> V {
    let s = x.shape();
    match s.rows == s.cols {
        true => x.clone(),
        false => V::one(Op::Slice(Slice { at: (0, 0, 0), shape: s.with(s.cols, s.cols) }), &[x]),
    }
}

impl<T: Scalar> Primitive<T> for LuFactors {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`lu_factors` of a tall or square matrix, `P A = L U`",
        conditions: "independent leading columns, else `Singular`",
        gauge: "unit diagonal of `L`; `P` locally constant, found anew at replay",
        cost: &["2/3", "8/3", "8/3"],
        degenerate: "at a tie of pivots the factors jump; `solve`, `det`, `inverse` do not see it",
        source: "de Hoog, Anderssen & Lukas 2011; derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let (m, n) = (x[0].rows, x[0].cols);
        match m >= n {
            true => Ok(smallvec![x[0], x[0].with(n, n), x[0].with(m, 1)]),
            false => Err("a wide matrix is factorised by its leading block".into()),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let Shape { batch, rows, cols } = x[0].shape;
        let [l, u, p] = y else { return Err(Failure::Unsupported { what: "LU has three outputs" }.into()) };
        members(batch, |b| T::lu_factors(x[0].member(b), rows, cols, l.member(b), u.member(b), p.member(b), w))
    }

    fn jvp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let (l, u, p) = (y[0], y[1], y[2]);
        let Some(da) = dx[0] else { return smallvec![None, None, None] };
        let s = permuted(da, p, false).solved_by(u, BY_U);
        let t = leading(&s).solved_by(&leading(l), BY_L);
        let du = lower(&u.t(), &t.t()).t();
        let dl = match l.shape().rows == l.shape().cols {
            true => lower(l, &t.part(Part::StrictLower)),
            false => s.plus_product(Product::NN.times(-1.0), l, &t.parted(Part::Upper)).parted(Part::StrictLower),
        };
        smallvec![Some(dl), Some(du), None]
    }

    fn vjp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let (l, u, p) = (y[0], y[1], y[2]);
        let s = match l.shape().rows == l.shape().cols {
            true => square_core(l, u, dy[0].as_ref(), dy[1].as_ref()),
            false => tall_core(l, u, dy[0].as_ref(), dy[1].as_ref()),
        };
        if let Some(s) = s {
            out.add(0, permuted(&s.solved_by(u, BY_U_T), p, true));
        }
    }

    /// The rule above for small square matrices, as loops (`kernels/src/lu_rules.rs`).
    fn push_direct(&self, p: PushStep<'_, T>) -> bool {
        let [l, u, order] = p.outputs::<3>();
        let (n, each) = (l.shape.rows, l.shape.each());
        if !square_in_registers(l.shape) {
            return false;
        }
        let Some(da) = p.tangent(0) else { return false };
        let (mut dl, mut du) = (p.store.take(da.data.len()), p.store.take(da.data.len()));
        each_member_of_two(Size::Worked(dl.len()), [&mut dl, &mut du], [each; 2], |b, dl, du| {
            let done = T::lu_push_small([l.member(b), u.member(b), order.member(b), da.member(b)], n, dl, du);
            debug_assert!(done, "the order was looked at");
        });
        p.done([dl, du])
    }

    #[inline(always)]
    fn pull_direct(&self, mut p: PullStep<'_, T>) -> bool {
        pull_in_registers(&mut p.again())
    }

    /// The same loops in dual numbers.
    fn pull_pairs(&self, mut p: PullPairsStep<'_, T>) -> bool {
        let (shape, _) = p.input(0);
        let (n, each) = (shape.rows, shape.each());
        if !square_in_registers(shape) {
            return false;
        }
        let ([(_, l), (_, u), (_, order)], [gl, gu, _]) = (p.outputs::<3>(), p.take_all::<3>());
        if gl.is_none() && gu.is_none() {
            return true;
        }
        let (mut g, mut dg) = p.filled(None, shape.len());
        each_member_of_two(Size::Worked(g.len()), [&mut g, &mut dg], [each; 2], |b, g, dg| {
            let factors = [l, u].map(|x| member(x, b, each));
            let cotangents = [&gl, &gu].map(|g| g.as_ref().map(|g| member_of(g, b, each)));
            let done = T::lu_pull_small_pairs(factors, &order.0[b * n..(b + 1) * n], n, cotangents, (g, dg));
            debug_assert!(done, "the order was looked at");
        });
        p.drop(gl);
        p.drop(gu);
        p.give((g, dg))
    }
}

/// `gS` of a square matrix, `L^{-T} (stril(L^T gL) + triu(gU U^T))`. Of `gL` only the strictly lower triangle takes
/// part, of `gU` only the upper one.
fn square_core<V: Value>(l: &V, u: &V, gl: Option<&V>, gu: Option<&V>) -> Option<V> {
    let below = gl.map(|g| lower(&l.t(), g).parted(Part::StrictLower));
    let above = gu.map(|g| lower(u, &g.t()).t());
    plus(below, above).map(|m| m.solved_by(l, BY_L_T))
}

/// `gS` of a tall matrix.
fn tall_core<V: Value>(l: &V, u: &V, gl: Option<&V>, gu: Option<&V>) -> Option<V> {
    let gl = gl.map(|g| g.part(Part::StrictLower));
    let below = gl.as_ref().map(|g| V::product(Product::TN.times(-1.0), l, g));
    let t = plus(gu.map(|g| g.mul_t(u)), below)?.parted(Part::Upper);
    let top = t.solved_by(&leading(l), BY_L_T);
    let top = V::one(Op::Embed(Embed { at: (0, 0, 0), shape: l.shape() }), &[&top]);
    plus(Some(top), gl)
}

fn square_in_registers(a: Shape) -> bool {
    a.rows == a.cols && in_registers(a)
}

fn pull_in_registers<T: Scalar>(p: &mut PullStep<'_, T>) -> bool {
    let (shape, store) = (p.input(0).shape, p.store);
    let (n, each) = (shape.rows, shape.each());
    if !square_in_registers(shape) {
        return false;
    }
    let ([l, u, order], [gl, gu, _]) = (p.outputs::<3>(), p.take_all::<3>());
    if gl.is_none() && gu.is_none() {
        return true;
    }
    let mut g = store.take(shape.len());
    each_member(Size::Worked(g.len()), &mut g, each, |b, g| {
        let cotangents = [&gl, &gu].map(|g| g.as_ref().map(|g| &g[b * each..(b + 1) * each]));
        let done = T::lu_pull_small([l.member(b), u.member(b), order.member(b)], n, cotangents, g);
        debug_assert!(done, "the order was looked at");
    });
    p.give(0, g);
    [gl, gu].into_iter().flatten().for_each(|g| store.put(g));
    true
}
