//! What the exponential does to one matrix: shift, scale, measure, make orthogonal; and the Padé coefficients.

use crate::Scalar;
use crate::gemm::gemm;
use crate::real::Real;

/// The most steps towards an orthogonal matrix: from a defect of one half the fifth is below rounding.
const STEPS: usize = 6;

/// `tr A / n`, which makes `A - mu I` smallest in the Frobenius norm.
pub(crate) fn mean<T: Real>(a: &[T], n: usize) -> T {
    let share = T::one() / T::of(n as f64);
    // One entry is its own mean, to the last digit.
    if n == 1 { a[0] } else { a.iter().step_by(n + 1).fold(T::zero(), |s, x| s + *x * share) }
}

pub(crate) fn shifted<T: Real>(a: &[T], n: usize, mu: T, x: &mut [T]) {
    x.copy_from_slice(a);
    x.iter_mut().step_by(n + 1).for_each(|x| *x -= mu);
}

/// The largest sum of moduli of a column.
pub(crate) fn norm<T: Real>(x: &[T], n: usize) -> f64 {
    // NaN must not get lost in a maximum.
    x.chunks_exact(n).map(moduli).fold(0.0, |m, s| if s <= m { m } else { s })
}

/// The sum of moduli, in eight interleaved sums: one after the other, additions would wait for each other.
fn moduli<T: Real>(x: &[T]) -> f64 {
    let (blocks, rest) = x.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for block in blocks {
        for (lane, x) in lanes.iter_mut().zip(block) {
            *lane += Scalar::f64(*x).abs();
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane += Scalar::f64(*x).abs();
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// `2^e`, as far as it is a normal number.
pub(crate) fn two<T: Real>(e: i32) -> T {
    T::of(f64::from(e).exp2())
}

/// `X = 2^e X`.
pub(crate) fn grow<T: Real>(x: &mut [T], e: i32) {
    if e != 0 {
        let factor = two::<T>(e);
        x.iter_mut().for_each(|x| *x *= factor);
    }
}

/// Is `A = -A^T`, entry by entry?
pub(crate) fn skew<T: Real>(a: &[T], n: usize) -> bool {
    (0..n).all(|j| (0..=j).all(|i| a[i + j * n] == -a[j + i * n]))
}

/// Steps of Newton and Schulz, `Y = Y + Y (I - Y^T Y) / 2`, each of which squares the defect: one, unless the squarings
/// were very many.
pub(crate) fn orthogonalise<T: Real>(y: &mut [T], n: usize, defect: &mut [T], old: &mut [T]) {
    for _ in 0..STEPS {
        gemm(defect, n, n, n, -T::one(), y, true, y, false, false);
        defect.iter_mut().step_by(n + 1).for_each(|x| *x += T::one());
        old.copy_from_slice(y);
        gemm(y, n, n, n, T::of(0.5), old, false, defect, false, true);
        let left = norm(defect, n);
        if left * left <= Scalar::f64(T::EPS) {
            return;
        }
    }
}

/// The coefficients of the numerator of the diagonal Padé approximant, times a power of two that brings the first one
/// near 1.
pub(crate) fn coefficients(m: usize) -> &'static [f64; 14] {
    match m {
        3 => &PADE_3,
        5 => &PADE_5,
        7 => &PADE_7,
        9 => &PADE_9,
        _ => &PADE_13,
    }
}

/// `(2m - j)! m! / ((2m)! (m - j)! j!)` for `j = 0..=m`, over the last of them, times `2^-e`.
const fn pade<const K: usize>(b: [f64; K], e: u32) -> [f64; 14] {
    let mut out = [0.0; 14];
    let mut j = 0;
    while j < K {
        out[j] = b[j] / (1u64 << e) as f64;
        j += 1;
    }
    out
}

const PADE_3: [f64; 14] = pade([120.0, 60.0, 12.0, 1.0], 7);
const PADE_5: [f64; 14] = pade([30240.0, 15120.0, 3360.0, 420.0, 30.0, 1.0], 15);
const PADE_7: [f64; 14] = pade([17297280.0, 8648640.0, 1995840.0, 277200.0, 25200.0, 1512.0, 56.0, 1.0], 24);
const PADE_9: [f64; 14] = pade(
    [17643225600.0, 8821612800.0, 2075673600.0, 302702400.0, 30270240.0, 2162160.0, 110880.0, 3960.0, 90.0, 1.0],
    34,
);
const PADE_13: [f64; 14] = pade(
    [
        64764752532480000.0,
        32382376266240000.0,
        7771770303897600.0,
        1187353796428800.0,
        129060195264000.0,
        10559470521600.0,
        670442572800.0,
        33522128640.0,
        1323241920.0,
        40840800.0,
        960960.0,
        16380.0,
        182.0,
        1.0,
    ],
    56,
);
