//! Chosen eigenvectors of a symmetric matrix, or singular vectors of any, and bases of invariant subspaces.
//!
//! Write `B(A) = sym(A)`, or `[0 A; A^T 0]` for singular values, and `B` alone for `B(A)`. For the chosen values `x`,
//! `B Q = Q diag(x)` with `Q^T Q = I / c` (`c = 1`, or `1/2` for `u` over `v`). The reduced resolvent `Y = R(Z)` is,
//! column by column, `y_i = (x_i - B)^+ z_i` (Kato 1976, I.5.3). It is self-adjoint, and `q_i^T y_i = 0`.
//! Differentiating `B Q = Q diag(x)` and `Q^T Q = I / c` gives
//!
//! `dQ = R(B(dA) Q)`, `gA = K(gQ)`, `K(Z) = outer(R(Z), Q)`,
//!
//! where `outer` is given by `<outer(Y, Q), E> = <Y, B(E) Q>` for every `E`: it is `sym(Y Q^T)`, or `Y_u V^T + U Y_v^T`
//! for singular values. [`VectorsPull`] computes `K` in the eigenbasis, where it costs a third less.
//!
//! `R` and `K` are functions of `A`, of `Q` and of `Z`. Write `pair(X, Y)` for the diagonal of `X^T Y`, as a diagonal
//! matrix. Then `Y diag(x) - B Y = Z - c Q pair(Q, Z)`, `pair(Q, Y) = 0` and `diag(x) = c pair(Q, B Q)`.
//! Differentiating these three gives the tangent of `Y = R(Z)`. In column `i`, the first equation gives the part
//! orthogonal to `q_i` and the second the rest:
//!
//! `dY = R(dZ + B(dA) Y - c Y N_x - c dQ pair(Q, Z)) - c Q pair(dQ, Y)`,
//!
//! with `N_x = pair(Q, B(dA) Q) + pair(dQ, B Q) + pair(B Q, dQ)`, which is `diag(dx) / c`.
//!
//! For a cotangent `gY`, with `T = R(gY)` and `N = pair(Y, T)`,
//!
//! - `gZ = T`, `gA = outer(T, Y) - c outer(Q N, Q)`;
//! - `gQ = -c (T pair(Q, Z)^T + Y pair(Q, gY)^T + B Q (N + N^T))`.
//!
//! So the derivatives of `Q` never see the vectors of values that were not chosen: those may be tied with each other.
//! For a basis of an invariant subspace (`block`) the same lines hold with the whole matrix `pair(X, Y) = X^T Y`, with
//! `c Q^T B Q` in the place of `diag(x)`, and with an `R` that is blind to the whole subspace: `Q` moves orthogonally
//! to itself, and everything that depends on the subspace alone is right to every order, ties inside or not.
//!
//! Gauge: signs, fixed by a positive entry of largest modulus, locally constant. Where chosen values are tied, any
//! rotation among their vectors. Then a first derivative exists for what does not see it: the parts of `Z` that do are
//! the *gauge defect*, which `R` and `K` find on the numbers and answer by the policy ([`Gauge`]), and a second
//! derivative does not exist (`NotDifferentiable`).
//! Conditions: none for the value.
//! Cost (n³): value 0, JVP 6, VJP 6 (singular: 12, 8). All vectors and values where none are tied, in sweeps over
//! numbers and over pairs: the shortcuts in `whole.rs`.
//! Sources: Magnus 1985; Kasim 2020, arXiv 2011.04366; Seeger et al. 2017, arXiv 1710.08717; derived here.

use super::spectrum::{Chosen, Spectrum, Weighted};
use super::whole;
use crate::ops::control::gauge::{Gauge, rounded};
use crate::ops::direct::{PullPairsStep, PullStep, PushStep};
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::layout::moves::{Axis, Concat, Slice};
use crate::ops::layout::part::Part;
use crate::ops::{Arg, Out, Primitive, Reads, Shapes, one, out1};
use crate::store::{Choice, Store, Trouble};
use crate::value::{Grads, Outs, Product, Value, plus};
use crate::{Scalar, Shape, ops::Op};
use pullback_kernels::{Failure, Window, tolerances};
use smallvec::smallvec;

/// What vectors are asked for and how ties are answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Frame {
    pub(crate) of: Chosen,
    /// Does only the subspace count that the vectors span? Then they are any basis of it.
    pub(crate) block: bool,
    pub(crate) gauge: Gauge,
}

/// `Q` from `(A, handle)`; with `values`, also the chosen values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Vectors {
    pub(crate) frame: Frame,
    pub(crate) values: bool,
}

/// `R(Z)` from `(A, handle, Q, Z)`. `first`: in a first derivative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Resolvent {
    pub(crate) frame: Frame,
    pub(crate) first: bool,
}

/// `K(Z)` from `(A, handle, Q, Z)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct VectorsPull {
    pub(crate) frame: Frame,
    pub(crate) first: bool,
}

impl Frame {
    fn c(self) -> f64 {
        if self.of.singular { 0.5 } else { 1.0 }
    }

    /// `R(Z)` for the `A`, handle and `Q` of `x`, in a derivative of second order or more.
    fn resolvent<V: Value>(self, x: &[&V], z: &V) -> V {
        V::one(Op::Resolvent(Resolvent { frame: self, first: false }), &[x[0], x[1], x[2], z])
    }

    fn halves<V: Value>(self, q: &V, a: Shape) -> (V, V) {
        let block = |row: usize, rows: usize| {
            let shape = q.shape().with(rows, q.shape().cols);
            V::one(Op::Slice(Slice { at: (0, row, 0), shape }), &[q])
        };
        (block(0, a.rows), block(a.rows, a.cols))
    }

    /// `B(E) Q`
    fn act<V: Value>(self, e: &V, q: &V) -> V {
        if !self.of.singular {
            return e.part(Part::Sym).mul(q);
        }
        let (u, v) = self.halves(q, e.shape());
        V::one(Op::Concat(Concat { axis: Axis::Rows }), &[&e.mul(&v), &e.t_mul(&u)])
    }

    /// `outer(Y, Q)`, symmetric in both.
    fn outer<V: Value>(self, y: &V, q: &V, a: Shape) -> V {
        if !self.of.singular {
            return y.mul_t(q).parted(Part::Sym);
        }
        let ((yu, yv), (qu, qv)) = (self.halves(y, a), self.halves(q, a));
        yu.mul_t(&qv).plus_product(Product::NT, &qu, &yv)
    }

    /// `pair(X, Y)`: of columns with columns, as a row; for a block, the whole matrix `X^T Y`.
    fn pair<V: Value>(self, x: &V, y: &V) -> V {
        if self.block {
            return x.t_mul(y);
        }
        let xy = x.hadamard(y);
        let shape = xy.shape();
        xy.sum_to(shape.with(1, shape.cols))
    }

    /// `Y N` or `Y N^T` for an `N` that [`Frame::pair`] gave, called `d` here.
    fn times<V: Value>(self, y: &V, d: &V, transposed: bool) -> V {
        match (self.block, transposed) {
            (false, _) => y.hadamard(d),
            (true, false) => y.mul(d),
            (true, true) => y.mul_t(d),
        }
    }

    /// `dY` of `Y = R(Z)`, where `y = R(Z)`, along the tangents `dx` of `x = (A, handle, Q, Z)`.
    fn moved<V: Value>(self, x: &[&V], y: &V, dx: &[Option<&V>]) -> Option<V> {
        let (c, q, z) = (self.c(), x[2], x[3]);
        let (da, dq, dz) = (dx[0], dx[2], dx[3]);
        let by_a = da.map(|da| {
            let drift = self.times(y, &self.pair(q, &self.act(da, q)), false);
            self.act(da, y).lincomb(1.0, &drift, -c)
        });
        let by_q = dq.map(|dq| {
            let bq = self.act(x[0], q);
            let slope = self.pair(dq, &bq).add(&self.pair(&bq, dq));
            self.times(y, &slope, false).add(&self.times(dq, &self.pair(q, z), false)).scaled(-c)
        });
        let moved = plus(by_a, by_q);
        let rhs = match (&moved, dz) {
            (Some(moved), Some(dz)) => Some(moved.add(dz)),
            (Some(_), None) => moved,
            (None, dz) => dz.cloned(),
        };
        let resolved = rhs.map(|rhs| self.resolvent(x, &rhs));
        plus(resolved, dq.map(|dq| self.times(q, &self.pair(dq, y), false).scaled(-c)))
    }

    /// `gA` and `gQ` of `Y = R(Z)` for the cotangent `gY` (`h` in code), with `t = R(h)`.
    fn pulled<V: Value>(self, x: &[&V], y: &V, h: &V, t: &V) -> (V, V) {
        let (c, q, z) = (self.c(), x[2], x[3]);
        let n = self.pair(y, t);
        let drift = self.outer(&self.times(q, &n, false), q, x[0].shape());
        let bq = self.act(x[0], q);
        let turned = self.times(&bq, &n, false).add(&self.times(&bq, &n, true));
        let gq = self.times(t, &self.pair(q, z), true).add(&self.times(y, &self.pair(q, h), true)).add(&turned);
        (self.outer(t, y, x[0].shape()).lincomb(1.0, &drift, -c), gq.scaled(-c))
    }

    /// The shape of `Q`.
    fn shape(self, a: Shape) -> Result<Shape, String> {
        self.of.fits(a)?;
        let w = self.of.window(a);
        Ok(a.with(w.rows(), w.len))
    }

    /// Runs a kernel on each member and answers its gauge defect by the policy. With `forward`, what sees the gauge is
    /// a tangent, otherwise a cotangent.
    fn judged<T: Scalar>(
        self,
        forward: bool,
        x: &[Arg<'_, T>],
        y: &mut Out<'_, T>,
        s: &Store<T>,
        mut kernel: impl FnMut(Window, &[T], &[T], &mut [T]) -> Result<T, Failure>,
    ) -> Result<(), Trouble> {
        let window = self.of.window(x[0].shape);
        let turned = self.turned(window, x[1], s);
        let handle = turned.as_ref().map_or(x[1], |data| Arg { data, ..x[1] });
        for member in 0..y.shape.batch {
            let found = kernel(window, handle.member(member), x[3].member(member), y.member(member));
            let defect = found.map_err(|failure| Trouble { member: Some(member), failure })?;
            if defect > tolerances::gauge::<T>() {
                let defect = defect.f64();
                match self.gauge {
                    Gauge::Error => {
                        let failure = match forward {
                            true => Failure::TiedVectors { defect },
                            false => Failure::GaugeDependent { defect },
                        };
                        return Err(Trouble { member: Some(member), failure });
                    }
                    Gauge::Warn => s.warn(defect),
                    Gauge::Project => {}
                }
            }
        }
        Ok(())
    }

    /// The handle with its vectors chosen otherwise. `None` where no other choice is asked for, or where the part that
    /// sees the choice is projected away.
    fn turned<T: Scalar>(self, window: Window, handle: Arg<'_, T>, s: &Store<T>) -> Option<Vec<T>> {
        if s.choice() == Choice::Found || (self.gauge == Gauge::Project && s.choice() != Choice::TurnedAll) {
            return None;
        }
        let mut turned = handle.data.to_vec();
        for h in turned.chunks_exact_mut(handle.shape.each().max(1)) {
            match s.choice() {
                Choice::Turned | Choice::TurnedAll => T::turn_ties(window, h),
                _ => rounded(&mut h[..window.vectors_len()]),
            }
        }
        Some(turned)
    }

    fn with_batch(self, x: &[Shape]) -> Result<usize, String> {
        let q = self.shape(x[0])?;
        match (x[3].rows, x[3].cols) == (q.rows, q.cols) {
            true => x[0].common_batch(x[3]).ok_or_else(|| "expected batches that agree, or one that is 1".into()),
            false => Err(format!("expected an argument of the shape {q} of the vectors")),
        }
    }
}

impl<T: Scalar> Primitive<T> for Vectors {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`eigh`, `svd`, `svd_truncated`, `vectors`, `triplets`, `invariant_subspace` of a handle",
        conditions: "none for the value",
        gauge: "signs; the entry of largest modulus is positive (of `U`, for an SVD). At a tie any rotation: by policy `GaugeDependent`, a note, or a projection. `invariant_subspace`: any rotation always",
        cost: &["0", "6 (singular 12; all at once 8)", "6 (singular 8)"],
        degenerate: "what does not see the gauge has its first derivative at ties; second derivatives through vectors are `NotDifferentiable` there, through `invariant_subspace` right; ties among values not asked for do not matter",
        source: "Magnus 1985; Kasim 2020, arXiv 2011.04366; Seeger et al. 2017, arXiv 1710.08717; derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let q = self.frame.shape(x[0])?;
        if self.values { Ok(smallvec![q, q.with(q.cols, 1)]) } else { one(q) }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let window = self.frame.of.window(x[0].shape);
        let turned = self.frame.turned(window, x[1], s);
        let handle = turned.as_ref().map_or(x[1], |data| Arg { data, ..x[1] });
        crate::ops::members(x[0].shape.batch, |b| {
            T::vectors(window, handle.member(b), y[0].member(b));
            match y.get_mut(1) {
                Some(values) => T::values(window, x[1].member(b), &[], values.member(b), w),
                None => Ok(()),
            }
        })
    }

    /// The tangent of the vectors comes first: at a tie its error tells more.
    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let frame = self.frame;
        let op = Resolvent { frame, first: !frame.block };
        let dq = dx[0].map(|da| V::one(Op::Resolvent(op), &[x[0], x[1], y[0], &frame.act(da, y[0])]));
        match self.values {
            true => smallvec![dq, dx[0].map(|da| Spectrum::chosen(frame.of, frame.gauge).tangent(&[x[0], x[1], da]))],
            false => out1(dq),
        }
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            out.add(0, V::one(Op::VectorsPull(VectorsPull { frame: self.frame, first: true }), &[x[0], x[1], y[0], g]));
        }
        if let Some(Some(g)) = dy.get(1) {
            out.add(0, Weighted(self.frame.of).of(&[x[0], x[1], g]));
        }
    }

    fn push_direct(&self, p: PushStep<'_, T>) -> bool {
        whole::push(self, p)
    }

    fn pull_direct(&self, p: PullStep<'_, T>) -> bool {
        whole::pull(self, p)
    }

    fn pull_pairs(&self, p: PullPairsStep<'_, T>) -> bool {
        whole::pull_pairs(self, p)
    }
}

impl<T: Scalar> Primitive<T> for Resolvent {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`(x_i - A)^+ z_i`, in derivatives of `vectors`",
        conditions: "as `vectors`",
        gauge: "as `vectors`",
        cost: &["4 (singular 8)", "10 (singular 20)", "10 (singular 20)"],
        degenerate: "as `vectors`",
        source: "Kato, *Perturbation Theory*, I.5.3; derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(Shape { batch: self.frame.with_batch(x)?, ..x[3] })
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        self.frame
            .judged(true, x, &mut y[0], s, |win, h, z, y| T::resolvent(win, h, self.frame.block, self.first, z, y, w))
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let f = self.frame;
        out1(f.moved(x, y[0], dx))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(h) = &dy[0] else { return };
        let t = self.frame.resolvent(x, h);
        if out.wants(0) || out.wants(2) {
            let (ga, gq) = self.frame.pulled(x, y[0], h, &t);
            out.add(0, ga);
            out.add(2, gq);
        }
        out.add(3, t);
    }
}

impl<T: Scalar> Primitive<T> for VectorsPull {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "the reverse rule of `vectors`",
        conditions: "as `vectors`",
        gauge: "as `vectors`",
        cost: &["6 (singular 8)", "18 (singular 36)", "18 (singular 36)"],
        degenerate: "as `vectors`",
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(Shape { batch: self.frame.with_batch(x)?, ..x[0] })
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        self.frame.judged(false, x, &mut y[0], s, |win, h, z, y| {
            T::pull_vectors(win, h, self.frame.block, self.first, z, y, w)
        })
    }

    /// `dK = outer(dY, Q) + outer(Y, dQ)` for `Y = R(Z)`. Where only `Z` moves this is `K(dZ)`.
    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let (f, a) = (self.frame, x[0].shape());
        if dx[0].is_none() && dx[2].is_none() {
            let pull = Op::VectorsPull(VectorsPull { frame: f, first: false });
            return out1(dx[3].map(|dz| V::one(pull, &[x[0], x[1], x[2], dz])));
        }
        let y = f.resolvent(x, x[3]);
        let by_y = f.moved(x, &y, dx).map(|dy| f.outer(&dy, x[2], a));
        out1(plus(by_y, dx[2].map(|dq| f.outer(&y, dq, a))))
    }

    /// With `H = B(gK) Q`, `<gK, K> = <Y, H>` for `Y = R(Z)`: `gZ = R(H)`. `A` and `Q` move `Y`, whose cotangent is
    /// `H`, and `Q` also moves `H`, which adds `B(gK) Y` to `gQ`.
    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        let f = self.frame;
        let h = f.act(g, x[2]);
        let t = f.resolvent(x, &h);
        if out.wants(0) || out.wants(2) {
            let y = f.resolvent(x, x[3]);
            let (ga, gq) = f.pulled(x, &y, &h, &t);
            out.add(0, ga);
            out.add(2, gq.add(&f.act(g, &y)));
        }
        out.add(3, t);
    }
}
