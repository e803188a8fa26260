//! Linear matrix equations over quasi-triangular factors, by recursion: `op(A) X + X op(B) = C`,
//! `X - op(A) X op(B) = C`, and the symmetric `op(A) X + X op(A)^T = C`. The equations of general matrices live in
//! `equations.rs`, the smallest ones in `equation_base.rs`.

use faer::reborrow::*;
use faer::{Accum, MatMut, MatRef};
use num_traits::Float;

use crate::dense::matmul;
use crate::equation_base::{BASE, Tile, solve_tile};
use crate::real::{Real, view_mut};
use crate::wide_registers::clear_wide_registers;

/// `Sum`: `op(A) X + X op(B) = C`. `Difference`: `X - op(A) X op(B) = C`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sum,
    Difference,
}

/// Which equation, with which of its matrices transposed, and how small a pivot may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Equation<T> {
    pub(crate) kind: Kind,
    pub(crate) ta: bool,
    pub(crate) tb: bool,
    /// A pivot up to this is zero, whatever its terms.
    pub(crate) floor: T,
}

/// A pivot that is too small: the row of `A` it belongs to, and its size over what it was compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stop<T> {
    pub(crate) row: usize,
    pub(crate) ratio: T,
}

/// Scratch: three tiles, and for `Difference` as many numbers as `C` has.
pub(crate) struct Scratch<'a, T> {
    pub(crate) tiles: &'a mut [T],
    pub(crate) work: &'a mut [T],
    /// The smallest pivot so far.
    pub(crate) least: T,
}

impl<'a, T: Real> Scratch<'a, T> {
    pub(crate) fn new(tiles: &'a mut [T], work: &'a mut [T]) -> Self {
        Self { tiles, work, least: T::infinity() }
    }
}

/// How many numbers [`Scratch`] needs.
pub(crate) fn scratch_lengths(kind: Kind, m: usize, n: usize) -> [usize; 2] {
    [3 * BASE * BASE, if kind == Kind::Sum { 0 } else { m * n }]
}

/// The middle of a quasi-triangular matrix, between two blocks, and where it may be at a multiple of the tiles' usual
/// order.
pub(crate) fn middle<T: Real>(a: MatRef<'_, T>) -> usize {
    let n = a.nrows();
    let half = if n > 32 { (n / 2 + 8) / 16 * 16 } else { n / 2 };
    if a[(half, half - 1)] == T::zero() { half } else { half + 1 }
}

fn product<T: Real>(c: MatMut<'_, T>, alpha: T, a: MatRef<'_, T>, b: MatRef<'_, T>) {
    matmul(c, Accum::Add, a, b, alpha);
    clear_wide_registers();
}

fn op<T>(a: MatRef<'_, T>, transpose: bool) -> MatRef<'_, T> {
    if transpose { a.transpose() } else { a }
}

impl<T: Real> Equation<T> {
    /// Solves in place of `C`. `A` and `B` are upper quasi-triangular; what is stored below their blocks is not read.
    ///
    /// The larger of the two is cut: with `A = [A1 P; 0 A2]` the lower rows of `A X + X B = C` are an equation of their
    /// own for `X2`, and then the upper ones, with `C1 - P X2` on the right. A transposed `A` begins at the top, with
    /// `C2 - P^T X1`; the columns are cut alike. In the other kind the right-hand side is `C1 + P X2 op(B)`. Nearly all
    /// work is in these products (Jonsson and Kågström 2002).
    pub(crate) fn solve(
        self,
        a: MatRef<'_, T>,
        b: MatRef<'_, T>,
        c: MatMut<'_, T>,
        row: usize,
        s: &mut Scratch<'_, T>,
    ) -> Result<(), Stop<T>> {
        let (m, n) = (a.nrows(), b.nrows());
        if m == 0 || n == 0 {
            return Ok(());
        }
        if m <= BASE && n <= BASE {
            return solve_tile(Tile { eq: self, a, b, c, row }, s);
        }
        if m >= n { self.by_rows(a, b, c, row, s) } else { self.by_columns(a, b, c, row, s) }
    }

    fn by_rows(
        self,
        a: MatRef<'_, T>,
        b: MatRef<'_, T>,
        c: MatMut<'_, T>,
        row: usize,
        s: &mut Scratch<'_, T>,
    ) -> Result<(), Stop<T>> {
        let (k, m, n) = (middle(a), a.nrows(), b.nrows());
        let (a1, p, a2) = (a.submatrix(0, 0, k, k), a.submatrix(0, k, k, m - k), a.submatrix(k, k, m - k, m - k));
        let (c1, c2) = c.split_at_row_mut(k);
        let ((af, mut cf, rf), (al, mut cl, rl)) =
            if self.ta { ((a1, c1, row), (a2, c2, row + k)) } else { ((a2, c2, row + k), (a1, c1, row)) };
        self.solve(af, b, cf.rb_mut(), rf, s)?;
        let p = op(p, self.ta);
        match self.kind {
            Kind::Sum => product(cl.rb_mut(), -T::one(), p, cf.rb()),
            Kind::Difference => {
                let mut xb = view_mut(&mut s.work[..cf.nrows() * n], cf.nrows(), n);
                matmul(xb.rb_mut(), Accum::Replace, cf.rb(), op(b, self.tb), T::one());
                product(cl.rb_mut(), T::one(), p, xb.rb());
            }
        }
        self.solve(al, b, cl, rl, s)
    }

    fn by_columns(
        self,
        a: MatRef<'_, T>,
        b: MatRef<'_, T>,
        c: MatMut<'_, T>,
        row: usize,
        s: &mut Scratch<'_, T>,
    ) -> Result<(), Stop<T>> {
        let (k, m, n) = (middle(b), a.nrows(), b.nrows());
        let (b1, p, b2) = (b.submatrix(0, 0, k, k), b.submatrix(0, k, k, n - k), b.submatrix(k, k, n - k, n - k));
        let (c1, c2) = c.split_at_col_mut(k);
        let ((bf, mut cf), (bl, mut cl)) = if self.tb { ((b2, c2), (b1, c1)) } else { ((b1, c1), (b2, c2)) };
        self.solve(a, bf, cf.rb_mut(), row, s)?;
        let p = op(p, self.tb);
        match self.kind {
            Kind::Sum => product(cl.rb_mut(), -T::one(), cf.rb(), p),
            Kind::Difference => {
                let mut xp = view_mut(&mut s.work[..m * cl.ncols()], m, cl.ncols());
                matmul(xp.rb_mut(), Accum::Replace, cf.rb(), p, T::one());
                product(cl.rb_mut(), T::one(), op(a, self.ta), xp.rb());
            }
        }
        self.solve(a, bl, cl, row, s)
    }

    /// `op(A) X + X op(A)^T = C` with symmetric `C`, of which the diagonal blocks and what is above them are read; `X`
    /// is exactly symmetric. (`self` is the equation with `B = A` and `tb = !ta`.)
    ///
    /// With `A = [A1 P; 0 A2]`: first the block `X2` of `A2`; then `A1 Y + Y A2^T = C12 - P X2`; then `X1`, with
    /// `C11 - P Y^T - Y P^T`. Transposed it begins at the top: `C12 - X1 P`, `C22 - P^T Y - Y^T P`. Half the work of
    /// the general equation.
    pub(crate) fn solve_symmetric(
        self,
        a: MatRef<'_, T>,
        c: MatMut<'_, T>,
        row: usize,
        s: &mut Scratch<'_, T>,
    ) -> Result<(), Stop<T>> {
        let n = a.nrows();
        let mut c = c;
        if n <= BASE {
            mirror_upper(c.rb_mut());
            self.solve(a, a, c.rb_mut(), row, s)?;
            average(c);
            return Ok(());
        }
        let k = middle(a);
        let (a1, p, a2) = (a.submatrix(0, 0, k, k), a.submatrix(0, k, k, n - k), a.submatrix(k, k, n - k, n - k));
        let (mut c1, mut y, mut z, mut c2) = c.split_at_mut(k, k);
        let minus = -T::one();
        if self.ta {
            self.solve_symmetric(a1, c1.rb_mut(), row, s)?;
            product(y.rb_mut(), minus, c1.rb(), p);
        } else {
            self.solve_symmetric(a2, c2.rb_mut(), row + k, s)?;
            product(y.rb_mut(), minus, p, c2.rb());
        }
        self.solve(a1, a2, y.rb_mut(), row, s)?;
        z.copy_from(y.rb().transpose());
        if self.ta {
            product(c2.rb_mut(), minus, p.transpose(), y.rb());
            product(c2.rb_mut(), minus, z.rb(), p);
            self.solve_symmetric(a2, c2, row + k, s)
        } else {
            product(c1.rb_mut(), minus, p, z.rb());
            product(c1.rb_mut(), minus, y.rb(), p.transpose());
            self.solve_symmetric(a1, c1, row, s)
        }
    }
}

/// Copies what is above the diagonal below it.
fn mirror_upper<T: Real>(mut c: MatMut<'_, T>) {
    for j in 0..c.ncols() {
        for i in 0..j {
            c[(j, i)] = c[(i, j)];
        }
    }
}

/// Replaces both of `c_ij`, `c_ji` by their mean.
fn average<T: Real>(mut c: MatMut<'_, T>) {
    for j in 0..c.ncols() {
        for i in 0..j {
            let mean = T::of(0.5) * c[(i, j)] + T::of(0.5) * c[(j, i)];
            c[(i, j)] = mean;
            c[(j, i)] = mean;
        }
    }
}

/// What a pivot is compared with: the floor, or rounding of the terms that it is the sum of.
#[inline(always)]
pub(crate) fn least_pivot<T: Real>(floor: T, terms: T) -> T {
    floor.max(T::of(4.0) * T::EPS * Float::abs(terms))
}
