//! Products of dense matrices: register kernels for small ones, where the call dominates, and faer's for the rest.

use faer::Accum;

use crate::dense::matmul;
use crate::gemm_tiles::{Tiles, suit};
use crate::real::{Real, view, view_mut};
use crate::tolerances::{GEMM_LONG, GEMM_SMALL, GEMM_SMALL_TRANSPOSED, GEMM_TURNED};
use crate::wide::{COLUMNS, Thin};
use crate::wide_registers::clear_wide_registers;

/// `C = [C +] alpha op(A) op(B)`.
#[inline]
pub(crate) fn gemm<T: Real>(
    c: &mut [T],
    m: usize,
    n: usize,
    k: usize,
    alpha: T,
    a: &[T],
    ta: bool,
    b: &[T],
    tb: bool,
    add: bool,
) {
    debug_assert!(c.len() == m * n && a.len() == m * k && b.len() == k * n);
    if m <= 4 && n <= 4 && k <= GEMM_SMALL / 16 {
        return tiny(c, m, n, k, alpha, (a, ta), (b, tb), add);
    }
    // A vector is its own transpose.
    let ta = ta && m > 1 && k > 1;
    if m == 1 && n == 1 {
        let s = alpha * crate::sums::dot(a, b);
        c[0] = if add { c[0] + s } else { s };
    } else if k == 0 {
        if !add {
            c.fill(T::zero());
        }
    } else if m * n * k > GEMM_SMALL && (n <= COLUMNS || m == 1) && thin(c, m, n, k, alpha, (a, ta), (b, tb), add) {
        // Done.
    } else if suit::<T>(m, n, k) && !ta {
        Tiles { c, m, n, k, alpha, a, b, transposed: tb, add }.run();
    } else if suit::<T>(m, n, k) && m * k <= GEMM_TURNED {
        turned(c, m, n, k, alpha, a, b, tb, add);
    } else if m * n * k <= if ta { GEMM_SMALL_TRANSPOSED } else { GEMM_SMALL } {
        // op(B)[p, j] = b[p * bp + j * bj].
        small(c, Shape { m, n, k, ta, bp: if tb { n } else { 1 }, bj: if tb { 1 } else { k } }, alpha, a, b, add);
    } else {
        large(c, m, n, k, alpha, a, ta, b, tb, add);
    }
}

/// The product, if it is one of a matrix with few columns, or with one row from the left: `c^T = op(B)^T op(A)^T`. Not
/// inlined: other products must not pay for its frame.
#[inline(never)]
fn thin<T: Real>(
    c: &mut [T],
    m: usize,
    n: usize,
    k: usize,
    alpha: T,
    (a, ta): (&[T], bool),
    (b, tb): (&[T], bool),
    add: bool,
) -> bool {
    // Long sums in single precision are gathered in double precision.
    if size_of::<T>() == 4 && k > GEMM_LONG {
        return false;
    }
    if n <= COLUMNS && (n == 1 || !tb) {
        Thin { c, alpha, a, transposed: ta, x: b, m, n, k, add }.run();
    } else if m == 1 {
        Thin { c, alpha, a: b, transposed: !tb, x: a, m: n, n: 1, k, add }.run();
    } else {
        return false;
    }
    true
}

/// A short sum of at most four rows and columns, which is one tile: a function for every size, so that each is short.
#[inline]
fn tiny<T: Real>(c: &mut [T], m: usize, n: usize, k: usize, alpha: T, a: (&[T], bool), b: (&[T], bool), add: bool) {
    macro_rules! sizes {
        ($($M:literal $N:literal),*) => {
            match (m, n) {
                $(($M, $N) => one_tile::<$M, $N, T>(c, k, alpha, a, b, add),)*
                _ => {}
            }
        };
    }
    sizes!(1 1, 1 2, 1 3, 1 4, 2 1, 2 2, 2 3, 2 4, 3 1, 3 2, 3 3, 3 4, 4 1, 4 2, 4 3, 4 4);
}

#[inline(never)]
fn one_tile<const M: usize, const N: usize, T: Real>(
    c: &mut [T],
    k: usize,
    alpha: T,
    (a, ta): (&[T], bool),
    (b, tb): (&[T], bool),
    add: bool,
) {
    let sums = match (ta, tb) {
        (false, false) => sums::<M, N, T>(k, across(a), along(b, k)),
        (false, true) => sums::<M, N, T>(k, across(a), across(b)),
        (true, false) => sums::<M, N, T>(k, along(a, k), along(b, k)),
        (true, true) => sums::<M, N, T>(k, along(a, k), across(b)),
    };
    for (c, sums) in c.chunks_exact_mut(M).zip(&sums) {
        for (c, sum) in c.iter_mut().zip(sums) {
            *c = if add { *c + alpha * *sum } else { alpha * *sum };
        }
    }
}

/// Column `p` of a matrix of `N` rows.
#[inline(always)]
fn across<T: Real, const N: usize>(x: &[T]) -> impl Fn(usize) -> [T; N] {
    move |p| core::array::from_fn(|r| x[p * N..][..N][r])
}

/// Entry `p` of each of `N` columns of length `k`.
#[inline(always)]
fn along<T: Real, const N: usize>(x: &[T], k: usize) -> impl Fn(usize) -> [T; N] {
    let columns: [&[T]; N] = core::array::from_fn(|r| &x[r * k..][..k]);
    move |p| core::array::from_fn(|r| columns[r][p])
}

#[inline(always)]
fn sums<const M: usize, const N: usize, T: Real>(
    k: usize,
    a: impl Fn(usize) -> [T; M],
    b: impl Fn(usize) -> [T; N],
) -> [[T; M]; N] {
    let mut sums = [[T::zero(); M]; N];
    for p in 0..k {
        let (a, b) = (a(p), b(p));
        for q in 0..N {
            for r in 0..M {
                sums[q][r] += a[r] * b[q];
            }
        }
    }
    sums
}

/// What a small product needs to know to find its entries.
#[derive(Clone, Copy)]
struct Shape {
    m: usize,
    n: usize,
    k: usize,
    ta: bool,
    bp: usize,
    bj: usize,
}

/// Panels of eight rows of `C` and a narrower last one.
fn small<T: Real>(c: &mut [T], s: Shape, alpha: T, a: &[T], b: &[T], add: bool) {
    let mut i = 0;
    while s.m - i >= 8 {
        panel::<8, 2, T>(c, i, s, alpha, a, b, add);
        i += 8;
    }
    match s.m - i {
        1 => panel::<1, 4, T>(c, i, s, alpha, a, b, add),
        2 => panel::<2, 4, T>(c, i, s, alpha, a, b, add),
        3 => panel::<3, 4, T>(c, i, s, alpha, a, b, add),
        4 => panel::<4, 4, T>(c, i, s, alpha, a, b, add),
        5 => panel::<5, 2, T>(c, i, s, alpha, a, b, add),
        6 => panel::<6, 2, T>(c, i, s, alpha, a, b, add),
        7 => panel::<7, 2, T>(c, i, s, alpha, a, b, add),
        _ => {}
    }
}

/// Rows `i..i + M` of `C`, `J` columns at a time.
#[inline]
fn panel<const M: usize, const J: usize, T: Real>(
    c: &mut [T],
    i: usize,
    s: Shape,
    alpha: T,
    a: &[T],
    b: &[T],
    add: bool,
) {
    if s.ta {
        let columns: [&[T]; M] = core::array::from_fn(|r| &a[(i + r) * s.k..(i + r + 1) * s.k]);
        sweep::<M, J, T>(c, i, s, alpha, |p| core::array::from_fn(|r| columns[r][p]), b, add);
    } else {
        sweep::<M, J, T>(c, i, s, alpha, |p| core::array::from_fn(|r| a[i + p * s.m..][..M][r]), b, add);
    }
}

#[inline(always)]
fn sweep<const M: usize, const J: usize, T: Real>(
    c: &mut [T],
    i: usize,
    s: Shape,
    alpha: T,
    a: impl Fn(usize) -> [T; M],
    b: &[T],
    add: bool,
) {
    let mut j = 0;
    while s.n - j >= J {
        tile::<M, J, T>(c, i, j, s, alpha, &a, b, add);
        j += J;
    }
    while s.n - j >= 2 {
        tile::<M, 2, T>(c, i, j, s, alpha, &a, b, add);
        j += 2;
    }
    if j < s.n {
        tile::<M, 1, T>(c, i, j, s, alpha, &a, b, add);
    }
}

/// The tile of `M x J` entries at `(i, j)`, held in registers over the sum.
#[inline(always)]
fn tile<const M: usize, const J: usize, T: Real>(
    c: &mut [T],
    i: usize,
    j: usize,
    s: Shape,
    alpha: T,
    a: &impl Fn(usize) -> [T; M],
    b: &[T],
    add: bool,
) {
    let mut sums = [[T::zero(); M]; J];
    for p in 0..s.k {
        let a = a(p);
        for q in 0..J {
            let x = b[p * s.bp + (j + q) * s.bj];
            for r in 0..M {
                sums[q][r] += a[r] * x;
            }
        }
    }
    for q in 0..J {
        let c = &mut c[i + (j + q) * s.m..][..M];
        for r in 0..M {
            c[r] = if add { c[r] + alpha * sums[q][r] } else { alpha * sums[q][r] };
        }
    }
}

/// `C = [C +] alpha A^T op(B)` of a small `A`, which is turned first.
#[inline(never)]
fn turned<T: Real>(c: &mut [T], m: usize, n: usize, k: usize, alpha: T, a: &[T], b: &[T], transposed: bool, add: bool) {
    let mut turned = [T::zero(); GEMM_TURNED];
    for (i, a) in a.chunks_exact(k).enumerate() {
        turned[i..].iter_mut().step_by(m).zip(a).for_each(|(turned, a)| *turned = *a);
    }
    Tiles { c, m, n, k, alpha, a: &turned[..m * k], b, transposed, add }.run();
}

fn large<T: Real>(
    c: &mut [T],
    m: usize,
    n: usize,
    k: usize,
    alpha: T,
    a: &[T],
    ta: bool,
    b: &[T],
    tb: bool,
    add: bool,
) {
    if size_of::<T>() == 4 && k > GEMM_LONG {
        return long(c, m, n, k, alpha, a, ta, b, tb, add);
    }
    let a = if ta { view(a, k, m).transpose() } else { view(a, m, k) };
    let b = if tb { view(b, n, k).transpose() } else { view(b, k, n) };
    let beta = if add { Accum::Add } else { Accum::Replace };
    matmul(view_mut(c, m, n), beta, a, b, alpha);
    clear_wide_registers();
}

/// Rows and columns of the tiles whose sums are gathered in double precision.
const SIDE: usize = 32;

/// A product in single precision with a long inner size: faer sums each piece of it, and the pieces are summed in
/// double precision, so that rounding does not grow with their number.
#[inline(never)]
fn long<T: Real>(c: &mut [T], m: usize, n: usize, k: usize, alpha: T, a: &[T], ta: bool, b: &[T], tb: bool, add: bool) {
    let a = if ta { view(a, k, m).transpose() } else { view(a, m, k) };
    let b = if tb { view(b, n, k).transpose() } else { view(b, k, n) };
    for (j, i) in (0..n).step_by(SIDE).flat_map(|j| (0..m).step_by(SIDE).map(move |i| (j, i))) {
        let (rows, cols) = (SIDE.min(m - i), SIDE.min(n - j));
        let mut sum = Sum::new(rows * cols);
        for p in (0..k).step_by(GEMM_LONG) {
            let len = GEMM_LONG.min(k - p);
            let (a, b) = (a.submatrix(i, p, rows, len), b.submatrix(p, j, len, cols));
            sum.add(|part| matmul(view_mut(part, rows, cols), Accum::Replace, a, b, T::one()));
        }
        for q in 0..cols {
            sum.write(q * rows, alpha, &mut c[i + (j + q) * m..][..rows], add);
        }
    }
    clear_wide_registers();
}

/// A sum of many small matrices, gathered in double precision.
struct Sum<T> {
    whole: [f64; SIDE * SIDE],
    part: [T; SIDE * SIDE],
    len: usize,
}

impl<T: Real> Sum<T> {
    fn new(len: usize) -> Self {
        Sum { whole: [0.0; SIDE * SIDE], part: [T::zero(); SIDE * SIDE], len }
    }

    fn add(&mut self, write: impl FnOnce(&mut [T])) {
        write(&mut self.part[..self.len]);
        self.whole.iter_mut().zip(&self.part[..self.len]).for_each(|(w, p)| *w += p.f64());
    }

    /// `c (+)= alpha` times the entries from `from` on.
    fn write(&self, from: usize, alpha: T, c: &mut [T], add: bool) {
        for (c, sum) in c.iter_mut().zip(&self.whole[from..]) {
            let sum = T::of(alpha.f64() * *sum);
            *c = if add { *c + sum } else { sum };
        }
    }
}

/// `C = [C +] alpha sum of op(A_i) op(B_i)` over `batch` members, `A` and `B` stored one after the other, or once for
/// all.
pub(crate) fn gemm_sum<T: Real>(
    c: &mut [T],
    m: usize,
    n: usize,
    k: usize,
    batch: usize,
    alpha: T,
    a: &[T],
    ta: bool,
    b: &[T],
    tb: bool,
    add: bool,
) {
    let (once, twice) = (a.len() == m * k, b.len() == k * n);
    debug_assert!((once || a.len() == m * k * batch) && (twice || b.len() == k * n * batch));
    // Columns of all members follow one another: one product with a longer inner size.
    if !ta && tb && !once && !twice {
        return gemm(c, m, n, k * batch, alpha, a, ta, b, tb, add);
    }
    let member = |i: usize| {
        let (p, q) = (if once { 0 } else { i * m * k }, if twice { 0 } else { i * k * n });
        (&a[p..p + m * k], &b[q..q + k * n])
    };
    if size_of::<T>() == 4 && batch > 16 && m * n <= SIDE * SIDE {
        let mut sum = Sum::new(m * n);
        for i in 0..batch {
            let (a, b) = member(i);
            sum.add(|part| gemm(part, m, n, k, T::one(), a, ta, b, tb, false));
        }
        return sum.write(0, alpha, c, add);
    }
    for i in 0..batch {
        let (a, b) = member(i);
        gemm(c, m, n, k, alpha, a, ta, b, tb, add || i > 0);
    }
}
