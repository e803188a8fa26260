//! What the documentation says of primitives and compositions: the form of a row, and the rows of compositions. What it
//! says of a primitive stands beside its rule (`Primitive::DOC`); `docs/primitives.md` is made of both.
//!
//! A test compares the page with what it is made of, and this writes it anew:
//! `PULLBACK_BLESS=1 cargo test -p pullback --test primitives registry`.

/// A primitive, for people.
#[derive(Debug, Clone, Copy)]
pub struct PrimitiveDoc {
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
    /// The file with its derivation, as the compiler names it.
    pub file: &'static str,
}

impl PrimitiveDoc {
    /// No conditions, no gauge, no degenerate points, no source; what it does and costs is still to be said.
    pub(crate) const fn of(file: &'static str) -> Self {
        PrimitiveDoc { operation: "", conditions: "-", gauge: "-", cost: &[], degenerate: "none", source: "", file }
    }
}

/// A family of primitives.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// The name of the family.
    pub title: &'static str,
    /// What is true of all of them.
    pub text: &'static str,
    /// The primitives: the name in the registry, in errors and in dumps, and what there is to say.
    pub rows: &'static [(&'static str, PrimitiveDoc)],
}

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
    ["*`lstsq`*, *`pinv`*", "`least_squares_factor`, `least_squares`", "as those", "var/solves/least_squares.rs"],
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
    ["*`flip`*, *`roll`*", "`gather`", "-", "var/layout.rs"],
    ["*`block`*, *`row`*, *`column`*, *`outer`*, *`stack`*", "`slice`; a product; `concat`", "the block lies inside; columns; equal shapes", "var/layout.rs"],
];
