//! Where the logarithm of a matrix is computed: the Schur form of `A - s I`, the logarithms of its eigenvalues, and
//! verdicts on them. The algorithm itself lives in `logm.rs`.

use num_traits::Float;

use crate::gemm::gemm;
use crate::logm::norm_one;
use crate::quasi::{eigenvalues, is_identity, length, order_at};
use crate::real::{Real, max_abs};
use crate::roots::is_regular;
use crate::tolerances::equation_pivot;
use crate::{Failure, Scalar};

/// `A - s I = U T U^T`, and the power of two `c` that its logarithm is computed with: `log A = log(c A) - (log c) I`.
///
/// Near the identity, `s = 1` and `c = 1`: rounding in the Schur form is then relative to `A - I`, and so is that in
/// the logarithm. Elsewhere `s = 0`, and `c` brings the middle of the logarithms of the eigenvalues near 0, which takes
/// the fewest square roots. Nothing cancels: the diagonal blocks of the result come from the eigenvalues of `T`, and
/// what is off them does not depend on `c`.
pub(crate) struct Frame<'a, T> {
    n: usize,
    pub(crate) u: &'a [T],
    pub(crate) t: &'a [T],
    /// `s = 1`.
    pub(crate) shifted: bool,
    /// `c`
    scale: T,
}

impl<'a, T: Real> Frame<'a, T> {
    /// Writes `A - s I` and returns what marks the frame in a handle: `c`, here still 1, or zero if `s = 1`.
    pub(crate) fn choose(a: &[T], n: usize, out: &mut [T]) -> T {
        out.copy_from_slice(a);
        (0..n).for_each(|i| out[i + i * n] -= T::one());
        if norm_one(out, n) <= T::of(0.5) {
            return T::zero();
        }
        out.copy_from_slice(a);
        T::one()
    }

    /// `c` for eigenvalues that are not zero.
    pub(crate) fn middle(&self, parts: &mut [T]) -> T {
        if self.shifted {
            return T::zero();
        }
        let (re, im) = parts[..2 * self.n].split_at_mut(self.n);
        eigenvalues(self.t, self.n, re, im);
        let logs = re.iter().zip(&*im).map(|(&x, &y)| Scalar::f64(length(x, y)).log2());
        let (low, high) = logs.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
        let bound = if size_of::<T>() == 8 { 1021.0 } else { 125.0 };
        T::of((-0.5 * (low + high)).round().clamp(-bound, bound).exp2())
    }

    pub(crate) fn of(handle: &'a [T], n: usize) -> Self {
        let (u, rest) = handle.split_at(n * n);
        let (t, mark) = rest.split_at(n * n);
        let shifted = mark[0] == T::zero();
        Frame { n, u, t, shifted, scale: if shifted { T::one() } else { mark[0] } }
    }

    /// The jet to begin with: `c A`, and `c E_S` for the sets that have one, in the basis of the Schur form.
    pub(crate) fn begin(&self, es: &[&[T]], j: &mut [T], work: &mut [T]) {
        let (n, nn) = (self.n, self.n * self.n);
        j[..nn].iter_mut().zip(self.t).for_each(|(j, &t)| *j = self.scale * t);
        if self.shifted {
            (0..n).for_each(|i| j[i + i * n] += T::one());
        }
        j[nn..].fill(T::zero());
        for (set, e) in es.iter().enumerate().filter(|(set, e)| *set > 0 && !e.is_empty()) {
            let at = set * nn;
            gemm(&mut work[..nn], n, n, n, self.scale, self.u, true, e, false, false);
            gemm(&mut j[at..at + nn], n, n, n, T::one(), &work[..nn], false, self.u, false, false);
        }
    }

    /// The logarithm of `c` times the eigenvalue of the block at `i` that lies above the real axis:
    /// `(ln |c l|, arg l)`, and `m` where the block is `[t b; c t]` with `b c = -m²`, else 0.
    fn log_at(&self, i: usize, c: f64) -> (f64, f64, f64) {
        let t = |r: usize, c: usize| Scalar::f64(self.t[r + c * self.n]);
        let a = t(i, i);
        let m =
            if order_at(self.t, self.n, i) == 2 { t(i, i + 1).abs().sqrt() * t(i + 1, i).abs().sqrt() } else { 0.0 };
        if !self.shifted {
            return ((c * a.hypot(m)).ln(), m.atan2(a), m);
        }
        // |1 + a + i m|² = 1 + (2 a + a² + m²)
        let ln = if m == 0.0 { a.ln_1p() } else { 0.5 * (a * (2.0 + a) + m * m).ln_1p() };
        (ln, m.atan2(1.0 + a), m)
    }

    /// Writes `f` of `c` times the eigenvalues in place of the diagonal blocks of `x`: `f` takes the logarithm of one
    /// to a number `p + i q`, and `p I + (q / m) [0 b; c 0]` is that function of `[t b; c t]`.
    fn write_blocks(&self, x: &mut [T], c: T, f: impl Fn(f64, f64) -> (f64, f64)) {
        let n = self.n;
        let mut i = 0;
        while i < n {
            let (ln, arg, m) = self.log_at(i, Scalar::f64(c));
            let (p, q) = f(ln, arg);
            x[i + i * n] = T::of(p);
            if order_at(self.t, n, i) == 1 {
                i += 1;
                continue;
            }
            x[i + 1 + (i + 1) * n] = T::of(p);
            let ratio = T::of(q / m);
            x[i + (i + 1) * n] = ratio * self.t[i + (i + 1) * n];
            x[i + 1 + i * n] = ratio * self.t[i + 1 + i * n];
            i += 2;
        }
    }

    /// The diagonal blocks of `log A` in place of those of `log(c A)`.
    pub(crate) fn value_blocks(&self, l: &mut [T]) {
        self.write_blocks(l, T::one(), |ln, arg| (ln, arg));
    }
}

/// The diagonal blocks of `(c A)^(1/2^s) - I` for `s` square roots, without the subtraction (Al-Mohy 2012):
/// `e^{p + i q} - 1 = (expm1(p) - 2 e^p sin²(q / 2)) + i e^p sin(q)`.
pub(crate) fn accurate_blocks<T: Real>(frame: &Frame<'_, T>, roots: usize, x: &mut [T]) {
    let half = 0.5f64.powi(roots as i32);
    frame.write_blocks(x, frame.scale, |ln, arg| {
        let (p, q) = (half * ln, half * arg);
        (p.exp_m1() - 2.0 * p.exp() * (0.5 * q).sin().powi(2), p.exp() * q.sin())
    });
}

/// Is there a logarithm? Not if an eigenvalue is zero, or on the negative real axis: of a matrix that is
/// quasi-triangular as given exactly so, else to working precision. `y` is a right-hand side that is not special, for a
/// defective eigenvalue zero.
pub(crate) fn judge<T: Real>(frame: &Frame<'_, T>, scratch: &mut [T], y: &mut [T]) -> Result<(), Failure> {
    let (n, t) = (frame.n, frame.t);
    if frame.shifted {
        return Ok(());
    }
    let (parts, tiles) = scratch.split_at_mut(2 * n);
    let (re, im) = parts.split_at_mut(n);
    eigenvalues(t, n, re, im);
    let exact = is_identity(frame.u, n);
    let size = max_abs(t);
    let near = if exact { T::zero() } else { equation_pivot::<T>(n) * size };
    // Singular first: a matrix may be both.
    let least = (0..n).fold(0, |k, i| if length(re[i], im[i]) < length(re[k], im[k]) { i } else { k });
    let distance = length(re[least], im[least]);
    if distance <= near || !(exact || is_regular(t, n, tiles, y)) {
        let ratio = if size == T::zero() { 0.0 } else { Scalar::f64(distance / size) };
        return Err(Failure::Singular { index: least, ratio });
    }
    for (&re, &im) in re.iter().zip(&*im) {
        if re <= T::zero() && Float::abs(im) <= near {
            return Err(Failure::NoPrincipalValue { re: Scalar::f64(re), im: Scalar::f64(im) });
        }
    }
    Ok(())
}
