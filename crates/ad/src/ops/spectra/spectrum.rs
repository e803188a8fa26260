//! Chosen eigenvalues of a symmetric matrix, or singular values of any, and weighted sums of their projectors: two
//! families that are closed under differentiation together.
//!
//! Let `x_i` be the chosen values, and `F(w) = sum_i w_i p_i` with `p_i = v_i v_i^T` (or `u_i v_i^T`). Then
//! `dx_i = <p_i, dA>`, so
//!
//! - `<w, D^k x[E_1..E_k]> = <D^{k-1} F(w)[E_1..E_{k-1}], E_k>` at fixed `w`: each family is the other's adjoint;
//! - for `y = D^k x[E]`: `dy = D^{k+1} x[E, dA] + sum_i D^k x[.., dE_i, ..]`, `gA = D^k F(gy)[E]`, and
//!   `gE_i = D^{k-1} F(gy)[..]` along the directions other than `E_i`;
//! - for `Y = D^k F(w)[E]`: `dY = D^{k+1} F(w)[E, dA] + D^k F(dw)[E] + sum_i D^k F(w)[.., dE_i, ..]`,
//!   `gA = D^{k+1} F(w)[E, gY]`, `gw = D^{k+1} x[E, gY]`, `gE_i = D^k F(w)[.., gY, ..]`.
//!
//! At fixed `w`, `F` is a function of the matrix that is constant near each value, so its derivatives are those of the
//! family in `spectral.rs` with divided differences `(w_i - w_j) / (x_i - x_j)`, zero between tied values of equal
//! weight. So weights that are equal on ties (a spectral projector, a sum over a group) are exact there, to every
//! order. Singular values are eigenvalues of `[0 A; A^T 0]`: the quotients split into `(w_i - w_j) / (s_i - s_j)`,
//! `(w_i + w_j) / (s_i + s_j)` and `w_i / s_i`.
//!
//! *Along a direction.* Where values are tied, `x` has one-sided derivatives along each direction
//! (`kernels/src/ties.rs`), and so has `F` while its weights leave a tie, in the basis that the direction chooses.
//! Tangents know their direction: the first derivative of `x` in forward mode is [`Spectrum`] with `along`, that of
//! `F(w)` while `A` and `w` move is [`Along`]. Where nothing is tied, both are members of the two families, and their
//! own rules are the rules of those members; at a tie these rules ask for what the rules of the members ask for.
//!
//! Conditions: values that coincide (or, singular values, vanish) have equal (zero) weights; else `NotDifferentiable`.
//! Gauge: none.
//! Cost (n³): values 0, JVP 2; `F` 2, its first derivative 8 (singular: 8, tall 12); more is for small matrices.
//! Sources: Kato, *Perturbation Theory*, II.2; Lewis 1996; derived here.

use crate::ops::control::gauge::Gauge;
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Out, Primitive, Reads, Shapes, members, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value, plus};
use crate::{Scalar, Shape, ops::Op};
use pullback_kernels::Window;
use smallvec::SmallVec;

/// Which values of a decomposition, in the order of its handle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Chosen {
    pub(crate) singular: bool,
    pub(crate) from: usize,
    pub(crate) len: usize,
}

impl Chosen {
    pub(crate) fn window(self, a: Shape) -> Window {
        Window { singular: self.singular, m: a.rows, n: a.cols, from: self.from, len: self.len }
    }

    /// Is there such a range of values, and, for eigenvalues, is the matrix square?
    pub(crate) fn fits(self, a: Shape) -> Result<(), String> {
        if !self.singular && a.rows != a.cols {
            return Err("expected a square matrix".into());
        }
        match self.from + self.len <= a.cols {
            true => Ok(()),
            false => Err(format!(
                "expected a range within the {} values; {}..{} is not",
                a.cols,
                self.from,
                self.from + self.len
            )),
        }
    }
}

/// `D^k x[E_1..E_k]` from `(A, handle, E_1..E_k)`: a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spectrum {
    pub(crate) of: Chosen,
    /// In a first derivative: it is one-sided where values are tied, and not linear in its direction there. In the
    /// values: their tangents are such derivatives. (Those do not go together with vectors of the same group in another
    /// basis than the direction chooses.)
    pub(crate) along: bool,
}

/// `D^k F(w)[E_1..E_k]` from `(A, handle, w, E_1..E_k)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Weighted(pub(crate) Chosen);

/// The derivative `D F(w)[E] + F(ew)` of `F(w)` while `A` moves along `E` and `w` along `ew`, from
/// `(A, handle, w, E, ew)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Along(pub(crate) Chosen);

type List<'v, V> = SmallVec<[&'v V; 5]>;

/// The common batch, where directions have the shape of `A`.
fn directions(a: Shape, es: &[Shape]) -> Result<usize, String> {
    es.iter().try_fold(a.batch, |batch, e| match (e.rows, e.cols) == (a.rows, a.cols) {
        true => {
            e.common_batch(Shape { batch, ..*e }).ok_or_else(|| "expected batches that agree, or one that is 1".into())
        }
        false => Err("expected directions with the shape of the matrix".into()),
    })
}

/// The arguments `x` with `put` in the place of argument `i`, or after the last if there is no argument `i`.
fn with<'v, V>(x: &[&'v V], i: usize, put: &'v V) -> List<'v, V> {
    let mut list: List<'v, V> = x.iter().copied().collect();
    match list.get_mut(i) {
        Some(place) => *place = put,
        None => list.push(put),
    }
    list
}

/// The arguments `(A, handle, w, E...)` from `(A, handle, E...)`, leaving one direction out.
fn weighing<'v, V>(x: &[&'v V], w: &'v V, without: Option<usize>) -> List<'v, V> {
    let es = x.iter().enumerate().skip(2).filter(|(i, _)| Some(*i) != without).map(|(_, e)| *e);
    [x[0], x[1], w].into_iter().chain(es).collect()
}

impl Spectrum {
    pub(crate) const fn of(of: Chosen) -> Self {
        Spectrum { of, along: false }
    }

    /// The values, with one-sided tangents unless vectors are projected.
    pub(crate) fn chosen(of: Chosen, gauge: Gauge) -> Self {
        Spectrum { of, along: gauge == Gauge::Error }
    }

    pub(crate) fn apply<V: Value>(self, x: &[&V]) -> V {
        V::one(Op::Spectrum(self), x)
    }

    /// The first derivative along a tangent, from `(A, handle, E)`.
    pub(crate) fn tangent<V: Value>(self, x: &[&V]) -> V {
        V::one(Op::Spectrum(self), x)
    }
}

impl Weighted {
    pub(crate) fn of<V: Value>(self, x: &[&V]) -> V {
        V::one(Op::Weighted(self), x)
    }
}

impl<T: Scalar> Primitive<T> for Spectrum {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`eigvalsh`, `svdvals`, `spectral_norm`, `nuclear_norm`, `values` of a handle; derivatives of `spectrum_weighted`",
        conditions: "for a cotangent: equal on tied values, zero where a singular value is 0; else `NotDifferentiable`",
        gauge: "none",
        cost: &["0", "2", "2"],
        degenerate: "a tangent is the one-sided derivative `t -> 0+` of each value, at ties and at 0; a sum over a whole group of tied values is exact to every order in reverse mode",
        source: "Kato, *Perturbation Theory*, II.2; Lewis 1996; derived",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        self.of.fits(x[0])?;
        one(Shape::batch(directions(x[0], &x[2..])?, self.of.len, 1))
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let window = self.of.window(x[0].shape);
        members(y[0].shape.batch, |b| {
            if self.along && x.len() == 3 {
                return T::values_along(window, x[1].member(b), x[2].member(b), y[0].member(b), w);
            }
            let es: SmallVec<[&[T]; 4]> = x[2..].iter().map(|e| e.member(b)).collect();
            T::values(window, x[1].member(b), &es, y[0].member(b), w)
        })
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let family = Spectrum::of(self.of);
        let mut dy =
            dx[0].map(|da| Spectrum { along: self.along && x.len() == 2, ..family }.apply(&with(x, x.len(), da)));
        for i in 2..x.len() {
            dy = plus(dy, dx[i].map(|de| family.apply(&with(x, i, de))));
        }
        out1(dy)
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        if out.wants(0) {
            out.add(0, Weighted(self.of).of(&weighing(x, g, None)));
        }
        for i in 2..x.len() {
            if out.wants(i) {
                out.add(i, Weighted(self.of).of(&weighing(x, g, Some(i))));
            }
        }
    }
}

impl<T: Scalar> Primitive<T> for Weighted {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`spectral_projector`, `Symmetric::projector`; derivatives of `spectrum`",
        conditions: "tied values have equal weights, singular values at 0 have weight 0; else `NotDifferentiable`",
        gauge: "none",
        cost: &["2", "8", "8 (tall singular: 12)"],
        degenerate: "only gaps between values of unequal weight are divided by: a projector is exact to every order whatever is tied inside or outside",
        source: "Daleckii & Krein 1965; derived",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        self.0.fits(x[0])?;
        if (x[2].rows, x[2].cols) != (self.0.len, 1) {
            return Err(format!("expected weights that are a column of {}", self.0.len));
        }
        let batch = directions(x[0], &x[3..])?;
        let batch =
            x[2].common_batch(Shape { batch, ..x[2] }).ok_or("expected batches that agree, or one that is 1")?;
        one(Shape { batch, ..x[0] })
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let window = self.0.window(x[0].shape);
        members(y[0].shape.batch, |b| {
            let es: SmallVec<[&[T]; 4]> = x[3..].iter().map(|e| e.member(b)).collect();
            T::weighted(window, x[1].member(b), x[2].member(b), &es, y[0].member(b), w)
        })
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        if let (&[a, handle, w], &[Some(da), None, Some(dw)]) = (x, dx) {
            return out1(Some(V::one(Op::Along(Along(self.0)), &[a, handle, w, da, dw])));
        }
        let mut dy = dx[0].map(|da| self.of(&with(x, x.len(), da)));
        for i in 2..x.len() {
            dy = plus(dy, dx[i].map(|d| self.of(&with(x, i, d))));
        }
        out1(dy)
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        if out.wants(0) {
            out.add(0, self.of(&with(x, x.len(), g)));
        }
        if out.wants(2) {
            let mut list: List<'_, V> = x[..2].iter().chain(&x[3..]).copied().collect();
            list.push(g);
            out.add(2, Spectrum::of(self.0).apply(&list));
        }
        for i in 3..x.len() {
            if out.wants(i) {
                out.add(i, self.of(&with(x, i, g)));
            }
        }
    }
}

impl<T: Scalar> Primitive<T> for Along {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "derivatives of `spectrum_weighted` while its weights move: Hessian-vector products of programs of `eigvalsh`, `svdvals`",
        conditions: "as `spectrum_weighted`; the tangents of the weights may differ on ties",
        gauge: "none",
        cost: &["10", "-", "-"],
        degenerate: "at a tie, in the basis that the direction chooses (Rellich 1937): exact for programs that treat tied values alike",
        source: "Kato, *Perturbation Theory*, II.6; derived",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        if (x[4].rows, x[4].cols) != (x[2].rows, x[2].cols) {
            return Err("weights and their tangents must have one shape".into());
        }
        let shape = Primitive::<T>::infer(&Weighted(self.0), &x[..4])?[0];
        let batch = x[4].common_batch(shape).ok_or("batches must agree, or be 1")?;
        one(Shape { batch, ..shape })
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let window = self.0.window(x[0].shape);
        members(y[0].shape.batch, |b| {
            let [handle, weights, e, dw] = [1, 2, 3, 4].map(|i| x[i].member(b));
            T::weighted_along(window, handle, weights, e, dw, y[0].member(b), w)
        })
    }

    /// For `Y = D F(w)[E] + F(ew)`, where `ew` is the last input (`dw` in code) and `dew` its tangent:
    /// `dY = D² F(w)[E, dA] + D F(ew)[dA] + D F(dw)[E] + D F(w)[dE] + F(dew)`.
    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let (f, &[a, h, w, e, dw]) = (Weighted(self.0), x) else { unreachable!("five inputs were inferred") };
        let mut dy = dx[0].map(|da| f.of(&[a, h, w, e, da]).add(&f.of(&[a, h, dw, da])));
        dy = plus(dy, dx[2].map(|d| f.of(&[a, h, d, e])));
        dy = plus(dy, dx[3].map(|d| f.of(&[a, h, w, d])));
        out1(plus(dy, dx[4].map(|d| f.of(&[a, h, d]))))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        let (f, values, &[a, h, w, e, dw]) = (Weighted(self.0), Spectrum::of(self.0), x) else {
            unreachable!("five inputs were inferred")
        };
        if out.wants(0) {
            out.add(0, f.of(&[a, h, w, e, g]).add(&f.of(&[a, h, dw, g])));
        }
        if out.wants(2) {
            out.add(2, values.apply(&[a, h, e, g]));
        }
        if out.wants(3) {
            out.add(3, f.of(&[a, h, w, g]));
        }
        if out.wants(4) {
            out.add(4, values.apply(&[a, h, g]));
        }
    }
}
