//! What the large iteration does in diagonal windows: a window's rotations applied to the rest of the matrix by
//! products, early deflation at the lower end of a block (Braman, Byers and Mathias 2002), and sweeps of many bulges at
//! once, all after the same authors.

use faer::Accum;
use num_traits::Float;

use crate::Failure;
use crate::dense::matmul;
use crate::francis::{Reflector, Shifts, first_column, floor, francis};
use crate::hessenberg::{from_right, reduce};
use crate::qr::{reflect, reflector};
use crate::real::{Real, identity_tall, view, view_mut};
use crate::schur_order::move_up;
use crate::tolerances::{SWEEP_BULGES, SWEEP_STEPS};
use crate::wide_registers::clear_wide_registers;

/// The matrix that is reduced, and the rotations so far; both `n x n`.
pub(crate) struct Pencil<'a, T> {
    pub(crate) t: &'a mut [T],
    pub(crate) u: &'a mut [T],
    pub(crate) n: usize,
}

/// Scratch: a window, its rotations, and a strip of the matrix.
pub(crate) struct Windows<'a, T> {
    pub(crate) h: &'a mut [T],
    pub(crate) v: &'a mut [T],
    pub(crate) strip: &'a mut [T],
}

/// What early deflation found.
pub(crate) struct Deflation {
    /// How many rows at the end are done.
    pub(crate) done: usize,
    /// How many pairs of shifts it left.
    pub(crate) shifts: usize,
}

impl<T: Real> Pencil<'_, T> {
    /// Copies the diagonal window of order `w` at `at` to `h`.
    fn read(&self, at: usize, w: usize, h: &mut [T]) {
        for (c, h) in h.chunks_exact_mut(w).enumerate() {
            h.copy_from_slice(&self.t[at + (at + c) * self.n..][..w]);
        }
    }

    fn write(&mut self, at: usize, w: usize, h: &[T]) {
        for (c, h) in h.chunks_exact(w).enumerate() {
            self.t[at + (at + c) * self.n..][..w].copy_from_slice(h);
        }
    }

    /// Multiplies everything outside the window by its rotations `V`: `V^T` from the left, `V` from the right.
    fn turn(&mut self, at: usize, w: usize, v: &[T], strip: &mut [T]) {
        let (n, end) = (self.n, at + w);
        let v = view(v, w, w);
        if end < n {
            let strip = &mut strip[..w * (n - end)];
            let right = view(self.t, n, n).submatrix(at, end, w, n - end);
            matmul(view_mut(strip, w, n - end), Accum::Replace, v.transpose(), right, T::one());
            for (c, s) in strip.chunks_exact(w).enumerate() {
                self.t[at + (end + c) * n..][..w].copy_from_slice(s);
            }
        }
        for (a, rows) in [(&mut *self.t, at), (&mut *self.u, n)] {
            if rows > 0 {
                let strip = &mut strip[..w * rows];
                let above = view(a, n, n).submatrix(0, at, rows, w);
                matmul(view_mut(strip, rows, w), Accum::Replace, above, v, T::one());
                for (c, s) in strip.chunks_exact(rows).enumerate() {
                    a[(at + c) * n..][..rows].copy_from_slice(s);
                }
            }
        }
        clear_wide_registers();
    }

    /// Reduces the last `w` rows of the block `start..end` on a copy, and looks which of its eigenvalues are done:
    /// those that a change of rounding's size would split off. The others move to the top of the window and become the
    /// next shifts.
    ///
    /// With `V` the window's rotations the entry `s` before the window becomes a spike `s V^T e_1`. An eigenvalue at
    /// the end of the window is done if its part of the spike is negligible beside it.
    pub(crate) fn deflate(
        &mut self,
        start: usize,
        end: usize,
        w: usize,
        x: &mut Windows<'_, T>,
        shifts: &mut [Shifts<T>],
    ) -> Result<Deflation, Failure> {
        let (n, at) = (self.n, end - w);
        let spike = if at == start { T::zero() } else { self.t[at + (at - 1) * n] };
        let (h, v) = (&mut x.h[..w * w], &mut x.v[..w * w]);
        self.read(at, w, h);
        identity_tall(v, w);
        francis(h, w, v)?;
        let left = if at == start { 0 } else { undone(h, w, v, spike, floor::<T>()) };
        let count = gather(h, w, left, shifts);
        if left == w {
            return Ok(Deflation { done: 0, shifts: count });
        }
        if at > start {
            let beta = if left > 0 { unspike(h, w, left, v, spike, x.strip) } else { T::zero() };
            self.t[at + (at - 1) * n] = beta;
        }
        self.write(at, w, h);
        self.turn(at, w, v, x.strip);
        Ok(Deflation { done: w - left, shifts: count })
    }
}

/// Sorts the window's eigenvalues into those that are not done, at the top, and those that are; returns the number of
/// the first.
fn undone<T: Real>(h: &mut [T], w: usize, v: &mut [T], spike: T, floor: T) -> usize {
    let (mut top, mut bottom) = (0, w);
    while top < bottom {
        let pair = bottom >= 2 && h[bottom - 1 + (bottom - 2) * w] != T::zero();
        let at = bottom - if pair { 2 } else { 1 };
        let mut size = Float::abs(h[at + at * w]);
        if pair {
            size += Float::sqrt(Float::abs(h[at + 1 + at * w])) * Float::sqrt(Float::abs(h[at + (at + 1) * w]));
        }
        let size = if size == T::zero() { Float::abs(spike) } else { size };
        let part = (at..bottom).fold(T::zero(), |m, j| Float::abs(spike * v[j * w]).max(m));
        if part <= floor.max(T::EPS * size) {
            bottom = at;
        } else if move_up(h, w, v, at, top).is_ok() {
            top += bottom - at;
        } else {
            // The rest is taken for not done, whatever it is.
            return bottom;
        }
    }
    bottom
}

/// The eigenvalues of the leading `left` rows as pairs of shifts, from the end, as many as there is room for.
fn gather<T: Real>(h: &[T], w: usize, left: usize, shifts: &mut [Shifts<T>]) -> usize {
    let (mut j, mut count, mut alone) = (left, 0, None);
    while j > 0 && count < shifts.len() {
        let a = h[j - 1 + (j - 1) * w];
        if j >= 2 && h[j - 1 + (j - 2) * w] != T::zero() {
            let (b, c) = (h[j - 2 + (j - 1) * w], h[j - 1 + (j - 2) * w]);
            shifts[count] = Shifts { a, b: a, w: Float::sqrt(Float::abs(b)) * Float::sqrt(Float::abs(c)) };
            count += 1;
            j -= 2;
            continue;
        }
        if let Some(b) = alone.take() {
            shifts[count] = Shifts { a, b, w: T::zero() };
            count += 1;
        } else {
            alone = Some(a);
        }
        j -= 1;
    }
    count
}

/// Brings the `left` rows that are not done, with their spike before them, back to Hessenberg form. Returns the entry
/// before the window.
fn unspike<T: Real>(h: &mut [T], w: usize, left: usize, v: &mut [T], spike: T, scratch: &mut [T]) -> T {
    let (x, y) = scratch.split_at_mut(w);
    let x = &mut x[..left];
    for (j, x) in x.iter_mut().enumerate() {
        *x = spike * v[j * w];
    }
    let (beta, tau) = reflector(x);
    if tau != T::zero() {
        for c in h.chunks_exact_mut(w) {
            reflect(&x[1..], tau, &mut c[..left]);
        }
        x[0] = T::one();
        from_right(&mut h[..left * w], w, left, x, tau, y);
        from_right(&mut v[..left * w], w, w, x, tau, y);
    }
    reduce(h, w, left, v, y);
    beta
}

/// A chain of bulges, three rows apart, on its way down the block `start..end`. At time `s` bulge `b` sits at row
/// `start + s - 3 b`.
struct Chain<'a, T> {
    start: usize,
    end: usize,
    shifts: &'a [Shifts<T>],
}

impl<T: Real> Pencil<'_, T> {
    /// One sweep with all the given pairs of shifts over the block `start..end`.
    pub(crate) fn sweep(&mut self, start: usize, end: usize, shifts: &[Shifts<T>], x: &mut Windows<'_, T>) {
        let chain = Chain { start, end, shifts };
        let (lag, last) = (3 * (shifts.len() - 1), end - 2 - start);
        let mut s = 0;
        while s <= last + lag {
            let until = (s + SWEEP_STEPS).min(last + lag + 1);
            // The rows that the bulges touch, and the column before the last of them.
            let from = start + s.saturating_sub(lag + 1);
            let to = (start + (until - 1).min(last) + 4).min(end);
            let w = to - from;
            let (h, v) = (&mut x.h[..w * w], &mut x.v[..w * w]);
            self.read(from, w, h);
            identity_tall(v, w);
            pulp::Arch::new().dispatch(Steps { chain: &chain, h, w, v, from, times: s..until });
            self.write(from, w, h);
            self.turn(from, w, v, x.strip);
            s = until;
        }
    }
}

/// Steps of a chain inside a window, as something that can be compiled for the widest registers.
struct Steps<'a, T> {
    chain: &'a Chain<'a, T>,
    h: &'a mut [T],
    w: usize,
    v: &'a mut [T],
    from: usize,
    times: core::ops::Range<usize>,
}

impl<T: Real> pulp::NullaryFnOnce for Steps<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for s in self.times {
            self.chain.advance(self.h, self.w, self.v, self.from, s);
        }
    }
}

impl<T: Real> Chain<'_, T> {
    /// All bulges one row down, inside the window `h` of order `w` at `from`.
    ///
    /// Reflections of one time act on different rows, and rows and columns commute: first all from the left, column by
    /// column, then all from the right.
    #[inline(always)]
    fn advance(&self, h: &mut [T], w: usize, v: &mut [T], from: usize, s: usize) {
        let idle = Reflector { beta: T::zero(), tau: T::zero(), v: [T::zero(); 2] };
        let (mut list, mut count) = ([(0, idle); SWEEP_BULGES], 0);
        let (lead, end) = (self.start + s, self.end - from);
        // From the last bulge, which is the uppermost, to the first.
        for b in (0..self.shifts.len()).rev() {
            let Some(row) = lead.checked_sub(3 * b).filter(|&p| p >= self.start && p + 2 <= self.end) else { continue };
            let p = row - from;
            list[count] = (p, self.reflector(h, w, p, row == self.start, b, end));
            count += 1;
        }
        let list = &list[..count];
        let Some(&(top, _)) = list.first() else { return };
        let (mut c, mut active) = (top, 0);
        for column in h[top * w..].chunks_exact_mut(w) {
            while active < count && list[active].0 <= c {
                active += 1;
            }
            for (p, r) in &list[..active] {
                if p + 3 <= end { r.left3(&mut column[*p..]) } else { r.left2(&mut column[*p..]) }
            }
            c += 1;
        }
        // Rows of the rotations that no bulge has reached are still those of the identity.
        let reach = (lead + 3 - from).min(w);
        for (p, r) in list {
            let three = p + 3 <= end;
            r.right(h, w, *p, three, 0..(p + 4).min(end));
            r.right(v, w, *p, three, 0..reach);
        }
    }

    /// The reflection of bulge `b` at row `p` of the window; the column before it is finished.
    #[inline(always)]
    fn reflector(&self, h: &mut [T], w: usize, p: usize, first: bool, b: usize, end: usize) -> Reflector<T> {
        if first {
            return Reflector::of(first_column(h, w, p, self.shifts[b]));
        }
        let three = p + 3 <= end;
        let column = &mut h[(p - 1) * w..p * w];
        let r = Reflector::of([column[p], column[p + 1], if three { column[p + 2] } else { T::zero() }]);
        column[p] = r.beta;
        column[p + 1] = T::zero();
        if three {
            column[p + 2] = T::zero();
        }
        r
    }
}
