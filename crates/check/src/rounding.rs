//! Derivatives that vanish and are rounding only, as those of `Q Q^T` at a square matrix: is that all that remainders
//! accuse? No verdict lives here.

use crate::agreement::{Found, PRODUCTS, product};
use crate::lists::{List, moduli, pack};
use crate::program::Program;
use crate::subject::Subject;
use crate::taylor::Curve;
use crate::{Modes, condition, tolerances};
use pullback::Scalar;

/// How much a change of the point in its last bit moves the first and the second derivative of `<w, f>` along `v`, and
/// how large the terms of these are.
pub(crate) fn moved<T: Scalar>(
    subject: &dyn Subject<T>,
    program: Option<&Program<'_, T>>,
    (x, w, v, scale): (&List<T>, &List<T>, &List<T>, &List<T>),
    modes: Modes,
    found: &Found<T>,
) -> Vec<(f64, f64)> {
    let first = match (&found.jv, &found.g) {
        (Some(jv), _) => {
            (condition::of_derivative(|x| subject.push(x, v), (x, jv, scale, w), 1.0).moved, moduli(jv, w))
        }
        (_, Some(g)) => (condition::of_derivative(|x| subject.pull(x, w), (x, g, scale, v), 1.0).moved, moduli(g, v)),
        _ => (0.0, 0.0),
    };
    let how = PRODUCTS.map(|p| p.0).into_iter().find(|how| modes.contains(*how));
    let second = program.zip(how).zip(found.hv.first()).map(|((p, how), (_, hv))| {
        let pv = vec![pack(v)];
        (condition::of_derivative(|x| product(p, how, x, v), (x, hv, scale, &pv), 1.0).moved, moduli(hv, &pv))
    });
    [first].into_iter().chain(second).collect()
}

/// The first of the derivatives `along` that has no digit, if remainders that accuse them show its rounding and no
/// more.
pub(crate) fn accused<T: Scalar>(curve: &Curve, along: &[f64], moved: &[(f64, f64)]) -> Option<(usize, f64)> {
    let relative = |k: usize| moved[k].0 / moved[k].1;
    let lost = (0..along.len().min(moved.len())).find(|k| relative(*k) > tolerances::lost::<T>())?;
    let absolute: Vec<f64> = moved.iter().take(along.len()).map(|m| m.0).collect();
    curve.is_rounding(along, &absolute).then(|| (lost + 1, relative(lost)))
}
