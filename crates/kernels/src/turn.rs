//! Another choice of a basis that is determined only up to a rotation: of tied eigenvectors, of tied singular vectors,
//! of a complement. What a program does with either choice is compared elsewhere; derivatives are not known here.

use num_traits::Float;

use crate::real::Real;
use crate::spectrum::{Window, complement, parts, tied};
use crate::ties::groups;

/// Are there vectors in the window that share their value with another vector, or belong to a singular value that
/// vanishes?
pub(crate) fn has_ties<T: Real>(win: Window, handle: &[T]) -> bool {
    let (_, _, x) = parts(win, handle);
    let tol = tied(win, x);
    // The usual answer, without a list of groups.
    let apart = x.windows(2).all(|x| Float::abs(x[1] - x[0]) > tol) && !(win.singular && x.iter().any(|x| *x <= tol));
    !apart && groups(win, x, tol).any(|g| g.from < win.from + win.len && g.to > win.from)
}

/// Turns the vectors of each group of tied values among each other, in place: right and left singular vectors together,
/// except where their value vanishes. The rotations are fixed and have no zeros.
pub(crate) fn turn_ties<T: Real>(win: Window, handle: &mut [T]) {
    let (u, _, x) = parts(win, handle);
    let (m, n) = (win.m, win.n);
    let found: Vec<_> = groups(win, x, tied(win, x)).collect();
    let rest = if found.iter().any(|g| g.zero) { complement(u, m, n) } else { vec![] };
    let v = if win.singular { m * n } else { 0 };
    for g in found {
        turn(&mut handle[v + g.from * n..v + g.to * n], n, 0.0);
        if g.zero {
            let k = g.to - g.from;
            let mut all = handle[g.from * m..g.to * m].to_vec();
            all.extend(&rest);
            turn(&mut all, m, 1.0);
            handle[g.from * m..g.to * m].copy_from_slice(&all[..k * m]);
        } else if win.singular {
            turn(&mut handle[g.from * m..g.to * m], m, 0.0);
        }
    }
}

/// Turns the columns of an `m x k` matrix among each other: a rotation in each plane of two columns, and a change of
/// sign of the last, so that programs which see the orientation are told, too. A single column changes its sign if the
/// rotation is not the zeroth.
pub(crate) fn turn<T: Real>(a: &mut [T], m: usize, which: f64) {
    let k = a.len() / m.max(1);
    if k > 1 || which != 0.0 {
        let last = a.len() - m.min(a.len());
        a[last..].iter_mut().for_each(|x| *x = -*x);
    }
    for q in 1..k {
        for p in 0..q {
            // Angles without a pattern, away from multiples of a right angle.
            let angle = 0.4 + 0.7 * (0.618_033_988_75 * (1.0 + p as f64 + 31.0 * q as f64 + 7.0 * which)).fract();
            let (s, c) = (T::of(angle.sin()), T::of(angle.cos()));
            let (left, right) = a.split_at_mut(q * m);
            for (x, y) in left[p * m..(p + 1) * m].iter_mut().zip(&mut right[..m]) {
                (*x, *y) = (c * *x + s * *y, c * *y - s * *x);
            }
        }
    }
    debug_assert!(a.iter().all(|x| !Float::is_nan(*x)));
}
