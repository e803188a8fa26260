//! The Cayley transform and the inverse its derivative needs.

use crate::real::{Real, finite};
use crate::{Failure, Workspace};

/// `K = (I - alpha W)^{-1}` and `C = 2K - I`.
///
/// Measured in f32 against f64: a second solve, with `I + alpha W` on the right, is up to twice as accurate for
/// `|alpha W| <= 1` and up to sixty times worse for large skew `W`, whose size it carries through the solve only to
/// cancel it, while `K` stays below one. So `K`, which the derivative needs anyway, serves for both.
pub(crate) fn cayley<T: Real>(
    wm: &[T],
    n: usize,
    alpha: T,
    c: &mut [T],
    k: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    debug_assert!(wm.len() == n * n && c.len() == n * n && k.len() == n * n);
    finite(wm)?;
    finite(&[alpha])?;
    crate::wide::flat::scale(-alpha, wm, c);
    c.iter_mut().step_by(n + 1).for_each(|x| *x += T::one());
    let mut handle = w.take(n * (n + 1));
    let factored = crate::lu::lu(c, n, &mut handle[..n * (n + 1)], w);
    if factored.is_ok() {
        crate::lu::lu_inverse(&handle[..n * (n + 1)], n, k, w);
    }
    w.put(handle);
    factored?;
    crate::wide::flat::scale(T::of(2.0), k, c);
    c.iter_mut().step_by(n + 1).for_each(|x| *x -= T::one());
    Ok(())
}
