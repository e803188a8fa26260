//! Eigendecomposition of the symmetric part: Jacobi's method for tiny matrices, the tridiagonal QL iteration for small
//! ones, faer's algorithms for a few sizes beyond; the rest is for `eigh_large.rs`.

use faer::Par;
use faer::diag::DiagMut;
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use num_traits::Float;

use crate::qr::{reflect, reflector};
use crate::real::{Real, balance, finite, identity_tall, max_abs, symmetrise, unscale, view, view_mut};
use crate::tolerances::{EIGH_CONQUER, EIGH_SMALL, EIGH_TINY, ITERATIONS, unit_range};
use crate::wide::fitting;
use crate::wide_registers::clear_wide_registers;
use crate::{Failure, Workspace};

/// What overflows where a matrix has entries near the largest number.
pub(crate) const EIGENVALUE: &str = "an eigenvalue";

/// `(A + A^T)/2 = V diag(w) V^T` into a handle: `V`, then `w` ascending. The largest entry of each
/// eigenvector is positive.
pub(crate) fn eigh<T: Real>(a: &[T], n: usize, handle: &mut [T], w: &mut Workspace<T>) -> Result<(), Failure> {
    debug_assert!(a.len() == n * n && handle.len() == n * (n + 1));
    finite(a)?;
    if n == 0 {
        return Ok(());
    }
    let scale = balance(max_abs(a), unit_range());
    let (v, values) = handle.split_at_mut(n * n);
    if n <= EIGH_TINY {
        let [s] = w.slices([n * n]);
        symmetrise(a, n, scale, s);
        jacobi(s, n, v)?;
        for i in 0..n {
            values[i] = s[i + i * n];
        }
        sort(v, values, n);
    } else if n <= EIGH_SMALL {
        let [s, e, taus] = w.slices([n * n, n, n]);
        symmetrise(a, n, scale, s);
        fitting(n * size_of::<T>()).dispatch(Small { s, n, v, d: values, e, taus })?;
        sort(v, values, n);
    } else if n >= EIGH_CONQUER {
        crate::eigh_large::eigh(a, n, scale, v, values, w)?;
    } else {
        let need = self_adjoint_evd_scratch::<T>(n, ComputeEigenvectors::Yes, Par::Seq, Default::default());
        let (stack, [s], _) = w.lend(need, [n * n], 0);
        symmetrise(a, n, scale, s);
        let d = DiagMut::from_slice_mut(values);
        let done = self_adjoint_evd(view(s, n, n), d, Some(view_mut(v, n, n)), Par::Seq, stack, Default::default());
        clear_wide_registers();
        done.map_err(|_| Failure::NoConvergence)?;
    }
    unscale(values, scale, EIGENVALUE)?;
    crate::spectrum::positive(v, n, &mut [], 0);
    Ok(())
}

/// Cyclic Jacobi: diagonalises `s` in place, rotations gathered in `v`.
fn jacobi<T: Real>(s: &mut [T], n: usize, v: &mut [T]) -> Result<(), Failure> {
    identity_tall(v, n);
    for _ in 0..ITERATIONS {
        let mut rotated = false;
        for q in 1..n {
            for p in 0..q {
                rotated |= annihilate(s, n, v, p, q);
            }
        }
        if !rotated {
            return Ok(());
        }
    }
    Err(Failure::NoConvergence)
}

/// One rotation in the plane `(p, q)`; `false` if the entry was negligible already.
fn annihilate<T: Real>(s: &mut [T], n: usize, v: &mut [T], p: usize, q: usize) -> bool {
    let (app, aqq, apq) = (s[p + p * n], s[q + q * n], s[p + q * n]);
    // Negligible beside both diagonal entries, so that tiny eigenvalues of graded matrices stay accurate.
    let size = Float::abs(apq);
    if size == T::zero() || size <= T::EPS * T::of(0.25) * Float::sqrt(Float::abs(app)) * Float::sqrt(Float::abs(aqq)) {
        s[p + q * n] = T::zero();
        s[q + p * n] = T::zero();
        return false;
    }
    let theta = (aqq - app) / (apq + apq);
    let root = Float::sqrt(T::one() + theta * theta);
    let t = if theta < T::zero() { -T::one() / (root - theta) } else { T::one() / (root + theta) };
    let c = T::one() / Float::sqrt(T::one() + t * t);
    let sn = t * c;
    for i in 0..n {
        let (x, y) = (s[i + p * n], s[i + q * n]);
        s[i + p * n] = c * x - sn * y;
        s[i + q * n] = sn * x + c * y;
        let (x, y) = (v[i + p * n], v[i + q * n]);
        v[i + p * n] = c * x - sn * y;
        v[i + q * n] = sn * x + c * y;
    }
    for i in 0..n {
        s[p + i * n] = s[i + p * n];
        s[q + i * n] = s[i + q * n];
    }
    s[p + p * n] = app - t * apq;
    s[q + q * n] = aqq + t * apq;
    s[p + q * n] = T::zero();
    s[q + p * n] = T::zero();
    true
}

/// Both parts for small matrices on the widest registers. They never fuse, so their bits are those of the plain loops.
struct Small<'a, T> {
    s: &'a mut [T],
    n: usize,
    v: &'a mut [T],
    d: &'a mut [T],
    e: &'a mut [T],
    taus: &'a mut [T],
}

impl<T: Real> pulp::NullaryFnOnce for Small<'_, T> {
    type Output = Result<(), Failure>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        match self.n {
            4 => self.of_order(4),
            n => self.of_order(n),
        }
    }
}

impl<T: Real> Small<'_, T> {
    /// Both parts; around a few numbers loops of a known length are worth a copy of the code.
    #[inline(always)]
    fn of_order(self, n: usize) -> Result<(), Failure> {
        let Small { s, v, d, e, taus, .. } = self;
        let (s, v, d, e, taus) = (&mut s[..n * n], &mut v[..n * n], &mut d[..n], &mut e[..n], &mut taus[..n]);
        tridiagonalise(s, n, v, d, e, taus);
        ql(d, e, v, n)
    }
}

/// `S = V T V^T` by Householder reflections, with `T` tridiagonal: `d` on its diagonal, `e` below. Destroys `s`.
#[inline(always)]
fn tridiagonalise<T: Real>(s: &mut [T], n: usize, v: &mut [T], d: &mut [T], e: &mut [T], taus: &mut [T]) {
    let half = T::of(0.5);
    for k in 0..n - 2 {
        let (head, rest) = s.split_at_mut((k + 1) * n);
        let x = &mut head[k * n + k + 1..];
        let (beta, tau) = reflector(x);
        e[k] = beta;
        // The trailing block becomes S - x w^T - w x^T, with w = p - (tau p^T x / 2) x and p = tau S x.
        x[0] = T::one();
        let w = &mut taus[k + 1..n];
        w.fill(T::zero());
        for (c, &t) in rest.chunks_exact(n).zip(&*x) {
            crate::wide::flat::axpy(tau * t, &c[k + 1..], w);
        }
        let shift = half * tau * crate::sums::dot(w, x);
        crate::wide::flat::axpy(-shift, x, w);
        for (j, c) in rest.chunks_exact_mut(n).enumerate() {
            let (wj, xj) = (w[j], x[j]);
            for (c, (&x, &w)) in c[k + 1..].iter_mut().zip(x.iter().zip(&*w)) {
                *c -= x * wj + w * xj;
            }
        }
        // From here on the slot of the leading one keeps tau.
        x[0] = tau;
    }
    e[n - 2] = s[n - 1 + (n - 2) * n];
    for i in 0..n {
        d[i] = s[i + i * n];
    }
    identity_tall(v, n);
    for k in (0..n - 2).rev() {
        let x = &s[k * n + k + 1..(k + 1) * n];
        for c in v[(k + 1) * n..].chunks_exact_mut(n) {
            reflect(&x[1..], x[0], &mut c[k + 1..]);
        }
    }
}

/// `T = V diag(d) V^T`, in no order, of a tridiagonal matrix whose largest entry is about 1; for small blocks of a
/// large one. `v` comes with `rows` rows of the identity, whichever are wanted, and leaves with these rows of `V`.
pub(crate) fn tridiagonal_ql<T: Real>(d: &mut [T], e: &mut [T], v: &mut [T], rows: usize) -> Result<(), Failure> {
    pulp::Arch::new().dispatch(Ql { d, e, v, rows })
}

/// The iteration on the widest registers. It never fuses, so its bits are those of the plain one.
struct Ql<'a, T> {
    d: &'a mut [T],
    e: &'a mut [T],
    v: &'a mut [T],
    rows: usize,
}

impl<T: Real> pulp::NullaryFnOnce for Ql<'_, T> {
    type Output = Result<(), Failure>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        ql(self.d, self.e, self.v, self.rows)
    }
}

/// Diagonalises the tridiagonal matrix by implicit QL steps with Wilkinson's shift, rotating the columns of `v` along.
#[inline(always)]
fn ql<T: Real>(d: &mut [T], e: &mut [T], v: &mut [T], rows: usize) -> Result<(), Failure> {
    let n = d.len();
    e[n - 1] = T::zero();
    // Far below rounding; still smaller ones would square to zero.
    let floor = T::EPS * T::EPS * Float::max(max_abs(d), max_abs(e));
    for l in 0..n {
        for iteration in 0.. {
            let small =
                |m: usize| Float::abs(e[m]) <= Float::max(floor, T::EPS * (Float::abs(d[m]) + Float::abs(d[m + 1])));
            let m = (l..n - 1).find(|&m| small(m)).unwrap_or(n - 1);
            if m == l {
                break;
            }
            if iteration == ITERATIONS {
                return Err(Failure::NoConvergence);
            }
            ql_step(d, e, v, rows, l, m);
        }
    }
    Ok(())
}

/// One implicit step on the block `l..=m`.
#[inline(always)]
fn ql_step<T: Real>(d: &mut [T], e: &mut [T], v: &mut [T], rows: usize, l: usize, m: usize) {
    let two = T::of(2.0);
    let shift = (d[l + 1] - d[l]) / (two * e[l]);
    let root = Float::sqrt(shift * shift + T::one());
    let mut g = d[m] - d[l] + e[l] / (shift + if shift < T::zero() { -root } else { root });
    let (mut s, mut c, mut p) = (T::one(), T::one(), T::zero());
    for i in (l..m).rev() {
        let (f, b) = (s * e[i], c * e[i]);
        let squares = f * f + g * g;
        let lost = squares < T::min_positive_value() / T::EPS;
        let r;
        (s, c, r) = if lost { tiny_rotation(f, g) } else { rotation(f, g, Float::sqrt(squares)) };
        e[i + 1] = r;
        if r == T::zero() {
            // The block falls apart here.
            d[i + 1] -= p;
            e[m] = T::zero();
            return;
        }
        g = d[i + 1] - p;
        let t = (d[i] - g) * s + two * c * b;
        p = s * t;
        d[i + 1] = g + p;
        g = c * t - b;
        let (left, right) = v.split_at_mut((i + 1) * rows);
        rotate(&mut left[i * rows..][..rows], &mut right[..rows], c, s);
    }
    d[l] -= p;
    e[l] = g;
    e[m] = T::zero();
}

/// `(x, y)` times a rotation. Short columns are whole registers and a few numbers.
#[inline(always)]
fn rotate<T: Real>(x: &mut [T], y: &mut [T], c: T, s: T) {
    let turn = |(x, y): (&mut T, &mut T)| (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    if x.len() >= 8 {
        return x.iter_mut().zip(y).for_each(turn);
    }
    let ((x, x_rest), (y, y_rest)) = (x.as_chunks_mut::<4>(), y.as_chunks_mut::<4>());
    x.iter_mut().zip(y).for_each(|(x, y)| x.iter_mut().zip(y).for_each(turn));
    x_rest.iter_mut().zip(y_rest).for_each(turn);
}

/// Sine, cosine and length of `(f, g)`, whose length is `r`.
#[inline(always)]
fn rotation<T: Real>(f: T, g: T, r: T) -> (T, T, T) {
    (f / r, g / r, r)
}

/// Sine, cosine and length of `(f, g)` where its squares have lost digits to underflow; zeros of two zeros.
#[cold]
fn tiny_rotation<T: Real>(f: T, g: T) -> (T, T, T) {
    let unit = T::EPS * T::EPS * T::EPS * T::EPS;
    let (f, g) = (f / unit, g / unit);
    let r = Float::hypot(f, g);
    if r == T::zero() { (r, r, r) } else { (f / r, g / r, r * unit) }
}

/// Ascending order, by insertion.
fn sort<T: Real>(v: &mut [T], values: &mut [T], n: usize) {
    for i in 1..n {
        let mut j = i;
        while j > 0 && values[j] < values[j - 1] {
            values.swap(j, j - 1);
            let (left, right) = v.split_at_mut(j * n);
            left[(j - 1) * n..].swap_with_slice(&mut right[..n]);
            j -= 1;
        }
    }
}
