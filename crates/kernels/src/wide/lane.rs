//! What the functions of `wide/` need of a floating-point number beyond arithmetic: its layout, and the numbers of the
//! reductions. No function of an entry lives here.
//!
//! Everything is branch-free, so that a loop over a slice becomes one over registers: integers appear only as bits of
//! numbers, shifted and added, and a selection is an `if` between two numbers that are both computed.

use crate::Scalar;

/// `a b + c`, fused where `F`. Without hardware for it a fused one is a call of a library and costs forty times as
/// much.
#[inline(always)]
pub(super) fn madd<const F: bool, T: Lane>(a: T, b: T, c: T) -> T {
    if F { a.fused(b, c) } else { a * b + c }
}

/// A number whose bits can be taken apart.
pub(crate) trait Lane: Scalar {
    /// `1.5 * 2^p` with `p` the digits behind the point of a number near 1: adding it rounds to an integer, which then
    /// stands in the last bits.
    const SHIFT: Self;
    /// `1 / ln 2`.
    const LOG2_E: Self;
    /// `ln 2` as a sum. The first has so many zeros at its end that its product with any exponent is exact.
    const LN_2: [Self; 2];
    /// Below the first, `e^x` is 0; above the second, infinite.
    const EXP_RANGE: [Self; 2];
    /// Below this in modulus, `e^x - 1`, `ln(1 + x)` and the like are `x` to rounding.
    const TINY: Self;
    /// A power of two that makes a subnormal number a normal one, and its exponent.
    const LIFT: [Self; 2];

    /// `a b + c`, rounded once.
    fn fused(self, b: Self, c: Self) -> Self;
    /// `(e^r - 1 - r) / r^2` for `|r| <= ln 2 / 2`: interpolated at Chebyshev nodes, with 1/2 at 0.
    fn exp_tail<const F: bool>(r: Self) -> Self;
    /// `(2^a, 2^b)` with `a + b = n` and `a`, `b` about equal, for `SHIFT + n` and any exponent `n` of a number or of
    /// twice its inverse.
    fn powers(shifted: Self) -> (Self, Self);
    /// `2^(n-1)` for `SHIFT + n`.
    fn half_power(shifted: Self) -> Self;
    /// `(k, m)` with `2^k m` the number, positive and normal, and `m` between the square roots of 1/2 and 2.
    fn split(self) -> (Self, Self);
    /// `2 (atanh(s) - s) / s` for `|s| <= 3 - 2 sqrt 2` and `z = s^2`, interpolated at Chebyshev nodes.
    fn ln_tail<const F: bool>(z: Self) -> Self;
    /// The same for `|s| <= 1/3`.
    fn ln_long_tail<const F: bool>(z: Self) -> Self;
}

impl Lane for f64 {
    const SHIFT: f64 = 6755399441055744.0;
    const LOG2_E: f64 = std::f64::consts::LOG2_E;
    const LN_2: [f64; 2] = [0.6931471805598903, 5.497923018708371e-14];
    const EXP_RANGE: [f64; 2] = [-746.0, 710.0];
    const TINY: f64 = 5.551115123125783e-17;
    const LIFT: [f64; 2] = [18014398509481984.0, 54.0];

    #[inline(always)]
    fn fused(self, b: f64, c: f64) -> f64 {
        self.mul_add(b, c)
    }

    #[inline(always)]
    fn exp_tail<const F: bool>(r: f64) -> f64 {
        let (r2, c) = (r * r, |a: f64, b: f64| madd::<F, f64>(r, b, a));
        let r4 = r2 * r2;
        let low = madd::<F, f64>(r2, c(0.041666666666666664, 0.008333333333330062), c(0.5, 0.16666666666666669));
        let middle = madd::<F, f64>(
            r2,
            c(2.4801587317144498e-05, 2.7557268459997064e-06),
            c(0.0013888888888886552, 0.00019841269863053618),
        );
        let high = madd::<F, f64>(r2, 2.0911236630261545e-09, c(2.755728296954995e-07, 2.510038549551032e-08));
        madd::<F, f64>(r4, madd::<F, f64>(r4, high, middle), low)
    }

    #[inline(always)]
    fn powers(shifted: f64) -> (f64, f64) {
        // n + 2048, which is positive, so that halves need no signed shift.
        let n = shifted.to_bits().wrapping_sub(f64::SHIFT.to_bits()).wrapping_add(2048);
        let (a, b) = (n >> 1, n.wrapping_sub(n >> 1));
        let power = |k: u64| f64::from_bits(k.wrapping_sub(1) << 52);
        (power(a), power(b))
    }

    #[inline(always)]
    fn half_power(shifted: f64) -> f64 {
        f64::from_bits(shifted.to_bits().wrapping_sub(f64::SHIFT.to_bits()).wrapping_add(1022) << 52)
    }

    #[inline(always)]
    fn split(self) -> (f64, f64) {
        const ROOT: u64 = 0x3fe6_a09e_667f_3bcd;
        let t = self.to_bits().wrapping_add(0x3ff0_0000_0000_0000 - ROOT);
        // Or-ed into 2^52, an integer is a number.
        let k = f64::from_bits((t >> 52) | 0x4330_0000_0000_0000) - (4503599627370496.0 + 1023.0);
        (k, f64::from_bits((t & 0x000f_ffff_ffff_ffff).wrapping_add(ROOT)))
    }

    #[inline(always)]
    fn ln_tail<const F: bool>(z: f64) -> f64 {
        let (z2, c) = (z * z, |a: f64, b: f64| madd::<F, f64>(z, b, a));
        let z4 = z2 * z2;
        let low =
            madd::<F, f64>(z2, c(0.2857142862611452, 0.22222211112104948), c(0.666666666666667, 0.399999999998992));
        let high = madd::<F, f64>(z2, 0.146171283998073, c(0.1818289077802613, 0.15331666676597175));
        z * madd::<F, f64>(z4, high, low)
    }

    #[inline(always)]
    fn ln_long_tail<const F: bool>(z: f64) -> f64 {
        let (z2, c) = (z * z, |a: f64, b: f64| madd::<F, f64>(z, b, a));
        let z4 = z2 * z2;
        let low =
            madd::<F, f64>(z2, c(0.28571428571600926, 0.2222222219813332), c(0.6666666666666666, 0.3999999999999952));
        let middle =
            madd::<F, f64>(z2, c(0.13335183786620075, 0.11734209600329741), c(0.18181819904497676, 0.1538454372905529));
        let high = madd::<F, f64>(z2, 0.15635363005287015, c(0.10845741888443453, 0.07489621263433784));
        z * madd::<F, f64>(z4, madd::<F, f64>(z4, high, middle), low)
    }
}

#[allow(clippy::excessive_precision)] // Rounded once, by the compiler.
impl Lane for f32 {
    const SHIFT: f32 = 12582912.0;
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    const LN_2: [f32; 2] = [0.693145751953125, 1.428606765330187e-06];
    const EXP_RANGE: [f32; 2] = [-105.0, 89.0];
    const TINY: f32 = 2.9802322e-8;
    const LIFT: [f32; 2] = [33554432.0, 25.0];

    #[inline(always)]
    fn fused(self, b: f32, c: f32) -> f32 {
        self.mul_add(b, c)
    }

    #[inline(always)]
    fn exp_tail<const F: bool>(r: f32) -> f32 {
        let c = |a: f32, b: f32| madd::<F, f32>(r, b, a);
        let high = madd::<F, f32>(r * r, 0.0013918719487264752, c(0.04166662320494652, 0.008357204496860504));
        madd::<F, f32>(r * r, high, c(0.5, 0.16666631400585175))
    }

    #[inline(always)]
    fn powers(shifted: f32) -> (f32, f32) {
        let n = shifted.to_bits().wrapping_sub(f32::SHIFT.to_bits()).wrapping_add(256);
        let (a, b) = (n >> 1, n.wrapping_sub(n >> 1));
        let power = |k: u32| f32::from_bits(k.wrapping_sub(1) << 23);
        (power(a), power(b))
    }

    #[inline(always)]
    fn half_power(shifted: f32) -> f32 {
        f32::from_bits(shifted.to_bits().wrapping_sub(f32::SHIFT.to_bits()).wrapping_add(126) << 23)
    }

    #[inline(always)]
    fn split(self) -> (f32, f32) {
        const ROOT: u32 = 0x3f35_04f3;
        let t = self.to_bits().wrapping_add(0x3f80_0000 - ROOT);
        let k = f32::from_bits((t >> 23) | 0x4b00_0000) - (8388608.0 + 127.0);
        (k, f32::from_bits((t & 0x007f_ffff).wrapping_add(ROOT)))
    }

    #[inline(always)]
    fn ln_tail<const F: bool>(z: f32) -> f32 {
        let c = |a: f32, b: f32| madd::<F, f32>(z, b, a);
        z * madd::<F, f32>(z * z, c(0.28550801, 0.2333104), c(0.6666667, 0.40000123))
    }

    #[inline(always)]
    fn ln_long_tail<const F: bool>(z: f32) -> f32 {
        let (z2, c) = (z * z, |a: f32, b: f32| madd::<F, f32>(z, b, a));
        let high = madd::<F, f32>(z2, 0.23227292, c(0.28592393, 0.21706001));
        z * madd::<F, f32>(z2, high, c(0.6666667, 0.39999706))
    }
}
