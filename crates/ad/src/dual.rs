//! Pairs (value, tangent): the value that the reverse sweep runs over to give Hessian-vector products.

use crate::custom::CustomFn;
use crate::eager::Eager;
use crate::error::Place;
use crate::ops::{Op, Primitive, entries::unary::UnaryDerivative, layout::part::Part};
use crate::store::{Buf, Store};
use crate::value::{Outs, Product, Value, plus};
use crate::{Scalar, Shape};
use pullback_kernels::{Triangle, Unary};
use smallvec::SmallVec;

/// A value and its derivative along one direction; an absent tangent is zero.
#[derive(Clone)]
pub(crate) struct Dual<V> {
    pub(crate) re: V,
    pub(crate) du: Option<V>,
}

impl<'a, T: Scalar> Value for Dual<Eager<'a, T>> {
    type T = T;
    type Slot = (Buf<T>, Option<Buf<T>>);
    type Cx = &'a Store<T>;

    fn shape(&self) -> Shape {
        self.re.shape()
    }

    fn cx(&self) -> &'a Store<T> {
        self.re.cx()
    }

    fn apply(op: Op<T>, x: &[&Self]) -> Outs<Self> {
        let re: SmallVec<[&Eager<'a, T>; 5]> = x.iter().map(|d| &d.re).collect();
        let y = Eager::apply(op.clone(), &re);
        let dy = match x.iter().any(|d| d.du.is_some()) {
            false => y.iter().map(|_| None).collect(),
            true => {
                let dx: SmallVec<[Option<&Eager<'a, T>>; 5]> = x.iter().map(|d| d.du.as_ref()).collect();
                let yr: SmallVec<[&Eager<'a, T>; 2]> = y.iter().collect();
                op.jvp(&re, &yr, &dx)
            }
        };
        y.into_iter().zip(dy).map(|(re, du)| Dual { re, du }).collect()
    }

    fn one(op: Op<T>, x: &[&Self]) -> Self {
        match *x {
            [a] => run(&op, [a]),
            [a, b] => run(&op, [a, b]),
            [a, b, c] => run(&op, [a, b, c]),
            _ => Self::apply(op, x).swap_remove(0),
        }
    }

    fn park(self) -> Self::Slot {
        (self.re.park(), self.du.map(Eager::park))
    }

    fn unpark(cx: &'a Store<T>, slot: Self::Slot, shape: Shape) -> Self {
        Dual { re: Eager::unpark(cx, slot.0, shape), du: slot.1.map(|d| Eager::unpark(cx, d, shape)) }
    }

    fn add_to(slot: &mut Option<Self::Slot>, v: Self) {
        let (mut re, mut du) = match slot.take() {
            None => (None, None),
            Some((re, du)) => (wanted(re), du),
        };
        Eager::add_to(&mut re, v.re);
        if let Some(d) = v.du {
            Eager::add_to(&mut du, d);
        }
        *slot = re.map(|re| (re, du));
    }

    fn add_moved(slot: &mut Option<Self::Slot>, op: Op<T>, v: &Self) {
        let (mut re, mut du) = match slot.take() {
            None => (None, None),
            Some((re, du)) => (wanted(re), du),
        };
        Eager::add_moved(&mut re, op.clone(), &v.re);
        if let Some(d) = &v.du {
            Eager::add_moved(&mut du, op, d);
        }
        *slot = re.map(|re| (re, du));
    }

    fn add_product_to(slot: &mut Option<Self::Slot>, shape: Shape, m: Product, a: &Self, b: &Self) {
        let (mut re, mut du) = match slot.take() {
            None => (None, None),
            Some((re, du)) => (wanted(re), du),
        };
        Eager::add_product_to(&mut re, shape, m, &a.re, &b.re);
        add_product_tangent(&mut du, shape, m, a, b);
        *slot = re.map(|re| (re, du));
    }

    /// The value stays as it is, or empty.
    fn add_product_tangent_to(slot: &mut Option<Self::Slot>, shape: Shape, m: Product, a: &Self, b: &Self) {
        let (re, mut du) = slot.take().unwrap_or_else(|| (Buf::default(), None));
        add_product_tangent(&mut du, shape, m, a, b);
        *slot = Some((re, du));
    }

    /// `d(A B) = dA B + A dB`, the second product accumulated in place.
    fn product(m: Product, a: &Self, b: &Self) -> Self {
        let du = product_tangent(m, a, b);
        Dual { re: Eager::product(m, &a.re, &b.re), du }
    }

    fn plus_product(self, m: Product, a: &Self, b: &Self) -> Self {
        let du = match (self.du, &a.du) {
            (Some(c), Some(da)) => Some(c.plus_product(m, da, &b.re)),
            (c, Some(da)) => plus(c, Some(Eager::product(m, da, &b.re))),
            (c, None) => c,
        };
        let du = match (du, &b.du) {
            (Some(c), Some(db)) => Some(c.plus_product(m, &a.re, db)),
            (None, Some(db)) => Some(Eager::product(m, &a.re, db)),
            (c, None) => c,
        };
        Dual { re: self.re.plus_product(m, &a.re, &b.re), du }
    }

    fn scale(&self, alpha: f64) -> Self {
        Dual { re: self.re.scale(alpha), du: self.du.as_ref().map(|d| d.scale(alpha)) }
    }

    fn scaled(self, alpha: f64) -> Self {
        Dual { re: self.re.scaled(alpha), du: self.du.map(|d| d.scaled(alpha)) }
    }

    fn part(&self, part: Part) -> Self {
        Dual { re: self.re.part(part), du: self.du.as_ref().map(|d| d.part(part)) }
    }

    fn parted(self, part: Part) -> Self {
        Dual { re: self.re.parted(part), du: self.du.map(|d| d.parted(part)) }
    }

    fn solved_by(self, t: &Self, tri: Triangle) -> Self {
        match &t.du {
            None => Dual { re: self.re.solved_by(&t.re, tri), du: self.du.map(|d| d.solved_by(&t.re, tri)) },
            Some(_) => t.trsm(tri, &self),
        }
    }

    fn hadamard(&self, b: &Self) -> Self {
        let du = plus(self.du.as_ref().map(|d| d.hadamard(&b.re)), b.du.as_ref().map(|d| self.re.hadamard(d)));
        Dual { re: self.re.hadamard(&b.re), du }
    }

    fn added(self, b: Self) -> Self {
        match self.shape() == b.shape() {
            true => Dual { re: self.re.added(b.re), du: plus(self.du, b.du) },
            false => self.add(&b),
        }
    }

    /// The rule of [`UnaryDerivative`], without a detour through the registry.
    fn unary_derivative(&self, f: Unary, k: u32, y: &Self, v: &Self) -> Self {
        let u = self.re.unary_derivative(f, k, &y.re, &v.re);
        with_tangent(u, [self, y, v], |x, u, dx| UnaryDerivative { f, k }.jvp(x, u, dx))
    }

    fn at(cx: &'a Store<T>, line: Option<Place>) -> Option<Place> {
        cx.set_line(line)
    }

    fn call(f: &CustomFn<'_, T>, x: &[&Self]) -> Outs<Option<Self>> {
        crate::custom::call_dual(f, x)
    }

    fn literal(cx: &'a Store<T>, shape: Shape, data: &[T]) -> Self {
        Dual { re: Eager::literal(cx, shape, data), du: None }
    }

    fn filled(cx: &'a Store<T>, shape: Shape, x: f64) -> Self {
        Dual { re: Eager::filled(cx, shape, x), du: None }
    }
}

/// The value in a slot, unless nobody reads it and it is empty.
#[inline]
fn wanted<T>(re: Buf<T>) -> Option<Buf<T>> {
    if re.is_empty() { None } else { Some(re) }
}

/// The tangent of `slot += alpha op(A) op(B)`.
fn add_product_tangent<'a, T: Scalar>(
    du: &mut Option<Buf<T>>,
    shape: Shape,
    m: Product,
    a: &Dual<Eager<'a, T>>,
    b: &Dual<Eager<'a, T>>,
) {
    if let Some(da) = &a.du {
        Eager::add_product_to(du, shape, m, da, &b.re);
    }
    if let Some(db) = &b.du {
        Eager::add_product_to(du, shape, m, &a.re, db);
    }
}

/// An operation with one output, and its forward rule.
#[inline]
fn run<'a, T: Scalar, const N: usize>(op: &Op<T>, x: [&Dual<Eager<'a, T>>; N]) -> Dual<Eager<'a, T>> {
    let y = crate::eager::run(op, x.map(|d| &d.re));
    with_tangent(y, x, |x, y, dx| op.jvp(x, y, dx))
}

/// The value `y` of an operation at `x`, and its tangent by the forward rule `jvp`.
#[inline(always)]
fn with_tangent<'a, T: Scalar, const N: usize>(
    y: Eager<'a, T>,
    x: [&Dual<Eager<'a, T>>; N],
    jvp: impl FnOnce(&[&Eager<'a, T>], &[&Eager<'a, T>], &[Option<&Eager<'a, T>>]) -> Outs<Option<Eager<'a, T>>>,
) -> Dual<Eager<'a, T>> {
    let du = match x.iter().any(|d| d.du.is_some()) {
        true => jvp(&x.map(|d| &d.re), &[&y], &x.map(|d| d.du.as_ref())).swap_remove(0),
        false => None,
    };
    Dual { re: y, du }
}

fn product_tangent<'a, T: Scalar>(m: Product, a: &Dual<Eager<'a, T>>, b: &Dual<Eager<'a, T>>) -> Option<Eager<'a, T>> {
    let left = a.du.as_ref().map(|da| Eager::product(m, da, &b.re));
    match (left, &b.du) {
        (Some(l), Some(db)) => Some(l.plus_product(m, &a.re, db)),
        (None, Some(db)) => Some(Eager::product(m, &a.re, db)),
        (l, None) => l,
    }
}
