//! The Cayley transform and the inverse its derivative needs.

use crate::real::{Real, finite};
use crate::{Failure, Workspace};

/// `K = (I - alpha W)^{-1}` and `C = 2K - I`.
///
/// `C = K (I + alpha W)` computed from `K` costs no second solve and is the more accurate form (measured in f32 against
/// f64): the entries of `K` of a skew `W` are at most one, while `I + alpha W` carries the whole size of `alpha W`
/// into a solve that then cancels it.
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
    crate::elementwise::scale(-alpha, wm, c);
    c.iter_mut().step_by(n + 1).for_each(|x| *x += T::one());
    let mut handle = w.take(n * (n + 1));
    let factored = crate::lu::lu(c, n, &mut handle[..n * (n + 1)], w);
    if factored.is_ok() {
        crate::lu::lu_inverse(&handle[..n * (n + 1)], n, k, w);
    }
    w.put(handle);
    factored?;
    crate::elementwise::scale(T::of(2.0), k, c);
    c.iter_mut().step_by(n + 1).for_each(|x| *x -= T::one());
    Ok(())
}
