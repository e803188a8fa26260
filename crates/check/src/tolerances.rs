//! Every tolerance of the checker, and why it is what it is. No test lives here.
//!
//! Tolerances are for `f64` and grow with the rounding unit for `f32`. A program that loses digits for a reason (an
//! ill-conditioned matrix) states it: [`Check::condition`](crate::Check::condition) multiplies what is marked *(condition)*.

use pullback::Scalar;

/// The rounding unit over that of `f64`.
fn units<T: Scalar>() -> f64 {
    T::EPS.f64() / f64::EPSILON
}

/// *(condition)* Dot test: 1e-12 of the sum of the moduli of the terms of both inner products. Two sides that are transposes
/// of each other differ by rounding only, a few hundred units at the sizes one checks at.
#[must_use]
pub fn dot<T: Scalar>() -> f64 {
    1e-12 * units::<T>()
}

/// *(condition)* Agreement of second and third derivatives: 1e-11 of the sum of moduli. They pass through more rules than first ones.
#[must_use]
pub fn agreement<T: Scalar>() -> f64 {
    1e-11 * units::<T>()
}

/// *(condition)* A derivative that vanishes by cancellation is only known to this times the sizes of the value and of the lower
/// derivatives, which it is a difference of.
#[must_use]
pub fn cancellation<T: Scalar>() -> f64 {
    256.0 * T::EPS.f64()
}

/// *(condition)* The rounding floor of a value: this times the sum of moduli of its terms and of the Taylor terms.
#[must_use]
pub fn floor<T: Scalar>() -> f64 {
    8.0 * T::EPS.f64()
}

/// The rounding floor as measured: this times the largest change of the value under changes of the input in its last bit.
pub const JITTER_FACTOR: f64 = 8.0;

/// How many such changes are tried.
pub const JITTER_SAMPLES: usize = 6;

/// A remainder counts as above the floor from this multiple on. The floor is pessimistic by [`JITTER_FACTOR`] already: what is left
/// of the noise moves a slope by less than half of [`SLOPE`].
pub const ABOVE_FLOOR: f64 = 8.0;

/// A slope may be this far from its order. A wrong derivative lowers it by one. A slope that is higher by a whole order comes of a
/// leading term that vanishes, as for odd functions at 0, and is no error; a little too high, it may be a
/// wrong derivative about to show.
pub const SLOPE: f64 = 0.1;

/// Where the leading term of a remainder is small, slopes are still on their way to their order when the floor is reached. They
/// count if the last is at most this far from it *and* its extrapolation is within [`SLOPE`]. With a wrong derivative slopes
/// go away from their order as the steps shrink.
pub const CONVERGING: f64 = 0.5;

/// Along a single direction the leading terms of a remainder may cancel by chance, so a slope that is too low is tried along
/// this many directions in all. A wrong derivative is wrong along every one of them.
pub const DIRECTIONS: usize = 3;

/// A remainder that falls to the floor this much steeper than its order, and stays there, was made by something beyond the
/// step: a wrong derivative cannot fall faster than its own order.
pub const DROP: f64 = 2.0;

/// How many halvings a slope must last.
pub const HALVINGS: usize = 3;

/// The first step, relative to the scale of the directions.
pub const FIRST_STEP: f64 = 0.25;

/// How many halvings of it are tried: down to 1e-9, where a remainder of order two reaches the floor in any case.
pub const STEPS: usize = 28;

/// The highest order that is checked.
pub const MAX_ORDER: usize = 3;
