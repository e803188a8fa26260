//! The loops of a softmax: shifted exponentials, their compensated sums, and weights made of them. Which entries belong
//! together, and what an infinite one means, is known to the caller; here a shift of -inf counts as 0.

use super::flat::Wide;
use super::{Entry, Lane, exp, map};
use crate::real::Real;
use crate::tolerances::FLAT_WIDE;

/// `e^(x - t)`.
struct ExpBelow<T>(T);

impl<T: Lane> Entry<T> for ExpBelow<T> {
    #[inline(always)]
    fn at<const F: bool>(&self, x: T) -> T {
        exp::exp::<F, T>(x - self.0)
    }
}

/// Where all entries of a group are -inf, every one gives `e^(-inf - 0) = 0`.
#[inline(always)]
fn base<T: Real>(t: T) -> T {
    if t == T::neg_infinity() { T::zero() } else { t }
}

/// `e = e^(x - t)`.
pub(crate) fn exp_below<T: Real>(x: &[T], t: T, e: &mut [T]) {
    map(ExpBelow(base(t)), x, e);
}

/// `z = x - t`, with a `t` for each entry.
pub(crate) fn below<T: Real>(x: &[T], t: &[T], z: &mut [T]) {
    debug_assert!(x.len() == z.len() && t.len() == z.len());
    if x.len() < FLAT_WIDE { below_loop(x, t, z) } else { below_wide(x, t, z) }
}

#[inline(never)]
fn below_wide<T: Real>(x: &[T], t: &[T], z: &mut [T]) {
    pulp::Arch::new().dispatch(Wide(move || below_loop(x, t, z)));
}

#[inline(always)]
fn below_loop<T: Real>(x: &[T], t: &[T], z: &mut [T]) {
    for ((z, &x), &t) in z.iter_mut().zip(x).zip(t) {
        *z = x - base(t);
    }
}

/// `s += e` for `0 <= e <= 1`, entry by entry, where what rounding loses of `s` is carried along: sums of many terms
/// keep their digits. It goes back into the sum at once, so that it stays below a unit in the last place of `s`.
pub(crate) fn carry<T: Real>(e: &[T], s: &mut [T], lost: &mut [T]) {
    debug_assert!(e.len() == s.len() && lost.len() == s.len());
    if e.len() < FLAT_WIDE { carry_loop(e, s, lost) } else { carry_wide(e, s, lost) }
}

#[inline(never)]
fn carry_wide<T: Real>(e: &[T], s: &mut [T], lost: &mut [T]) {
    pulp::Arch::new().dispatch(Wide(move || carry_loop(e, s, lost)));
}

#[inline(always)]
fn carry_loop<T: Real>(e: &[T], s: &mut [T], lost: &mut [T]) {
    for ((s, lost), &e) in s.iter_mut().zip(lost).zip(e) {
        let next = *s + e;
        // `s` is at least about as large as `e`, or is 0.
        *lost += (*s - next) + e;
        *s = next + *lost;
        *lost -= *s - next;
    }
}

/// `e = e r g`, where a weight `e r` below the smallest normal number counts as 0. NaN is not below, and stays.
#[inline(always)]
fn weight<T: Real>(e: T, r: T, g: T) -> T {
    let p = e * r;
    (if p < T::min_positive_value() { T::zero() } else { p }) * g
}

/// Weights from exponentials: `e = e r g`, with one `r` and `g` for all entries.
pub(crate) fn weigh<T: Real>(r: T, g: T, e: &mut [T]) {
    if e.len() < FLAT_WIDE { weigh_loop(r, g, e) } else { weigh_wide(r, g, e) }
}

#[inline(never)]
fn weigh_wide<T: Real>(r: T, g: T, e: &mut [T]) {
    pulp::Arch::new().dispatch(Wide(move || weigh_loop(r, g, e)));
}

#[inline(always)]
fn weigh_loop<T: Real>(r: T, g: T, e: &mut [T]) {
    for e in e {
        *e = weight(*e, r, g);
    }
}

/// The same with an `r` and a `g` for each entry.
pub(crate) fn weigh_each<T: Real>(r: &[T], g: &[T], e: &mut [T]) {
    debug_assert!(r.len() == e.len() && g.len() == e.len());
    if e.len() < FLAT_WIDE { weigh_each_loop(r, g, e) } else { weigh_each_wide(r, g, e) }
}

#[inline(never)]
fn weigh_each_wide<T: Real>(r: &[T], g: &[T], e: &mut [T]) {
    pulp::Arch::new().dispatch(Wide(move || weigh_each_loop(r, g, e)));
}

#[inline(always)]
fn weigh_each_loop<T: Real>(r: &[T], g: &[T], e: &mut [T]) {
    for ((e, &r), &g) in e.iter_mut().zip(r).zip(g) {
        *e = weight(*e, r, g);
    }
}
