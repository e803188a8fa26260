//! The condition factor, estimated from the value: how much of it one rounding unit of the input moves. And, within
//! limits, from a derivative of higher order that is not the same in two ways.

use crate::lists::{List, Random, minus, moduli, nudged, plus, same_shapes};
use crate::subject::Subject;
use crate::{Error, tolerances};
use pullback::Scalar;

/// What rounding does to the value.
pub(crate) struct Estimate {
    /// The condition factor: at least 1.
    pub(crate) factor: f64,
    /// The largest change under changes of the input in its last bit.
    pub(crate) noise: f64,
}

/// An error if no digit is left.
pub(crate) fn estimated<T: Scalar>(
    subject: &dyn Subject<T>,
    (x, y, w, scale): (&List<T>, &List<T>, &List<T>, &List<T>),
    random: &mut Random,
) -> Result<Estimate, Error> {
    // A value that is small by cancellation at the point is measured by its size nearby.
    let mut size = moduli(w, y);
    for _ in 0..2 {
        let v = random.scaled(scale);
        if let Ok(near) = subject.outputs(&plus(x, tolerances::FIRST_STEP, &v))
            && same_shapes(y, &near).is_ok()
        {
            size = size.max(moduli(w, &near));
        }
    }
    let mut moved = 0.0f64;
    for _ in 0..tolerances::CONDITION_SAMPLES {
        if let Ok(near) = subject.outputs(&nudged(x, scale, random)) {
            same_shapes(y, &near)?;
            moved = moved.max(moduli(w, &minus(&near, y)));
        }
    }
    let units = moved / (T::EPS.f64() * size);
    let condition = if units.is_finite() { (units / tolerances::WELL_CONDITIONED).max(1.0) } else { 1.0 };
    // In units of f64, whose tolerances are the smallest.
    match condition * T::EPS.f64() / f64::EPSILON > tolerances::ILL_CONDITIONED {
        true => Err(Error::IllConditioned { units }),
        false => Ok(Estimate { factor: condition, noise: if moved.is_finite() { moved } else { 0.0 } }),
    }
}

/// What a derivative asks for where an equality fails.
#[derive(Default)]
pub(crate) struct Asked {
    /// The condition factor: how much of the derivative one rounding unit of the input moves. At most what the caller
    /// grants: rules may be rough, but no rule excuses itself by more.
    pub(crate) factor: f64,
    /// The same, not relative to anything and without limit.
    pub(crate) moved: f64,
    /// By how much the derivative changes over the scale of the directions, extrapolated from a small step: what is
    /// left of its terms where they cancel.
    pub(crate) varies: f64,
}

impl Asked {
    /// Of two ways to the same derivative.
    pub(crate) fn worse(self, other: Asked) -> Asked {
        Asked {
            factor: self.factor.max(other.factor),
            moved: self.moved.max(other.moved),
            varies: self.varies.max(other.varies),
        }
    }
}

/// Of `d`, which is `derivative` at `x`.
pub(crate) fn of_derivative<T: Scalar>(
    derivative: impl Fn(&List<T>) -> Result<List<T>, Error>,
    (x, d, scale, along): (&List<T>, &List<T>, &List<T>, &List<T>),
    most: f64,
) -> Asked {
    let random = &mut Random::new(0xD16175);
    let moved = |there: List<T>| derivative(&there).map_or(0.0, |near| moduli(along, &minus(&near, d)));
    let rounded = (0..tolerances::CONDITION_SAMPLES).map(|_| moved(nudged(x, scale, random))).fold(0.0, f64::max);
    let units = rounded / (T::EPS.f64() * moduli(along, d));
    let factor = if units.is_finite() { (units / tolerances::WELL_CONDITIONED).min(most) } else { 1.0 };
    let h = tolerances::VARIES_STEP;
    let varies = moved(plus(x, h, &random.scaled(scale))) / h;
    Asked { factor, moved: rounded, varies: if varies.is_finite() { varies } else { 0.0 } }
}
