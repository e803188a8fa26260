//! Numbers in pooled buffers: the value that first-order sweeps run over.

use crate::custom::CustomFn;
use crate::error::Place;
use crate::ops::by_members::each_member;
use crate::ops::layout::part::Part;
use crate::ops::reductions::reduce::Over;
use crate::ops::{Arg, Op, Out};
use crate::store::{Buf, Store};
use crate::value::{Outs, Product, Value};
use crate::{Scalar, Shape};
use pullback_kernels::threads::Size;
use pullback_kernels::{Triangle, Unary};
use smallvec::SmallVec;

/// A batch of matrices of numbers, borrowed from a tape or owned; owned buffers go back to the pool when dropped.
pub(crate) struct Eager<'a, T: Scalar> {
    data: Data<'a, T>,
    shape: Shape,
    store: &'a Store<T>,
}

enum Data<'a, T> {
    Ref(&'a [T]),
    Own(Buf<T>),
}

impl<'a, T: Scalar> Eager<'a, T> {
    #[inline(always)]
    pub(crate) fn borrowed(data: &'a [T], shape: Shape, store: &'a Store<T>) -> Self {
        Eager { data: Data::Ref(data), shape, store }
    }

    #[inline(always)]
    pub(crate) fn owned(buf: Buf<T>, shape: Shape, store: &'a Store<T>) -> Self {
        Eager { data: Data::Own(buf), shape, store }
    }

    /// A new value whose entries `fill` must write.
    #[inline(always)]
    pub(crate) fn build(shape: Shape, store: &'a Store<T>, fill: impl FnOnce(&mut [T])) -> Self {
        let mut buf = store.take(shape.len());
        fill(&mut buf);
        Self::owned(buf, shape, store)
    }

    #[inline(always)]
    pub(crate) fn data(&self) -> &[T] {
        match &self.data {
            Data::Ref(d) => d,
            Data::Own(b) => b,
        }
    }

    /// The buffer; a borrowed value is copied into one of the pool.
    #[inline(always)]
    pub(crate) fn into_buf(mut self) -> Buf<T> {
        match std::mem::replace(&mut self.data, Data::Ref(&[])) {
            Data::Own(b) => b,
            Data::Ref(d) => {
                let mut b = self.store.take(d.len());
                b.copy_from_slice(d);
                b
            }
        }
    }
}

impl<T: Scalar> Drop for Eager<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Data::Own(b) = &mut self.data {
            self.store.put(std::mem::take(b));
        }
    }
}

/// An operation with one output.
#[inline]
pub(crate) fn run<'a, T: Scalar, const N: usize>(op: &Op<T>, x: [&Eager<'a, T>; N]) -> Eager<'a, T> {
    let store = x[0].store;
    // Looked at where it lies: a list that was just written is slow to move.
    let shape = match &op.infer(&x.map(|v| v.shape)) {
        Ok(s) => s[0],
        Err(m) => panic!("a rule used {}: {m}", op.name()),
    };
    Eager::build(shape, store, |data| {
        if let Err(t) =
            op.eval(&x.map(|v| Arg { shape: v.shape, data: v.data() }), &mut [Out { shape, data: &mut *data }], store)
        {
            data.fill(T::nan());
            store.fail(op.name(), shape.batch, true, None, t);
        }
    })
}

impl<T: Scalar> Clone for Eager<'_, T> {
    fn clone(&self) -> Self {
        match &self.data {
            Data::Ref(d) => Self { data: Data::Ref(d), shape: self.shape, store: self.store },
            Data::Own(_) => Self::build(self.shape, self.store, |b| b.copy_from_slice(self.data())),
        }
    }
}

impl<'a, T: Scalar> Value for Eager<'a, T> {
    type T = T;
    type Slot = Buf<T>;
    type Cx = &'a Store<T>;

    #[inline(always)]
    fn shape(&self) -> Shape {
        self.shape
    }

    #[inline(always)]
    fn cx(&self) -> &'a Store<T> {
        self.store
    }

    #[inline]
    fn apply(op: Op<T>, x: &[&Self]) -> Outs<Self> {
        let store = x[0].store;
        let shapes: SmallVec<[Shape; 8]> = x.iter().map(|v| v.shape).collect();
        let inferred = op.infer(&shapes);
        let outs = match &inferred {
            Ok(outs) => outs,
            Err(m) => panic!("a rule used {} on {shapes:?}: {m}", op.name()),
        };
        let mut bufs: Outs<Buf<T>> = outs.iter().map(|s| store.take(s.len())).collect();
        let args: SmallVec<[Arg<'_, T>; 8]> = x.iter().map(|v| Arg { shape: v.shape, data: v.data() }).collect();
        let mut out: SmallVec<[Out<'_, T>; 2]> =
            bufs.iter_mut().zip(outs).map(|(b, s)| Out { shape: *s, data: b }).collect();
        let done = op.eval(&args, &mut out, store);
        if let Err(t) = done {
            out.iter_mut().for_each(|o| o.data.fill(T::nan()));
            store.fail(op.name(), outs[0].batch, true, None, t);
        }
        drop(out);
        bufs.into_iter().zip(outs).map(|(b, s)| Eager::owned(b, *s, store)).collect()
    }

    fn one(op: Op<T>, x: &[&Self]) -> Self {
        match *x {
            [a] => run(&op, [a]),
            [a, b] => run(&op, [a, b]),
            [a, b, c] => run(&op, [a, b, c]),
            _ => Self::apply(op, x).swap_remove(0),
        }
    }

    #[inline(always)]
    fn park(self) -> Buf<T> {
        self.into_buf()
    }

    #[inline(always)]
    fn unpark(cx: &'a Store<T>, slot: Buf<T>, shape: Shape) -> Self {
        Eager::owned(slot, shape, cx)
    }

    #[inline(always)]
    fn add_to(slot: &mut Option<Buf<T>>, v: Self) {
        match slot {
            None => *slot = Some(v.park()),
            Some(s) => T::axpy(T::one(), v.data(), s),
        }
    }

    fn add_moved(slot: &mut Option<Buf<T>>, op: Op<T>, v: &Self) {
        match (slot, op) {
            (Some(sum), Op::Embed(embed)) => embed.add(v.shape, v.data(), sum),
            (Some(sum), Op::Scatter(scatter)) => scatter.add(v.shape, v.data(), sum),
            (slot, op) => Self::add_to(slot, run(&op, [v])),
        }
    }

    #[inline]
    fn add_product_to(slot: &mut Option<Buf<T>>, shape: Shape, m: Product, a: &Self, b: &Self) {
        let fresh = slot.is_none();
        let buf = slot.get_or_insert_with(|| a.store.take(shape.len()));
        accumulate(buf, shape, !fresh, m, a, b);
    }

    #[inline]
    fn product(m: Product, a: &Self, b: &Self) -> Self {
        let shape = m.shape(a.shape, b.shape).expect("a rule multiplies what fits");
        Self::build(shape, a.store, |c| accumulate(c, shape, false, m, a, b))
    }

    #[inline]
    fn plus_product(self, m: Product, a: &Self, b: &Self) -> Self {
        let (shape, store) = (self.shape, self.store);
        if m.shape(a.shape, b.shape) != Some(shape) {
            return Self::one(Op::MulAdd(crate::ops::products::product::MulAdd(m)), &[&self, a, b]);
        }
        let mut buf = self.into_buf();
        accumulate(&mut buf, shape, true, m, a, b);
        Self::owned(buf, shape, store)
    }

    // ---- the words that rules use most, straight to their kernels ----------------------------------------------

    #[inline]
    fn scale(&self, alpha: f64) -> Self {
        Self::build(self.shape, self.store, |y| T::scale(T::of(alpha), self.data(), y))
    }

    #[inline]
    fn scaled(mut self, alpha: f64) -> Self {
        match &mut self.data {
            Data::Own(b) => {
                let alpha = T::of(alpha);
                b.iter_mut().for_each(|x| *x *= alpha);
                self
            }
            Data::Ref(_) => self.scale(alpha),
        }
    }

    #[inline]
    fn lincomb(&self, alpha: f64, b: &Self, beta: f64) -> Self {
        match self.shape == b.shape {
            true => Self::build(self.shape, self.store, |y| {
                T::lincomb(T::of(alpha), self.data(), T::of(beta), b.data(), y);
            }),
            false => run(&Op::LinComb(crate::ops::entries::arithmetic::LinComb { alpha, beta }), [self, b]),
        }
    }

    #[inline]
    fn added(mut self, b: Self) -> Self {
        match &mut self.data {
            Data::Own(y) if self.shape == b.shape => {
                T::axpy(T::one(), b.data(), y);
                self
            }
            _ => self.add(&b),
        }
    }

    #[inline]
    fn hadamard(&self, b: &Self) -> Self {
        match (self.data(), b.data()) {
            _ if self.shape == b.shape => {
                Self::build(self.shape, self.store, |y| T::hadamard(self.data(), b.data(), y))
            }
            ([s], v) if self.shape.batch == 1 => Self::build(b.shape, self.store, |y| T::scale(*s, v, y)),
            (v, [s]) if b.shape.batch == 1 => Self::build(self.shape, self.store, |y| T::scale(*s, v, y)),
            _ => run(&Op::Hadamard(crate::ops::entries::arithmetic::Hadamard), [self, b]),
        }
    }

    #[inline]
    fn dot(&self, b: &Self) -> Self {
        match self.shape == b.shape && self.shape.batch == 1 {
            true => Self::build(Shape::SCALAR, self.store, |y| y[0] = T::dot(self.data(), b.data())),
            false => self.dot_over(Over::ALL, b),
        }
    }

    #[inline]
    fn unary_derivative(&self, f: Unary, k: u32, y: &Self, v: &Self) -> Self {
        Self::build(self.shape, self.store, |out| {
            if let Err(t) = T::unary_derivative(f, k, self.data(), y.data(), v.data(), out) {
                out.fill(T::nan());
                self.store.fail("unary_derivative", 1, true, None, t.into());
            }
        })
    }

    #[inline(always)]
    fn unary_pulled(mut self, f: Unary, k: u32, x: &Self, y: &Self) -> Self {
        let store = self.store;
        let Data::Own(v) = &mut self.data else { return x.unary_derivative(f, k, y, &self) };
        if let Err(t) = T::unary_derivative_assign(f, k, x.data(), y.data(), v) {
            v.fill(T::nan());
            store.fail("unary_derivative", 1, true, None, t.into());
        }
        self
    }

    #[inline]
    fn trsm(&self, tri: Triangle, b: &Self) -> Self {
        b.clone().solved_by(self, tri)
    }

    #[inline]
    fn solved_by(self, t: &Self, tri: Triangle) -> Self {
        let (shape, store) = (self.shape, self.store);
        if t.shape.batch > shape.batch {
            return run(&Op::Trsm(crate::ops::solves::trsm::Trsm(tri)), [t, &self]);
        }
        let mut buf = self.into_buf();
        let (t, each) = (Arg { shape: t.shape, data: t.data() }, shape.each());
        // The triangle was looked at when it was made; what is not finite here shows in the result.
        each_member(Size::Worked(buf.len()), &mut buf, each, |b, x| {
            T::trsm_unchecked(t.member(b), tri, x, shape.rows, shape.cols);
        });
        Self::owned(buf, shape, store)
    }

    #[inline]
    fn part(&self, part: Part) -> Self {
        Self::build(self.shape, self.store, |y| part.write(self.shape, self.data(), y))
    }

    #[inline]
    fn parted(mut self, part: Part) -> Self {
        match &mut self.data {
            Data::Own(b) => part.write_in_place(self.shape, b),
            Data::Ref(_) => return self.part(part),
        }
        self
    }

    fn at(cx: &'a Store<T>, line: Option<Place>) -> Option<Place> {
        cx.set_line(line)
    }

    fn call(f: &CustomFn<'_, T>, x: &[&Self]) -> Outs<Option<Self>> {
        crate::custom::call_eager(f, x)
    }

    fn literal(cx: &'a Store<T>, shape: Shape, data: &[T]) -> Self {
        Self::build(shape, cx, |d| d.copy_from_slice(data))
    }

    fn filled(cx: &'a Store<T>, shape: Shape, x: f64) -> Self {
        Self::build(shape, cx, |d| d.fill(T::of(x)))
    }
}

/// `C (+)= alpha op(A) op(B)` over the batch; a `C` with a batch of one collects the sum.
#[inline]
pub(crate) fn accumulate<T: Scalar>(c: &mut [T], cs: Shape, add: bool, m: Product, a: &Eager<'_, T>, b: &Eager<'_, T>) {
    let (a, b) = (Arg { shape: a.shape, data: a.data() }, Arg { shape: b.shape, data: b.data() });
    crate::ops::products::product::gemm_batched(c, cs, add, m, a, b);
}
