//! The largest or smallest of many entries, and how many entries equal a number: plain loops in lanes, from some length
//! on compiled for the widest registers. Which entries belong together is not known here.

use super::flat::Wide;
use crate::real::Real;
use crate::tolerances::FLAT_WIDE;

/// The largest (or smallest) of the entries and of `before`. NaN wins.
pub(crate) fn extreme<T: Real>(max: bool, before: T, a: &[T]) -> T {
    match (max, a.len() < FLAT_WIDE) {
        (true, true) => fold(before, a, |x, best| x > best),
        (false, true) => fold(before, a, |x, best| x < best),
        (true, false) => wide(before, a, |x, best| x > best),
        (false, false) => wide(before, a, |x, best| x < best),
    }
}

#[inline(never)]
fn wide<T: Real>(before: T, a: &[T], ahead: impl Fn(T, T) -> bool) -> T {
    let mut best = before;
    pulp::Arch::new().dispatch(Wide(|| best = lanes(before, a, ahead)));
    best
}

/// No comparison waits for the one before.
#[inline(always)]
fn lanes<T: Real>(before: T, a: &[T], ahead: impl Fn(T, T) -> bool) -> T {
    let (chunks, rest) = a.as_chunks::<32>();
    let mut lanes = [before; 32];
    for x in chunks {
        for i in 0..32 {
            lanes[i] = if ahead(x[i], lanes[i]) | x[i].is_nan() { x[i] } else { lanes[i] };
        }
    }
    let best = fold(before, &lanes, &ahead);
    fold(best, rest, &ahead)
}

#[inline(always)]
fn fold<T: Real>(before: T, a: &[T], ahead: impl Fn(T, T) -> bool) -> T {
    a.iter().fold(before, |best, &x| if ahead(x, best) | x.is_nan() { x } else { best })
}

/// How many entries equal `x`.
pub(crate) fn count<T: Real>(x: T, a: &[T]) -> usize {
    if a.len() < FLAT_WIDE { equal(x, a) } else { count_wide(x, a) }
}

#[inline(never)]
fn count_wide<T: Real>(x: T, a: &[T]) -> usize {
    let mut n = 0;
    pulp::Arch::new().dispatch(Wide(|| n = equal(x, a)));
    n
}

#[inline(always)]
fn equal<T: Real>(x: T, a: &[T]) -> usize {
    a.iter().map(|a| usize::from(*a == x)).sum()
}
