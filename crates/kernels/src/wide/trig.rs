//! Sine and cosine, in double precision for either scalar.
//!
//! With `n` the integer nearest to `x / (pi/2)`, `x = n pi/2 + r + l`, where `l` is what rounding lost of `r`. `pi/2`
//! is a sum of three numbers; products of `n` with the first two are exact up to [`LIMIT`], and so is the first
//! difference. The second keeps its rounding error. Doubles below the limit come no closer to a multiple of `pi/2` than
//! about `2^-60`, and what is neglected is below `2^-115`. The quadrant, `n` modulo 4, says which of
//!
//! `sin(r + l) = r + (r^3 S(r^2) + l)`, `cos(r + l) = 1 - r^2/2 + (r^4 C(r^2) - r l)`
//!
//! is wanted, and with which sign. `S` and `C` interpolate at Chebyshev nodes. Beyond the limit, where few entries ever
//! are, the library's functions stand in.

use num_traits::Float;

use super::Entry;
use super::lane::{Lane, madd};

/// `sin x`.
pub(crate) struct Sin;
/// `cos x`.
pub(crate) struct Cos;

/// Up to here the reduction is exact enough: 1024 times `pi/2`, and a little less.
const LIMIT: f64 = 1600.0;

const FRAC_2_PI: f64 = std::f64::consts::FRAC_2_PI;
/// `pi/2`: 43 bits, 41 bits, and the rest.
const HALF_PI: [f64; 3] = [1.5707963267948344, 6.223372171894969e-14, 1.6446256936324258e-26];

/// `S(z)`.
#[inline(always)]
fn sine_tail<const F: bool>(z: f64) -> f64 {
    let (z2, c) = (z * z, |a: f64, b: f64| madd::<F, f64>(z, b, a));
    let high = madd::<F, f64>(
        z2,
        c(-2.5051127944014188e-08, 1.5917848524808262e-10),
        c(-0.00019841269836722418, 2.755731608381636e-06),
    );
    madd::<F, f64>(z2, high, c(-0.16666666666666666, 0.008333333333330925))
}

/// `C(z)`.
#[inline(always)]
fn cosine_tail<const F: bool>(z: f64) -> f64 {
    let (z2, c) = (z * z, |a: f64, b: f64| madd::<F, f64>(z, b, a));
    let high = madd::<F, f64>(
        z2,
        c(2.0876143827993133e-09, -1.1382456778061306e-11),
        c(2.480158729874307e-05, -2.7557317260008837e-07),
    );
    madd::<F, f64>(z2, high, c(0.041666666666666664, -0.0013888888888887382))
}

/// `sin(x + quarters pi/2)`.
#[inline(always)]
fn sine<const F: bool>(x: f64, quarters: u64) -> f64 {
    let shifted = madd::<F, f64>(x, FRAC_2_PI, f64::SHIFT);
    let n = shifted - f64::SHIFT;
    let first = madd::<F, f64>(-n, HALF_PI[0], x);
    let second = n * HALF_PI[1];
    let t = first - second;
    // Either term may be the larger one.
    let back = t - first;
    let lost = (first - (t - back)) - (second + back);
    let low = madd::<F, f64>(-n, HALF_PI[2], lost);
    let r = t + low;
    let l = (t - r) + low;

    let z = r * r;
    let sin = r + madd::<F, f64>(r * z, sine_tail::<F>(z), l);
    let half = 0.5 * z;
    let one = 1.0 - half;
    let cos = one + (((1.0 - one) - half) + madd::<F, f64>(z * z, cosine_tail::<F>(z), -(r * l)));
    turned(sin, cos, shifted.to_bits().wrapping_add(quarters))
}

/// The same to the rounding of a number in single precision: two parts of `pi/2` and shorter polynomials are enough.
#[inline(always)]
fn sine_single(x: f64, quarters: u64) -> f64 {
    let shifted = madd::<false, f64>(x, FRAC_2_PI, f64::SHIFT);
    let n = shifted - f64::SHIFT;
    let r = madd::<false, f64>(-n, HALF_PI[1], madd::<false, f64>(-n, HALF_PI[0], x));
    let (z, c) = (r * r, |a: f64, b: f64, z: f64| madd::<false, f64>(z, b, a));
    let s = c(-0.16666666663832763, 0.008333331865959415, z);
    let s = c(s, c(-0.00019840082012765537, 2.7249314054698804e-06, z), z * z);
    let t = c(0.0416666666643024, -0.0013888887664713619, z);
    let t = c(t, c(2.4800596435621998e-05, -2.7300448619488353e-07, z), z * z);
    let (sin, cos) = (madd::<false, f64>(r * z, s, r), madd::<false, f64>(z * z, t, 1.0 - 0.5 * z));
    turned(sin, cos, shifted.to_bits().wrapping_add(quarters))
}

/// The sine in a quadrant, by the sine and the cosine of the rest.
#[inline(always)]
fn turned(sin: f64, cos: f64, quadrant: u64) -> f64 {
    let y = if quadrant & 1 == 0 { sin } else { cos };
    f64::from_bits(y.to_bits() ^ ((quadrant & 2) << 62))
}

#[inline(always)]
fn either<const F: bool, T: Lane>(x: T, quarters: u64) -> T {
    let x = x.f64();
    T::of(if size_of::<T>() == 8 { sine::<F>(x, quarters) } else { sine_single(x, quarters) })
}

impl<T: Lane> Entry<T> for Sin {
    const PLAIN: bool = size_of::<T>() == 4;

    #[inline(always)]
    fn at<const F: bool>(&self, x: T) -> T {
        let y = either::<F, T>(x, 0);
        // Also the sign of 0.
        if x.abs() < T::of(1e-9) { x } else { y }
    }

    #[inline(always)]
    fn other(&self, x: T) -> Option<T> {
        (x.abs() > T::of(LIMIT)).then(|| Float::sin(x))
    }
}

impl<T: Lane> Entry<T> for Cos {
    const PLAIN: bool = size_of::<T>() == 4;

    #[inline(always)]
    fn at<const F: bool>(&self, x: T) -> T {
        either::<F, T>(x, 1)
    }

    #[inline(always)]
    fn other(&self, x: T) -> Option<T> {
        (x.abs() > T::of(LIMIT)).then(|| Float::cos(x))
    }
}
