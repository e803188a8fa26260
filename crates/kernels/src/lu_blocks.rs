//! `P A = L U` of a large matrix by blocks of columns. What a block does to the columns behind it is in `strips.rs`;
//! what a factorisation means (handles, verdicts) and small matrices are in `lu.rs`.
//!
//! A strip of columns is fetched when its turn comes, all blocks before it eliminate in it, and then it is factorised
//! itself: columns that are not yet needed are neither written nor moved. A block keeps its rows in the order that its
//! own pivots gave them; what later pivots do to them is done once, when the factors are copied to where they belong.
//!
//! Columns are filled up to whole registers, with zeros that may become NaN where something overflows; no result
//! depends on them. How far columns are apart is said in `real.rs` (`stride`).
//!
//! With faer's factorisation the value of `logdet` took 1.2 times as long at orders 64 and 256, where registers have
//! 512 bits (`compare primitives logdet` of the benches, beside 4018aa0).

use num_traits::Float;
use pulp::{Arch, Simd, WithSimd};

use crate::gemm_tiles::{load, store};
use crate::real::{Real, stride};
use crate::strips::{BLOCK, Block, EXCHANGE, Exchange, STRIP, triangle};
use crate::wide_registers::clear_wide_registers;

/// Columns that are eliminated one by one.
const PANEL: usize = 8;

/// How much memory the factorisation of an `m x n` matrix takes: three lists of numbers, and indices.
pub(crate) fn lengths(m: usize, n: usize) -> ([usize; 3], usize) {
    let blocks = n.div_ceil(BLOCK);
    ([stride(m) * n, BLOCK * STRIP, blocks * BLOCK * BLOCK], n + m + blocks * EXCHANGE)
}

/// Memory of the [`lengths`], whose contents do not matter.
struct Elimination<'a, T> {
    f: &'a mut [T],
    y: &'a mut [T],
    triangles: &'a mut [T],
    /// The row that changed places with each row of the diagonal, counted from the first row of its block.
    pivots: &'a mut [usize],
    exchanges: &'a mut [usize],
    m: usize,
    n: usize,
    stride: usize,
}

/// Writes the packed factors of an `m x n` matrix, `m >= n`, and the order of its rows. A column without a pivot is
/// left as it is, with the zero on the diagonal.
pub(crate) fn lu<T: Real>(
    a: &[T],
    out: &mut [T],
    m: usize,
    n: usize,
    order: &mut [T],
    [f, y, triangles]: [&mut [T]; 3],
    index: &mut [usize],
) {
    let (rows, index) = index.split_at_mut(m);
    let (pivots, exchanges) = index.split_at_mut(n);
    let mut e = Elimination { f, y, triangles, pivots, exchanges, m, n, stride: stride(m) };
    for strip in (0..n).step_by(STRIP) {
        e.strip(a, strip);
    }
    clear_wide_registers();
    e.write(out, rows);
    e.permutation(0, rows);
    order.iter_mut().zip(rows).for_each(|(order, row)| *order = T::of(*row as f64));
}

impl<T: Real> Elimination<'_, T> {
    /// Fetches the strip at column `strip` and factorises it.
    fn strip(&mut self, a: &[T], strip: usize) {
        let (m, end) = (self.m, self.n.min(strip + STRIP));
        let columns = self.f[strip * self.stride..end * self.stride].chunks_exact_mut(self.stride);
        for (f, a) in columns.zip(a[strip * m..].chunks_exact(m)) {
            f[..m].copy_from_slice(a);
            f[m..].fill(T::zero());
        }
        (0..strip).step_by(BLOCK).for_each(|block| self.eliminate(block, strip..end));
        for from in (strip..end).step_by(BLOCK) {
            let next = end.min(from + BLOCK);
            (strip..from).step_by(BLOCK).for_each(|block| self.eliminate(block, from..next));
            let triangle = &mut self.triangles[from * BLOCK..][..BLOCK * BLOCK];
            let exchange = &mut self.exchanges[from / BLOCK * EXCHANGE..][..EXCHANGE];
            let (f, pivots) = (&mut self.f[from * self.stride..next * self.stride], &mut self.pivots[from..next]);
            let mut columns = Columns { f, pivots, row: from, m, stride: self.stride, triangle, exchange, y: self.y };
            columns.factor(0, next - from);
            columns.finish();
        }
    }

    /// Eliminates with the block at column `block` in some of the columns behind it.
    fn eliminate(&mut self, block: usize, columns: core::ops::Range<usize>) {
        let (left, right) = self.f.split_at_mut((block + BLOCK) * self.stride);
        let exchange = &self.exchanges[block / BLOCK * EXCHANGE..][..EXCHANGE];
        let block_columns = Block {
            l: &left[block * self.stride + block..],
            stride: self.stride,
            width: BLOCK,
            triangle: &self.triangles[block * BLOCK..][..BLOCK * BLOCK],
            exchange: Exchange::kept(exchange, BLOCK),
        };
        let from = (columns.start - block - BLOCK) * self.stride;
        block_columns.eliminate(&mut right[from + block..], columns.len(), self.y);
    }

    /// What the pivots from column `from` on do to the order of the rows.
    fn permutation(&self, from: usize, rows: &mut [usize]) {
        rows.iter_mut().enumerate().for_each(|(i, row)| *row = i);
        for block in (from..self.n).step_by(BLOCK) {
            for (i, &p) in self.pivots[block..self.n.min(block + BLOCK)].iter().enumerate() {
                rows.swap(block + i, block + p);
            }
        }
    }

    /// The factors, with the rows of each block in their last order.
    fn write(&self, out: &mut [T], rows: &mut [usize]) {
        for from in (0..self.n).step_by(BLOCK) {
            let end = self.n.min(from + BLOCK);
            self.permutation(end, rows);
            for j in from..end {
                let (out, f) = (&mut out[j * self.m..][..self.m], &self.f[j * self.stride..][..self.m]);
                let (top, below) = out.split_at_mut(end);
                top.copy_from_slice(&f[..end]);
                below.iter_mut().zip(&rows[end..]).for_each(|(out, row)| *out = f[*row]);
            }
        }
    }
}

/// The columns of a block, whose diagonal begins at `row`, and memory for the halves of it.
struct Columns<'a, T> {
    f: &'a mut [T],
    pivots: &'a mut [usize],
    row: usize,
    m: usize,
    stride: usize,
    triangle: &'a mut [T],
    exchange: &'a mut [usize],
    y: &'a mut [T],
}

impl<T: Real> Columns<'_, T> {
    /// Factorises `width` columns from column `at` on; earlier ones have eliminated in them.
    fn factor(&mut self, at: usize, width: usize) {
        let (stride, m, row) = (self.stride, self.m, self.row + at);
        if width <= PANEL {
            let (f, pivots) = (&mut self.f[at * stride..(at + width) * stride], &mut self.pivots[at..at + width]);
            Arch::new().dispatch(Panel { f, pivots, row, m, stride });
            pivots.iter_mut().for_each(|p| *p += at);
            return;
        }
        let half = (width / 2).next_multiple_of(PANEL);
        self.factor(at, half);
        let (left, right) = self.f.split_at_mut((at + half) * stride);
        let l = &left[at * stride + row..];
        triangle(l, stride, half, self.triangle);
        let mut pivots = [0; BLOCK];
        pivots.iter_mut().zip(&self.pivots[at..at + half]).for_each(|(to, p)| *to = p - at);
        let exchange = Exchange::new(&pivots[..half], self.exchange);
        let block = Block { l, stride, width: half, triangle: self.triangle, exchange };
        block.eliminate(&mut right[row..], width - half, self.y);
        self.factor(at + half, width - half);
        for f in self.f[at * stride..(at + half) * stride].chunks_exact_mut(stride) {
            let f = &mut f[self.row..];
            self.pivots.iter().enumerate().skip(at + half).take(width - half).for_each(|(i, &p)| f.swap(i, p));
        }
    }

    /// Writes what the whole block needs to eliminate in later columns.
    fn finish(&mut self) {
        let width = self.pivots.len();
        triangle(&self.f[self.row..], self.stride, width, self.triangle);
        Exchange::new(self.pivots, self.exchange);
    }
}

/// A few neighbouring columns, the first of which has its diagonal in `row`. Pivots are counted from there.
struct Panel<'a, T> {
    f: &'a mut [T],
    pivots: &'a mut [usize],
    row: usize,
    m: usize,
    stride: usize,
}

impl<T: Real> WithSimd for Panel<'_, T> {
    type Output = ();

    /// Column by column: `x -= L u` for the columns `L` before it, then its pivot is looked for.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Panel { f, pivots, row, m, stride } = self;
        let square = PANEL.min(m - row);
        for j in 0..pivots.len() {
            let (before, rest) = f.split_at_mut(j * stride);
            let (u, x) = rest[row..stride].split_at_mut(square);
            for (q, l) in before.chunks_exact(stride).enumerate() {
                let (s, l) = (u[q], &l[row..][..square]);
                u.iter_mut().zip(l).skip(q + 1).for_each(|(u, l)| *u -= *l * s);
            }
            let top = u[j..].iter().fold(T::zero(), |top, u| Float::max(top, Float::abs(*u)));
            let peak = Float::max(top, subtract(simd, &u[..j], before, row + square, stride, x));
            pivots[j] = j + place(&rest[row + j..m], peak);
            if pivots[j] != j {
                f.chunks_exact_mut(stride).for_each(|f| f.swap(row + j, row + pivots[j]));
            }
            let (pivot, below) = f[j * stride + row + j..(j + 1) * stride].split_at_mut(1);
            let inverse = T::one() / pivot[0];
            match pivot[0] == T::zero() {
                true => {}
                false if Float::is_finite(inverse) => below.iter_mut().for_each(|x| *x *= inverse),
                false => below.iter_mut().for_each(|x| *x /= pivot[0]),
            }
        }
    }
}

/// Registers of rows that are updated together.
const ROWS: usize = 4;

/// `x -= L u` for the columns of `L` from entry `from` on, and the largest magnitude of what results.
#[inline(always)]
fn subtract<S: Simd, T: Real>(simd: S, u: &[T], l: &[T], from: usize, stride: usize, x: &mut [T]) -> T {
    let lanes = size_of::<T::Of<S>>() / size_of::<T>();
    let mut top = T::splat(simd, T::zero());
    let mut at = 0;
    while x.len() - at >= ROWS * lanes {
        top = rows::<S, T, ROWS, false>(simd, u, l, from + at, stride, &mut x[at..at + ROWS * lanes], top);
        at += ROWS * lanes;
    }
    while x.len() - at >= lanes {
        top = rows::<S, T, 1, false>(simd, u, l, from + at, stride, &mut x[at..at + lanes], top);
        at += lanes;
    }
    if at < x.len() {
        top = rows::<S, T, 1, true>(simd, u, l, from + at, stride, &mut x[at..], top);
    }
    T::largest(simd, top)
}

/// `R` whole registers of it, or with `PART` fewer entries than fill one.
#[inline(always)]
fn rows<S: Simd, T: Real, const R: usize, const PART: bool>(
    simd: S,
    u: &[T],
    l: &[T],
    from: usize,
    stride: usize,
    x: &mut [T],
    mut top: T::Of<S>,
) -> T::Of<S> {
    let mut sums = load::<S, T, R, PART>(simd, x);
    for (q, u) in u.iter().enumerate() {
        let l = load::<S, T, R, PART>(simd, &l[q * stride + from..][..x.len()]);
        let u = T::splat(simd, -*u);
        for r in 0..R {
            sums[r] = T::madd(simd, l[r], u, sums[r]);
        }
    }
    for r in 0..R {
        top = T::larger(simd, sums[r], top);
    }
    store::<S, T, R, PART>(simd, x, sums);
    top
}

/// The first entry of this magnitude, or the first of all.
#[inline(always)]
fn place<T: Real>(x: &[T], peak: T) -> usize {
    let is = |x: &T| Float::abs(*x) == peak;
    // Without a branch for each entry.
    let near = x.chunks(BLOCK).position(|x| x.iter().fold(false, |any, x| any | is(x))).unwrap_or(0) * BLOCK;
    x[near..].iter().position(is).map_or(0, |i| near + i)
}
