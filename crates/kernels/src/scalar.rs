//! The list of kernels: one trait, implemented for `f64` and `f32` by the same macro. No algorithm lives here.

use crate::equations::Factors;
use crate::sylvester::Kind;
use crate::{ColumnOp, Failure, Least, SymFn, Triangle, Unary, Verdict, Window, WithTangent, Workspace};

/// A real scalar that every kernel exists for: `f64` and `f32`.
///
/// Slices are packed, column-major; `m x n` means `m` rows. Lengths are the caller's duty and checked by debug
/// assertions.
pub trait Scalar:
    num_traits::Float
    + num_traits::NumAssign
    + Copy
    + Send
    + Sync
    + core::fmt::Debug
    + core::fmt::Display
    + Default
    + 'static
{
    /// Machine epsilon (the distance from 1 to the next number).
    const EPS: Self;
    /// `"f64"` or `"f32"`.
    const NAME: &'static str;
    /// Rounds a double.
    fn of(x: f64) -> Self;
    /// Widens to a double.
    fn f64(self) -> f64;

    // ---- products -------------------------------------------------------------------------------------------
    /// `C = [C +] alpha op(A) op(B)`, with `C` `m x n`, `op(A)` `m x k`, `op(B)` `k x n`; `ta`, `tb` transpose.
    fn gemm(
        c: &mut [Self],
        m: usize,
        n: usize,
        k: usize,
        alpha: Self,
        a: &[Self],
        ta: bool,
        b: &[Self],
        tb: bool,
        add: bool,
    );
    /// `C = [C +] alpha sum_i op(A_i) op(B_i)` over the members of a batch; `A` or `B` may be one for all.
    fn gemm_sum(
        c: &mut [Self],
        m: usize,
        n: usize,
        k: usize,
        batch: usize,
        alpha: Self,
        a: &[Self],
        ta: bool,
        b: &[Self],
        tb: bool,
        add: bool,
    );
    /// `X = op(T)^{-1} B` (left) or `B op(T)^{-1}` (right), in place in `x`, which is `m x k`. Errors: a zero on the
    /// diagonal.
    fn trsm(t: &[Self], tri: Triangle, x: &mut [Self], m: usize, k: usize) -> Result<(), Failure>;

    /// [`Scalar::trsm`] without a look at the data: a zero on the diagonal gives infinities.
    fn trsm_unchecked(t: &[Self], tri: Triangle, x: &mut [Self], m: usize, k: usize);

    // ---- factorisations ---------------------------------------------------------------------------------------
    /// Thin QR of a tall `m x n` matrix with positive diagonal: `q` is `m x n`, `r` is `n x n` upper (zeros below).
    fn qr_thin(
        a: &[Self],
        m: usize,
        n: usize,
        q: &mut [Self],
        r: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;
    /// An orthonormal basis (`m x (m - n)`) of the complement of the columns of an orthonormal `m x n` matrix.
    fn complement(q: &[Self], m: usize, n: usize, out: &mut [Self], w: &mut Workspace<Self>) -> Result<(), Failure>;
    /// Column pivots of an `m x n` matrix: the order of the columns as numbers, and the decreasing `|r_jj|`.
    fn pivots(
        a: &[Self],
        m: usize,
        n: usize,
        p: &mut [Self],
        d: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;
    /// Lower Cholesky factor of `(A + A^T)/2` (zeros above).
    fn cholesky(a: &[Self], n: usize, l: &mut [Self], w: &mut Workspace<Self>) -> Result<(), Failure>;
    /// The lower `X` with `X L^T + L X^T = (E + E^T)/2`: the derivative of a Cholesky factor `L` along `E`.
    fn cholesky_push(l: &[Self], n: usize, e: &[Self], x: &mut [Self]);
    /// The adjoint of [`Scalar::cholesky_push`]: the symmetric `W` with `<W, E> = <tril(G), X>`, in place of `G`.
    fn cholesky_pull(l: &[Self], n: usize, g: &mut [Self]);
    /// `A^{-1}`, exactly symmetric, from its lower Cholesky factor.
    fn cholesky_inverse(l: &[Self], n: usize, out: &mut [Self], w: &mut Workspace<Self>);
    /// `tril(A tril(B))`, zeros above.
    fn lower_product(a: &[Self], b: &[Self], n: usize, out: &mut [Self]);
    /// LU with partial pivoting into a handle of `n x (n + 1)`: packed LU, then the row permutation as numbers.
    fn lu(a: &[Self], n: usize, handle: &mut [Self], w: &mut Workspace<Self>) -> Result<(), Failure>;
    /// `X = A^{-1} X` or `A^{-T} X` from the handle, in place; `x` is `n x k`.
    fn lu_solve(handle: &[Self], n: usize, transpose: bool, x: &mut [Self], k: usize, w: &mut Workspace<Self>);
    /// `A^{-1}` from the handle.
    fn lu_inverse(handle: &[Self], n: usize, out: &mut [Self], w: &mut Workspace<Self>);
    /// `log |det A|` from the handle.
    fn lu_logabsdet(handle: &[Self], n: usize) -> Self;
    /// The tangents of the thin factors `q`, `r` of an `m x n` matrix with `n` up to 4 along `da`, from `[q, r, da]`.
    /// `false`: `n` is larger, nothing was done.
    fn qr_push_small(x: [&[Self]; 3], m: usize, n: usize, dq: &mut [Self], dr: &mut [Self]) -> bool;
    /// The cotangent of an `m x n` matrix with `n` up to 4, in place of that of `q`, from its thin factors `[q, r]` and
    /// the cotangent of `r`. `false`: `n` is larger, nothing was done.
    fn qr_pull_small(x: [&[Self]; 2], m: usize, n: usize, gr: Option<&[Self]>, g: &mut [Self]) -> bool;
    /// The same with the derivative of everything along one direction.
    fn qr_pull_small_pairs(
        x: [WithTangent<'_, Self>; 2],
        m: usize,
        n: usize,
        gr: Option<WithTangent<'_, Self>>,
        g: (&mut [Self], &mut [Self]),
    ) -> bool;
    /// The tangents of the factors `l`, `u` of a square matrix of order `n` up to 4, from `[l, u, p, da]` with `p` as
    /// of
    /// [`Scalar::lu_factors`]. `false`: `n` is larger, nothing was done.
    fn lu_push_small(x: [&[Self]; 4], n: usize, dl: &mut [Self], du: &mut [Self]) -> bool;
    /// The cotangent of a square matrix of order `n` up to 4 from `[l, u, p]` and the cotangents of `l` and `u`.
    /// `false`: `n` is larger, nothing was done.
    fn lu_pull_small(x: [&[Self]; 3], n: usize, g: [Option<&[Self]>; 2], out: &mut [Self]) -> bool;
    /// The same with the derivative of everything along one direction.
    fn lu_pull_small_pairs(
        x: [WithTangent<'_, Self>; 2],
        p: &[Self],
        n: usize,
        g: [Option<WithTangent<'_, Self>>; 2],
        out: (&mut [Self], &mut [Self]),
    ) -> bool;
    /// `P A = L U` of a tall or square `m x n` matrix: unit lower `L`, upper `U`, the order of the rows as `m` numbers.
    fn lu_factors(
        a: &[Self],
        m: usize,
        n: usize,
        l: &mut [Self],
        u: &mut [Self],
        p: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;
    /// The sign of `det A` from the handle of `lu`.
    fn lu_sign(handle: &[Self], n: usize) -> Self;
    /// LU with complete pivoting into a handle of `n x (n + 2)`: packed factors, then both orders. No finite matrix
    /// fails.
    fn lu_complete(a: &[Self], n: usize, handle: &mut [Self], w: &mut Workspace<Self>) -> Result<(), Failure>;
    /// `det A` from the handle of `lu_complete`.
    fn det(handle: &[Self], n: usize) -> Self;
    /// The `G` with `<G, H> = D^{k+1} det(A)[E_1, .., E_k, H]`, `k = es.len()` up to 2, from the handle of
    /// `lu_complete`.
    fn cofactor(
        handle: &[Self],
        n: usize,
        es: &[&[Self]],
        out: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;
    /// The factors of a pseudo-inverse at a known rank, into a handle of `s.len()`.
    fn least_factor(a: &[Self], s: Least, handle: &mut [Self], w: &mut Workspace<Self>) -> Result<(), Failure>;
    /// `X = A⁺ B`, or with `transpose` `A⁺' B`, of `k` columns, from the handle of `least_factor`.
    fn least_apply(
        handle: &[Self],
        s: Least,
        transpose: bool,
        b: &[Self],
        k: usize,
        x: &mut [Self],
        w: &mut Workspace<Self>,
    );
    /// Eigendecomposition of `(A + A^T)/2` into a handle of `n x (n + 1)`: `V`, then the eigenvalues, ascending;
    /// the entry of largest modulus of each eigenvector is positive.
    fn eigh(a: &[Self], n: usize, handle: &mut [Self], w: &mut Workspace<Self>) -> Result<(), Failure>;
    /// Polar factors of a tall `m x n` matrix of full rank, `A = W H`; `handle` (`n x (n + 1)`) is `H`'s
    /// eigendecomposition.
    fn polar(
        a: &[Self],
        m: usize,
        n: usize,
        wf: &mut [Self],
        h: &mut [Self],
        handle: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;
    /// `C = (I - alpha W)^{-1} (I + alpha W)` and `K = (I - alpha W)^{-1}`.
    fn cayley(
        wm: &[Self],
        n: usize,
        alpha: Self,
        c: &mut [Self],
        k: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;

    // ---- the real Schur form, and what rests on it --------------------------------------------------------------
    /// The real Schur form `A = U T U^T` into a handle of `2 n n` numbers: `U`, then quasi-triangular `T` with
    /// standardised blocks.
    fn schur(a: &[Self], n: usize, handle: &mut [Self], w: &mut Workspace<Self>) -> Result<(), Failure>;
    /// The eigenvalues on the diagonal of the `T` of a handle, in its order: real and imaginary parts, of a pair
    /// `im > 0` first.
    fn schur_values(handle: &[Self], n: usize, re: &mut [Self], im: &mut [Self]);
    /// `A X = X D` with packed columns (`eig.rs`): the `n` packed eigenvalues, `X`, `X^{-T}`, and `6 x n` notes.
    fn eig(
        a: &[Self],
        n: usize,
        values: &mut [Self],
        x: &mut [Self],
        inverse: &mut [Self],
        notes: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;
    /// Algebra of packed columns of `m` rows, by the notes of [`Scalar::eig`].
    fn columns(op: ColumnOp, notes: &[Self], m: usize, x: &[&[Self]], out: &mut [Self]);
    /// May a derivative be taken along packed columns of `m` rows?
    fn columns_verdict(verdict: Verdict, notes: &[Self], m: usize, x: &[Self]) -> Result<(), Failure>;
    /// Is the eigenvalue of largest modulus alone?
    fn eig_leading_alone(notes: &[Self], values: &[Self]) -> Result<(), Failure>;
    /// The motion of packed eigenvalues along `A'`, from `W = X^{-T}` and `A' X`: NaN where it does not exist, and why.
    fn eig_motion(notes: &[Self], w: &[Self], m: &[Self], dl: &mut [Self]) -> Result<(), Failure>;
    /// NaN into what tied vectors turn by, in `Z` of `X' = X Z`, and why.
    fn eig_undetermined(notes: &[Self], z: &mut [Self]) -> Result<(), Failure>;
    /// NaN into the packed columns of `m` rows of tied eigenvalues, and why.
    fn eig_blank(notes: &[Self], m: usize, x: &mut [Self]) -> Result<(), Failure>;
    /// Brings the chosen eigenvalues of a handle to the top; returns how many. A complex pair comes if either of it is
    /// chosen. Errors: two neighbours too close to be exchanged stably (the handle is still a Schur form of the same
    /// matrix, partly reordered).
    fn schur_reorder(handle: &mut [Self], n: usize, chosen: &[bool]) -> Result<usize, Failure>;
    /// `op(A) X + X op(B) = C` from the handles of `schur` of `A` (`m x m`) and `B` (`n x n`); `ta`, `tb` transpose, so
    /// the adjoint equation takes the same handles. Errors: a singular equation, to working precision.
    fn sylvester(
        a: &[Self],
        m: usize,
        ta: bool,
        b: &[Self],
        n: usize,
        tb: bool,
        c: &[Self],
        x: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;
    /// `X - op(A) X op(B) = C`; all else as for [`Scalar::sylvester`].
    fn stein(
        a: &[Self],
        m: usize,
        ta: bool,
        b: &[Self],
        n: usize,
        tb: bool,
        c: &[Self],
        x: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;
    /// `op(A) X + X op(A)^T = (C + C^T)/2` from the handle of `A`; `X` is exactly symmetric.
    fn lyapunov(
        a: &[Self],
        n: usize,
        transpose: bool,
        c: &[Self],
        x: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;
    /// `X - op(A) X op(A)^T = (C + C^T)/2` from the handle of `A`; `X` is exactly symmetric.
    fn discrete_lyapunov(
        a: &[Self],
        n: usize,
        transpose: bool,
        c: &[Self],
        x: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;
    /// An estimate of the smallest factor by which the left-hand side of `A X + X B = C` (`X - A X B = C`, if `stein`)
    /// is larger than `X`, in sums of magnitudes; 0 for a singular equation.
    fn separation(a: &[Self], m: usize, b: &[Self], n: usize, stein: bool, w: &mut Workspace<Self>) -> Self;
    /// The principal square root `X` of a general matrix, and its Schur form as a handle of `2 n n` numbers. Errors: an
    /// eigenvalue on the closed negative real axis, zero included, to working precision.
    fn sqrtm(a: &[Self], n: usize, x: &mut [Self], handle: &mut [Self], w: &mut Workspace<Self>)
    -> Result<(), Failure>;
    /// `exp(A)`, and a handle of `n x (7 n + 4)` numbers that derivatives are computed from.
    fn expm(a: &[Self], n: usize, y: &mut [Self], handle: &mut [Self], w: &mut Workspace<Self>) -> Result<(), Failure>;
    /// The mixed derivative of `exp(sum_S e_S E_S)` by all `k` symbols `e_i`, and a handle of as many numbers for those
    /// of more symbols. `es[S]` is the direction of the subset `S` (a number of `k` bits), `handles[S]` the handle of
    /// its own derivative; the empty set has `A` and the handle of [`Scalar::expm`]. Empty slices stand for zeros, and
    /// for the handle of the full set.
    fn expm_jet(
        es: &[&[Self]],
        handles: &[&[Self]],
        n: usize,
        y: &mut [Self],
        handle: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;
    /// `D log(A)[G]` and its derivative while `A` moves along `E` and `G` along `F` (or not at all, if that is empty),
    /// for the price of `logm_along` with two directions.
    fn logm_pair(
        handle: &[Self],
        n: usize,
        directions: [&[Self]; 3],
        first: &mut [Self],
        second: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;
    /// The spectral projector of a group of eigenvalues into `p`, a handle of `n (3 n + 1)` numbers for its
    /// derivatives, and an estimate of the separation of the group over the size of the matrix (the largest number
    /// where all or none are in it). Errors: a group that is not separated.
    fn group_projector(
        group: crate::Group,
        a: &[Self],
        n: usize,
        p: &mut [Self],
        handle: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<Self, Failure>;
    /// `D^k Pi(A)[E_1, .., E_k]`, `k = es.len()` from 1 to 4, from the handle of `group_projector`.
    fn group_projector_along(
        handle: &[Self],
        n: usize,
        es: &[&[Self]],
        out: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;
    /// `[e_1 .. e_k] exp(sum_S e_S op(E_S)) sum_S e_S B_S`: the action of the exponential on thin `n x p` matrices, and
    /// its mixed derivative by `k` symbols. Lists are by sets as for [`Scalar::expm_jet`], and empty slices stand for
    /// zeros; `E_0` is always there.
    fn expm_action(
        es: &[&[Self]],
        bs: &[&[Self]],
        size: (usize, usize),
        transpose: bool,
        y: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;
    /// The same coefficient of the gradients of `<C, exp(A) B>` by `A` and by `B`.
    fn expm_action_pull(
        es: &[&[Self]],
        bs: &[&[Self]],
        cs: &[&[Self]],
        size: (usize, usize),
        ga: &mut [Self],
        gb: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;
    /// The principal logarithm of a general matrix, and a handle of `n (2 n + 1)` numbers for its derivatives. Errors:
    /// a singular matrix; an eigenvalue on the negative real axis; both to working precision.
    fn logm(a: &[Self], n: usize, l: &mut [Self], handle: &mut [Self], w: &mut Workspace<Self>) -> Result<(), Failure>;
    /// `D^k log(A)[E_1, .., E_k]`, `k = es.len()` from 1 to 4, from the handle of `logm`.
    fn logm_along(
        handle: &[Self],
        n: usize,
        es: &[&[Self]],
        out: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;

    // ---- functions of a symmetric matrix, from the handle of `eigh` -------------------------------------------
    /// Is the spectrum in the handle inside the domain of `f`? (`a` is the matrix it came from, for graded ones.)
    fn spectral_domain(f: SymFn, a: &[Self], handle: &[Self], n: usize) -> Result<(), Failure>;
    /// `D^k f(A)[E_1, ..., E_k]` with `k = es.len()` (0 gives `f(A)`); each `E_i` is used through its symmetric part.
    fn spectral(
        f: SymFn,
        handle: &[Self],
        n: usize,
        es: &[&[Self]],
        out: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;
    /// `tr f(A)`.
    fn spectral_trace(f: SymFn, handle: &[Self], n: usize) -> Self;
    /// Solves `H X + X H = C` for symmetric positive definite `H` given by its handle.
    fn sym_lyap(
        handle: &[Self],
        n: usize,
        c: &[Self],
        out: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;

    // ---- chosen eigenvalues and singular values, from the handle of `eigh` or `svd` -----------------------------
    /// Thin SVD of a tall `m x n` matrix into a handle of `m n + n n + n` numbers: `U`, `V`, then `s`, descending.
    /// The entry of largest modulus of each column of `U` (of `V`, if `flip`) is positive.
    fn svd(
        a: &[Self],
        m: usize,
        n: usize,
        flip: bool,
        handle: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;
    /// `D^k x[E_1, ..., E_k]` for the chosen values `x` (`k = 0` gives them).
    fn values(
        win: Window,
        handle: &[Self],
        es: &[&[Self]],
        out: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;
    /// `D^k F(A)[E_1, ..., E_k]` for `F = V diag(weights) V^T` (`U diag(weights) V^T`), with weights on the chosen
    /// values and zeros on the others, at fixed weights.
    fn weighted(
        win: Window,
        handle: &[Self],
        weights: &[Self],
        es: &[&[Self]],
        out: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;
    /// The derivatives of the chosen values along `E`, one-sided (`t -> 0+`) where values are tied.
    fn values_along(
        win: Window,
        handle: &[Self],
        e: &[Self],
        out: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;
    /// The derivative of `V diag(weights) V^T` while `A` moves along `E` and the weights along `dw`, which may differ
    /// on ties.
    fn weighted_along(
        win: Window,
        handle: &[Self],
        weights: &[Self],
        e: &[Self],
        dw: &[Self],
        out: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<(), Failure>;
    /// Are there chosen vectors that share their value with another one, or belong to a singular value 0?
    fn has_ties(win: Window, handle: &[Self]) -> bool;
    /// Chooses the vectors of tied values in the handle otherwise: by a fixed rotation without zeros.
    fn turn_ties(win: Window, handle: &mut [Self]);
    /// Turns the columns of an `m x k` matrix among each other by a fixed rotation; a single one changes its sign.
    fn turn_columns(a: &mut [Self], m: usize);
    /// The chosen eigenvectors (`u` over `v`).
    fn vectors(win: Window, handle: &[Self], out: &mut [Self]);
    /// `y_i = (x_i - A)^+ z_i` for each chosen value `x_i`. `block`: what turns the chosen vectors among each other
    /// does not count. `first`: at a tie, drops what sees the basis and returns how large it was, relative to `z`; else
    /// a tie is an error.
    fn resolvent(
        win: Window,
        handle: &[Self],
        block: bool,
        first: bool,
        z: &[Self],
        out: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<Self, Failure>;
    /// The cotangent of `A` for the cotangent `z` of the chosen vectors; flags and result as for [`Scalar::resolvent`].
    fn pull_vectors(
        win: Window,
        handle: &[Self],
        block: bool,
        first: bool,
        z: &[Self],
        out: &mut [Self],
        w: &mut Workspace<Self>,
    ) -> Result<Self, Failure>;

    // ---- rotations ------------------------------------------------------------------------------------------------
    /// `phi_m(hat(w))` of each of a batch of vectors of three: rotations for `m = 0`, their left Jacobians for `m = 1`,
    /// nine numbers each. Fails, naming the member, if an entry or a square of an angle is not finite.
    fn rotations(m: usize, w: &[Self], phi: &mut [Self]) -> Result<(), (usize, Failure)>;
    /// The tangent of [`Scalar::rotations`] along `dw`.
    fn rotations_push(m: usize, w: &[Self], dw: &[Self], dphi: &mut [Self]);
    /// The cotangent of `w` under [`Scalar::rotations`], from `g`, that of its result.
    fn rotations_pull(m: usize, w: &[Self], g: &[Self], gw: &mut [Self]);
    /// [`Scalar::rotations_pull`] and its tangent, where `w` and `g` may have tangents.
    fn rotations_pull_pairs(
        m: usize,
        w: WithTangent<'_, Self>,
        g: WithTangent<'_, Self>,
        out: (&mut [Self], &mut [Self]),
    );

    // ---- elementwise and reductions -----------------------------------------------------------------------------
    /// `y = f(x)`.
    fn unary(f: Unary, x: &[Self], y: &mut [Self]);
    /// `out = f^{(k)}(x) o v` for `k >= 1`; `y = f(x)` is given so that no transcendental is evaluated twice.
    fn unary_derivative(f: Unary, k: u32, x: &[Self], y: &[Self], v: &[Self], out: &mut [Self]) -> Result<(), Failure>;
    /// `v = f^{(k)}(x) o v` for `k >= 1`: [`Scalar::unary_derivative`] in place.
    fn unary_derivative_assign(f: Unary, k: u32, x: &[Self], y: &[Self], v: &mut [Self]) -> Result<(), Failure>;
    /// `<a, b>`.
    fn dot(a: &[Self], b: &[Self]) -> Self;
    /// The sum of all entries.
    fn sum(a: &[Self]) -> Self;
    /// `out` = the sum of the columns of `A`, which is `m x n`.
    fn sum_columns(a: &[Self], m: usize, n: usize, out: &mut [Self]);
    /// The Frobenius norm, safe against overflow and underflow.
    fn norm(a: &[Self]) -> Self;
    /// `y += alpha x`.
    fn axpy(alpha: Self, x: &[Self], y: &mut [Self]);
    /// `out = alpha a + beta b`.
    fn lincomb(alpha: Self, a: &[Self], beta: Self, b: &[Self], out: &mut [Self]);
    /// `out = alpha x`.
    fn scale(alpha: Self, x: &[Self], out: &mut [Self]);
    /// `out = a o b`.
    fn hadamard(a: &[Self], b: &[Self], out: &mut [Self]);
    /// `out = a / b`, elementwise.
    fn divide(a: &[Self], b: &[Self], out: &mut [Self]);
    /// `out = A^T`, where `A` is `m x n`.
    fn transpose(a: &[Self], m: usize, n: usize, out: &mut [Self]);
    /// Are all entries finite?
    fn all_finite(a: &[Self]) -> bool;
}

macro_rules! scalar {
    ($T:ident, $name:literal) => {
        impl Scalar for $T {
            const EPS: Self = $T::EPSILON;
            const NAME: &'static str = $name;
            fn of(x: f64) -> Self {
                x as $T
            }
            fn f64(self) -> f64 {
                f64::from(self)
            }
            fn gemm(
                c: &mut [Self],
                m: usize,
                n: usize,
                k: usize,
                alpha: Self,
                a: &[Self],
                ta: bool,
                b: &[Self],
                tb: bool,
                add: bool,
            ) {
                crate::gemm::gemm(c, m, n, k, alpha, a, ta, b, tb, add)
            }
            fn gemm_sum(
                c: &mut [Self],
                m: usize,
                n: usize,
                k: usize,
                batch: usize,
                alpha: Self,
                a: &[Self],
                ta: bool,
                b: &[Self],
                tb: bool,
                add: bool,
            ) {
                crate::gemm::gemm_sum(c, m, n, k, batch, alpha, a, ta, b, tb, add)
            }
            fn trsm(t: &[Self], tri: Triangle, x: &mut [Self], m: usize, k: usize) -> Result<(), Failure> {
                crate::triangular::trsm(t, tri, x, m, k)
            }
            fn trsm_unchecked(t: &[Self], tri: Triangle, x: &mut [Self], m: usize, k: usize) {
                crate::triangular::solve(t, tri, x, m, k)
            }
            fn qr_thin(
                a: &[Self],
                m: usize,
                n: usize,
                q: &mut [Self],
                r: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::qr::qr_thin(a, m, n, q, r, w)
            }
            fn complement(
                q: &[Self],
                m: usize,
                n: usize,
                out: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::qr::complement(q, m, n, out, w)
            }
            fn pivots(
                a: &[Self],
                m: usize,
                n: usize,
                p: &mut [Self],
                d: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::pivots::pivots(a, m, n, p, d, w)
            }
            fn cholesky(a: &[Self], n: usize, l: &mut [Self], w: &mut Workspace<Self>) -> Result<(), Failure> {
                crate::cholesky::cholesky(a, n, l, w)
            }
            fn cholesky_push(l: &[Self], n: usize, e: &[Self], x: &mut [Self]) {
                crate::cholesky_rules::push(l, n, e, x)
            }
            fn cholesky_pull(l: &[Self], n: usize, g: &mut [Self]) {
                crate::cholesky_rules::pull(l, n, g)
            }
            fn cholesky_inverse(l: &[Self], n: usize, out: &mut [Self], w: &mut Workspace<Self>) {
                crate::cholesky::inverse(l, n, out, w)
            }
            fn lower_product(a: &[Self], b: &[Self], n: usize, out: &mut [Self]) {
                crate::cholesky_rules::lower(a, b, n, out)
            }
            fn lu(a: &[Self], n: usize, handle: &mut [Self], w: &mut Workspace<Self>) -> Result<(), Failure> {
                crate::lu::lu(a, n, handle, w)
            }
            fn lu_solve(handle: &[Self], n: usize, transpose: bool, x: &mut [Self], k: usize, w: &mut Workspace<Self>) {
                crate::lu::lu_solve(handle, n, transpose, x, k, w)
            }
            fn lu_inverse(handle: &[Self], n: usize, out: &mut [Self], w: &mut Workspace<Self>) {
                crate::lu::lu_inverse(handle, n, out, w)
            }
            fn lu_logabsdet(handle: &[Self], n: usize) -> Self {
                crate::lu::lu_logabsdet(handle, n)
            }
            fn qr_push_small(x: [&[Self]; 3], m: usize, n: usize, dq: &mut [Self], dr: &mut [Self]) -> bool {
                crate::qr_rules::push(x, m, n, dq, dr)
            }
            fn qr_pull_small(x: [&[Self]; 2], m: usize, n: usize, gr: Option<&[Self]>, g: &mut [Self]) -> bool {
                crate::qr_rules::pull(x, m, n, gr, g)
            }
            fn qr_pull_small_pairs(
                x: [WithTangent<'_, Self>; 2],
                m: usize,
                n: usize,
                gr: Option<WithTangent<'_, Self>>,
                g: (&mut [Self], &mut [Self]),
            ) -> bool {
                crate::qr_rules::pull_pairs(x, m, n, gr, g)
            }
            fn lu_push_small(x: [&[Self]; 4], n: usize, dl: &mut [Self], du: &mut [Self]) -> bool {
                crate::lu_rules::push(x, n, dl, du)
            }
            fn lu_pull_small(x: [&[Self]; 3], n: usize, g: [Option<&[Self]>; 2], out: &mut [Self]) -> bool {
                crate::lu_rules::pull(x, n, g, out)
            }
            fn lu_pull_small_pairs(
                x: [WithTangent<'_, Self>; 2],
                p: &[Self],
                n: usize,
                g: [Option<WithTangent<'_, Self>>; 2],
                out: (&mut [Self], &mut [Self]),
            ) -> bool {
                crate::lu_rules::pull_pairs(x, p, n, g, out)
            }
            fn lu_factors(
                a: &[Self],
                m: usize,
                n: usize,
                l: &mut [Self],
                u: &mut [Self],
                p: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::lu::lu_factors(a, m, n, l, u, p, w)
            }
            fn lu_sign(handle: &[Self], n: usize) -> Self {
                crate::lu::lu_sign(handle, n)
            }
            fn lu_complete(a: &[Self], n: usize, handle: &mut [Self], w: &mut Workspace<Self>) -> Result<(), Failure> {
                crate::minors::lu_complete(a, n, handle, w)
            }
            fn det(handle: &[Self], n: usize) -> Self {
                crate::minors::det(handle, n)
            }
            fn cofactor(
                handle: &[Self],
                n: usize,
                es: &[&[Self]],
                out: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::minors::cofactor(handle, n, es, out, w)
            }
            fn least_factor(a: &[Self], s: Least, handle: &mut [Self], w: &mut Workspace<Self>) -> Result<(), Failure> {
                crate::least::factor(a, s, handle, w)
            }
            fn least_apply(
                handle: &[Self],
                s: Least,
                transpose: bool,
                b: &[Self],
                k: usize,
                x: &mut [Self],
                w: &mut Workspace<Self>,
            ) {
                crate::least::apply(handle, s, transpose, b, k, x, w)
            }
            fn eigh(a: &[Self], n: usize, handle: &mut [Self], w: &mut Workspace<Self>) -> Result<(), Failure> {
                crate::eigh::eigh(a, n, handle, w)
            }
            fn polar(
                a: &[Self],
                m: usize,
                n: usize,
                wf: &mut [Self],
                h: &mut [Self],
                handle: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::polar::polar(a, m, n, wf, h, handle, w)
            }
            fn cayley(
                wm: &[Self],
                n: usize,
                alpha: Self,
                c: &mut [Self],
                k: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::cayley::cayley(wm, n, alpha, c, k, w)
            }
            fn schur(a: &[Self], n: usize, handle: &mut [Self], w: &mut Workspace<Self>) -> Result<(), Failure> {
                crate::schur::schur(a, n, handle, w)
            }
            fn schur_values(handle: &[Self], n: usize, re: &mut [Self], im: &mut [Self]) {
                crate::quasi::eigenvalues(&handle[n * n..], n, re, im)
            }
            fn eig(
                a: &[Self],
                n: usize,
                values: &mut [Self],
                x: &mut [Self],
                inverse: &mut [Self],
                notes: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::eig::eig(a, n, &mut crate::eig::EigOut { values, x, inverse, notes }, w)
            }
            fn columns(op: ColumnOp, notes: &[Self], m: usize, x: &[&[Self]], out: &mut [Self]) {
                crate::columns::apply(op, notes, m, x, out)
            }
            fn columns_verdict(verdict: Verdict, notes: &[Self], m: usize, x: &[Self]) -> Result<(), Failure> {
                crate::columns::judge(verdict, notes, m, x)
            }
            fn eig_leading_alone(notes: &[Self], values: &[Self]) -> Result<(), Failure> {
                crate::columns::leading_alone(notes, values)
            }
            fn eig_motion(notes: &[Self], w: &[Self], m: &[Self], dl: &mut [Self]) -> Result<(), Failure> {
                crate::columns::motion(notes, w, m, dl)
            }
            fn eig_undetermined(notes: &[Self], z: &mut [Self]) -> Result<(), Failure> {
                crate::columns::undetermined(notes, z)
            }
            fn eig_blank(notes: &[Self], m: usize, x: &mut [Self]) -> Result<(), Failure> {
                crate::columns::blank(notes, m, x)
            }
            fn schur_reorder(handle: &mut [Self], n: usize, chosen: &[bool]) -> Result<usize, Failure> {
                let (u, t) = handle.split_at_mut(n * n);
                crate::schur_order::reorder(t, n, u, chosen)
            }
            fn sylvester(
                a: &[Self],
                m: usize,
                ta: bool,
                b: &[Self],
                n: usize,
                tb: bool,
                c: &[Self],
                x: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::equations::solve(Kind::Sum, Factors { a, m, ta, b, n, tb }, c, x, w)
            }
            fn stein(
                a: &[Self],
                m: usize,
                ta: bool,
                b: &[Self],
                n: usize,
                tb: bool,
                c: &[Self],
                x: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::equations::solve(Kind::Difference, Factors { a, m, ta, b, n, tb }, c, x, w)
            }
            fn lyapunov(
                a: &[Self],
                n: usize,
                transpose: bool,
                c: &[Self],
                x: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::equations::solve_symmetric(Kind::Sum, a, n, transpose, c, x, w)
            }
            fn discrete_lyapunov(
                a: &[Self],
                n: usize,
                transpose: bool,
                c: &[Self],
                x: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::equations::solve_symmetric(Kind::Difference, a, n, transpose, c, x, w)
            }
            fn separation(a: &[Self], m: usize, b: &[Self], n: usize, stein: bool, w: &mut Workspace<Self>) -> Self {
                let kind = if stein { Kind::Difference } else { Kind::Sum };
                crate::equations::separation(kind, Factors { a, m, ta: false, b, n, tb: false }, w)
            }
            fn sqrtm(
                a: &[Self],
                n: usize,
                x: &mut [Self],
                handle: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::roots::sqrtm(a, n, x, handle, w)
            }
            fn expm(
                a: &[Self],
                n: usize,
                y: &mut [Self],
                handle: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::expm::expm(a, n, y, handle, w)
            }
            fn expm_jet(
                es: &[&[Self]],
                handles: &[&[Self]],
                n: usize,
                y: &mut [Self],
                handle: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::expm::jet(es, handles, n, y, handle, w)
            }
            fn logm_pair(
                handle: &[Self],
                n: usize,
                directions: [&[Self]; 3],
                first: &mut [Self],
                second: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::logm::logm_pair(handle, n, directions, first, second, w)
            }
            fn group_projector(
                group: crate::Group,
                a: &[Self],
                n: usize,
                p: &mut [Self],
                handle: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<Self, Failure> {
                crate::group::projector(group, a, n, p, handle, w)
            }
            fn group_projector_along(
                handle: &[Self],
                n: usize,
                es: &[&[Self]],
                out: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::group::along(handle, n, es, out, w)
            }
            fn expm_action(
                es: &[&[Self]],
                bs: &[&[Self]],
                size: (usize, usize),
                transpose: bool,
                y: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::action::action(es, bs, size, transpose, y, w)
            }
            fn expm_action_pull(
                es: &[&[Self]],
                bs: &[&[Self]],
                cs: &[&[Self]],
                size: (usize, usize),
                ga: &mut [Self],
                gb: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::action::pull(es, bs, cs, size, ga, gb, w)
            }
            fn logm(
                a: &[Self],
                n: usize,
                l: &mut [Self],
                handle: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::logm::logm(a, n, l, handle, w)
            }
            fn logm_along(
                handle: &[Self],
                n: usize,
                es: &[&[Self]],
                out: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::logm::logm_along(handle, n, es, out, w)
            }
            fn spectral_domain(f: SymFn, a: &[Self], handle: &[Self], n: usize) -> Result<(), Failure> {
                crate::spectral::domain(f, a, handle, n)
            }
            fn spectral(
                f: SymFn,
                handle: &[Self],
                n: usize,
                es: &[&[Self]],
                out: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::spectral::spectral(f, handle, n, es, out, w)
            }
            fn spectral_trace(f: SymFn, handle: &[Self], n: usize) -> Self {
                crate::spectral::trace(f, handle, n)
            }
            fn sym_lyap(
                handle: &[Self],
                n: usize,
                c: &[Self],
                out: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::polar::sym_lyap(handle, n, c, out, w)
            }
            fn svd(
                a: &[Self],
                m: usize,
                n: usize,
                flip: bool,
                handle: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::svd::svd(a, m, n, flip, handle, w)
            }
            fn values(
                win: Window,
                handle: &[Self],
                es: &[&[Self]],
                out: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::spectrum::values(win, handle, es, out, w)
            }
            fn weighted(
                win: Window,
                handle: &[Self],
                weights: &[Self],
                es: &[&[Self]],
                out: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::spectrum::weighted(win, handle, weights, es, out, w)
            }
            fn values_along(
                win: Window,
                handle: &[Self],
                e: &[Self],
                out: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::ties::values_along(win, handle, e, out, w)
            }
            fn weighted_along(
                win: Window,
                handle: &[Self],
                weights: &[Self],
                e: &[Self],
                dw: &[Self],
                out: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<(), Failure> {
                crate::ties::weighted_along(win, handle, weights, e, dw, out, w)
            }
            fn has_ties(win: Window, handle: &[Self]) -> bool {
                crate::turn::has_ties(win, handle)
            }
            fn turn_ties(win: Window, handle: &mut [Self]) {
                crate::turn::turn_ties(win, handle)
            }
            fn turn_columns(a: &mut [Self], m: usize) {
                crate::turn::turn(a, m, 1.0)
            }
            fn vectors(win: Window, handle: &[Self], out: &mut [Self]) {
                crate::spectrum::vectors(win, handle, out)
            }
            fn resolvent(
                win: Window,
                handle: &[Self],
                block: bool,
                first: bool,
                z: &[Self],
                out: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<Self, Failure> {
                crate::spectrum::resolvent(win, handle, crate::spectrum::How { block, first }, z, out, w)
            }
            fn pull_vectors(
                win: Window,
                handle: &[Self],
                block: bool,
                first: bool,
                z: &[Self],
                out: &mut [Self],
                w: &mut Workspace<Self>,
            ) -> Result<Self, Failure> {
                crate::spectrum::pull(win, handle, crate::spectrum::How { block, first }, z, out, w)
            }
            fn rotations(m: usize, w: &[Self], phi: &mut [Self]) -> Result<(), (usize, Failure)> {
                crate::rotation::value(m, w, phi)
            }
            fn rotations_push(m: usize, w: &[Self], dw: &[Self], dphi: &mut [Self]) {
                crate::rotation::push(m, w, dw, dphi)
            }
            fn rotations_pull(m: usize, w: &[Self], g: &[Self], gw: &mut [Self]) {
                crate::rotation::pull(m, w, g, gw)
            }
            fn rotations_pull_pairs(
                m: usize,
                w: WithTangent<'_, Self>,
                g: WithTangent<'_, Self>,
                out: (&mut [Self], &mut [Self]),
            ) {
                crate::rotation::pull_pairs(m, w, g, out)
            }
            fn unary(f: Unary, x: &[Self], y: &mut [Self]) {
                crate::elementwise::unary(f, x, y)
            }
            fn unary_derivative(
                f: Unary,
                k: u32,
                x: &[Self],
                y: &[Self],
                v: &[Self],
                out: &mut [Self],
            ) -> Result<(), Failure> {
                out.copy_from_slice(v);
                crate::elementwise::unary_derivative_assign(f, k, x, y, out)
            }
            fn unary_derivative_assign(
                f: Unary,
                k: u32,
                x: &[Self],
                y: &[Self],
                v: &mut [Self],
            ) -> Result<(), Failure> {
                crate::elementwise::unary_derivative_assign(f, k, x, y, v)
            }
            fn dot(a: &[Self], b: &[Self]) -> Self {
                crate::sums::dot(a, b)
            }
            fn sum(a: &[Self]) -> Self {
                crate::sums::sum(a)
            }
            fn sum_columns(a: &[Self], m: usize, n: usize, out: &mut [Self]) {
                crate::sums::sum_columns(a, m, n, out)
            }
            fn norm(a: &[Self]) -> Self {
                crate::sums::norm(a)
            }
            fn axpy(alpha: Self, x: &[Self], y: &mut [Self]) {
                crate::wide::flat::axpy(alpha, x, y)
            }
            fn lincomb(alpha: Self, a: &[Self], beta: Self, b: &[Self], out: &mut [Self]) {
                crate::wide::flat::lincomb(alpha, a, beta, b, out)
            }
            fn scale(alpha: Self, x: &[Self], out: &mut [Self]) {
                crate::wide::flat::scale(alpha, x, out)
            }
            fn hadamard(a: &[Self], b: &[Self], out: &mut [Self]) {
                crate::wide::flat::hadamard(a, b, out)
            }
            fn divide(a: &[Self], b: &[Self], out: &mut [Self]) {
                crate::wide::flat::divide(a, b, out)
            }
            fn transpose(a: &[Self], m: usize, n: usize, out: &mut [Self]) {
                crate::elementwise::transpose(a, m, n, out)
            }
            fn all_finite(a: &[Self]) -> bool {
                crate::sums::all_finite(a)
            }
        }
    };
}
scalar!(f64, "f64");
scalar!(f32, "f32");
