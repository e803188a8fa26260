//! Every tolerance of the checker, and why it is what it is. No test lives here.
//!
//! Tolerances are for `f64` and grow with the rounding unit for `f32`. A program that loses digits for a reason (an
//! ill-conditioned matrix) is granted them: what is marked *(condition)* is multiplied by the condition factor, which
//! is estimated from the value (from the rules under test only within limits, [`rough_first`] and [`rough_further`]: a
//! wrong rule may be as rough as it likes, and would excuse itself), or stated with
//! [`Check::condition`](crate::Check::condition).

use pullback::Scalar;

/// The rounding unit over that of `f64`.
fn units<T: Scalar>() -> f64 {
    T::EPS.f64() / f64::EPSILON
}

// ---- equalities -------------------------------------------------------------------------------------------------

/// *(condition)* Dot test: 1e-12 of the sum of the moduli of the terms of both inner products. Two sides that are
/// transposes of each other differ by rounding only, a few hundred units at the sizes one checks at.
#[must_use]
pub fn dot<T: Scalar>() -> f64 {
    1e-12 * units::<T>()
}

/// *(condition)* Agreement of second and third derivatives, of replay with a fresh run, of a batch with its members, of
/// a value with itself along its gauge: 1e-11 of the sum of moduli. They pass through more rules than first
/// derivatives.
#[must_use]
pub fn agreement<T: Scalar>() -> f64 {
    1e-11 * units::<T>()
}

/// *(condition)* A derivative that vanishes by cancellation is only known to this times the sizes of the value and of
/// the lower derivatives, which it is a difference of. Where all of these vanish too (a quadratic form at zero), by how
/// much it changes over the scale of the directions says how large the terms are.
#[must_use]
pub fn cancellation<T: Scalar>() -> f64 {
    256.0 * T::EPS.f64()
}

/// A derivative along a direction of the size of the point is not known better than this times the change of the value
/// under changes of the point in its last bit: some 500 rounding units of a derivative that does not vanish (a tenth of
/// what [`dot`] allows), and all there is of one that is rounding only.
pub const NOISE: f64 = 512.0;

/// *(condition)* Derivatives along a direction against differences in double-double, whose own error is far below
/// 1e-16: 1e-12 at first order, and ten times more for each further one.
#[must_use]
pub fn precise<T: Scalar>(order: usize) -> f64 {
    1e-12 * units::<T>() * 10f64.powi(order as i32 - 1)
}

/// *(condition)* Equations of a manifold at its own points and tangents, relative to the sizes involved: 1e-12, as for
/// the dot test.
#[must_use]
pub fn geometry<T: Scalar>() -> f64 {
    1e-12 * units::<T>()
}

/// The step of those differences for the orders one, two and three. The formulas have an error of `h^4`, 2e-22 and
/// 1e-17; rounding adds 1e-32 over a power of `h`.
pub const PRECISE_STEP: [f64; 3] = [3.814697265625e-6, 3.814697265625e-6, 6.103515625e-5];

// ---- the condition factor -----------------------------------------------------------------------------------------

/// The condition factor is the largest relative change of the value under changes of the input in its last bit, in
/// rounding units, over this. At condition numbers up to here the tolerances above hold as they stand; a backward
/// stable program then gets 70 rounding units times its condition number.
pub const WELL_CONDITIONED: f64 = 64.0;

/// How many such changes are tried.
pub const CONDITION_SAMPLES: usize = 4;

/// An estimate above this leaves no digit to compare ([`dot`] would exceed 1e-3), and the check says so instead.
pub const ILL_CONDITIONED: f64 = 1e9;

/// Derivatives may lose digits that the value keeps. Where an equality fails, and no condition is stated, they are
/// granted what changes of the input in its last bit move them by, within limits. First derivatives: the square of the
/// value's own factor.
#[must_use]
pub fn rough_first(condition: f64) -> f64 {
    (condition * condition).min(ILL_CONDITIONED)
}

/// Second and third derivatives: this times the factor so far, since an orthogonal factor moves little where the
/// triangular one, with which its derivative is solved, is nearly singular. What is off by 1e-8 at a well-conditioned
/// point is wrong, however rough.
#[must_use]
pub fn rough_further(condition: f64) -> f64 {
    (1e3 * condition).min(ILL_CONDITIONED)
}

/// A derivative that a change of the input in its last bit moves by more than this, relative to itself, has no digit to
/// compare (as
/// [`ILL_CONDITIONED`] for the value): where ways to it are apart by no more than [`NOISE`] times that, the check says
/// so instead.
#[must_use]
pub fn lost<T: Scalar>() -> f64 {
    if T::EPS.f64() > 1e-10 { 1e-1 } else { 1e-5 }
}

/// The step from which the change of a derivative over the scale is extrapolated: small, so that what grows fast is not
/// taken for large here.
pub const VARIES_STEP: f64 = 9.765625e-4;

// ---- slopes -------------------------------------------------------------------------------------------------------

/// *(condition)* The rounding floor of a value: this times the sum of moduli of its terms and of the Taylor terms.
#[must_use]
pub fn floor<T: Scalar>() -> f64 {
    8.0 * T::EPS.f64()
}

/// The rounding floor as measured: this times the largest change of the value under changes of the input in its last
/// bit, at the point and along the curve. (At the point alone it may be nothing: a logarithm at the identity is exact
/// there and nowhere near.)
pub const JITTER_FACTOR: f64 = 8.0;

/// How many such changes are tried at the point.
pub const JITTER_SAMPLES: usize = 6;

/// And one at every step; the floor of a step is the largest over this many steps to either side.
pub const JITTER_WINDOW: usize = 3;

/// A remainder counts as above the floor from this multiple on. The floor is pessimistic by [`JITTER_FACTOR`] already:
/// what is left of the noise moves a slope by less than half of [`SLOPE`].
pub const ABOVE_FLOOR: f64 = 8.0;

/// A slope may be this far from its order. A wrong derivative lowers it by one. A slope that is higher by a whole order
/// comes of a leading term that vanishes, as for odd functions at 0, and is no error; a little too high, it may be a
/// wrong derivative about to show.
pub const SLOPE: f64 = 0.1;

/// Where the leading term of a remainder is small, slopes are still on their way to their order when the floor is
/// reached. They count if the last is at most this far from it *and* its extrapolation is within [`SLOPE`]. With a
/// wrong derivative slopes go away from their order as the steps shrink.
pub const CONVERGING: f64 = 0.5;

/// The error of a derivative, extrapolated from the last remainders above the floor, changes by a whole power of the
/// step from one to the next, give or take this. (What a value like `|x|^1.5` leaves of it changes by half a power,
/// what cancelling terms leave falls by two.)
pub const SETTLED: f64 = 0.25;

/// Along a single direction, and with a single cotangent, the leading terms of a remainder may cancel by chance, so a
/// slope that is too low is tried with this many pairs of them in all. A wrong derivative is wrong with every one of
/// them.
pub const DIRECTIONS: usize = 5;

/// A remainder that falls to the floor this much steeper than its order, and stays there, was made by something beyond
/// the step: a wrong derivative cannot fall faster than its own order.
pub const DROP: f64 = 2.0;

/// From a remainder of so many floors. (Where the error of a second derivative cancels with the next term, the two
/// leave 4 and 1/8 of it at the steps before and after, so that 256 floors before leave 8 after.) From less high up,
/// what follows must be below the floor itself.
pub const HIGH: f64 = 256.0;

/// How many halvings a slope must last.
pub const HALVINGS: usize = 3;

/// The first step, relative to the scale of the directions.
pub const FIRST_STEP: f64 = 0.25;

/// How many halvings of it are tried: down to 1e-9, where a remainder of order two reaches the floor in any case. Half
/// as many more where the first steps leave the domain.
pub const STEPS: usize = 28;

/// The highest order that is checked.
pub const MAX_ORDER: usize = 3;

/// At a kink the difference of one-sided slopes (of second order: curvatures), times the step to the order, falls like
/// that power of the step, and where the value is smooth by one power more: this much more than the order is still a
/// kink.
pub const KINK_SLOPE: f64 = 0.25;

/// For so many halvings in a row, the last above the floor: that of a smooth value is steeper in any of them.
pub const KINK_HALVINGS: usize = 5;

// ---- other points ---------------------------------------------------------------------------------------------------

/// How many other points a tape is recorded at before it is replayed at the point. A choice frozen on the tape shows if
/// one of them chooses otherwise.
pub const REPLAYS: usize = 4;

/// How far these are, relative to the scale of the directions: far enough that choices differ. Halved where the program
/// has no value.
pub const REPLAY_DISTANCE: f64 = 1.0;

/// How far apart the members of a batch are, relative to the scale of the directions; halved as often as needed.
pub const MEMBER_DISTANCE: f64 = 0.25;

/// How often such a distance is halved before the mode is left out.
pub const SHRINKS: usize = 12;

// ---- hints
// ------------------------------------------------------------------------------------------------------------

/// A hint is given where the numbers of a rule match a pattern (minus, twice, transposed, ...) of the derivative found
/// by differences this well, relative to the largest entry. Differences of five points are right to about 1e-10 (`f32`:
/// 1e-4) where the program is well-conditioned, so a pattern does not match by chance.
#[must_use]
pub fn pattern<T: Scalar>() -> f64 {
    if T::EPS.f64() > 1e-10 { 2e-2 } else { 1e-6 }
}

/// The step of these differences, relative to the scale of the directions.
#[must_use]
pub fn difference_step<T: Scalar>() -> f64 {
    if T::EPS.f64() > 1e-10 { 3e-2 } else { 1e-3 }
}

/// Gradients are found by differences up to this many entries.
pub const ENTRIES: usize = 400;

/// Eigenvalues, singular values or entries closer than this, relative to the largest, are called tied in a hint.
pub const TIED: f64 = 1e-7;
