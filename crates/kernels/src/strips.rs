//! What a factored block of columns does to columns behind it, in elimination by blocks: rows change places, the rows
//! of the block are solved for, and the rows below are updated. Who factorises a block is in `lu_blocks.rs`.
//!
//! For a strip of columns `X` from the first row of a block `[L_11; L_21]` on,
//!
//! ```text
//! X <- P X,   X_1 <- L_11^{-1} X_1,   X_2 <- X_2 - L_21 X_1.
//! ```
//!
//! The rows `X_1` are turned into a place of their own, `Y = -X_1` by rows: a register then holds neighbouring columns,
//! and exchanging rows costs little more than the turn. The update reads `Y` where it lies, with a tile of the result
//! in registers, so that nothing is packed.

use pulp::{Arch, Simd, WithSimd};

use crate::gemm_tiles::{load, store};
use crate::real::Real;

/// The most columns of a block.
pub(crate) const BLOCK: usize = 32;

/// Columns that are updated together: so many rows of `L_21` as a tile has are read once for all of them.
pub(crate) const STRIP: usize = 64;

/// How long the memory of an [`Exchange`] is.
pub(crate) const EXCHANGE: usize = 3 * BLOCK + 1;

/// Exchanges of rows of a block with later rows, all at once: row `i` becomes what was row `source[i]`, and a few rows
/// below the block become what were rows of the block.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    source: &'a [usize],
    /// `(to, from)`, in two lists.
    displaced: (&'a [usize], &'a [usize]),
}

impl<'a> Exchange<'a> {
    /// `pivots[i]` is the row that changed places with row `i`, one after the other.
    pub(crate) fn new(pivots: &[usize], memory: &'a mut [usize]) -> Self {
        let width = pivots.len();
        let (count, lists) = memory.split_at_mut(1);
        let (source, displaced) = lists.split_at_mut(BLOCK);
        let (to, from) = displaced.split_at_mut(BLOCK);
        source[..width].iter_mut().enumerate().for_each(|(i, source)| *source = i);
        let mut many = 0;
        for (i, &p) in pivots.iter().enumerate() {
            if p < width {
                source.swap(i, p);
                continue;
            }
            let at = to[..many].iter().position(|to| *to == p).unwrap_or(many);
            if at == many {
                (to[at], from[at]) = (p, p);
                many += 1;
            }
            core::mem::swap(&mut source[i], &mut from[at]);
        }
        count[0] = many;
        Self::kept(memory, width)
    }

    /// The same again, from the memory that [`Self::new`] has written, for a block of `width` columns.
    pub(crate) fn kept(memory: &'a [usize], width: usize) -> Self {
        let many = memory[0];
        let (source, displaced) = memory[1..].split_at(BLOCK);
        let (to, from) = displaced.split_at(BLOCK);
        Self { source: &source[..width], displaced: (&to[..many], &from[..many]) }
    }
}

/// The block, from its diagonal on, and the rows that change places.
#[derive(Debug)]
pub(crate) struct Block<'a, T> {
    /// `[L_11; L_21]`, columns `stride` apart.
    pub(crate) l: &'a [T],
    pub(crate) stride: usize,
    pub(crate) width: usize,
    /// `-L_11` below the diagonal, by rows, as [`triangle`] writes it.
    pub(crate) triangle: &'a [T],
    pub(crate) exchange: Exchange<'a>,
}

/// Writes `-L_11` below the diagonal by rows of `BLOCK` entries.
pub(crate) fn triangle<T: Real>(l: &[T], stride: usize, width: usize, triangle: &mut [T]) {
    for (j, l) in l.chunks(stride).take(width).enumerate() {
        for (i, l) in l[..width].iter().enumerate().skip(j + 1) {
            triangle[i * BLOCK + j] = -*l;
        }
    }
}

impl<T: Real> Block<'_, T> {
    /// Eliminates with the block in `columns` columns, which are as far apart as its own and begin at its first row;
    /// `y` is memory of `BLOCK * STRIP` entries.
    pub(crate) fn eliminate(&self, x: &mut [T], columns: usize, y: &mut [T]) {
        for from in (0..columns).step_by(STRIP) {
            let columns = STRIP.min(columns - from);
            let x = &mut x[from * self.stride..];
            self.turn(x, columns, y);
            Arch::new().dispatch(Solve { triangle: self.triangle, width: self.width, columns, y });
            self.turn_back(x, columns, y);
            // All columns reach as far as the first.
            let rows = self.rows();
            Arch::new().dispatch(Update { block: self, x, rows, columns, y });
        }
    }

    /// Rows from the first of the block to the end of a column.
    fn rows(&self) -> usize {
        self.l.len() - (self.width - 1) * self.stride
    }

    /// `Y = -(P X)_1` by rows, and `X_2 = (P X)_2`.
    #[inline(never)]
    fn turn(&self, x: &mut [T], columns: usize, y: &mut [T]) {
        let (rows, Exchange { source, displaced: (to, from) }) = (self.rows(), &self.exchange);
        for (c, x) in x.chunks_mut(self.stride).take(columns).enumerate() {
            let x = &mut x[..rows];
            for (y, &source) in y.chunks_exact_mut(STRIP).zip(*source) {
                y[c] = -x[source];
            }
            for (&to, &from) in to.iter().zip(*from) {
                x[to] = x[from];
            }
        }
    }

    /// `X_1 = -Y^T`.
    #[inline(never)]
    fn turn_back(&self, x: &mut [T], columns: usize, y: &[T]) {
        for (c, x) in x.chunks_mut(self.stride).take(columns).enumerate() {
            for (x, y) in x[..self.width].iter_mut().zip(y.chunks_exact(STRIP)) {
                *x = -y[c];
            }
        }
    }
}

/// `Y = L_11^{-1} Y` by rows.
struct Solve<'a, T> {
    triangle: &'a [T],
    width: usize,
    columns: usize,
    y: &'a mut [T],
}

impl<T: Real> WithSimd for Solve<'_, T> {
    type Output = ();

    /// Four rows and two registers of columns at a time.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Solve { triangle, width, columns, y } = self;
        let lanes = size_of::<T::Of<S>>() / size_of::<T>();
        let row = STRIP / lanes;
        let y = T::whole_mut::<S>(y);
        let factor = |i: usize, j: usize| T::splat(simd, triangle[i * BLOCK + j]);
        // Rows behind the last of the block may be computed too; nobody reads them.
        for i in (0..width).step_by(4) {
            let (above, rest) = y.split_at_mut(i * row);
            let here = &mut rest[..4 * row];
            for c in (0..columns.div_ceil(lanes)).step_by(2) {
                let mut s = [[T::splat(simd, T::zero()); 2]; 4];
                for r in 0..4 {
                    s[r] = [here[r * row + c], here[r * row + c + 1]];
                }
                for (j, y) in above.chunks_exact(row).enumerate() {
                    for r in 0..4 {
                        let l = factor(i + r, j);
                        s[r] = [T::madd(simd, l, y[c], s[r][0]), T::madd(simd, l, y[c + 1], s[r][1])];
                    }
                }
                for r in 0..4 {
                    for q in 0..r {
                        let l = factor(i + r, i + q);
                        s[r] = [T::madd(simd, l, s[q][0], s[r][0]), T::madd(simd, l, s[q][1], s[r][1])];
                    }
                    [here[r * row + c], here[r * row + c + 1]] = s[r];
                }
            }
        }
    }
}

/// `X_2 += L_21 Y^T`.
struct Update<'a, T> {
    block: &'a Block<'a, T>,
    x: &'a mut [T],
    rows: usize,
    columns: usize,
    y: &'a [T],
}

impl<T: Real> WithSimd for Update<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let lanes = size_of::<T::Of<S>>() / size_of::<T>();
        let mut at = self.block.width;
        while self.rows - at >= 3 * lanes {
            self.across::<S, 3, false>(simd, at);
            at += 3 * lanes;
        }
        while self.rows - at >= lanes {
            self.across::<S, 1, false>(simd, at);
            at += lanes;
        }
        if at < self.rows {
            self.across::<S, 1, true>(simd, at);
        }
    }
}

impl<T: Real> Update<'_, T> {
    /// `R` registers of rows from row `at` on, or with `PART` the last rows, fewer than fill a register; as many
    /// columns at a time as there are registers for.
    #[inline(always)]
    fn across<S: Simd, const R: usize, const PART: bool>(&mut self, simd: S, at: usize) {
        let mut c = 0;
        while S::REGISTER_COUNT >= 32 && self.columns - c >= 8 {
            self.tile::<S, R, 8, PART>(simd, at, c);
            c += 8;
        }
        while self.columns - c >= 4 {
            self.tile::<S, R, 4, PART>(simd, at, c);
            c += 4;
        }
        while c < self.columns {
            self.tile::<S, R, 1, PART>(simd, at, c);
            c += 1;
        }
    }

    /// These rows and `C` columns.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const C: usize, const PART: bool>(&mut self, simd: S, at: usize, c: usize) {
        let (stride, lanes) = (self.block.stride, size_of::<T::Of<S>>() / size_of::<T>());
        let high = if PART { self.rows - at } else { R * lanes };
        let load = |x: &[T]| load::<S, T, R, PART>(simd, &x[..high]);
        let mut sums = [[T::splat(simd, T::zero()); R]; C];
        for q in 0..C {
            sums[q] = load(&self.x[at + (c + q) * stride..]);
        }
        let columns = self.block.l[at..].chunks(stride).take(self.block.width);
        for (l, y) in columns.zip(self.y[c..].chunks(STRIP)) {
            let (l, y) = (load(l), y.first_chunk::<C>().expect("a strip is a multiple of a tile"));
            for q in 0..C {
                let y = T::splat(simd, y[q]);
                for r in 0..R {
                    sums[q][r] = T::madd(simd, l[r], y, sums[q][r]);
                }
            }
        }
        for q in 0..C {
            let x = &mut self.x[at + (c + q) * stride..][..high];
            store::<S, T, R, PART>(simd, x, sums[q]);
        }
    }
}
