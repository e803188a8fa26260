//! Programs on values, run on plain numbers, on a tape that the caller does not see.

use crate::{Parts, Result};
use pullback::{Batch, Lent, Scalar, Var};

/// Runs `f` on lists of numbers, each as constants of a tape that keeps nothing.
///
/// # Errors
/// The first failure of an operation, or the first number that is not finite.
pub fn apply<T: Scalar>(
    lists: &[&[Batch<T>]],
    f: &mut dyn for<'t> FnMut(&[Vec<Var<'t, T>>]) -> Parts<'t, T>,
) -> Result<Vec<Batch<T>>> {
    let found = try_apply(lists, &mut |l| Some(f(l)))?;
    Ok(found.unwrap_or_else(|| unreachable!("the closure above always answers")))
}

/// As [`apply`], for a program whose answer is one number for each member: how far an equation is from holding, say.
///
/// # Errors
/// As [`apply`].
pub fn each<T: Scalar>(
    lists: &[&[Batch<T>]],
    f: &mut dyn for<'t> FnMut(&[Vec<Var<'t, T>>]) -> Var<'t, T>,
) -> Result<Vec<f64>> {
    let found = apply(lists, &mut |l| [f(l)].into_iter().collect())?;
    Ok(found[0].data().iter().map(|v| v.f64()).collect())
}

/// As [`apply`], for a program that may not exist: then the answer is `None`.
///
/// # Errors
/// As [`apply`].
pub fn try_apply<T: Scalar>(
    lists: &[&[Batch<T>]],
    f: &mut dyn for<'t> FnMut(&[Vec<Var<'t, T>>]) -> Option<Parts<'t, T>>,
) -> Result<Option<Vec<Batch<T>>>> {
    let tape = Lent::plain();
    let lists: Vec<Vec<Var<'_, T>>> = lists.iter().map(|l| l.iter().map(|b| tape.constant(b)).collect()).collect();
    let Some(out) = f(&lists) else { return Ok(None) };
    tape.check()?;
    let out: Vec<Batch<T>> = out.iter().map(Var::value).collect();
    for b in &out {
        if let Some((index, value)) = b.first_non_finite() {
            let value = value.f64();
            let origin = pullback::Origin::Unknown;
            return Err(pullback::Error::NonFinite { what: "value", index, value, origin }.into());
        }
    }
    Ok(Some(out))
}
