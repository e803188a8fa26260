//! Every tolerance, threshold and crossover size of the crate, and why it is what it is. No algorithm lives here.

use crate::Scalar;

// ---- verdicts -------------------------------------------------------------------------------------------------

/// What rounding in the pivots before it can do to a pivot, over its own rounding error. It grows with the condition of
/// the leading block, so no number serves all: 32 tells every exactly singular integer matrix of order up to 9 that was
/// tried from a regular one (a few in 1000 pass at orders 12 to 40; 512 would catch those, and would call `f32`
/// matrices of order 64 and condition 300 singular).
const MARGIN: f64 = 32.0;

/// QR: column `j` of `m` rows is dependent if `r_jj` is at most this times the column's norm.
#[must_use]
pub fn qr_rank<T: Scalar>(m: usize, j: usize) -> T {
    T::EPS * T::of(MARGIN * (m - j) as f64)
}

/// LU: a pivot is zero if it is at most this times the terms it is the difference of (`|a| + sum |l||u|`):
/// a bound on its own rounding error, which neither row nor column scaling changes.
#[must_use]
pub fn lu_singular<T: Scalar>(n: usize) -> T {
    T::EPS * T::of(MARGIN * n as f64)
}

/// Cholesky: a matrix is not positive definite if `l_jj^2` is at most this times `a_jj` (invariant under `DAD`).
#[must_use]
pub fn cholesky_pivot<T: Scalar>(n: usize) -> T {
    T::EPS * T::of(MARGIN * n as f64)
}

/// Spectral functions: below this times the largest eigenvalue a positive eigenvalue may be rounding only,
/// and the scaled Cholesky factorisation decides.
#[must_use]
pub fn spectral_gap<T: Scalar>(n: usize) -> T {
    T::EPS * T::of(MARGIN * n as f64)
}

/// Spectral functions of graded matrices: how far the logarithm of the product of the eigenvalues may be off, which is
/// as much as rounding does to a smallest eigenvalue just above [`spectral_gap`].
pub const LOST_DIGITS: f64 = 1.0 / MARGIN;

/// Polar: full rank means that the smallest singular value exceeds this times the largest.
#[must_use]
pub fn polar_rank<T: Scalar>(m: usize, n: usize) -> T {
    T::EPS * T::of(m.max(n) as f64)
}

/// Polar, by the eigenvalues of `A^T A`: the least of them over the largest. The condition of `A` is then at most 10,
/// and the factor is orthogonal to what its square leaves of rounding at worst.
#[must_use]
pub fn polar_gram<T: Scalar>() -> T {
    T::of(0.01)
}

/// Singular vectors by `A^T A`: the least of its eigenvalues over the largest. Eigenvectors of smaller ones are off by
/// more than a correction can turn them.
#[must_use]
pub fn gram_condition<T: Scalar>() -> T {
    T::EPS * T::of(1e5)
}

/// The same: columns with `m` rows are orthogonal if `|<u, v>|` is at most this times their lengths.
#[must_use]
pub fn gram_orthogonal<T: Scalar>(m: usize) -> T {
    T::EPS * T::of(2.0 * (m as f64).sqrt())
}

/// Eigenvalues and singular values are tied if their distance is at most this times the largest of them: a backward
/// error of rounding could make them equal. (Decompositions were seen to err by a few units at small orders and by
/// about the square root of the order beyond; a gap of `2^-46` is still one at orders up to five.)
#[must_use]
pub fn tie<T: Scalar>(n: usize) -> T {
    T::EPS * T::of(2.0 * n as f64 + 4.0)
}

/// Values are nearly tied below this times the largest of them: a difference quotient loses half of its digits there.
#[must_use]
pub fn near_tie<T: Scalar>() -> T {
    T::EPS.sqrt()
}

/// The rounding of a weight that a program computes, in units of its last digit, where it has to be told from a slope.
pub const NEAR_TIE_ROUNDING: f64 = 16.0;

/// What must vanish at a stated rank, of an `m x n` matrix with `n` the larger: this times the matrix is rounding.
#[must_use]
pub fn vanishing<T: Scalar>(n: usize) -> T {
    T::EPS * T::of(MARGIN * n as f64)
}

/// Gauge: the part of a cotangent along a gauge orbit, over the whole, that rounding in the factor and in the program
/// after it may leave (MatrixAlgebraKit's choice).
#[must_use]
pub fn gauge<T: Scalar>() -> T {
    T::EPS.powf(T::of(0.75))
}

/// How much more another choice of basis may change a program than the last digits of the basis do, by rounding alone.
pub const TURN_ROUNDING: f64 = 1e3;

/// Entries of an eigenvector count as equally large within this share: the first of them is made positive.
#[must_use]
pub fn largest<T: Scalar>() -> T {
    T::EPS.sqrt()
}

/// Exchange of neighbouring blocks of a Schur form: the residual over the size of the blocks that rounding alone
/// leaves, with LAPACK's margin.
#[must_use]
pub fn swap_residual<T: Scalar>() -> T {
    T::EPS * T::of(10.0)
}

/// Matrix equations: Schur forms of order `n` move eigenvalues by this times the matrix (as for [`tie`]), so a pivot of
/// that size may be zero.
#[must_use]
pub fn equation_pivot<T: Scalar>(n: usize) -> T {
    tie::<T>(n)
}

/// Matrix equations: the rounding of the left-hand side over the operator times the solution. Where it reaches the
/// right-hand side the solution has no digits.
#[must_use]
pub fn equation_growth<T: Scalar>() -> T {
    T::EPS * T::of(MARGIN)
}

/// Matrix equations: a pivot below this, over the operator, may be what rounding left of a defective eigenvalue of
/// order up to seven (`EPS^(1/7)`, nearly).
#[must_use]
pub fn equation_probe<T: Scalar>() -> T {
    T::of(0.005)
}

/// Eigenvalues of a general matrix are tied if their distance is at most this times the matrix, where `condition` is
/// the larger of their condition numbers: rounding moves them by that. The margin of 8 tells a Jordan block, whose
/// eigenvalues rounding has separated, from a simple eigenvalue: for a block of order two the distance is `2 sqrt(d)`
/// and the condition number its reciprocal, where `d` is the backward error, so that `condition d` is a fourth of the
/// distance (and a sixth for long blocks).
#[must_use]
pub fn eig_tie<T: Scalar>(n: usize, condition: T) -> T {
    tie::<T>(n) * (T::of(8.0) * condition - T::of(7.0))
}

/// Tied eigenvalues of a general matrix with condition numbers above this are defective. Vectors of a semisimple
/// eigenvalue, found by substitution through rounding, have condition numbers of some hundreds; those of a Jordan block
/// of order two have `EPS^(-1/2)`, and of longer ones more.
#[must_use]
pub fn eig_defective<T: Scalar>() -> T {
    T::EPS.powf(T::of(-0.3))
}

/// The inverse of the eigenvectors: what rounding leaves of `X^T W - I`, for a column of `W` of length one.
#[must_use]
pub fn eig_inverse<T: Scalar>(n: usize) -> T {
    T::EPS * T::of(4.0 * n as f64)
}

/// Square roots: the residual over the size of the matrix that still leaves half of the digits.
#[must_use]
pub fn root_residual<T: Scalar>() -> T {
    T::EPS.sqrt()
}

// ---- scaling --------------------------------------------------------------------------------------------------

/// Sizes whose squares, and sums of them, neither overflow nor underflow; inputs outside are scaled by powers of two.
#[must_use]
pub fn safe_range<T: Scalar>() -> (T, T) {
    if size_of::<T>() == 8 { (T::of(1e-100), T::of(1e100)) } else { (T::of(1e-12), T::of(1e12)) }
}

/// Spectra whose fifth powers, and reciprocals of them, are representable; functions of others are evaluated on a
/// scaled matrix.
#[must_use]
pub fn power_range<T: Scalar>() -> (T, T) {
    if size_of::<T>() == 8 { (T::of(1e-30), T::of(1e30)) } else { (T::of(1e-5), T::of(1e5)) }
}

/// The narrower range of the eigenvalue iterations, which square numbers far below the largest.
#[must_use]
pub fn unit_range<T: Scalar>() -> (T, T) {
    (T::of(1e-3), T::of(1e3))
}

// ---- crossovers: own loops up to here, faer above (measured) ---------------------------------------------------

/// Checks for finite entries: the least length that is worth asking for the widest registers.
pub const WIDE: usize = 256;
/// Flat loops over entries: the least length that is worth asking for the widest registers.
pub const FLAT_WIDE: usize = 64;
/// The logarithm of a sum of exponentials: the least number of entries whose exponentials are kept for derivatives.
pub const EXPONENTIALS_KEPT: usize = 64;
/// Sums: the length that is summed without a tree. Its rounding grows with a sixteenth of this.
pub const SUM_BLOCK: usize = 512;
/// Products in single precision: the longest inner size without a tree over pieces of it.
pub const GEMM_LONG: usize = 4096;
/// Products: the largest `m n k` of the register kernels with `A` as stored.
pub const GEMM_SMALL: usize = 256;
/// Products: the largest `m n k` of tiles of our own with `A` as stored.
pub const GEMM_TILES: usize = 1 << 18;
/// Products: the most entries of a transposed left factor that is turned first, for such tiles.
pub const GEMM_TURNED: usize = 256;
/// Products with a transposed right factor: rows and columns of the result from which on the transpose is written out.
pub const TRANSPOSED_LARGE: usize = 320;
/// Products with few columns: columns of `A` that are added before the sums are written.
pub const THIN_PANEL: usize = 32;
/// The same for `A^T`, where faer is slower by a constant.
pub const GEMM_SMALL_TRANSPOSED: usize = 3000;
/// Triangular solves: the largest triangle of the plain loops, from the right or for one vector.
pub const TRSM_TINY: usize = 8;
/// The same from the left for several vectors.
pub const TRSM_TINY_LEFT: usize = 4;
/// QR: the largest `m n` of the unblocked factorisation.
pub const QR_SMALL: usize = 768;
/// Cholesky: the largest `n` of the plain loops.
pub const CHOLESKY_SMALL: usize = 8;
/// Derivatives of Cholesky: the largest order of a block of the plain loops.
pub const CHOLESKY_RULES_SMALL: usize = 16;
/// Columns of QR, or order of LU, up to which the derivative rules are loops with a row in registers.
pub const FACTORS_IN_REGISTERS: usize = 4;
/// LU: the largest `n` of the plain loops.
pub const LU_SMALL: usize = 16;
/// LU: the least `n` of blocks of our own.
pub const LU_BLOCKS: usize = 40;
/// LU: the order from which on pivots are checked a few at a time, and an inverse makes use of the zeros of `L^{-1}`.
pub const LU_LARGE: usize = 128;
/// Eigendecomposition: the largest `n` of Jacobi's method.
pub const EIGH_TINY: usize = 3;
/// Eigendecomposition: the largest `n` of the tridiagonal QL iteration.
pub const EIGH_SMALL: usize = 24;
/// Eigendecomposition: the least `n` of divide and conquer of our own.
pub const EIGH_CONQUER: usize = 32;
/// Eigendecomposition: reflections that are applied together.
pub const EIGH_BLOCK: usize = 32;
/// Tridiagonal eigenproblem: the largest block that divide and conquer leaves to the QL iteration.
pub const CONQUER_LEAF: usize = 32;
/// The same for values alone.
pub const CONQUER_ENDS_LEAF: usize = 24;
/// Reduction to tridiagonal form: columns of a panel, between two changes of the rest of the matrix.
pub const REDUCE_PANEL: usize = 8;
/// The same: columns of the rest that change in one product, whose part above the diagonal is wasted.
pub const REDUCE_STRIP: usize = 64;
/// Polar: the largest `n` of the one-sided Jacobi method.
pub const POLAR_SMALL: usize = 4;
/// And the most rows, so that rounding in its dot products stays far below its tolerance.
pub const POLAR_ROWS: usize = 64;
/// Singular vectors by `A^T A`: the largest turn that is corrected, as the largest row sum of the generator. What it
/// leaves of orthogonality is its fourth power over four, and a second correction repairs the columns.
pub const GRAM_TURN: f64 = 1e-4;
/// The same: the least `n` for which half of a symmetric product is computed alone.
pub const GRAM_HALF: usize = 96;
/// The same: how often columns are looked at.
pub const GRAM_STEPS: usize = 4;
/// Schur form: the largest `n`, and the largest block, of the double-shift iteration on the whole matrix.
pub const SCHUR_SMALL: usize = 96;
/// Hessenberg form: the largest `n` of the plain reflections.
pub const HESSENBERG_SMALL: usize = 32;
/// Double-shift steps for one or two eigenvalues before giving up; two to four are usual.
pub const QR_STEPS: usize = 300;
/// After so many steps without a result an entry counts as zero beside the whole block, not beside its neighbours only.
pub const QR_PATIENCE: usize = 6;
/// After so many steps without a result, and again after as many, the shifts are made up from sizes alone.
pub const QR_EXCEPTIONAL: usize = 10;
/// Corrections of the inverse of eigenvectors, each of which squares the error. One or none is usual.
pub const INVERSE_STEPS: usize = 6;
/// Sweeps and early deflations in a row without a result before a block is left to the double-shift iteration.
pub const QR_STALLS: usize = 6;
/// Early deflation that finds more than this percentage of its window is tried again at once (Braman et al.).
pub const AED_NIBBLE: usize = 14;
/// The most bulges of one sweep.
pub const SWEEP_BULGES: usize = 32;
/// Steps of a chain of bulges inside one window: more make the products larger, and the window's own loops longer.
pub const SWEEP_STEPS: usize = 32;
/// Jacobi sweeps, or QL steps per eigenvalue, before giving up; five and two are usual.
pub const ITERATIONS: usize = 50;

// ---- divided differences ----------------------------------------------------------------------------------------

/// Powers and logarithm: a Taylor series about an end point serves while the spread over that point is at most this.
pub const TAYLOR: f64 = 0.5;
/// Exponential: a Taylor series about the smallest point serves while the spread is at most this.
pub const TAYLOR_EXP: f64 = 2.0;
/// Second order alone takes the recursion from this fraction of those spreads on, where a difference stands alone: the
/// first differences lose nothing, so the one subtraction costs little.
pub const TAYLOR_SECOND: f64 = 0.125;
/// And from this fraction on where whole matrices of differences become products: the subtraction then costs at most a
/// factor of about a hundred over rounding, and a series for each of many triples would cost more than the
/// decomposition.
pub const PRODUCTS_SECOND: f64 = 0.04;
/// The relative size at which a series of terms of one sign stops.
pub const SERIES_END: f64 = 1e-18;
/// Points below zero that `atan(sqrt x) / sqrt x` takes for the rounding of points that are not.
pub const ARC_LOWEST: f64 = -0.25;
/// The most points of a divided difference.
pub const MAX_POINTS: usize = 16;

// ---- exponential of a matrix --------------------------------------------------------------------------------------

/// Padé degrees, and the largest 1-norm that each serves: there the third derivative of the backward error is as large
/// as the unit roundoff (its series has 160 terms; the error itself allows 0.015, 0.25, 0.95, 2.1, 5.4, the first
/// derivative 0.011, 0.20, 0.78, 1.8, 4.7, as in Al-Mohy & Higham 2009). The price of third derivatives to rounding is
/// less than half a squaring on the average.
#[must_use]
pub fn expm_degrees<T: Scalar>() -> &'static [(usize, f64)] {
    if size_of::<T>() == 8 {
        &[(3, 4.8e-4), (5, 7.61e-2), (7, 4.87e-1), (9, 1.34), (13, 4.12)]
    } else {
        &[(3, 7.31e-2), (5, 9.35e-1), (7, 2.56)]
    }
}

/// Squarings beyond which rounding the entries of the matrix decides every digit of its exponential: the digits of a
/// number.
#[must_use]
pub fn expm_squarings<T: Scalar>() -> usize {
    if size_of::<T>() == 8 { 52 } else { 23 }
}

/// By how many squarings powers up to the sixth of a scaled matrix can be taken back: what underflowed in them is still
/// rounding then.
#[must_use]
pub fn expm_unscalable<T: Scalar>() -> usize {
    if size_of::<T>() == 8 { 160 } else { 18 }
}

/// The highest derivative of the exponential of a matrix. Up to the third, truncation is below rounding. The fourth may
/// lose a factor of `2 (m - 1) / theta` at the limit of degree `m`: six units for degree 13, 8000 (`1e-12`) for degree
/// 3.
pub const EXPM_ORDER: usize = 6;

// ---- spectral projectors of general matrices -----------------------------------------------------------------

/// The highest derivative.
pub const GROUP_ORDER: usize = 4;

// ---- action of an exponential on a thin matrix -------------------------------------------------------------------

/// The most directions of a derivative of the action.
pub const ACTION_ORDER: usize = 5;
/// The largest norm of a segment: rounding of its terms is at most that of `e^3.5 = 33`.
pub(crate) const ACTION_RADIUS: f64 = 3.5;
/// Beyond so many segments norms of powers are estimated: that costs as much as about three segments.
pub(crate) const ACTION_ESTIMATES: usize = 12;
/// The most segments. Each takes about 30 products with the thin matrix, and reverse mode keeps one thin matrix for
/// each.
pub(crate) const ACTION_SEGMENTS: usize = 1 << 14;

// ---- logarithm of a general matrix -------------------------------------------------------------------------------

/// The highest derivative.
pub const LOGM_ORDER: usize = 4;
/// The most square roots. Spectra take at most about ten; far more are taken by matrices far from normal, whose size
/// above the diagonal must be halved as often: as often, at most, as separates the largest number from the smallest.
pub const LOGM_ROOTS: usize = 1100;

/// Nodes and weights of a quadrature.
pub(crate) type Nodes = &'static [(f64, f64)];

/// Gauss-Legendre nodes and weights in `[0, 1]`, by their number.
#[allow(clippy::excessive_precision)] // Rounded once, by the compiler.
const GAUSS_3: Nodes = &[
    (0.11270166537925831, 0.27777777777777778),
    (0.5, 0.44444444444444444),
    (0.88729833462074169, 0.27777777777777778),
];
#[allow(clippy::excessive_precision)]
const GAUSS_4: Nodes = &[
    (0.069431844202973712, 0.17392742256872693),
    (0.33000947820757187, 0.32607257743127307),
    (0.66999052179242813, 0.32607257743127307),
    (0.93056815579702629, 0.17392742256872693),
];
#[allow(clippy::excessive_precision)]
const GAUSS_5: Nodes = &[
    (0.046910077030668004, 0.11846344252809454),
    (0.23076534494715845, 0.23931433524968323),
    (0.5, 0.28444444444444444),
    (0.76923465505284155, 0.23931433524968323),
    (0.953089922969332, 0.11846344252809454),
];
#[allow(clippy::excessive_precision)]
const GAUSS_8: Nodes = &[
    (0.019855071751231884, 0.05061426814518813),
    (0.10166676129318663, 0.11119051722668724),
    (0.23723379504183551, 0.15685332293894364),
    (0.4082826787521751, 0.18134189168918099),
    (0.5917173212478249, 0.18134189168918099),
    (0.76276620495816449, 0.15685332293894364),
    (0.89833323870681337, 0.11119051722668724),
    (0.98014492824876812, 0.05061426814518813),
];
#[allow(clippy::excessive_precision)]
const GAUSS_10: Nodes = &[
    (0.01304673574141414, 0.033335672154344069),
    (0.067468316655507745, 0.074725674575290297),
    (0.1602952158504878, 0.10954318125799102),
    (0.2833023029353764, 0.13463335965499818),
    (0.42556283050918439, 0.14776211235737644),
    (0.57443716949081561, 0.14776211235737644),
    (0.7166976970646236, 0.13463335965499818),
    (0.8397047841495122, 0.10954318125799102),
    (0.93253168334449226, 0.074725674575290297),
    (0.98695326425858586, 0.033335672154344069),
];

/// The radii of [`logm_plan`] for {5, 8, 10} nodes in double precision, by orders from 0 to 4.
const LOGM_RADII: [[f64; 3]; LOGM_ORDER + 1] = [
    [0.09248, 0.3221, 0.4619],
    [0.0733, 0.2758, 0.4086],
    [0.04323, 0.2177, 0.3462],
    [0.02451, 0.1737, 0.297],
    [0.01268, 0.138, 0.2556],
];
/// The same for {3, 4, 5} nodes in single precision.
const LOGM_RADII_SINGLE: [[f64; 3]; LOGM_ORDER + 1] = [
    [0.2059, 0.3719, 0.5093],
    [0.1522, 0.2935, 0.421],
    [0.07718, 0.1957, 0.3182],
    [0.03384, 0.1279, 0.2418],
    [0.01034, 0.07784, 0.1807],
];

/// Padé approximants of `log(I + X)` for its derivative of the given order, by growing numbers of nodes, and the
/// largest `|X|_1` that each serves.
///
/// The radius `r` is that at which the series of the error, `sum |e_i| x^i`, and its derivative meet rounding: for the
/// value `sum |e_i| r^(i-1) = EPS / 2`, and for order `k` `sum |e_i| i (i-1) .. (i-k+1) r^(i-k) = (k-1)! EPS / 2`,
/// where `(k-1)!` is the derivative itself at 0. (Computed with 60 digits and rounded down.) A square root of a jet was
/// measured to cost about as much as five nodes, and each halves `X`: more nodes than ten do not pay.
pub(crate) fn logm_plan<T: Scalar>(order: usize) -> [(Nodes, T); 3] {
    let (lists, radii) = if size_of::<T>() == 8 {
        ([GAUSS_5, GAUSS_8, GAUSS_10], LOGM_RADII[order])
    } else {
        ([GAUSS_3, GAUSS_4, GAUSS_5], LOGM_RADII_SINGLE[order])
    };
    core::array::from_fn(|i| (lists[i], T::of(radii[i])))
}

// ---- orders -----------------------------------------------------------------------------------------------------

/// The highest derivative of a spectral function.
pub const SPECTRAL_ORDER: usize = 4;
/// The highest derivative of an elementwise function.
pub const UNARY_ORDER: u32 = 12;
/// `(a, b)`: for arguments up to `a + b k` the derivative of order `k` of a Stumpff function is summed as a series. The
/// series loses tens of units of rounding beyond, the recurrences before. (At orders above six there is no good place:
/// up to `1e5` units are lost just beyond.) Rotations by up to half a turn stay within the series, since `pi^2 < 10`.
pub const STUMPFF_SERIES: (f64, f64) = (10.0, 8.0);
