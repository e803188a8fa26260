//! Is there a derivative by the parameters in every member of a batch? A sweep tells the failure of one member for all,
//! so a condition is differentiated once in either direction, at random, before anything is asked.

use crate::error::{Error, Result};
use crate::lists;
use crate::space::{sweep, sweep_back};
use pullback::{Origin, Scalar, Shape, Tape, Var};

/// Why a member has no derivative of `out` by `phi`, for each member.
///
/// # Errors
/// A failure of a rule; a number that is not finite in what members share, which tells no member.
pub(crate) fn failures<'t, T: Scalar>(
    tape: &'t Tape<T>,
    phi: &[Var<'t, T>],
    out: &[Var<'t, T>],
) -> Result<Vec<Option<Error>>> {
    let shapes = |v: &[Var<'t, T>]| -> Vec<Shape> { v.iter().map(Var::shape).collect() };
    let (inputs, outputs) = (shapes(phi), shapes(out));
    let members = lists::members(&outputs);
    let (mut pushed, mut pulled) = (lists::zeros(&outputs), lists::zeros(&inputs));
    sweep(tape, phi, &lists::noise_alike(&inputs, 0x9A2A), out, &mut pushed)?;
    sweep_back(tape, out, &lists::noise_alike(&outputs, 0x9A2B), phi, &mut pulled)?;
    let mut failures = vec![None; members];
    for b in pushed.iter().chain(&pulled) {
        let bad = b.data().iter().enumerate().filter(|(_, x)| !x.is_finite());
        for (index, value) in bad.map(|(i, x)| (i, x.f64())) {
            if b.shape().batch != members {
                return Err(
                    pullback::Error::NonFinite { what: "cotangent", index, value, origin: Origin::Unknown }.into()
                );
            }
            let member = index / b.shape().each();
            failures[member].get_or_insert(Error::NoDerivative { member, value });
        }
    }
    Ok(failures)
}
