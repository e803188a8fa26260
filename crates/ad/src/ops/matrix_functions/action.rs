//! The action of the exponential of a matrix on a thin matrix, as a family closed under differentiation.
//!
//! All of it is derivatives of one number, `phi(A, B, C) = <C, exp(A) B>`, with `A` of `n x n` and thin `B`, `C` of
//! `n x p`:
//!
//! - by `C`: the action `Y = exp(A) B`;
//! - by `B`: the transposed action `R = exp(A^T) C`;
//! - by `A`: `P = int_0^1 e^{(1-t) A^T} C (e^{t A} B)^T dt`, since the derivative of `exp(A) B` along `E` is
//!   `int_0^1 e^{(1-t) A} E e^{t A} B dt`. With `A^T` in the place of `A` and `B`, `C` exchanged, `P` is transposed.
//!
//! Adjoin symbols `e_1, .., e_k` that square to zero; let `A`, `B`, `C` be sums `e_S A_S` over sets `S` of them, some
//! absent. A member of the family is the coefficient of `e_1 .. e_k` in `Y` or `R` ([`Action`]) or in `(P, R)`
//! ([`ActionPull`]), that is, a derivative of the coefficient `[e_1 .. e_k] phi`.
//!
//! - Tangent: with `dA_S` etc. as coefficients of `S` and one more symbol `e`, it is the member of one symbol more.
//! - Adjoint of `Y` for the cotangent `g`: `<g, Y> = [e_1 .. e_k] phi(A, B, g)`, which depends on `A_S` and `B_S` as
//!   the coefficient of the other symbols does on `A` and `B`: `gA_S = [e_{S^c}] P(A, B, g)`,
//!   `gB_S = [e_{S^c}] R(A, g)`.
//! - Adjoint of `(P, R)` for cotangents `G` and `H`: `<G, P> + <H, R>` is the derivative of `phi` along `dA = G`,
//!   `dB = H`, so `[e_1 .. e_k e] phi(A + e G, B + e H, C)`. Its gradients are `gC_S = [e_{S^c} e] Y`,
//!   `gA_S = [e_{S^c} e] P` and `gB_S = [e_{S^c} e] R` of `A + e G`, `B + e H` and `C`.
//!
//! A symbol that no `A_S` has is one that the action is linear in, and is dropped.
//!
//! Conditions: finite entries; a norm that does not ask for too many segments, and up to five symbols, else
//! `Unsupported`; nothing overflows, else `Overflow`. Gauge: none. Cost: with `s` segments of degree `m` (about
//! `s = |A|_1 / 3.5` and `m = 30`; less where powers are small) and in products `n^2 p`: value `s m`, JVP `3 s m`, VJP
//! `4 s m` (`3 s m` for one segment). Memory: three thin matrices and one `n x n` for the value, `s + 2 m + 4` thin
//! ones for the VJP; a tape keeps the result alone. Sources: Al-Mohy & Higham 2011; derived here.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Op, Out, Primitive, Reads, Shapes, members, one, out1, square, two};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape};
use pullback_kernels::tolerances::ACTION_ORDER;
use smallvec::{SmallVec, smallvec};

/// `[e_1 .. e_k] exp(A) B`, or with `A^T`: inputs are the `A_S` that are there, in the order of their numbers, and then
/// the `B_S`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Action {
    symbols: u32,
    /// Which sets have an `A_S`, as bits; the empty set has one.
    a: u64,
    b: u64,
    transpose: bool,
}

/// `[e_1 .. e_k]` of `(P, R)`, from the `A_S`, the `B_S` and the `C_S`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ActionPull {
    symbols: u32,
    a: u64,
    b: u64,
    c: u64,
}

impl Action {
    /// `exp(A) B` from `(A, B)`.
    pub(crate) const VALUE: Action = Action { symbols: 0, a: 1, b: 1, transpose: false };
}

/// Something for each set of symbols, where there is something.
type PerSet<'v, V> = SmallVec<[Option<&'v V>; 4]>;

/// Which sets have something, and what.
fn listed<'v, V>(list: &[Option<&'v V>], x: &mut SmallVec<[&'v V; 8]>) -> u64 {
    let mut bits = 0;
    for (set, v) in list.iter().enumerate() {
        if let Some(v) = v {
            bits |= 1 << set;
            x.push(v);
        }
    }
    bits
}

/// Where the things of each set are among the inputs, from place `next` on.
fn places(symbols: u32, bits: u64, next: &mut usize) -> SmallVec<[Option<usize>; 4]> {
    let mut place = |set: u32| {
        let there = bits >> set & 1 == 1;
        *next += usize::from(there);
        there.then(|| *next - 1)
    };
    (0..1u32 << symbols).map(&mut place).collect()
}

/// The things of the subsets of `set`, numbered within it.
fn within<'v, V>(list: &[Option<&'v V>], set: usize) -> PerSet<'v, V> {
    (0..=set).filter(|t| t & !set == 0).map(|t| list[t]).collect()
}

/// With one more symbol, whose sets have these things.
fn with<'v, V>(list: &[Option<&'v V>], more: impl IntoIterator<Item = Option<&'v V>>) -> PerSet<'v, V> {
    let mut all: PerSet<'v, V> = list.iter().copied().chain(more).collect();
    all.resize(2 * list.len(), None);
    all
}

/// `x` for the empty set, and nothing for the others.
fn alone<V>(x: &V, sets: usize) -> PerSet<'_, V> {
    let mut list: PerSet<'_, V> = smallvec![None; sets];
    list[0] = Some(x);
    list
}

/// The coefficient of all symbols of `exp(A) B`; nothing where it is zero.
fn act<V: Value>(a: &[Option<&V>], b: &[Option<&V>], transpose: bool) -> Option<V> {
    // A symbol that no A_S has must come from B.
    let used = (0..a.len()).filter(|s| a[*s].is_some()).fold(0, |u, s| u | s);
    let free = (a.len() - 1) & !used;
    let a = within(a, used);
    let b: PerSet<'_, V> = (0..=used).filter(|t| t & !used == 0).map(|t| b[t | free]).collect();
    if b.iter().all(Option::is_none) {
        return None;
    }
    let mut x = SmallVec::new();
    let symbols = a.len().ilog2();
    let (a, b) = (listed(&a, &mut x), listed(&b, &mut x));
    Some(V::one(Op::Action(Action { symbols, a, b, transpose }), &x))
}

/// The coefficients of all symbols of `P` and `R`.
fn pulled<V: Value>(a: &[Option<&V>], b: &[Option<&V>], c: &[Option<&V>]) -> (Option<V>, Option<V>) {
    if c.iter().all(Option::is_none) || b.iter().all(Option::is_none) {
        return (None, act(a, c, true));
    }
    let mut x = SmallVec::new();
    let symbols = a.len().ilog2();
    let (a, b, c) = (listed(a, &mut x), listed(b, &mut x), listed(c, &mut x));
    let mut y = V::apply(Op::ActionPull(ActionPull { symbols, a, b, c }), &x);
    let r = y.swap_remove(1);
    (Some(y.swap_remove(0)), Some(r))
}

/// More symbols than there is a kernel for: such an operation has failed, and its derivatives are it again.
fn beyond(symbols: u32) -> bool {
    symbols as usize > ACTION_ORDER
}

/// The shapes `(batch, n, p)` of matrices `A_S` and of thin ones.
fn shapes(x: &[Shape], matrices: usize) -> Result<Shape, String> {
    let (n, thin) = (square(x[0])?, x[matrices]);
    let mut batch = x[0].batch;
    for (i, s) in x.iter().enumerate() {
        let cols = if i < matrices { n } else { thin.cols };
        if (s.rows, s.cols) != (n, cols) {
            return Err(
                "expected as many rows as the matrix has, and directions with the shapes of what they move".into()
            );
        }
        batch = s.common_batch(Shape { batch, ..*s }).ok_or("expected batches that agree, or one that is 1")?;
    }
    Ok(Shape { batch, ..thin })
}

type Slices<'a, T> = SmallVec<[&'a [T]; 4]>;

/// Member `k` of the inputs at these places.
fn members_at<'a, T>(x: &[Arg<'a, T>], places: &[Option<usize>], k: usize) -> Slices<'a, T> {
    places.iter().map(|p| p.map_or(&[][..], |i| x[i].member(k))).collect()
}

impl<T: Scalar> Primitive<T> for Action {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`expm_multiply`: the action of the exponential on a thin matrix",
        conditions: "finite; no entry of the result overflows, else `Overflow`; at most 16384 segments, that is a norm of about 57000 where powers are not smaller, and five directions, else `Unsupported`",
        gauge: "none",
        cost: &["`s m` products `n^2 p` with `s` segments of degree `m`", "3 s m", "4 s m"],
        degenerate: "nilpotent, defective and zero matrices are like any other; matrices far from normal take segments by the norms of their powers",
        source: "Al-Mohy & Higham 2011; derived",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(shapes(x, self.a.count_ones() as usize)?)
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let (a, b) = self.places();
        let size = (y[0].shape.rows, y[0].shape.cols);
        members(y[0].shape.batch, |k| {
            let (a, b) = (members_at(x, &a, k), members_at(x, &b, k));
            T::expm_action(&a, &b, size, self.transpose, y[0].member(k), w)
        })
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        if beyond(self.symbols) {
            return out1(Some(V::one(Op::Action(*self), x)));
        }
        let (a, b) = self.places();
        let of = |places: &[Option<usize>]| -> PerSet<'_, V> { places.iter().map(|p| p.map(|i| x[i])).collect() };
        let moved = |p: &Option<usize>| p.and_then(|i| dx[i]);
        out1(act(&with(&of(&a), a.iter().map(moved)), &with(&of(&b), b.iter().map(moved)), self.transpose))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        let (a_at, b_at) = self.places();
        if beyond(self.symbols) {
            let again = V::one(Op::Action(*self), x);
            a_at.iter().flatten().for_each(|i| out.add(*i, again.mul_t(&again)));
            return b_at.iter().flatten().for_each(|i| out.add(*i, again.clone()));
        }
        let a: PerSet<'_, V> = a_at.iter().map(|p| p.map(|i| x[i])).collect();
        let b: PerSet<'_, V> = b_at.iter().map(|p| p.map(|i| x[i])).collect();
        let full = a.len() - 1;
        for set in 0..=full {
            let wants = |p: Option<usize>| p.filter(|i| out.wants(*i));
            let (of_a, of_b) = (wants(a_at[set]), wants(b_at[set]));
            let (a, b) = (within(&a, full & !set), within(&b, full & !set));
            let g = alone(g, a.len());
            let mut by_b = None;
            if let Some(i) = of_a {
                let (p, r) = if self.transpose { (pulled(&a, &g, &b).0, None) } else { pulled(&a, &b, &g) };
                by_b = r;
                p.into_iter().for_each(|p| out.add(i, p));
            }
            if let Some(i) = of_b {
                let r = by_b.or_else(|| act(&a, &g, !self.transpose));
                r.into_iter().for_each(|r| out.add(i, r));
            }
        }
    }
}

impl Action {
    fn places(self) -> (SmallVec<[Option<usize>; 4]>, SmallVec<[Option<usize>; 4]>) {
        let next = &mut 0;
        (places(self.symbols, self.a, next), places(self.symbols, self.b, next))
    }
}

impl ActionPull {
    fn places(self) -> [SmallVec<[Option<usize>; 4]>; 3] {
        let next = &mut 0;
        [self.a, self.b, self.c].map(|bits| places(self.symbols, bits, next))
    }
}

impl<T: Scalar> Primitive<T> for ActionPull {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "the reverse rule of `expm_multiply`",
        conditions: "as `expm_multiply`",
        gauge: "none",
        cost: &["4 s m (3 s m for one segment), times 3 for each direction"],
        degenerate: "exact everywhere: with `expm_multiply` it is closed under differentiation",
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let thin = shapes(x, self.a.count_ones() as usize)?;
        Ok(smallvec![Shape { batch: thin.batch, ..x[0] }, thin])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let at = self.places();
        let (p, r) = two(y);
        let size = (r.shape.rows, r.shape.cols);
        members(r.shape.batch, |k| {
            let [a, b, c] = [0, 1, 2].map(|i| members_at(x, &at[i], k));
            T::expm_action_pull(&a, &b, &c, size, p.member(k), r.member(k), w)
        })
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        if beyond(self.symbols) {
            return V::apply(Op::ActionPull(*self), x).into_iter().map(Some).collect();
        }
        let lists = self.places().map(|places| -> PerSet<'_, V> {
            let of = places.iter().map(|p| p.map(|i| x[i]));
            of.chain(places.iter().map(|p| p.and_then(|i| dx[i]))).collect()
        });
        let (p, r) = pulled(&lists[0], &lists[1], &lists[2]);
        smallvec![p, r]
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let at = self.places();
        if beyond(self.symbols) {
            let again = V::apply(Op::ActionPull(*self), x);
            let of = |i: usize| if i < self.a.count_ones() as usize { &again[0] } else { &again[1] };
            return (0..x.len()).for_each(|i| out.add(i, of(i).clone()));
        }
        let [a, b, c] = [0, 1, 2].map(|i| -> PerSet<'_, V> { at[i].iter().map(|p| p.map(|i| x[i])).collect() });
        let full = a.len() - 1;
        for set in 0..=full {
            let of = |i: usize| at[i][set].filter(|i| out.wants(*i));
            let (of_a, of_b, of_c) = (of(0), of(1), of(2));
            // Of the other symbols, and of one more, along the cotangents.
            let others = full & !set;
            let a = with(&within(&a, others), [dy[0].as_ref()]);
            let b = with(&within(&b, others), [dy[1].as_ref()]);
            let c = with(&within(&c, others), []);
            if let Some(i) = of_c {
                act(&a, &b, false).into_iter().for_each(|y| out.add(i, y));
            }
            if of_a.is_some() || (of_b.is_some() && dy[0].is_some()) {
                let (p, r) = pulled(&a, &b, &c);
                of_a.into_iter().zip(p).for_each(|(i, p)| out.add(i, p));
                of_b.into_iter().zip(r).for_each(|(i, r)| out.add(i, r));
            }
        }
    }
}
