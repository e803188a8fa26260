//! The exponential of a general matrix, as a family closed under differentiation.
//!
//! Adjoin to the numbers symbols `e_1, .., e_k` that square to zero, and let `E_S` be a direction for each set `S` of
//! them, some absent, with `E_0 = A`. A member of the family is the coefficient of `e_1 .. e_k`,
//! `J = [e_1 .. e_k] exp(sum over S of e_S E_S)`; with directions for single symbols alone it is
//! `D^k exp(A)[E_1, .., E_k]`.
//!
//! - Tangent: `E_S` becomes `E_S + e dE_S` with one more symbol `e`, so `dJ` is `[e_1 .. e_k e]` of the exponential
//!   with the further directions `E_{S + e} = dE_S`. It is a member again.
//! - Adjoint: `J` depends on `E_S` through the coefficient of the other symbols: what `dE_S` adds to `dJ` is
//!   `[e_{S^c}] L(X, dE_S)`, where `X` is the sum over the subsets of `S^c` and `L` the Fréchet derivative of the
//!   exponential. From `L(X, E) = int e^{(1-t) X} E e^{t X} dt` one reads `<G, L(X, E)> = <L(X, G^T)^T, E>`. So `gE_S`
//!   is the transpose of `[e_{S^c} e]` of the exponential with the directions of the subsets of `S^c` and the single
//!   new one `E_e = gJ^T`: a member again, and those for all `S` are needed by one another anyway.
//!
//! Each member comes with the *handle* of its jet, that is, what scaling and squaring computed on the way, and members
//! of more symbols are computed from the handles of those of fewer. In the pair (member, handle) the handle has a
//! tangent, namely the handle of the tangent, so that a sweep over pairs computes nothing twice; it never has a
//! cotangent. A member is a function of `A` and its directions, and its rules give the whole derivative to those, as
//! for every handle. In products of the value: gradient 2, Hessian-vector product with everything 9, where `k` symbols
//! cost `3^k`.
//!
//! Degree, squarings and the shift are constants of the evaluation (`kernels/src/expm.rs`), chosen anew at each one.
//!
//! Conditions: finite entries; nothing overflows, else `Overflow`; norm below `2^52`, else `Unsupported`; up to six
//! symbols, else `Unsupported`. Gauge: none. Cost (n³, degree 13, `s` squarings): value `14.7 + 2 s`, JVP and VJP
//! `28 + 4 s`. Sources: Al-Mohy & Higham 2009 (two papers: scaling; Fréchet derivative), Mathias 1996, Higham & Relton
//! 2014; derived here.

use crate::ops::by_members::try_members;
use crate::ops::direct::{self, PullPairsStep, PullStep, PushStep};
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Op, Out, Primitive, Shapes, members, square, two};
use crate::store::{Buf, Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape};
use pullback_kernels::tolerances::EXPM_ORDER;
use pullback_kernels::{Failure, WithTangent};
use smallvec::{SmallVec, smallvec};

/// `(exp(A), handle)` of `A`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Expm;

/// `([e_1 .. e_k] exp(sum e_S E_S), handle)`, from `A`, its handle, and then for each set in the order of its number
/// the direction, if it is `given`, and the handle, if it is `known`. A set without a handle has no direction in any of
/// its subsets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ExpmJet {
    symbols: u32,
    given: Sets,
    known: Sets,
}

/// Some of the sets of up to seven symbols. (Halves, since a `u128` would align every recorded operation to 16 bytes.)
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Sets([u64; 2]);

impl Sets {
    fn insert(&mut self, s: usize) {
        self.0[s / 64] |= 1 << (s % 64);
    }

    fn has(self, s: u32) -> bool {
        self.0[s as usize / 64] >> (s % 64) & 1 == 1
    }
}

/// Something for each set of symbols, where there is something.
type PerSet<'v, V> = SmallVec<[Option<&'v V>; 4]>;

impl ExpmJet {
    /// The operation for these directions and handles, and its inputs.
    pub(crate) fn of<'v, V>(es: &[Option<&'v V>], handles: &[Option<&'v V>]) -> (Self, SmallVec<[&'v V; 8]>) {
        let (mut op, mut x) =
            (ExpmJet { symbols: es.len().ilog2(), given: Sets::default(), known: Sets::default() }, SmallVec::new());
        let full = es.len() - 1;
        for s in 0..es.len() {
            if let Some(e) = es[s] {
                op.given.insert(s);
                x.push(e);
            }
            if let Some(handle) = handles[s].filter(|_| s < full) {
                op.known.insert(s);
                x.push(handle);
            }
        }
        (op, x)
    }

    /// The place of the direction and of the handle of each set among the inputs.
    fn places(self) -> SmallVec<[(Option<usize>, Option<usize>); 4]> {
        let mut next = 0..;
        let sets = 0..1u32 << self.symbols;
        let mut place = |sets: Sets, s: u32| sets.has(s).then(|| next.next().expect("endless"));
        sets.map(|s| (place(self.given, s), place(self.known, s))).collect()
    }

    /// More symbols than there is a kernel for: such an operation has failed, and its derivatives are it again.
    fn beyond(self) -> bool {
        self.symbols as usize > EXPM_ORDER
    }
}

/// One member of the family and its handle.
fn member<V: Value>(es: &[Option<&V>], handles: &[Option<&V>]) -> (V, V) {
    let (op, x) = ExpmJet::of(es, handles);
    let mut y = V::apply(Op::ExpmJet(op), &x);
    let handle = y.swap_remove(1);
    (y.swap_remove(0), handle)
}

/// Does a subset of `s` have one?
fn below<V>(s: usize, es: &[Option<&V>]) -> bool {
    (0..=s).any(|t| t & !s == 0 && es[t].is_some())
}

/// The tangent of the member of all symbols, for the tangents of the directions and those of the handles as far as
/// there are some.
fn push<'v, V: Value>(
    es: &PerSet<'v, V>,
    handles: &PerSet<'v, V>,
    des: &PerSet<'v, V>,
    dhandles: &PerSet<'v, V>,
) -> Outs<Option<V>> {
    let full = es.len() - 1;
    if !below(full, des) {
        return smallvec![None, None];
    }
    // A sweep brings the handles' tangents along; without them they are found anew.
    let mut made: SmallVec<[Option<V>; 4]> = smallvec![None; es.len()];
    for s in 0..full {
        if dhandles[s].is_none() && below(s, des) {
            let handle = {
                let known: PerSet<'_, V> = dhandles.iter().zip(&made).map(|(d, m)| d.or(m.as_ref())).collect();
                within(s, es, handles, des, &known).1
            };
            made[s] = Some(handle);
        }
    }
    let known: PerSet<'_, V> = dhandles.iter().zip(&made).map(|(d, m)| d.or(m.as_ref())).collect();
    let (y, handle) = within(full, es, handles, des, &known);
    smallvec![Some(y), Some(handle)]
}

/// The member of the symbols of `set` and one more, with `des` and `dhandles` where the new one is in: sets are
/// numbered within `set`.
fn within<V: Value>(
    set: usize,
    es: &[Option<&V>],
    handles: &[Option<&V>],
    des: &[Option<&V>],
    dhandles: &[Option<&V>],
) -> (V, V) {
    let subsets = || (0..=set).filter(|t| t & !set == 0);
    let e: SmallVec<[Option<&V>; 8]> = subsets().map(|t| es[t]).chain(subsets().map(|t| des[t])).collect();
    let h: SmallVec<[Option<&V>; 8]> = subsets().map(|t| handles[t]).chain(subsets().map(|t| dhandles[t])).collect();
    member(&e, &h)
}

/// The cotangents of the directions for the cotangent `g` of the member: `want[S]` says of which, `put` takes them.
fn pull<V: Value>(es: &PerSet<'_, V>, handles: &PerSet<'_, V>, g: V, want: &[bool], mut put: impl FnMut(usize, V)) {
    let full = es.len() - 1;
    let gt = g.t();
    drop(g);
    let mut des: PerSet<'_, V> = smallvec![None; es.len()];
    des[0] = Some(&gt);
    let mut made: SmallVec<[Option<V>; 4]> = smallvec![None; es.len()];
    for s in 0..=full {
        // Of the direction of the other symbols; and a step for all larger sets.
        let later = |t: usize| t > s && t & s == s && want[full & !t];
        let needed = (s..=full).any(later);
        if !want[full & !s] && !needed {
            continue;
        }
        let (y, handle) = {
            let known: PerSet<'_, V> = made.iter().map(Option::as_ref).collect();
            within(s, es, handles, &des, &known)
        };
        if needed {
            made[s] = Some(handle);
        } else {
            drop(handle);
        }
        if want[full & !s] {
            put(full & !s, y.t());
        }
    }
}

impl<T: Scalar> Primitive<T> for Expm {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`expm`",
        conditions: "finite; no entry of the result overflows, else `Overflow`; norm below `2^52` (`2^23` in single precision), else `Unsupported`",
        gauge: "none",
        cost: &["14.7 + 2s with s squarings", "28 + 4s", "28 + 4s"],
        degenerate: "defective, nilpotent and zero matrices are like any other; of an exactly skew matrix the result is orthogonal to rounding",
        source: "Al-Mohy & Higham 2009; derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let n = square(x[0])?;
        Ok(smallvec![x[0], x[0].with(n, 7 * n + 4)])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let (y, handle) = two(y);
        members(x[0].shape.batch, |b| T::expm(x[0].member(b), x[0].shape.rows, y.member(b), handle.member(b), w))
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        push(&smallvec![Some(x[0])], &smallvec![Some(y[1])], &smallvec![dx[0]], &smallvec![None])
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = dy[0].take() else { return };
        pull(&smallvec![Some(x[0])], &smallvec![Some(y[1])], g, &[true], |_, a| out.add(0, a));
    }

    /// The rule above, where it does not fail; else that says so.
    fn push_direct(&self, p: PushStep<'_, T>) -> bool {
        let ([y, handle], a) = (p.outputs::<2>(), p.input(0));
        let (n, each, len) = (y.shape.rows, y.shape.each(), handle.shape.each());
        let Some(da) = p.tangent(0) else { return false };
        let (mut dy, mut dhandle) = (p.store.take(y.shape.len()), p.store.take(handle.shape.len()));
        let done = try_members(p.store, [&mut dy, &mut dhandle], [each, len], |b, dy, dhandle, store| {
            let es = [a.member(b), da.member(b)];
            T::expm_jet(&es, &[handle.member(b), &[]], n, dy, dhandle, &mut store.work.borrow_mut())
        });
        if done.is_err() {
            [dy, dhandle].into_iter().for_each(|x| p.store.put(x));
            return false;
        }
        p.done([dy, dhandle])
    }

    /// The transpose of `D exp(A)[gY^T]`, whose handle nobody will ask for.
    #[inline(always)]
    fn pull_direct(&self, mut p: PullStep<'_, T>) -> bool {
        pull_numbers(&mut p.again());
        true
    }

    fn pull_pairs(&self, p: PullPairsStep<'_, T>) -> bool {
        pull_pairs(p)
    }
}

impl ExpmJet {
    /// Directions and handles by sets.
    fn sorted<'v, V>(self, x: &[&'v V], y: &[&'v V]) -> (PerSet<'v, V>, PerSet<'v, V>) {
        let of = |i: Option<usize>| i.map(|i| x[i]);
        let places = self.places();
        let es = places.iter().map(|p| of(p.0)).collect();
        let mut handles: PerSet<'v, V> = places.iter().map(|p| of(p.1)).collect();
        if let Some(last) = handles.last_mut() {
            *last = Some(y[1]);
        }
        (es, handles)
    }
}

impl<T: Scalar> Primitive<T> for ExpmJet {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`expm_along`, `expm_frechet`, derivatives of `expm`",
        conditions: "as `expm`; up to six directions, else `Unsupported`",
        gauge: "none",
        cost: &["(14.7 + 2s) 2^k for k directions, beside those of fewer directions"],
        degenerate: "exact everywhere: the family `D^k exp(A)[E..]` is closed under differentiation",
        source: "Al-Mohy & Higham 2009; Higham & Relton 2014; derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let n = square(x[0])?;
        let mut batch = x[0].batch;
        for (e, handle) in self.places() {
            for (i, cols) in [(e, n), (handle, 7 * n + 4)] {
                let Some(i) = i else { continue };
                if (x[i].rows, x[i].cols) != (n, cols) {
                    return Err("expected directions with the shape of the matrix".into());
                }
                batch = x[i]
                    .common_batch(Shape { batch, ..x[i] })
                    .ok_or("expected batches that agree, or one that is 1")?;
            }
        }
        let whole = Shape { batch, ..x[0] };
        Ok(smallvec![whole, whole.with(n, 7 * n + 4)])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let n = x[0].shape.rows;
        let (y, handle) = two(y);
        let places = self.places();
        members(y.shape.batch, |b| {
            let of = |i: Option<usize>| i.map_or(&[][..], |i| x[i].member(b));
            let es: SmallVec<[&[T]; 8]> = places.iter().map(|p| of(p.0)).collect();
            let handles: SmallVec<[&[T]; 8]> = places.iter().map(|p| of(p.1)).collect();
            T::expm_jet(&es, &handles, n, y.member(b), handle.member(b), w)
        })
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        if self.beyond() {
            return V::apply(Op::ExpmJet(*self), x).into_iter().map(Some).collect();
        }
        let (es, handles) = self.sorted(x, y);
        let of = |i: Option<usize>| i.and_then(|i| dx[i]);
        let places = self.places();
        let (des, dhandles) = (places.iter().map(|p| of(p.0)).collect(), places.iter().map(|p| of(p.1)).collect());
        push(&es, &handles, &des, &dhandles)
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = dy[0].take() else { return };
        let places = self.places();
        if self.beyond() {
            let again = V::one(Op::ExpmJet(*self), x);
            return places.iter().filter_map(|p| p.0).for_each(|i| out.add(i, again.clone()));
        }
        let (es, handles) = self.sorted(x, y);
        let want: SmallVec<[bool; 4]> = places.iter().map(|p| p.0.is_some_and(|i| out.wants(i))).collect();
        pull(&es, &handles, g, &want, |s, e| {
            if let Some(i) = places[s].0 {
                out.add(i, e);
            }
        });
    }
}

/// The member of a set `s` of single directions, from `A` and the handles of all sets of smaller number.
pub(crate) fn along<'v, V>(s: usize, a: &'v V, es: &'v [V], handles: &'v [V]) -> (ExpmJet, SmallVec<[&'v V; 8]>) {
    let subsets = || (0..=s).filter(|t| t & !s == 0);
    let direction = |t: usize| match t.count_ones() {
        0 => Some(a),
        1 => Some(&es[t.trailing_zeros() as usize]),
        _ => None,
    };
    let e: SmallVec<[Option<&V>; 8]> = subsets().map(direction).collect();
    let known: SmallVec<[Option<&V>; 8]> = subsets().map(|t| handles.get(t)).collect();
    ExpmJet::of(&e, &known)
}

fn pull_numbers<T: Scalar>(p: &mut PullStep<'_, T>) {
    let (a, store) = (p.input(0), p.store);
    let ([y, handle], [g, _]) = (p.outputs::<2>(), p.take_all::<2>());
    let Some(mut g) = g else { return };
    let (n, each) = (y.shape.rows, y.shape.each());
    let mut gt = store.take(g.len());
    let done = try_members(store, [&mut g, &mut gt], [each; 2], |b, g, gt, store| {
        T::transpose(g, n, n, gt);
        let (mut jet, w) = (store.take(handle.shape.each()), &mut *store.work.borrow_mut());
        let done = T::expm_jet(&[a.member(b), gt], &[handle.member(b), &[]], n, g, &mut jet, w);
        store.put(jet);
        gt.copy_from_slice(g);
        T::transpose(gt, n, n, g);
        done
    });
    store.put(gt);
    if let Err(trouble) = done {
        g.fill(T::nan());
        p.fail("expm_along", y.shape.batch, trouble);
    }
    p.give(0, g);
}

/// With the jets of the cotangent and of the tangent, that of both: nothing is computed twice.
fn pull_pairs<T: Scalar>(mut p: PullPairsStep<'_, T>) -> bool {
    let ((shape, a), [_, (handles, handle)], store) = (p.input(0), p.outputs::<2>(), p.store);
    // A matrix that moves and a handle that does not: the words of the rule make its tangent.
    if a.1.is_some() != handle.1.is_some() {
        return false;
    }
    let [g, _] = p.take_all::<2>();
    let Some((mut g, dg)) = g else { return true };
    let (n, each, len) = (shape.rows, shape.each(), handles.each());
    let mut moved = store.take(g.len());
    moved.fill(T::zero());
    let done = try_members(store, [&mut g, &mut moved], [each; 2], |b, g, moved, store| {
        let x = [direct::member(a, b, each), direct::member(handle, b, len)];
        let mut work = [each, each, each, len, len].map(|len| store.take(len));
        let dg = dg.as_ref().map(|dg| &dg[b * each..][..each]);
        let done = pull_pairs_member(x, (g, dg), n, moved, &mut work, store);
        work.into_iter().for_each(|x| store.put(x));
        done
    });
    dg.into_iter().for_each(|x| store.put(x));
    if let Err(trouble) = done {
        g.fill(T::nan());
        moved.fill(T::nan());
        p.fail("expm_along", shape.batch, trouble);
    }
    p.give((g, moved))
}

/// One member: `g` becomes the cotangent of `A`, and `moved`, which is zero, its tangent.
fn pull_pairs_member<T: Scalar>(
    [(a, da), (handle, dhandle)]: [WithTangent<'_, T>; 2],
    (g, dg): (&mut [T], Option<&[T]>),
    n: usize,
    moved: &mut [T],
    [gt, dgt, d, jet, second]: &mut [Buf<T>; 5],
    store: &Store<T>,
) -> Result<(), Failure> {
    let w = &mut *store.work.borrow_mut();
    T::transpose(g, n, n, gt);
    T::expm_jet(&[a, gt], &[handle, &[]], n, d, jet, w)?;
    T::transpose(d, n, n, g);
    let dgt: &[T] = match dg {
        Some(dg) => {
            T::transpose(dg, n, n, dgt);
            dgt
        }
        None => &[],
    };
    match da.zip(dhandle) {
        Some((da, dhandle)) => T::expm_jet(&[a, gt, da, dgt], &[handle, jet, dhandle, &[]], n, d, second, w)?,
        None if dgt.is_empty() => return Ok(()),
        None => T::expm_jet(&[a, dgt], &[handle, &[]], n, d, second, w)?,
    }
    T::transpose(d, n, n, moved);
    Ok(())
}
