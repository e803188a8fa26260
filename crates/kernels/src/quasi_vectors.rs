//! Right and left eigenvectors of a quasi-triangular matrix, by substitution. Their normal form, and eigenvectors of
//! other matrices, live in `eig.rs`.

use num_traits::Float;

use crate::complex::Complex;
use crate::quasi::order_at;
use crate::real::{Real, max_abs};
use crate::tolerances::safe_range;

/// The eigenvalue of the block at `j`, the one with `im > 0` of a pair.
pub(crate) fn eigenvalue<T: Real>(t: &[T], n: usize, j: usize) -> Complex<T> {
    if order_at(t, n, j) == 1 {
        return Complex::new(t[j + j * n], T::zero());
    }
    let w = Float::sqrt(Float::abs(t[j + 1 + j * n])) * Float::sqrt(Float::abs(t[j + (j + 1) * n]));
    Complex::new(t[j + j * n], w)
}

/// A vector `(1, y)` or `(y, 1)` of a block `[a b; c a]` for the eigenvalue `a + i w`, `w = sqrt(-b c)`: from `a v_1 +
/// b v_2 = (a + i w) v_1` it is `v_2 = i (w / b) v_1`, and from the other row `v_1 = i (w / c) v_2`. The larger of `b`
/// and `c` is divided by.
fn of_block<T: Real>(b: T, c: T, w: T) -> [Complex<T>; 2] {
    let one = Complex::new(T::one(), T::zero());
    if Float::abs(b) >= Float::abs(c) {
        [one, Complex::new(T::zero(), w / b)]
    } else {
        [Complex::new(T::zero(), w / c), one]
    }
}

/// `z` with `(s - lambda) z = r`, or with `floor` in the place of a difference that is smaller.
#[inline(always)]
fn solve_one<T: Real>(s: Complex<T>, lambda: Complex<T>, floor: T, r: Complex<T>) -> Complex<T> {
    let mut d = s.minus(lambda);
    if Float::abs(d.re) < floor && Float::abs(d.im) < floor {
        d = Complex::new(floor, T::zero());
    }
    r.over(d)
}

/// `z` with `(S - lambda) z = r` for a block `S = [a b; c a]` with eigenvalues `a ± i w`:
/// `(S - lambda)^{-1} = [a - lambda, -b; -c, a - lambda] / ((a + i w - lambda) (a - i w - lambda))`. The factors of the
/// determinant are differences of eigenvalues and cancel nowhere.
#[inline(always)]
fn solve_two<T: Real>([a, b, c]: [T; 3], lambda: Complex<T>, floor: T, [r1, r2]: [Complex<T>; 2]) -> [Complex<T>; 2] {
    let w = Float::sqrt(Float::abs(b)) * Float::sqrt(Float::abs(c));
    let d = Complex::new(a, T::zero()).minus(lambda);
    let z1 = d.times(r1).minus(r2.scaled(b));
    let z2 = d.times(r2).minus(r1.scaled(c));
    let divide =
        |z: Complex<T>| solve_one(Complex::new(a, -w), lambda, floor, solve_one(Complex::new(a, w), lambda, floor, z));
    [divide(z1), divide(z2)]
}

/// A complex column under construction: real and imaginary parts, or the real part alone.
struct Column<'a, T> {
    re: &'a mut [T],
    im: Option<&'a mut [T]>,
}

impl<'a, T: Real> Column<'a, T> {
    /// Columns `j` and, for a pair, `j + 1` of an `n x n` matrix.
    fn of(v: &'a mut [T], n: usize, j: usize, size: usize) -> Self {
        let (re, im) = v[j * n..(j + size) * n].split_at_mut(n);
        Column { re, im: (size == 2).then_some(im) }
    }

    #[inline(always)]
    fn get(&self, i: usize) -> Complex<T> {
        Complex::new(self.re[i], self.im.as_ref().map_or(T::zero(), |im| im[i]))
    }

    #[inline(always)]
    fn set(&mut self, i: usize, z: Complex<T>) {
        self.re[i] = z.re;
        if let Some(im) = &mut self.im {
            im[i] = z.im;
        }
    }

    /// `v[..] -= z t` in the leading rows.
    fn subtract(&mut self, t: &[T], z: Complex<T>) {
        crate::wide::flat::axpy(-z.re, t, &mut self.re[..t.len()]);
        if let Some(im) = &mut self.im {
            crate::wide::flat::axpy(-z.im, t, &mut im[..t.len()]);
        }
    }

    /// `t . v[from..from + t.len()]`.
    fn dot(&self, t: &[T], from: usize) -> Complex<T> {
        let range = from..from + t.len();
        let im = self.im.as_ref().map_or(T::zero(), |im| crate::sums::dot(t, &im[range.clone()]));
        Complex::new(crate::sums::dot(t, &self.re[range]), im)
    }

    /// Divides everything by the size of `z` where that is large, so that no later product overflows.
    fn contain(&mut self, z: Complex<T>) {
        let size = Float::abs(z.re).max(Float::abs(z.im));
        if size > safe_range::<T>().1 {
            let s = T::one() / size;
            self.re.iter_mut().for_each(|x| *x *= s);
            if let Some(im) = &mut self.im {
                im.iter_mut().for_each(|x| *x *= s);
            }
        }
    }
}

/// Below this a difference of eigenvalues is rounding, and this takes its place.
fn floor<T: Real>(t: &[T]) -> T {
    (T::EPS * max_abs(t)).max(T::min_positive_value())
}

/// The right eigenvectors of a quasi-triangular `T` of entries around one, as columns: of a pair, the real and the
/// imaginary part of the vector of the eigenvalue with `im > 0`. Of any size.
///
/// `(T - lambda) z = 0` with `z = (z_1, v, 0)`: `v` is a vector of the block, and `(T_11 - lambda) z_1 = -T_12 v` is
/// solved from below, a block at a time. Where another eigenvalue equals `lambda` up to rounding, the difference is
/// replaced by rounding: a vector of a semisimple eigenvalue then moves inside its own space, and one of a defective
/// eigenvalue turns towards the vector that there is. Cost: `n^3 / 3` multiplications, twice that for pairs.
pub(crate) fn right<T: Real>(t: &[T], n: usize, v: &mut [T]) {
    let floor = floor(t);
    v.fill(T::zero());
    let mut j = 0;
    while j < n {
        let size = order_at(t, n, j);
        let lambda = eigenvalue(t, n, j);
        let mut z = Column::of(v, n, j, size);
        let start = [Complex::new(T::one(), T::zero()); 2];
        let start = if size == 2 { of_block(t[j + (j + 1) * n], t[j + 1 + j * n], lambda.im) } else { start };
        for (k, &s) in start.iter().enumerate().take(size) {
            z.set(j + k, s);
            z.subtract(&t[(j + k) * n..(j + k) * n + j], s);
        }
        let mut i = j;
        while i > 0 {
            let two = i >= 2 && t[i - 1 + (i - 2) * n] != T::zero();
            i -= if two { 2 } else { 1 };
            let (a, r) = (t[i + i * n], z.get(i));
            if two {
                let block = [a, t[i + (i + 1) * n], t[i + 1 + i * n]];
                let s = solve_two(block, lambda, floor, [r, z.get(i + 1)]);
                z.set(i, s[0]);
                z.set(i + 1, s[1]);
                z.subtract(&t[i * n..i * n + i], s[0]);
                z.subtract(&t[(i + 1) * n..(i + 1) * n + i], s[1]);
                z.contain(s[0]);
                z.contain(s[1]);
            } else {
                let s = solve_one(Complex::new(a, T::zero()), lambda, floor, r);
                z.set(i, s);
                z.subtract(&t[i * n..i * n + i], s);
                z.contain(s);
            }
        }
        j += size;
    }
}

/// The left eigenvectors, `w^T T = lambda w^T`, in the same way: `w = (0, v, w_3)`, and `w_3` is found from above.
pub(crate) fn left<T: Real>(t: &[T], n: usize, v: &mut [T]) {
    let floor = floor(t);
    v.fill(T::zero());
    let mut j = 0;
    while j < n {
        let size = order_at(t, n, j);
        let lambda = eigenvalue(t, n, j);
        let mut w = Column::of(v, n, j, size);
        let start = [Complex::new(T::one(), T::zero()); 2];
        let start = if size == 2 { of_block(t[j + 1 + j * n], t[j + (j + 1) * n], lambda.im) } else { start };
        (0..size).for_each(|k| w.set(j + k, start[k]));
        let mut i = j + size;
        while i < n {
            let two = order_at(t, n, i) == 2;
            let a = t[i + i * n];
            let r = w.dot(&t[i * n + j..i * n + i], j).scaled(-T::one());
            if two {
                let r2 = w.dot(&t[(i + 1) * n + j..(i + 1) * n + i], j).scaled(-T::one());
                let block = [a, t[i + 1 + i * n], t[i + (i + 1) * n]];
                let s = solve_two(block, lambda, floor, [r, r2]);
                w.set(i, s[0]);
                w.set(i + 1, s[1]);
                w.contain(s[0]);
                w.contain(s[1]);
                i += 2;
            } else {
                let s = solve_one(Complex::new(a, T::zero()), lambda, floor, r);
                w.set(i, s);
                w.contain(s);
                i += 1;
            }
        }
        j += size;
    }
}
