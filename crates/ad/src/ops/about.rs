//! What the documentation says of every primitive, as data: `docs/primitives.md` is made of it. No rule lives here.
//!
//! A row here belongs to an entry of the registry; a test compares the two, and the page with what it is made of.
//! `PULLBACK_BLESS=1 cargo test -p pullback --test primitives registry` writes the page anew.

/// A primitive, for people.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// Its name in the registry, in errors and in dumps.
    pub name: &'static str,
    /// The operations that reach it.
    pub operation: &'static str,
    /// What the data must satisfy, and the error otherwise.
    pub conditions: &'static str,
    /// What the value is unique up to, and the normal form that fixes it.
    pub gauge: &'static str,
    /// Value, JVP and VJP, in multiples of n³ for square arguments or in passes over the entries.
    pub cost: &'static [&'static str],
    /// What happens where textbook rules divide by zero.
    pub degenerate: &'static str,
    /// Paper and place; "derived" where the file derives it.
    pub source: &'static str,
    /// The file of `crates/ad/src/ops` with its derivation.
    pub file: &'static str,
}

/// Primitives that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// The heading.
    pub title: &'static str,
    /// What is true of all of them.
    pub text: &'static str,
    /// The primitives.
    pub rows: &'static [About],
}

macro_rules! about {
    ($($name:literal, $operation:literal, $conditions:literal, $gauge:literal, [$($cost:literal),+], $degenerate:literal, $source:literal, $file:literal;)*) => {
        &[$(About {
            name: $name,
            operation: $operation,
            conditions: $conditions,
            gauge: $gauge,
            cost: &[$($cost),+],
            degenerate: $degenerate,
            source: $source,
            file: $file,
        }),*]
    };
}

/// Every primitive, in the order of the page.
#[rustfmt::skip]
pub const SECTIONS: &[Section] = &[
    Section {
        title: "Entries",
        text: "",
        rows: about! {
            "add", "`+`, `-`, `lincomb`",
                "sizes agree or are 1",
                "-",
                ["pass", "pass", "pass"],
                "none",
                "", "arithmetic.rs";
            "scale", "`c * x`, `-x`, `x / c`",
                "-",
                "-",
                ["pass", "pass", "pass"],
                "none",
                "", "arithmetic.rs";
            "shift", "`x + c`",
                "-",
                "-",
                ["pass", "0", "0"],
                "none",
                "", "arithmetic.rs";
            "hadamard", "`hadamard`, `*` with a `1x1`",
                "sizes agree or are 1",
                "-",
                ["pass", "2 passes", "2 passes"],
                "none",
                "", "arithmetic.rs";
            "elem_div", "`elem_div`",
                "sizes agree or are 1",
                "-",
                ["pass", "3 passes", "3 passes"],
                "IEEE where the divisor is 0; the driver returns `NonFinite`",
                "", "arithmetic.rs";
            "unary", "`exp ln log2 log10 sqrt square recip powf sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh sigmoid relu softplus abs ln_1p exp_m1 sign clamp erf erfc ln_gamma digamma stumpff atan_root`",
                "the domain of the function, by IEEE",
                "-",
                ["pass", "pass", "pass"],
                "kinks at 0: `relu` takes the left derivative 0, `abs` and `sign` the mean 0; `clamp` the mean 1/2 at a bound",
                "", "unary.rs";
            "unary_derivative", "derivatives of `unary`",
                "order at most 12",
                "-",
                ["pass", "3 passes", "3 passes"],
                "as `unary`",
                "", "unary.rs";
            "extremum", "`max`, `min`",
                "-",
                "-",
                ["pass", "2 passes", "2 passes"],
                "a tie halves the derivative (the symmetric subgradient); NaN stays NaN",
                "", "extremum.rs";
            "route", "derivatives of `max`, `min`",
                "-",
                "-",
                ["pass", "pass", "pass"],
                "looked up anew at each evaluation, so replay across a change of winner is right",
                "", "extremum.rs";
            "atan2", "`atan2`",
                "sizes agree or are 1",
                "-",
                ["pass", "4 passes", "4 passes"],
                "at `(0, 0)` the value follows IEEE and the derivative is `NotDifferentiable`; the same derivative on both sides of the branch cut",
                "derived", "atan2.rs";
            "atan2_derivative", "derivatives of `atan2`",
                "not `(0, 0)`, else `NotDifferentiable`",
                "-",
                ["pass", "12 passes", "12 passes"],
                "scaled by a power of two: no square overflows or underflows",
                "derived", "atan2.rs";
            "compare", "`gt`, `ge`, `lt`, `le`, `eq`, `ne`",
                "sizes agree or are 1",
                "-",
                ["pass", "0", "0"],
                "a mask has no derivative and is found anew at each evaluation; NaN is unequal to everything",
                "", "select.rs";
            "select", "`select`, `select_with`",
                "sizes agree or are 1",
                "-",
                ["pass", "pass", "2 passes"],
                "what is not taken is not read, and its cotangent is exactly 0",
                "derived", "select.rs";
            "keep", "derivatives of `select`, `norm_with`",
                "equal shapes",
                "-",
                ["pass", "pass", "pass"],
                "what is not kept is not read: exactly 0",
                "derived", "select.rs";
        },
    },
    Section {
        title: "Sums",
        text: "",
        rows: about! {
            "sum", "`sum`, `sum_to`, `sum_each`, `column_sums`, `row_sums`, `sum_batch`, `mean`",
                "every axis is kept or reduced",
                "-",
                ["pass", "pass", "pass"],
                "an empty sum is 0",
                "", "reduce.rs";
            "broadcast", "`broadcast_to`",
                "repeated axes have size 1",
                "-",
                ["pass", "pass", "pass"],
                "none",
                "", "reduce.rs";
            "dot", "`dot`",
                "equal shapes; batches agree or are 1",
                "-",
                ["pass", "2 passes", "2 passes"],
                "none",
                "", "reduce.rs";
            "norm", "`norm`, `column_norms`, `row_norms`",
                "for a derivative: not 0, else `NotDifferentiable`",
                "-",
                ["pass", "2 passes", "2 passes"],
                "the value is safe against overflow; `x.dot(x)` is smooth at 0",
                "", "reduce.rs";
            "log_sum_exp", "`log_sum_exp`, `column_log_sum_exp`, `row_log_sum_exp`",
                "-",
                "-",
                ["pass", "3 passes", "3 passes"],
                "no overflow; an entry `-inf` has weight 0, also where all are; empty sums are `-inf`",
                "derived", "softmax.rs";
            "softmax", "`softmax`, `column_softmax`, `row_softmax`, derivatives of `log_sum_exp` and `log_softmax`",
                "-",
                "-",
                ["pass", "3 passes", "3 passes"],
                "an entry `-inf` has weight 0; where all are `-inf`, all weights are 0; weights below the smallest normal number are 0",
                "derived", "softmax.rs";
            "log_softmax", "`log_softmax`, `column_log_softmax`, `row_log_softmax`",
                "-",
                "-",
                ["pass", "4 passes", "4 passes"],
                "as `softmax`; a weight of 0 has the logarithm `-inf`",
                "derived", "softmax.rs";
            "peak", "`max_all`, `column_max`, `row_max`, `min_all`, `column_min`, `row_min`",
                "at least one entry to choose from",
                "-",
                ["2 passes", "pass", "pass"],
                "winners that are equal share the derivative evenly; NaN stays NaN",
                "derived", "peak.rs";
            "peak_at", "`argmax_all`, `column_argmax`, `row_argmax`, `argmin_all`, `column_argmin`, `row_argmin`",
                "at least one entry to choose from",
                "-",
                ["pass", "0", "0"],
                "of equal entries the first; a place has no derivative",
                "", "peak.rs";
            "winners", "derivatives of `peak`",
                "-",
                "-",
                ["pass", "pass", "pass"],
                "looked up anew at each evaluation, so replay across a change of winner is right",
                "derived", "peak.rs";
            "cumsum", "`cumsum`",
                "-",
                "-",
                ["pass", "pass", "pass"],
                "none",
                "derived", "cumsum.rs";
            "distances", "`pairwise_dist2`",
                "as many coordinates",
                "-",
                ["m n d", "m n d", "2 m n d"],
                "exactly 0 and smooth at equal points; by differences, so near points keep their digits",
                "derived", "distance.rs";
            "distances_push", "derivatives of `distances`",
                "as many coordinates",
                "-",
                ["m n d", "2 m n d", "4 m n d"],
                "none",
                "derived", "distance.rs";
            "distances_pull", "derivatives of `distances`",
                "as many coordinates",
                "-",
                ["m n d", "2 m n d", "2 m n d"],
                "none",
                "derived", "distance.rs";
        },
    },
    Section {
        title: "Layout",
        text: "All linear; each rule is its transpose.",
        rows: about! {
            "transpose", "`t`",
                "-",
                "-",
                ["pass", "pass", "pass"],
                "none",
                "", "layout.rs";
            "reshape", "`reshape`, `reshape_batch`",
                "as many entries",
                "-",
                ["pass", "pass", "pass"],
                "none",
                "", "layout.rs";
            "slice", "`slice`, `member`, `column_range`, `row_range`",
                "the block lies inside",
                "-",
                ["pass", "pass", "pass"],
                "empty blocks are allowed",
                "", "layout.rs";
            "embed", "derivative of `slice`",
                "the block lies inside",
                "-",
                ["pass", "pass", "pass"],
                "none",
                "", "layout.rs";
            "concat", "`Var::concat`",
                "other sizes agree",
                "-",
                ["pass", "pass", "pass"],
                "empty parts are allowed",
                "", "layout.rs";
            "gather", "`gather`, `vee`, `kron`",
                "indices lie inside",
                "-",
                ["pass", "pass", "pass"],
                "repetition adds up",
                "", "layout.rs";
            "scatter", "`scatter`, `hat`, derivative of `gather`",
                "indices lie inside",
                "-",
                ["pass", "pass", "pass"],
                "repetition adds up",
                "", "layout.rs";
            "diag", "`diag`, `trace`",
                "-",
                "-",
                ["pass", "pass", "pass"],
                "rectangular matrices too",
                "", "layout.rs";
            "from_diag", "`to_diag`, derivative of `diag`",
                "a column",
                "-",
                ["pass", "pass", "pass"],
                "none",
                "", "layout.rs";
            "part", "`tril triu sym skew`, masks inside rules",
                "square for `sym`, `skew`",
                "-",
                ["pass", "pass", "pass"],
                "an entry of weight 0 is not read, even if it is NaN",
                "", "part.rs";
        },
    },
    Section {
        title: "Products",
        text: "",
        rows: about! {
            "matmul", "`*`, `t_mul`, `mul_t`, `t_mul_t`",
                "inner sizes agree; batches agree or are 1",
                "-",
                ["2", "4", "4"],
                "none",
                "Giles 2008, 2.1", "product.rs";
            "matmul_add", "`add_mul`, inside rules",
                "as `matmul`",
                "-",
                ["2", "4", "4"],
                "none",
                "Giles 2008, 2.1", "product.rs";
            "linear_map", "`mapped`, `mapped_transposed`: a constant sparse matrix (feature `sparse`) or a user's operator",
                "the map's own",
                "-",
                ["the map's own"],
                "none",
                "", "linear.rs";
        },
    },
    Section {
        title: "Solves",
        text: "",
        rows: about! {
            "solve_triangular", "`solve_triangular`, `solve_triangular_with`",
                "no zero on the diagonal, else `Singular`; the other triangle is not read",
                "-",
                ["1", "3", "3"],
                "none",
                "Giles 2008, 2.3", "trsm.rs";
            "lu", "`lu`: the handle of a factorisation",
                "regular to working precision, else `Singular` with the pivot",
                "pivots; never seen",
                ["2/3", "0", "0"],
                "scaling of rows or columns does not matter",
                "Giles 2008, 2.2", "lu.rs";
            "solve", "`solve`, `Lu::solve`, `Lu::solve_transpose`",
                "as `lu`",
                "-",
                ["2", "4", "4"],
                "the factors are neither differentiated nor taken for constants: second derivatives are right",
                "Giles 2008, 2.2", "lu.rs";
            "inverse", "`inverse`, `Lu::inverse`",
                "as `lu`",
                "-",
                ["2", "4", "4"],
                "as `solve`",
                "Giles 2008, 2.2", "lu.rs";
            "logdet", "`logdet`, `Lu::logdet`",
                "as `lu`",
                "-",
                ["0", "4/3", "4/3"],
                "log of the modulus: the sign of the determinant does not matter",
                "Giles 2008, 2.2", "lu.rs";
            "det_sign", "`slogdet`, `Lu::sign`",
                "as `lu`",
                "-",
                ["pass", "0", "0"],
                "locally constant",
                "", "lu.rs";
            "det_factor", "`det`: the handle of a factorisation with complete pivoting",
                "finite",
                "pivots; never seen",
                ["2/3", "0", "0"],
                "scaling of rows or columns does not matter; no rank fails",
                "Golub & Van Loan, 3.4.8", "det.rs";
            "det", "`det`",
                "finite",
                "-",
                ["0", "2", "2"],
                "a polynomial: exact at any rank, also n-1 and n-2",
                "derived", "det.rs";
            "cofactor", "derivatives of `det`",
                "up to the third, else `Unsupported`",
                "-",
                ["2; second 4, third 6 and one pass of n³ products"],
                "as `det`: no pivot is divided by",
                "derived", "det.rs";
            "least_factor", "`lstsq`, `pinv`: the handle of orthogonal factors at a known rank",
                "the rank stated (full by default), else `RankDeficient` or `NotDifferentiable`",
                "signs and basis; never seen",
                ["4/3", "0", "0"],
                "column scaling does not matter at full rank",
                "Golub & Van Loan, 5.5", "least_squares.rs";
            "least_squares", "`lstsq`, `lstsq_of_rank`, `pinv`, `pinv_of_rank`, and the transposes",
                "as `least_factor`",
                "-",
                ["4", "12", "12"],
                "the derivative among matrices of the rank; its gradient has no part normal to them",
                "Golub & Pereyra 1973, thm 4.3", "least_squares.rs";
        },
    },
    Section {
        title: "Factorisations",
        text: "",
        rows: about! {
            "lu_factors", "`lu_factors` of a tall or square matrix, `P A = L U`",
                "independent leading columns, else `Singular`",
                "unit diagonal of `L`; `P` locally constant, found anew at replay",
                ["2/3", "8/3", "8/3"],
                "at a tie of pivots the factors jump; `solve`, `det`, `inverse` do not see it",
                "de Hoog, Anderssen & Lukas 2011; derived", "lu_factors.rs";
            "cholesky", "`cholesky` of `(A + A^T)/2`",
                "positive definite to working precision, else `NotPositiveDefinite`",
                "signs of columns; `diag(L) > 0`",
                ["1/3", "2/3", "2/3"],
                "grading by `D A D` does not matter; a semidefinite factor has no derivative",
                "Smith 1995; Murray 2016, arXiv 1602.07527", "cholesky.rs";
            "cholesky_push", "forward derivative of `cholesky`",
                "as `cholesky`",
                "-",
                ["2/3", "2", "4/3"],
                "as `cholesky`",
                "derived", "cholesky.rs";
            "cholesky_pull", "reverse derivative of `cholesky`",
                "as `cholesky`",
                "-",
                ["2/3", "2", "4/3"],
                "as `cholesky`",
                "derived", "cholesky.rs";
            "lower_product", "second derivatives of `cholesky`",
                "-",
                "-",
                ["2/3", "4/3", "8/3"],
                "none",
                "", "cholesky.rs";
            "spd", "`spd`: the handle of a Cholesky factorisation",
                "positive definite to working precision, else `NotPositiveDefinite`",
                "-",
                ["1/3", "0", "0"],
                "functions of `(A + A^T)/2`: every cotangent is symmetric",
                "Giles 2008, 2.2", "spd.rs";
            "spd_solve", "`Spd::solve`",
                "as `spd`",
                "-",
                ["2", "4", "4"],
                "the factor is neither differentiated nor taken for a constant: second derivatives are right",
                "Giles 2008, 2.2", "spd.rs";
            "spd_inverse", "`Spd::inverse`",
                "as `spd`",
                "-",
                ["2/3", "4", "4"],
                "exactly symmetric",
                "Giles 2008, 2.2", "spd.rs";
            "spd_logdet", "`Spd::logdet`",
                "as `spd`",
                "-",
                ["0", "2/3", "2/3"],
                "a sum of logarithms: no product of pivots leaves the range",
                "Giles 2008, 2.2", "spd.rs";
            "spd_factor", "`Spd::factor`, `Spd::half_solve`",
                "as `spd`",
                "diagonal positive",
                ["0", "2/3", "2/3"],
                "as `cholesky`",
                "as `cholesky`", "spd.rs";
            "qr", "`qr`, thin",
                "`m >= n`, full column rank, else `RankDeficient`",
                "signs of columns; `diag(R) > 0`, locally constant",
                ["8/3", "6", "7"],
                "orthonormal arguments and graded columns are points like any other",
                "Walter & Lehmann 2011; Liao et al. 2019, arXiv 1903.09650", "qr.rs";
            "complement", "`null_basis`, `qr_full`: a basis `Z` of the orthogonal complement",
                "as `qr`",
                "`Z O` with `O` orthogonal; a cotangent with `skew(Z^T gZ) != 0` is `GaugeDependent`, dropped with a note, or dropped, by the policy given",
                ["4/3", "4", "4"],
                "as `qr`; forward mode carries the horizontal lift",
                "Edelman, Arias & Smith 1998, 2.3; derived", "complement.rs";
            "pivots", "`qr_pivoted`, `rank`: the order of columns by a pivoted QR",
                "finite",
                "-",
                ["4/3", "0", "0"],
                "locally constant; found anew at replay",
                "Golub & Van Loan, 5.4.2", "permute.rs";
            "permute", "`permuted`, `qr_pivoted`",
                "-",
                "-",
                ["pass", "pass", "pass"],
                "linear in what it permutes",
                "", "permute.rs";
            "polar", "`polar`",
                "`m >= n`, full column rank, else `RankDeficient`",
                "none",
                ["25", "14", "14"],
                "only sums of singular values are divided by: as accurate at an orthonormal matrix as anywhere, to any order",
                "Higham, *Functions of Matrices*, ch. 8; derived", "polar.rs";
            "sym_lyapunov", "derivative of `polar`",
                "positive sums of eigenvalues",
                "-",
                ["8", "12", "12"],
                "as `polar`",
                "derived", "polar.rs";
            "cayley", "`cayley`",
                "`1/alpha` is no eigenvalue, else `Singular`",
                "-",
                ["8/3", "4", "4"],
                "skew arguments are always regular",
                "Wen & Yin 2013; derived", "cayley.rs";
            "expm", "`expm`",
                "finite; no entry of the result overflows, else `Overflow`; norm below `2^52` (`2^23` in single precision), else `Unsupported`",
                "none",
                ["14.7 + 2s with s squarings", "28 + 4s", "28 + 4s"],
                "defective, nilpotent and zero matrices are like any other; of an exactly skew matrix the result is orthogonal to rounding",
                "Al-Mohy & Higham 2009; derived", "expm.rs";
            "expm_along", "`expm_along`, `expm_frechet`, derivatives of `expm`",
                "as `expm`; up to six directions, else `Unsupported`",
                "none",
                ["(14.7 + 2s) 2^k for k directions, beside those of fewer directions"],
                "exact everywhere: the family `D^k exp(A)[E..]` is closed under differentiation",
                "Al-Mohy & Higham 2009; Higham & Relton 2014; derived", "expm.rs";
            "expm_multiply", "`expm_multiply`: the action of the exponential on a thin matrix",
                "finite; no entry of the result overflows, else `Overflow`; at most 16384 segments, that is a norm of about 57000 where powers are not smaller, and five directions, else `Unsupported`",
                "none",
                ["`s m` products `n^2 p` with `s` segments of degree `m`", "3 s m", "4 s m"],
                "nilpotent, defective and zero matrices are like any other; matrices far from normal take segments by the norms of their powers",
                "Al-Mohy & Higham 2011; derived", "action.rs";
            "expm_multiply_pull", "the reverse rule of `expm_multiply`",
                "as `expm_multiply`",
                "none",
                ["4 s m (3 s m for one segment), times 3 for each direction"],
                "exact everywhere: with `expm_multiply` it is closed under differentiation",
                "derived", "action.rs";
            "rotation", "`so3_exp`, `so3_left_jacobian`",
                "3 numbers, finite with the square of their norm, else `NonFinite` or `Overflow`",
                "-",
                ["100 operations", "150 operations", "150 operations"],
                "smooth at 0 and everywhere; series up to half a turn",
                "Rodrigues 1840; derived", "rotation.rs";
        },
    },
    Section {
        title: "General matrices by Schur forms",
        text: "",
        rows: about! {
            "schur", "`schur`: the handle of a real Schur form; `sylvester`, `stein`, `lyapunov`, `discrete_lyapunov`",
                "finite",
                "orthogonal factor; never seen",
                ["25", "0", "0"],
                "none: nothing differentiates a Schur form, and no derivative takes another",
                "Golub & Van Loan 7.5; Braman, Byers & Mathias 2002", "schur.rs";
            "sylvester", "`sylvester`, `stein`, `Schur::sylvester`, `Schur::stein`; derivatives of `sqrtm`",
                "no sum `l_i(A) + l_j(B)` of eigenvalues is 0 (Stein: no product is 1) to working precision, else `Singular`",
                "none",
                ["8 (Stein 10)", "12 (18)", "12 (18)"],
                "repeated and defective eigenvalues are like any other; transposed equations are solved with the same handles",
                "Bartels & Stewart 1972; Jonsson & Kågström 2002; derived", "sylvester.rs";
            "lyapunov", "`lyapunov`, `discrete_lyapunov`, transposed too",
                "as `sylvester`, with `B = A^T`",
                "none",
                ["8 (discrete 10); symmetric right-hand sides 5 (8)", "12 (18)", "12 (18)"],
                "as `sylvester`; of an exactly symmetric right-hand side the solution is exactly symmetric",
                "as `sylvester`", "lyapunov.rs";
            "sqrtm", "`sqrtm`",
                "no eigenvalue on the closed negative real axis to working precision, else `NoPrincipalValue`; a root with half of the digits, else `IllConditioned`",
                "none",
                ["30", "8", "8"],
                "repeated and defective eigenvalues are like any other, to every order; derivatives take Sylvester equations with the handle of the root",
                "Björck & Hammarling 1983; Higham 1987; Deadman, Higham & Ralha 2013; derived", "sqrtm.rs";
            "logm", "`logm`",
                "no eigenvalue 0, else `Singular`; none on the negative real axis, else `NoPrincipalValue`, to working precision; a square root on the way has half of the digits, else `IllConditioned`",
                "none",
                ["45 + s with s square roots", "35 + 3s", "35 + 3s"],
                "near the identity relative to the distance from it; repeated and defective eigenvalues are like any other",
                "Al-Mohy & Higham 2012; derived", "logm.rs";
            "logm_along", "`logm_along`, `logm_frechet`, derivatives of `logm`",
                "as `logm`; up to four directions, else `Unsupported`",
                "none",
                ["35 + 3s for one direction, about three times as much for each further one"],
                "exact everywhere: the family `D^k log(A)[E..]` is closed under differentiation",
                "Al-Mohy, Higham & Relton 2013; derived", "logm.rs";
            "group_projector", "`group_projector`, `signm`",
                "finite; no eigenvalue on the boundary of the group to working precision, and a separation that is not rounding, else `Unseparated`",
                "none: the projector needs no basis",
                ["32", "16", "16"],
                "ties and Jordan blocks within the group or among the others are like anything else; only the separation of the two is divided by",
                "Stewart 1973; Bai & Demmel 1993; Roberts 1980; derived", "projector.rs";
            "group_projector_along", "derivatives of `group_projector`",
                "as `group_projector`; up to four directions, else `Unsupported`",
                "none",
                ["16 for one direction, about three times as much for each further one"],
                "exact everywhere: the family `D^k Pi(A)[E..]` is closed under differentiation",
                "derived", "projector.rs";
        },
    },
    Section {
        title: "Functions of symmetric matrices",
        text: "",
        rows: about! {
            "eigh", "`symmetric`: the handle of an eigendecomposition of `(A + A^T)/2`",
                "finite",
                "eigenvectors; never seen",
                ["5-9", "0", "0"],
                "none: nothing differentiates an eigenvector",
                "", "spectral.rs";
            "positive_definite", "guard in `powm_spd`",
                "all eigenvalues are positive to working precision, else `NotPositiveDefinite`",
                "-",
                ["pass", "0", "0"],
                "this is the verdict, for integer powers too",
                "", "spectral.rs";
            "spectral", "`expm_sym logm_spd sqrtm_spd invsqrtm_spd powm_spd`, `Symmetric::map`, `Symmetric::frechet`",
                "spectrum in the domain of `f`, else `NotPositiveDefinite`; order at most 4; a function of your own (`SymFn::own`): as far as its derivatives, else `Unsupported`; modulus and sign: no eigenvalue 0, else `NotDifferentiable`",
                "none",
                ["2; first derivative 8, second 14 (more where many eigenvalues are close)"],
                "exact at ties and near them, to every order: the family `D^k f(A)[E..]` is closed under differentiation",
                "Daleckii & Krein 1965; Higham, *Functions of Matrices*, 3.2", "spectral.rs";
            "spectral_trace", "`trace_fun`, `Symmetric::trace`",
                "as `spectral`",
                "none",
                ["0", "2", "2"],
                "the gradient is `f'(A)`, right to any order at ties",
                "as `spectral`", "spectral.rs";
        },
    },
    Section {
        title: "Spectra",
        text: "",
        rows: about! {
            "svd", "`singular`: the handle of a thin SVD (of the transpose, if wide)",
                "finite",
                "singular vectors; never seen",
                ["21", "0", "0"],
                "none: nothing differentiates a singular vector; inputs are scaled to about 1",
                "", "svd.rs";
            "spectrum", "`eigvalsh`, `svdvals`, `spectral_norm`, `nuclear_norm`, `values` of a handle; derivatives of `spectrum_weighted`",
                "for a cotangent: equal on tied values, zero where a singular value is 0; else `NotDifferentiable`",
                "none",
                ["0", "2", "2"],
                "a tangent is the one-sided derivative `t -> 0+` of each value, at ties and at 0; a sum over a whole group of tied values is exact to every order in reverse mode",
                "Kato, *Perturbation Theory*, II.2; Lewis 1996; derived", "spectrum.rs";
            "spectrum_weighted", "`spectral_projector`, `Symmetric::projector`; derivatives of `spectrum`",
                "tied values have equal weights, singular values at 0 have weight 0; else `NotDifferentiable`",
                "none",
                ["2", "8", "8 (tall singular: 12)"],
                "only gaps between values of unequal weight are divided by: a projector is exact to every order whatever is tied inside or outside",
                "Daleckii & Krein 1965; derived", "spectrum.rs";
            "spectrum_along", "derivatives of `spectrum_weighted` while its weights move: Hessian-vector products of programs of `eigvalsh`, `svdvals`",
                "as `spectrum_weighted`; the tangents of the weights may differ on ties",
                "none",
                ["10", "-", "-"],
                "at a tie, in the basis that the direction chooses (Rellich 1937): exact for programs that treat tied values alike",
                "Kato, *Perturbation Theory*, II.6; derived", "spectrum.rs";
            "vectors", "`eigh`, `svd`, `svd_truncated`, `vectors`, `triplets`, `invariant_subspace` of a handle",
                "none for the value",
                "signs; the entry of largest modulus is positive (of `U`, for an SVD). At a tie any rotation: by policy `GaugeDependent`, a note, or a projection. `invariant_subspace`: any rotation always",
                ["0", "6 (singular 12)", "6 (singular 8)"],
                "what does not see the gauge has its first derivative at ties; second derivatives through vectors are `NotDifferentiable` there, through `invariant_subspace` right; ties among values not asked for do not matter",
                "Magnus 1985; Kasim 2020, arXiv 2011.04366; Seeger et al. 2017, arXiv 1710.08717; derived", "vectors.rs";
            "vectors_pull", "the reverse rule of `vectors`",
                "as `vectors`",
                "as `vectors`",
                ["6 (singular 8)", "24 (singular 44)", "18 (singular 36)"],
                "as `vectors`",
                "derived", "vectors.rs";
            "resolvent", "`(x_i - A)^+ z_i`, in derivatives of `vectors`",
                "as `vectors`",
                "as `vectors`",
                ["4 (singular 8)", "14 (singular 28)", "10 (singular 20)"],
                "as `vectors`",
                "Kato, *Perturbation Theory*, I.5.3; derived", "vectors.rs";
            "eig", "`eigvals`, `eig`, `general`: eigenvalues, right and left eigenvectors of a general matrix as packed real columns",
                "finite",
                "length and phase: unit columns, the entry of largest modulus real and positive; order by real part, then imaginary part",
                ["32", "8", "6 (values alone 2)"],
                "equal weights on coinciding semisimple values have their gradient, what tells them apart is `NotDifferentiable`, what sees their vectors `GaugeDependent`; a defective matrix has its values, and `Defective` with the condition number for derivatives",
                "Magnus 1985; Giles 2008; Boeddeker et al. 2017, arXiv 1701.00392; derived", "eig.rs";
            "eig_verdict", "guard in the derivatives of `eig` and of `spectral_radius`",
                "what a derivative asks for exists; else `NotDifferentiable`, `GaugeDependent`, `Defective`, or NaN and an error if a result depends on it",
                "-",
                ["pass", "pass", "pass"],
                "this is the verdict",
                "Wilkinson 1965; derived", "eig.rs";
            "packed_columns", "complex columns kept as real ones: products with numbers, inner products, quotients by differences of eigenvalues; parts of `eig`",
                "-",
                "-",
                ["pass", "pass", "pass"],
                "tied eigenvalues are not divided by; `eig_verdict` says whether that matters",
                "derived", "columns.rs";
        },
    },
    Section {
        title: "Control",
        text: "",
        rows: about! {
            "alias", "the variable of `grad`, `jvp`, `hvp`, `checkpoint` inside programs",
                "-",
                "-",
                ["pass", "0", "0"],
                "none",
                "", "guard.rs";
            "stop_gradient", "`stop_gradient`",
                "-",
                "-",
                ["pass", "0", "0"],
                "the derivative is 0 by decree",
                "", "guard.rs";
            "nonzero", "guard in the derivative of `norm`",
                "no entry is 0, else `NotDifferentiable`",
                "-",
                ["pass", "0", "0"],
                "this is the verdict",
                "", "guard.rs";
            "vanishing", "guard in `qr_of_rank`",
                "what must be zero at the stated rank is rounding, else `NotDifferentiable`",
                "-",
                ["pass", "0", "0"],
                "this is the verdict",
                "", "guard.rs";
            "of_finite", "guard on `grad` and `hvp` inside programs",
                "the value whose gradient is taken is finite, else `NotDifferentiable`",
                "-",
                ["pass", "pass", "pass"],
                "this is the verdict",
                "", "guard.rs";
            "positive", "`x.where_positive(c, what)`",
                "the entries of `c` are positive, else `OutsideDomain`",
                "-",
                ["pass", "0", "0"],
                "a member where `c` is NaN is outside too",
                "", "guard.rs";
            "invariant", "guard on cotangents of factors with a gauge",
                "the part along the gauge orbit is rounding, else by policy `GaugeDependent`, a note, or nothing",
                "-",
                ["pass", "pass", "pass"],
                "this is the verdict",
                "", "gauge.rs";
            "custom", "`Tape::custom`",
                "the rule's own",
                "the rule's own",
                ["the rule's own"],
                "`pullback-check` proves the rules against each other",
                "", "custom.rs";
            "checkpoint", "`checkpoint`",
                "those of the piece",
                "-",
                ["the piece", "twice", "three times"],
                "as the piece",
                "Griewank & Walther 2008, ch. 12", "checkpoint.rs";
        },
    },
];

/// What the page says before the compositions.
pub const COMPOSED: &str = "Operations without a rule of their own, because a composition is exact, stable and as fast; derivations are in `crates/ad/src/var`.";

/// Operations that are compositions of primitives: name, what it is made of, conditions, file.
#[rustfmt::skip]
pub const COMPOSITIONS: &[[&str; 4]] = &[
    ["*`qr`*, wide", "`qr` of the leading block, a product", "regular leading block, else `RankDeficient`", "var/factorisations/qr.rs"],
    ["*`lq`*", "`qr` of the transpose", "as `qr`", "var/factorisations/qr.rs"],
    ["*`qr_full`*", "`qr`, `complement`", "as those", "var/factorisations/qr.rs"],
    ["*`qr_of_rank`*", "`qr` of the leading columns, a product, the guard `vanishing`", "independent leading columns, else `RankDeficient`; the rank stated, else `NotDifferentiable`", "var/factorisations/qr.rs"],
    ["*`qr_pivoted`*", "`pivots`, `permute`, `qr`", "full rank, else `RankDeficient`", "var/factorisations/qr.rs"],
    ["*`cayley_low_rank`*", "products, `solve` of the small system of Woodbury's identity", "`1/alpha` is no eigenvalue of `U V^T`, else `Singular`", "var/matrix_functions/mod.rs"],
    ["*`lu_factors`*, wide", "`lu_factors` of the leading block, `solve_triangular`", "as `lu_factors`", "var/factorisations/lu.rs"],
    ["*`cholesky_upper`*", "`cholesky`, `transpose`", "as `cholesky`", "var/factorisations/spd.rs"],
    ["*`Spd::half_solve`*", "`spd`, `spd_factor`, `solve_triangular`", "as `spd`", "var/factorisations/spd.rs"],
    ["*`slogdet`*", "`lu`, `det_sign`, `logdet`", "as `lu`", "var/solves/mod.rs"],
    ["*`lstsq`*, *`pinv`*", "`least_factor`, `least_squares`", "as those", "var/solves/least_squares.rs"],
    ["*`kron`*", "a product, `gather`", "-", "var/products.rs"],
    ["*`hat`*, *`vee`*", "`scatter` or `gather`, `part`", "3 numbers, or 1", "var/matrix_functions/rotations.rs"],
    ["*`so3_log`*", "a linear map to the quaternion's products, `select`, `norm`, half-angle formulas, a polynomial", "a rotation, but not by half a turn, else `NotDifferentiable`", "var/matrix_functions/rotations.rs"],
    ["*`so3_left_jacobian_inverse`*", "`hat`, products, Stumpff functions (`unary`)", "an angle below `2 pi`", "var/matrix_functions/rotations.rs"],
    ["*`so3_from_quaternion`*", "`norm`, `hat`, a product", "4 numbers, not all 0", "var/matrix_functions/quaternions.rs"],
    ["*`so3_to_quaternion`*", "a linear map to the quaternion's products, `select`, `norm`", "as `so3_log`", "var/matrix_functions/quaternions.rs"],
    ["*`so2_exp`*, *`so2_log`*", "`unary`, `hat`; `atan2`", "one number; a rotation", "var/matrix_functions/motions.rs"],
    ["*`se2_exp`*, *`se2_log`*", "`so2_exp`, `so2_log`, Stumpff functions (`unary`)", "3 numbers; a rigid motion", "var/matrix_functions/motions.rs"],
    ["*`se3_exp`*, *`se3_log`*", "`rotation`, `so3_log`, products, `concat`", "6 numbers; a rigid motion, its rotation as for `so3_log`", "var/matrix_functions/motions.rs"],
    ["*`se3_left_jacobian`*, its inverse, *`se3_adjoint`*", "`rotation`, `hat`, products, Stumpff functions (`unary`, `unary_derivative`)", "6 numbers, for the inverse with an angle below `2 pi`; a rigid motion", "var/matrix_functions/motions.rs"],
    ["*`powm`*, *`powm_by`*", "`logm`, `expm`; `matrix_power` for integers, `sqrtm` for 1/2", "as those", "var/matrix_functions/general.rs"],
    ["*`signm`*", "`group_projector`", "no eigenvalue on the imaginary axis, else `Unseparated`", "var/matrix_functions/general.rs"],
    ["*`matrix_power`*", "products, `inverse`", "square; regular for negative powers, else `Singular`", "var/products.rs"],
    ["*`spectral_radius`*", "`eig`, `packed_columns`, `norm`", "one real eigenvalue or one pair of largest modulus, not 0, else `NotDifferentiable`", "var/spectra/general.rs"],
    ["*`trace_power`*", "`matrix_power`, `dot`: exact to every order at ties and at defective matrices", "square", "var/spectra/general.rs"],
    ["*`charpoly`*", "products, traces (Faddeev & LeVerrier): exact to every order at ties and at defective matrices", "square", "var/spectra/general.rs"],
    ["*`select_with`*", "`select` of the arguments and of the branches", "sizes agree or are 1", "var/entries/masks.rs"],
    ["*`prod`*, *`column_prods`*, *`row_prods`*", "a tree of `slice` and `hadamard`, which divides by nothing: exact to every order where entries are 0", "-", "var/reductions/extrema.rs"],
    ["*`var`*, *`std`*, over rows and columns too", "`sum` of deviations from an entry and then from the mean; `dot` or `norm`", "more than `ddof` entries; for a derivative of `std`: entries not all equal, else `NotDifferentiable`", "var/reductions/moments.rs"],
    ["*`norm_with(AtZero::Zero)`*, of rows and columns too", "`norm`, `select`, `keep`", "-; every derivative at 0 is 0", "var/reductions/norms.rs"],
    ["*`row_dots`*, *`column_dots`*", "`hadamard`, `sum`", "equal shapes", "var/reductions/norms.rs"],
    ["*`flip`*, *`roll`*, *`shift`*", "`gather`; `slice` and `embed`", "-", "var/layout.rs"],
    ["*`block`*, *`row`*, *`column`*, *`outer`*, *`stack`*", "`slice`; a product; `concat`", "the block lies inside; columns; equal shapes", "var/layout.rs"],
];
