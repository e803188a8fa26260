//! The exponential of a general matrix, and its derivatives of any order along any directions, by one scaling and
//! squaring.
//!
//! With `mu = tr A / n` and `X = (A - mu I) / 2^s`: `exp(A) = (e^{mu / 2^s} r_m(X))^{2^s}`, `r_m(X) = Q^{-1} P`,
//! `P = V + U`, `Q = V - U`, `U = X W`, `V` and `W` polynomials in `X^2` (Higham 2005; Al-Mohy & Higham 2009). Degree
//! and squarings are chosen in `expm_scale.rs`; they and `mu` are constants, and any of them gives `exp(A)` up to
//! truncation, so none is differentiated.
//!
//! **Derivatives.** Adjoin to the numbers symbols `e_1, .., e_k` that commute and square to zero. Over such numbers the
//! coefficient of `e_1 .. e_k` in `exp(A + sum over S of e_S E_S)` is a mixed derivative; with `E_S = 0` but for single
//! symbols it is `D^k exp(A)[E_1, .., E_k]`. So the recipe above is run in this algebra: every intermediate `Z` has a
//! coefficient `Z_S` for each subset `S` of the symbols, a product has `(Y Z)_S = sum over T in S of Y_T Z_{S - T}`,
//! and the solve with `Q` becomes `Q_0 R_S = P_S - sum over T in S, T not empty, of Q_T R_{S - T}`. The coefficients of
//! the empty set are those of the value.
//!
//! What the recipe computes for one subset is a *jet*, kept in a handle. The jet of `S` is computed from those of its
//! proper subsets, and the value is the jet of the empty set, so there is one program for all of them, and nothing is
//! computed twice: in products of the value, the subsets of `k` symbols together cost `3^k`.
//!
//! What does not live here: choices by norms (`expm_scale.rs`), what is done to one matrix (`expm_matrix.rs`), adjoints
//! (`L(A, G^T)^T`, which the rules write down).

use num_traits::Float;

use crate::expm_matrix::{coefficients, grow, mean, norm, orthogonalise, shifted, skew, two};
use crate::expm_scale::{Recipe, by_norm, by_powers, gain};
use crate::gemm::gemm;
use crate::real::{Real, finite};
use crate::tolerances::{EXPM_ORDER, WIDE, expm_squarings};
use crate::{Failure, Scalar, Workspace};

/// Slots of `n x n` numbers in the handle of a jet: powers of `X`, `W`, `e^{mu / 2^s} R`, its square, and `Q`.
const X2: usize = 0;
const X4: usize = 1;
const X6: usize = 2;
const W: usize = 3;
const R0: usize = 4;
/// Only without squarings is `X^8` needed, and then nothing else wants this slot.
const X8: usize = 5;
const Q: usize = 6;
const SLOTS: usize = 7;
/// The last squared matrix with a slot. A recipe with more than two squarings repeats the later ones for every jet: one
/// product each, where the jet itself has at least fourteen and the memory of one more slot would be everybody's.
const KEPT: usize = 1;

/// Numbers in the handle of a jet: the slots, and four columns in which a value, whose last slot has the factors of
/// `Q`, keeps the order of their rows and the recipe. Other jets have the same size, so that the tangent of a handle is
/// a matrix of its shape.
pub(crate) const fn handle_len(n: usize) -> usize {
    n * (SLOTS * n + 4)
}

/// The base in which degree and squarings are one number.
const CODE: usize = 16;

const TOO_LARGE: Failure =
    Failure::Unsupported { what: "the exponential of a matrix so large that rounding its entries decides every digit" };
const OVERFLOW: Failure = Failure::Overflow { what: "the exponential of a matrix, or a derivative of it" };

/// `exp(A)` and the handle of [`handle_len`] numbers that its jets are computed from.
///
/// The exponential of an exactly skew matrix is orthogonal to rounding: what the squarings lose is restored.
pub(crate) fn expm<T: Real>(
    a: &[T],
    n: usize,
    y: &mut [T],
    handle: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    debug_assert!(a.len() == n * n && y.len() == n * n && handle.len() == handle_len(n));
    finite(a)?;
    if n == 0 {
        return Ok(());
    }
    let mut taken = w.take(5 * n * n);
    let (x, spare) = taken[..5 * n * n].split_at_mut(n * n);
    let done = value(a, n, y, handle, x, spare, w);
    w.put(taken);
    done?;
    if crate::sums::all_finite(y) { Ok(()) } else { Err(OVERFLOW) }
}

fn value<T: Real>(
    a: &[T],
    n: usize,
    y: &mut [T],
    handle: &mut [T],
    x: &mut [T],
    spare: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    let (slots, lu) = handle.split_at_mut(Q * n * n);
    let (lu, told) = lu.split_at_mut(n * n + n);
    let mu = mean(a, n);
    shifted(a, n, mu, x);
    let (u, rest) = spare.split_at_mut(n * n);
    let recipe = choose(x, n, slots, u)?;
    // Before the squarings: then nothing on the way is larger than what exp(A) itself needs.
    let phi = Float::exp(mu * two::<T>(-(recipe.s as i32)));
    told[..3].copy_from_slice(&[T::of((recipe.m + CODE * recipe.s) as f64), mu, phi]);
    let jets = Jets { n, recipe, phi, x, given: &[true], handles: &[&[]] };
    let (v, levels) = rest.split_at_mut(n * n);
    jets.numerators(slots, u, v);
    let r0 = &mut slots[R0 * n * n..][..n * n];
    for (r0, (v, u)) in r0.iter_mut().zip(v.iter_mut().zip(u.iter())) {
        *r0 = phi * (*v + *u);
        *v -= *u;
    }
    crate::lu::lu(v, n, lu, w)?;
    crate::lu::lu_solve(lu, n, false, r0, n, w);
    jets.squared(slots, levels, y);
    if recipe.s > 0 && skew(a, n) {
        orthogonalise(y, n, u, v);
    }
    Ok(())
}

/// The jet of the set of all symbols, and its handle of [`handle_len`] numbers.
///
/// `es[S]` is the direction of the subset `S` of `k` symbols (a number of `k` bits) and `handles[S]` its jet;
/// `es.len() = 2^k`. The empty set has `A` and the handle of its value. An empty slice is a zero: a direction that is
/// not there, or the jet of a set with none in any of its subsets; the jet of the full set is what is computed. `y`
/// becomes its coefficient in the exponential.
pub(crate) fn jet<T: Real>(
    es: &[&[T]],
    handles: &[&[T]],
    n: usize,
    y: &mut [T],
    handle: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    debug_assert!(es.len() == handles.len() && es.len().is_power_of_two());
    debug_assert!(y.len() == n * n && handle.len() == handle_len(n));
    if es.len() > 1 << EXPM_ORDER {
        return Err(Failure::Unsupported { what: "a derivative of the exponential of a matrix of this order" });
    }
    for e in &es[1..] {
        finite(e)?;
    }
    if n == 0 {
        return Ok(());
    }
    let told = &handles[0][handle_len(n) - 3 * n..];
    let code = Scalar::f64(told[0]) as usize;
    let recipe = Recipe { m: code % CODE, s: code / CODE };
    let (each, more) = (n * n, if recipe.s > KEPT + 1 { 2 * es.len() } else { 0 });
    let mut taken = w.take((es.len() + 2 + more) * each);
    let (x, rest) = taken[..(es.len() + 2 + more) * each].split_at_mut(es.len() * each);
    let (uv, levels) = rest.split_at_mut(2 * each);
    let mut given = [false; 1 << EXPM_ORDER];
    scaled(es, n, told[1], recipe.s, x, &mut given);
    let jets = Jets { n, recipe, phi: told[2], x, given: &given[..es.len()], handles };
    jets.powers(handle);
    let (u, v) = uv.split_at_mut(each);
    jets.numerators(handle, u, v);
    jets.solved(handle, u, v, w);
    jets.squared(handle, levels, y);
    handle[SLOTS * each..].fill(T::zero());
    w.put(taken);
    if crate::sums::all_finite(y) { Ok(()) } else { Err(OVERFLOW) }
}

/// The coefficients of `X` where there are directions: only that of the empty set is shifted.
fn scaled<T: Real>(es: &[&[T]], n: usize, mu: T, squarings: usize, x: &mut [T], given: &mut [bool]) {
    for (s, (x, e)) in x.chunks_exact_mut(n * n).zip(es).enumerate().filter(|(_, (_, e))| !e.is_empty()) {
        given[s] = true;
        match s {
            0 => shifted(e, n, mu, x),
            _ => x.copy_from_slice(e),
        }
        grow(x, -(squarings as i32));
    }
}

/// The recipe over the algebra: what is known of every subset but the last, which is being computed.
struct Jets<'a, T> {
    n: usize,
    recipe: Recipe,
    /// `e^{mu / 2^s}`.
    phi: T,
    /// The coefficients of `X`, one after the other, where `given`.
    x: &'a [T],
    given: &'a [bool],
    handles: &'a [&'a [T]],
}

impl<T: Real> Jets<'_, T> {
    fn full(&self) -> usize {
        self.handles.len() - 1
    }

    /// The coefficient of `X`.
    fn input(&self, s: usize) -> Option<&[T]> {
        self.given[s].then(|| slot(self.x, s, self.n))
    }

    /// Slot `i` of the jet of `s`, which for the set in work is one of `own`.
    fn jet<'b>(&'b self, own: &Others<'b, T>, s: usize, i: usize) -> Option<&'b [T]> {
        match self.handles[s] {
            _ if s == self.full() => Some(own.slot(i)),
            [] => None,
            handle => Some(slot(handle, i, self.n)),
        }
    }

    /// `out = [out +] alpha (Y Z)_S`, the term of the empty `T` left out if `later`.
    fn product<'b>(
        &self,
        set: usize,
        out: &mut [T],
        alpha: T,
        y: impl Fn(usize) -> Option<&'b [T]>,
        z: impl Fn(usize) -> Option<&'b [T]>,
        (mut add, later): (bool, bool),
    ) {
        let n = self.n;
        for t in subsets(set).filter(|t| !later || *t > 0) {
            if let (Some(y), Some(z)) = (y(t), z(set & !t)) {
                gemm(out, n, n, n, alpha, y, false, z, false, add);
                add = true;
            }
        }
        if !add {
            out.fill(T::zero());
        }
    }

    /// `X^2`, `X^4`, .. as far as the degree needs them.
    fn powers(&self, own: &mut [T]) {
        let m = self.recipe.m;
        let (out, _) = apart(own, X2, self.n);
        self.product(self.full(), out, T::one(), |s| self.input(s), |s| self.input(s), (false, false));
        let later = [(X4, X2, X2, m >= 5), (X6, X4, X2, m >= 7), (X8, X6, X2, m == 9)];
        for (to, left, right, _) in later.into_iter().filter(|(.., needed)| *needed) {
            let (out, own) = apart(own, to, self.n);
            let (left, right) = (|s| self.jet(&own, s, left), |s| self.jet(&own, s, right));
            self.product(self.full(), out, T::one(), left, right, (false, false));
        }
    }

    /// The coefficients of `W` (into its slot), of `U = X W` and of `V`.
    fn numerators(&self, own: &mut [T], u: &mut [T], v: &mut [T]) {
        let b = coefficients(self.recipe.m);
        let (wm, own) = apart(own, W, self.n);
        if self.recipe.m == 13 {
            self.nested(&own, wm, u, [b[13], b[11], b[9]], [b[1], b[3], b[5], b[7]]);
            self.nested(&own, v, u, [b[12], b[10], b[8]], [b[0], b[2], b[4], b[6]]);
        } else {
            self.polynomial(&own, self.full(), wm, [b[1], b[3], b[5], b[7], b[9]], false);
            self.polynomial(&own, self.full(), v, [b[0], b[2], b[4], b[6], b[8]], false);
        }
        let wm = &*wm;
        let of = |s: usize| if s == self.full() { Some(wm) } else { self.jet(&own, s, W) };
        self.product(self.full(), u, T::one(), |s| self.input(s), of, (false, false));
    }

    /// `X^6 (c_0 X^6 + c_1 X^4 + c_2 X^2) + d_3 X^6 + d_2 X^4 + d_1 X^2 + d_0 I`.
    fn nested(&self, own: &Others<'_, T>, out: &mut [T], work: &mut [T], c: [f64; 3], d: [f64; 4]) {
        let n = self.n;
        let mut add = false;
        for t in subsets(self.full()) {
            let rest = self.full() & !t;
            if let (Some(x6), true) = (self.jet(own, rest, X6), self.jet(own, t, X2).is_some()) {
                self.polynomial(own, t, work, [0.0, c[2], c[1], c[0], 0.0], false);
                gemm(out, n, n, n, T::one(), x6, false, work, false, add);
                add = true;
            }
        }
        self.polynomial(own, self.full(), out, [d[0], d[1], d[2], d[3], 0.0], add);
    }

    /// `out = [out +] (c_0 I + c_1 X^2 + c_2 X^4 + c_3 X^6 + c_4 X^8)_S`; of powers that the degree does not need
    /// nothing is read.
    fn polynomial(&self, own: &Others<'_, T>, s: usize, out: &mut [T], c: [f64; 5], add: bool) {
        let p = |i: usize| self.jet(own, s, i).unwrap_or(&[]);
        let [c0, c1, c2, c3, c4] = c.map(T::of);
        match self.recipe.m {
            3 => mix(out, [c1], [p(X2)], add),
            5 => mix(out, [c1, c2], [p(X2), p(X4)], add),
            9 => mix(out, [c1, c2, c3, c4], [p(X2), p(X4), p(X6), p(X8)], add),
            _ => mix(out, [c1, c2, c3], [p(X2), p(X4), p(X6)], add),
        }
        if s == 0 {
            out.iter_mut().step_by(self.n + 1).for_each(|x| *x += c0);
        }
    }

    /// `Q_S`, and `e^{mu / 2^s} R_S` from the equation with `Q_0`.
    fn solved(&self, own: &mut [T], u: &[T], v: &[T], w: &mut Workspace<T>) {
        let n = self.n;
        let (out, _) = apart(own, Q, n);
        for (q, (v, u)) in out.iter_mut().zip(v.iter().zip(u)) {
            *q = *v - *u;
        }
        let (r, own) = apart(own, R0, n);
        for (r, (v, u)) in r.iter_mut().zip(v.iter().zip(u)) {
            *r = self.phi * (*v + *u);
        }
        let (q, known) = (|s: usize| self.jet(&own, s, Q), |s: usize| self.jet(&own, s, R0));
        self.product(self.full(), r, -T::one(), q, known, (true, true));
        crate::lu::lu_solve(&self.handles[0][Q * n * n..][..n * n + n], n, false, r, n, w);
    }

    /// `R_0^{2^s}`: slots keep the first of the squared matrices, `levels` hold the later ones of every subset.
    fn squared(&self, own: &mut [T], levels: &mut [T], y: &mut [T]) {
        let (n, s) = (self.n, self.recipe.s);
        for i in 0..s.min(KEPT) {
            let (out, own) = apart(own, R0 + i + 1, n);
            let read = |t: usize| self.jet(&own, t, R0 + i);
            let out = if i + 1 == s { &mut *y } else { out };
            self.product(self.full(), out, T::one(), read, read, (false, false));
        }
        let (_, own) = apart(own, W, n);
        match s {
            0 => y.copy_from_slice(own.slot(R0)),
            s if s > KEPT => self.squared_on(&own, s - KEPT, levels, y),
            _ => {}
        }
    }

    /// The last `more` squarings.
    fn squared_on(&self, own: &Others<'_, T>, more: usize, levels: &mut [T], y: &mut [T]) {
        let (n, each) = (self.n, self.n * self.n);
        let (mut now, mut next) = levels.split_at_mut(levels.len() / 2);
        for i in 0..more {
            let here = |t: usize| t == self.full() || !self.handles[t].is_empty() || t == 0;
            let kept = |t: usize| self.jet(own, t, R0 + KEPT);
            let fresh = &*now;
            let made = |t: usize| here(t).then(|| slot(fresh, t, n));
            if i + 1 == more {
                match i {
                    0 => self.product(self.full(), y, T::one(), kept, kept, (false, false)),
                    _ => self.product(self.full(), y, T::one(), made, made, (false, false)),
                }
                return;
            }
            for t in (0..=self.full()).filter(|t| here(*t)) {
                let out = &mut next[t * each..][..each];
                match i {
                    0 => self.product(t, out, T::one(), kept, kept, (false, false)),
                    _ => self.product(t, out, T::one(), made, made, (false, false)),
                }
            }
            core::mem::swap(&mut now, &mut next);
        }
    }
}

/// The subsets of a set, the set itself first.
#[inline]
fn subsets(set: usize) -> impl Iterator<Item = usize> {
    core::iter::successors(Some(set), move |t| (*t > 0).then(|| (t - 1) & set))
}

/// Slot `i` of a handle.
fn slot<T>(handle: &[T], i: usize, n: usize) -> &[T] {
    &handle[i * n * n..][..n * n]
}

/// All slots of a handle but the one that is being written.
struct Others<'a, T> {
    before: &'a [T],
    after: &'a [T],
    /// The slot that is being written.
    written: usize,
    n: usize,
}

/// Slot `i`, to write, and the others.
fn apart<T>(handle: &mut [T], i: usize, n: usize) -> (&mut [T], Others<'_, T>) {
    let (before, rest) = handle.split_at_mut(i * n * n);
    let (out, after) = rest.split_at_mut(n * n);
    (out, Others { before, after, written: i, n })
}

impl<'a, T> Others<'a, T> {
    fn slot(&self, i: usize) -> &'a [T] {
        match i.checked_sub(self.written + 1) {
            Some(after) => slot(self.after, after, self.n),
            None => slot(self.before, i, self.n),
        }
    }
}

/// `out = [out +] sum of c_k p_k`.
#[inline]
fn mix<T: Real, const K: usize>(out: &mut [T], c: [T; K], p: [&[T]; K], add: bool) {
    match out.len() {
        0..WIDE => mix_loop(out, c, p, add),
        _ => pulp::Arch::new().dispatch(|| mix_loop(out, c, p, add)),
    }
}

/// The loop of [`mix`], compiled for whatever registers the caller runs on.
#[inline(always)]
fn mix_loop<T: Real, const K: usize>(out: &mut [T], c: [T; K], p: [&[T]; K], add: bool) {
    let p = p.map(|p| &p[..out.len()]);
    let sum = |i: usize| (0..K).fold(T::zero(), |sum, k| sum + c[k] * p[k][i]);
    match add {
        true => out.iter_mut().enumerate().for_each(|(i, out)| *out += sum(i)),
        false => out.iter_mut().enumerate().for_each(|(i, out)| *out = sum(i)),
    }
}

/// Scales `X` and leaves the powers that the recipe needs in their slots.
fn choose<T: Real>(x: &mut [T], n: usize, slots: &mut [T], third: &mut [T]) -> Result<Recipe, Failure> {
    let norm = norm(x, n);
    let mut recipe = by_norm::<T>(norm).ok_or(TOO_LARGE)?;
    grow(x, -(recipe.s as i32));
    let one = Jets { n, recipe, phi: T::one(), x, given: &[true], handles: &[&[]] };
    one.powers(slots);
    if recipe.s > 1 {
        recipe = rescaled(recipe, x, n, slots, third).unwrap_or(recipe);
    }
    if recipe.s > expm_squarings::<T>() { Err(TOO_LARGE) } else { Ok(recipe) }
}

/// Fewer squarings for a matrix far from normal: what was scaled by its norm is scaled back.
fn rescaled<T: Real>(r: Recipe, x: &mut [T], n: usize, slots: &mut [T], third: &mut [T]) -> Option<Recipe> {
    let [p4, p6] = [X4, X6].map(|i| norm(slot(slots, i, n), n));
    let most = gain::<T>(r, p4, p6)?;
    let [p1, p2] = [&*x, slot(slots, X2, n)].map(|x| norm(x, n));
    gemm(third, n, n, n, T::one(), slot(slots, X2, n), false, x, false, false);
    let found = by_powers::<T>(r, most, [p1, p2, norm(third, n), p4, p6])?;
    let less = (r.s - found.s) as i32;
    grow(x, less);
    for (i, power) in [(X2, 2), (X4, 4), (X6, 6)] {
        (0..power).for_each(|_| grow(&mut slots[i * n * n..][..n * n], less));
    }
    if found.m == 9 {
        let (out, own) = apart(slots, X8, n);
        gemm(out, n, n, n, T::one(), own.slot(X6), false, own.slot(X2), false, false);
    }
    Some(found)
}
