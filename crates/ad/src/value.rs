//! The vocabulary of rules: what a rule may do with numbers, with pairs (number, tangent), and with recorded values.
//!
//! A [`Value`] is defined by [`Value::apply`] alone; every word below is an operation of the registry, so the
//! vocabulary is closed under differentiation. Rules know nothing else; in particular they never see an entry.

use crate::Scalar;
use crate::Shape;
use crate::custom::CustomFn;
use crate::error::Place;
use crate::ops::{self, Op, reductions::reduce::Over};
use pullback_kernels::{SymFn, Triangle, Unary};
use smallvec::SmallVec;

/// The outputs of an operation.
pub(crate) type Outs<V> = SmallVec<[V; 3]>;

/// What rules are written over.
pub(crate) trait Value: Clone + Sized {
    /// The scalar type.
    type T: Scalar;
    /// A cotangent at rest: owned, without a lifetime, so that the array of them outlives a sweep.
    type Slot;
    /// Where new values are made.
    type Cx: Copy;

    fn shape(&self) -> Shape;
    fn cx(&self) -> Self::Cx;
    /// Runs one operation. This is all that tells one kind of value from another.
    fn apply(op: Op<Self::T>, x: &[&Self]) -> Outs<Self>;
    /// Runs one operation with one output.
    fn one(op: Op<Self::T>, x: &[&Self]) -> Self {
        Self::apply(op, x).swap_remove(0)
    }

    fn park(self) -> Self::Slot;
    fn unpark(cx: Self::Cx, slot: Self::Slot, shape: Shape) -> Self;
    /// `slot += v`.
    fn add_to(slot: &mut Option<Self::Slot>, v: Self);
    /// `slot += op(v)` for a move of entries; in place where numbers are added to a block or to rows of what is there.
    fn add_moved(slot: &mut Option<Self::Slot>, op: Op<Self::T>, v: &Self) {
        Self::add_to(slot, Self::one(op, &[v]));
    }
    /// `slot += alpha op(A) op(B)`, summed over the batch if the slot's shape has a batch of one.
    fn add_product_to(slot: &mut Option<Self::Slot>, shape: Shape, m: Product, a: &Self, b: &Self);
    /// The same where nobody reads more of the slot than its tangent, if this kind of value has one.
    fn add_product_tangent_to(slot: &mut Option<Self::Slot>, shape: Shape, m: Product, a: &Self, b: &Self) {
        Self::add_product_to(slot, shape, m, a, b);
    }
    /// Names the line that what follows is attributed to, and returns the one before.
    fn at(cx: Self::Cx, line: Option<Place>) -> Option<Place>;
    /// Runs a user's function of recorded values.
    fn call(f: &CustomFn<'_, Self::T>, x: &[&Self]) -> Outs<Option<Self>>;
    /// A constant with the given entries.
    fn literal(cx: Self::Cx, shape: Shape, data: &[Self::T]) -> Self;
    /// A constant filled with one number.
    fn filled(cx: Self::Cx, shape: Shape, x: f64) -> Self;

    // ---- products: alpha op(A) op(B) -----------------------------------------------------------------------
    fn product(m: Product, a: &Self, b: &Self) -> Self {
        Self::one(Op::Mul(ops::products::product::Mul(m)), &[a, b])
    }
    /// `self + alpha op(A) op(B)`.
    fn plus_product(self, m: Product, a: &Self, b: &Self) -> Self {
        Self::one(Op::MulAdd(ops::products::product::MulAdd(m)), &[&self, a, b])
    }
    fn mul(&self, b: &Self) -> Self {
        Self::product(Product::NN, self, b)
    }
    fn t_mul(&self, b: &Self) -> Self {
        Self::product(Product::TN, self, b)
    }
    fn mul_t(&self, b: &Self) -> Self {
        Self::product(Product::NT, self, b)
    }

    // ---- entries -----------------------------------------------------------------------------------------------
    fn lincomb(&self, alpha: f64, b: &Self, beta: f64) -> Self {
        Self::one(Op::LinComb(ops::entries::arithmetic::LinComb { alpha, beta }), &[self, b])
    }
    fn add(&self, b: &Self) -> Self {
        self.lincomb(1.0, b, 1.0)
    }
    /// `self + b`, in place where the numbers are owned.
    fn added(self, b: Self) -> Self {
        self.add(&b)
    }
    fn scale(&self, alpha: f64) -> Self {
        Self::one(Op::Scale(ops::entries::arithmetic::Scale { alpha }), &[self])
    }
    /// `alpha self`, in place where the numbers are owned.
    fn scaled(self, alpha: f64) -> Self {
        self.scale(alpha)
    }
    fn hadamard(&self, b: &Self) -> Self {
        Self::one(Op::Hadamard(ops::entries::arithmetic::Hadamard), &[self, b])
    }
    fn divide(&self, b: &Self) -> Self {
        Self::one(Op::Divide(ops::entries::arithmetic::Divide), &[self, b])
    }
    /// `f^(k)(x) o v`, where `self = x` and `y = f(x)`.
    fn unary_derivative(&self, f: Unary, k: u32, y: &Self, v: &Self) -> Self {
        Self::one(Op::UnaryDerivative(ops::entries::unary::UnaryDerivative { f, k }), &[self, y, v])
    }
    /// `f^(k)(x) o self`, in place where the numbers are owned.
    fn unary_pulled(self, f: Unary, k: u32, x: &Self, y: &Self) -> Self {
        x.unary_derivative(f, k, y, &self)
    }

    // ---- shapes and reductions ---------------------------------------------------------------------------------
    fn sum_to(&self, shape: Shape) -> Self {
        Self::one(Op::SumTo(ops::reductions::reduce::SumTo { shape }), &[self])
    }
    fn broadcast_to(&self, shape: Shape) -> Self {
        Self::one(Op::BroadcastTo(ops::reductions::reduce::BroadcastTo { shape }), &[self])
    }
    /// `<A, B>`, one number for each member of the batch.
    fn dot(&self, b: &Self) -> Self {
        self.dot_over(Over::ALL, b)
    }
    /// `<A, B>` of each member, column or row.
    fn dot_over(&self, over: Over, b: &Self) -> Self {
        Self::one(Op::Dot(ops::reductions::dot::Dot { over }), &[self, b])
    }
    fn t(&self) -> Self {
        Self::one(Op::Transpose(ops::layout::moves::Transpose), &[self])
    }
    fn part(&self, part: ops::layout::part::Part) -> Self {
        Self::one(Op::Part(part), &[self])
    }
    /// A part of `self`, in place where the numbers are owned.
    fn parted(self, part: ops::layout::part::Part) -> Self {
        self.part(part)
    }

    // ---- solves and functions ------------------------------------------------------------------------------------
    /// `op(T)^{-1} B` or `B op(T)^{-1}`.
    fn trsm(&self, tri: Triangle, b: &Self) -> Self {
        Self::one(Op::Trsm(ops::solves::trsm::Trsm(tri)), &[self, b])
    }
    /// [`Value::trsm`] with `self` as right-hand side, in place where the numbers are owned.
    fn solved_by(self, t: &Self, tri: Triangle) -> Self {
        t.trsm(tri, &self)
    }
    /// `D^k f(A)[E...]`; the first two arguments are `A` and the handle of its eigendecomposition.
    fn spectral(f: SymFn, a: &Self, h: &Self, es: &[&Self]) -> Self {
        let mut x: SmallVec<[&Self; 5]> = SmallVec::from_slice(&[a, h]);
        x.extend_from_slice(es);
        Self::one(Op::Spectral(ops::matrix_functions::spectral::Spectral { f }), &x)
    }
    /// The solution of `H X + X H = C`.
    fn sym_lyap(h: &Self, handle: &Self, c: &Self) -> Self {
        Self::one(Op::SymLyap(ops::solves::sym_lyapunov::SymLyap), &[h, handle, c])
    }
    /// Identity, or a failure when the number is zero.
    fn nonzero(&self, what: &'static str) -> Self {
        Self::one(Op::Nonzero(ops::control::guard::Nonzero { what }), &[self])
    }
}

/// `alpha op(A) op(B)`: the scale and the transposes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Product {
    pub(crate) alpha: f64,
    pub(crate) ta: bool,
    pub(crate) tb: bool,
}

impl Product {
    pub(crate) const NN: Product = Product { alpha: 1.0, ta: false, tb: false };
    pub(crate) const TN: Product = Product { alpha: 1.0, ta: true, tb: false };
    pub(crate) const NT: Product = Product { alpha: 1.0, ta: false, tb: true };
    pub(crate) const fn new(alpha: f64, ta: bool, tb: bool) -> Self {
        Product { alpha, ta, tb }
    }
    pub(crate) const fn times(self, alpha: f64) -> Self {
        Product { alpha: self.alpha * alpha, ..self }
    }

    /// The shape of the product.
    pub(crate) fn shape(self, a: Shape, b: Shape) -> Option<Shape> {
        let (a, b) = (if self.ta { a.t() } else { a }, if self.tb { b.t() } else { b });
        (a.cols == b.rows).then_some(())?;
        Some(Shape::batch(a.common_batch(b)?, a.rows, b.cols))
    }
}

/// Sums two optional contributions.
pub(crate) fn plus<V: Value>(a: Option<V>, b: Option<V>) -> Option<V> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.added(b)),
        (a, b) => a.or(b),
    }
}

/// Set in the number of a slot of which only the tangent is read.
pub(crate) const TANGENT_ONLY: u32 = 1 << 31;

/// Where a reverse rule puts the cotangents of its inputs.
pub(crate) struct Grads<'g, V: Value> {
    pub(crate) slots: &'g mut [Option<V::Slot>],
    /// Which slot belongs to which input: a number, in which [`TANGENT_ONLY`] may be set; `u32::MAX` where nobody asks.
    pub(crate) places: &'g [u32],
    pub(crate) x: &'g [&'g V],
}

impl<V: Value> Grads<'_, V> {
    /// Does anybody want the cotangent of input `i`?
    #[inline(always)]
    pub(crate) fn wants(&self, i: usize) -> bool {
        self.places[i] != u32::MAX
    }

    /// Adds to the cotangent of input `i`, summing over what was broadcast.
    #[inline(always)]
    pub(crate) fn add(&mut self, i: usize, v: V) {
        if !self.wants(i) {
            return;
        }
        let shape = self.x[i].shape();
        let v = if v.shape() == shape { v } else { v.sum_to(shape) };
        V::add_to(&mut self.slots[(self.places[i] & !TANGENT_ONLY) as usize], v);
    }

    /// Adds what a move of entries makes of `v`, which has the shape of input `i`.
    #[inline(always)]
    pub(crate) fn add_moved(&mut self, i: usize, op: Op<V::T>, v: &V) {
        if self.wants(i) {
            V::add_moved(&mut self.slots[(self.places[i] & !TANGENT_ONLY) as usize], op, v);
        }
    }

    /// Adds a product in place.
    #[inline(always)]
    pub(crate) fn add_product(&mut self, i: usize, m: Product, a: &V, b: &V) {
        if self.wants(i) {
            let shape = self.x[i].shape();
            let (place, last) = (self.places[i] & !TANGENT_ONLY, self.places[i] & TANGENT_ONLY != 0);
            let add = if last { V::add_product_tangent_to } else { V::add_product_to };
            add(&mut self.slots[place as usize], shape, m, a, b);
        }
    }
}
