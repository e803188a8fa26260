//! The double-shift QR iteration on a Hessenberg matrix: all of small orders, the diagonal windows of large ones.
//! Many shifts at once live in `sweep.rs`, early deflation in `deflate.rs`.

use num_traits::Float;

use crate::Failure;
use crate::quasi::{standardise, with_sign};
use crate::real::{Real, max_abs};
use crate::tolerances::{QR_EXCEPTIONAL, QR_PATIENCE, QR_STEPS};

/// Two shifts, a conjugate pair or two real numbers: `(H - s_1)(H - s_2) = (H - a)(H - b) + w²`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shifts<T> {
    pub(crate) a: T,
    pub(crate) b: T,
    pub(crate) w: T,
}

/// `I - tau v v^T` with `v = (1, v_1, v_2)`, which sends a given vector to `beta e_1`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reflector<T> {
    pub(crate) beta: T,
    pub(crate) tau: T,
    pub(crate) v: [T; 2],
}

impl<T: Real> Reflector<T> {
    /// The reflection of `x`; its third entry is zero where only two rows are left.
    #[inline(always)]
    pub(crate) fn of(x: [T; 3]) -> Self {
        let tail = x[1] * x[1] + x[2] * x[2];
        let sum = x[0] * x[0] + tail;
        if sum < T::min_positive_value() / T::EPS {
            return Self::of_tiny(x);
        }
        if tail == T::zero() {
            return Self { beta: x[0], tau: T::zero(), v: [T::zero(); 2] };
        }
        let beta = -with_sign(Float::sqrt(sum), x[0]);
        let scale = T::one() / (x[0] - beta);
        Self { beta, tau: (beta - x[0]) / beta, v: [x[1] * scale, x[2] * scale] }
    }

    /// The same where squares underflow.
    #[cold]
    fn of_tiny(x: [T; 3]) -> Self {
        let m = x.iter().fold(T::zero(), |m, y| Float::abs(*y).max(m));
        if m == T::zero() {
            return Self { beta: x[0], tau: T::zero(), v: [T::zero(); 2] };
        }
        let r = Self::of(x.map(|y| y / m));
        Self { beta: r.beta * m, ..r }
    }

    /// Three entries of a column, from the left.
    #[inline(always)]
    pub(crate) fn left3(&self, c: &mut [T]) {
        let c = &mut c[..3];
        let s = self.tau * (c[0] + self.v[0] * c[1] + self.v[1] * c[2]);
        c[0] -= s;
        c[1] -= s * self.v[0];
        c[2] -= s * self.v[1];
    }

    /// Two entries of a column, from the left.
    #[inline(always)]
    pub(crate) fn left2(&self, c: &mut [T]) {
        let c = &mut c[..2];
        let s = self.tau * (c[0] + self.v[0] * c[1]);
        c[0] -= s;
        c[1] -= s * self.v[0];
    }

    /// The rows `rows` of the three columns from `p` on (two, if there are no more) of a matrix with `m` rows, from the
    /// right.
    #[inline(always)]
    pub(crate) fn right(&self, t: &mut [T], m: usize, p: usize, three: bool, rows: core::ops::Range<usize>) {
        let (x, rest) = t[p * m..].split_at_mut(m);
        let (y, rest) = rest.split_at_mut(m);
        let (x, y) = (&mut x[rows.clone()], &mut y[rows.clone()]);
        if three {
            self.right3(x, y, &mut rest[..m][rows]);
        } else {
            self.right2(x, y);
        }
    }

    /// Three columns, in groups of four rows, so that few are left over.
    #[inline(always)]
    fn right3(&self, x: &mut [T], y: &mut [T], z: &mut [T]) {
        let (v1, v2) = (self.v[0], self.v[1]);
        let (t1, t2, t3) = (self.tau, self.tau * v1, self.tau * v2);
        let ((x, x_rest), (y, y_rest), (z, z_rest)) =
            (x.as_chunks_mut::<4>(), y.as_chunks_mut::<4>(), z.as_chunks_mut::<4>());
        for ((x, y), z) in x.iter_mut().zip(y).zip(z) {
            // Read whole, written whole: so the compiler knows that they do not overlap.
            let (p, q, r) = (*x, *y, *z);
            let s: [T; 4] = core::array::from_fn(|i| p[i] + v1 * q[i] + v2 * r[i]);
            *x = core::array::from_fn(|i| p[i] - s[i] * t1);
            *y = core::array::from_fn(|i| q[i] - s[i] * t2);
            *z = core::array::from_fn(|i| r[i] - s[i] * t3);
        }
        for ((x, y), z) in x_rest.iter_mut().zip(y_rest).zip(z_rest) {
            let s = *x + v1 * *y + v2 * *z;
            *x -= s * t1;
            *y -= s * t2;
            *z -= s * t3;
        }
    }

    /// Two columns.
    #[inline(always)]
    fn right2(&self, x: &mut [T], y: &mut [T]) {
        let (t1, t2) = (self.tau, self.tau * self.v[0]);
        for (x, y) in x.iter_mut().zip(y) {
            let s = *x + self.v[0] * *y;
            *x -= s * t1;
            *y -= s * t2;
        }
    }
}

/// Sizes up to this are zero: for a matrix with entries about one, far below rounding, and larger ones have squares.
#[inline(always)]
pub(crate) fn floor<T: Real>() -> T {
    Float::sqrt(T::min_positive_value())
}

/// The first row of the last unreduced block of the leading `end` rows; the subdiagonal entry before it becomes an
/// exact zero.
///
/// An entry is negligible if it is below rounding beside its neighbours on the diagonal, and if the product of it and
/// its mirror image is so beside the product of the diagonal's spread (Ahues and Tisseur 1997): a change of the block's
/// eigenvalues, not of its entries. Whatever its neighbours, an entry up to `floor` is negligible.
#[inline(always)]
pub(crate) fn split<T: Real>(h: &mut [T], n: usize, end: usize, floor: T) -> usize {
    let abs = |x: T| Float::abs(x);
    for k in (1..end).rev() {
        let sub = abs(h[k + (k - 1) * n]);
        if sub <= floor {
            h[k + (k - 1) * n] = T::zero();
            return k;
        }
        let (above, here) = (h[k - 1 + (k - 1) * n], h[k + k * n]);
        let mut size = abs(above) + abs(here);
        if size == T::zero() {
            size += if k >= 2 { abs(h[k - 1 + (k - 2) * n]) } else { T::zero() };
            size += if k + 1 < end { abs(h[k + 1 + k * n]) } else { T::zero() };
        }
        if sub > T::EPS * size {
            continue;
        }
        let (sup, spread) = (abs(h[k - 1 + k * n]), abs(above - here));
        let (large, small) = (sub.max(sup), sub.min(sup));
        let (wide, narrow) = (abs(here).max(spread), abs(here).min(spread));
        let s = wide + large;
        if small * (large / s) <= floor.max(T::EPS * (narrow * (wide / s))) {
            h[k + (k - 1) * n] = T::zero();
            return k;
        }
    }
    0
}

/// Brings a Hessenberg matrix (entries about one or smaller) to standardised quasi-triangular form; `U` (with `n`
/// columns) becomes `U` times the rotations.
pub(crate) fn francis<T: Real>(h: &mut [T], n: usize, u: &mut [T]) -> Result<(), Failure> {
    pulp::Arch::new().dispatch(Francis { h, n, u })
}

/// The iteration as something that can be compiled for the widest registers: a closure would not be inlined there.
struct Francis<'a, T> {
    h: &'a mut [T],
    n: usize,
    u: &'a mut [T],
}

impl<T: Real> pulp::NullaryFnOnce for Francis<'_, T> {
    type Output = Result<(), Failure>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        iterate(self.h, self.n, self.u)
    }
}

#[inline(always)]
fn iterate<T: Real>(h: &mut [T], n: usize, u: &mut [T]) -> Result<(), Failure> {
    let (mut end, mut steps) = (n, 0);
    let least = floor::<T>();
    let mut floor = least;
    while end > 0 {
        let start = split(h, n, end, floor);
        if end - start <= 2 {
            if end - start == 2 {
                standardise(h, n, u, start);
            }
            (end, steps, floor) = (start, 0, least);
            continue;
        }
        steps += 1;
        // Where the diagonal is rounding alone (skew matrices), nothing is negligible beside it: then beside the block.
        if steps % QR_PATIENCE == 0 {
            floor = T::EPS * (start..end).fold(T::zero(), |m, j| max_abs(&h[start + j * n..end + j * n]).max(m));
        }
        if steps > QR_STEPS {
            return Err(Failure::NoConvergence);
        }
        let shifts = if steps % QR_EXCEPTIONAL == 0 {
            exceptional(h, n, start, end, steps / QR_EXCEPTIONAL)
        } else {
            trailing(h, n, end)
        };
        step(h, n, u, start, end, shifts);
    }
    Ok(())
}

/// The eigenvalues of the last 2x2 block; of two real ones, the nearer to the last entry twice (Wilkinson).
#[inline(always)]
fn trailing<T: Real>(h: &[T], n: usize, end: usize) -> Shifts<T> {
    let k = end - 2;
    pair(h[k + k * n], h[k + (k + 1) * n], h[k + 1 + k * n], h[k + 1 + (k + 1) * n])
}

#[inline(always)]
fn pair<T: Real>(a: T, b: T, c: T, d: T) -> Shifts<T> {
    let (zero, half) = (T::zero(), T::of(0.5));
    let m = Float::abs(a).max(Float::abs(b)).max(Float::abs(c)).max(Float::abs(d));
    if m == zero {
        return Shifts { a: zero, b: zero, w: zero };
    }
    let p = half * (a / m - d / m);
    let z = p * p + (b / m) * (c / m);
    if z < zero {
        let re = d + m * p;
        return Shifts { a: re, b: re, w: m * Float::sqrt(-z) };
    }
    // The eigenvalue nearer to d is d - b c / h.
    let h = p + with_sign(Float::sqrt(z), p);
    let near = if h == zero { d } else { d - m * ((b / m) * (c / m) / h) };
    Shifts { a: near, b: near, w: zero }
}

/// Shifts that know nothing of the matrix but sizes, for one that the usual shifts leave as it is (a cyclic
/// permutation): in turn from the end and from the start of the block.
#[inline(always)]
fn exceptional<T: Real>(h: &[T], n: usize, start: usize, end: usize, turn: usize) -> Shifts<T> {
    let at = |i: usize| Float::abs(h[i + 1 + i * n]);
    let (k, s) = if turn % 2 == 1 { (end - 1, at(end - 2) + at(end - 3)) } else { (start, at(start) + at(start + 1)) };
    let a = h[k + k * n] + T::of(0.75) * s;
    Shifts { a, b: a, w: T::of(0.66) * s }
}

/// A multiple of the first three entries of `(H - s_1)(H - s_2) e_1` for the block that begins at `k`.
///
/// They are `(h_11 - a)(h_11 - b) + w² + h_12 h_21`, `h_21 (h_11 + h_22 - a - b)` and `h_21 h_32`; divided by a size
/// first.
#[inline(always)]
pub(crate) fn first_column<T: Real>(h: &[T], n: usize, k: usize, s: Shifts<T>) -> [T; 3] {
    let at = |i: usize, j: usize| h[k + i + (k + j) * n];
    let (h11, h21) = (at(0, 0), at(1, 0));
    let size = Float::abs(h11 - s.b) + s.w + Float::abs(h21);
    if size == T::zero() {
        return [T::zero(); 3];
    }
    let scaled = h21 / size;
    let x = [
        (h11 - s.a) * ((h11 - s.b) / size) + s.w * (s.w / size) + at(0, 1) * scaled,
        scaled * ((h11 - s.a) + (at(1, 1) - s.b)),
        scaled * at(2, 1),
    ];
    let m = Float::abs(x[0]) + Float::abs(x[1]) + Float::abs(x[2]);
    if m == T::zero() { x } else { x.map(|y| y / m) }
}

/// Where the sweep begins, and with which vector: as far down as two small subdiagonal entries in a row hide what is
/// above.
#[inline(always)]
fn begin<T: Real>(h: &[T], n: usize, start: usize, end: usize, s: Shifts<T>) -> (usize, [T; 3]) {
    let abs = |i: usize, j: usize| Float::abs(h[i + j * n]);
    for k in (start + 1..=end - 3).rev() {
        let near = abs(k - 1, k - 1) + abs(k, k);
        // Both are small where this happens; where the first is not, a look at the vector is not worth its divisions.
        if abs(k, k - 1) > T::of(1e-3) * near {
            continue;
        }
        let x = first_column(h, n, k, s);
        let hidden = abs(k, k - 1) * (Float::abs(x[1]) + Float::abs(x[2]));
        if hidden <= T::EPS * Float::abs(x[0]) * (near + abs(k + 1, k + 1)) {
            return (k, x);
        }
    }
    (start, first_column(h, n, start, s))
}

/// One implicit double-shift step on the rows `start..end`, at least three.
#[inline(always)]
fn step<T: Real>(h: &mut [T], n: usize, u: &mut [T], start: usize, end: usize, s: Shifts<T>) {
    let rows = u.len() / n;
    let (first, x) = begin(h, n, start, end, s);
    for p in first..end - 1 {
        let three = p + 2 < end;
        let r = if p == first {
            Reflector::of(x)
        } else {
            let column = &h[(p - 1) * n..p * n];
            Reflector::of([column[p], column[p + 1], if three { column[p + 2] } else { T::zero() }])
        };
        if p > first {
            h[p + (p - 1) * n] = r.beta;
            h[p + 1 + (p - 1) * n] = T::zero();
            if three {
                h[p + 2 + (p - 1) * n] = T::zero();
            }
        } else if p > start {
            // The entry to the left is turned too; what would fill in below it is hidden.
            h[p + (p - 1) * n] *= T::one() - r.tau;
        }
        if three {
            h[p * n..n * n].chunks_exact_mut(n).for_each(|c| r.left3(&mut c[p..]));
        } else {
            h[p * n..n * n].chunks_exact_mut(n).for_each(|c| r.left2(&mut c[p..]));
        }
        r.right(h, n, p, three, 0..(p + 4).min(end));
        r.right(u, rows, p, three, 0..rows);
    }
}
