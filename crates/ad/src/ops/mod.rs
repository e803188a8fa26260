//! The registry: one line for a primitive, one file for its rules, a folder for a family. What a primitive is stands in
//! `primitive.rs`. Nothing here knows tapes or sweeps.
//!
//! Signs in every derivation here, in `var` and in the kernels:
//! - `dA` is the tangent of `A` (`eA` a second one), `gA` its cotangent; in code, `g` is that of an only output;
//! - `A^T` is the transpose, `A^{-T}` that of the inverse, `A^+` the pseudo-inverse, `sym(A) = (A + A^T)/2`;
//! - `<A, B>` is the inner product, `o` the entrywise product; `tril`, `triu` are triangles, `stril`, `striu` strict
//!   ones;
//! - `f'(x)` is the derivative of a scalar function of one variable and nothing else, `f[x, y]` a divided difference;
//! - `D^k f(A)[E_1..E_k]` is the derivative of order `k` at `A` along the directions `E_1..E_k`.

use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape};
use direct::{EvalStep, PullPairsStep, PullStep, PushStep};
use documentation::Section;

/// The rules of what has no derivative: a handle, whose users give theirs to `A`, or a decision, which is locally
/// constant. Every such primitive asks for these rules by name and none gets them by default, so that a rule that was
/// forgotten is a compile error and not a zero.
macro_rules! no_derivative {
    () => {
        fn jvp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], _: &[Option<&V>]) -> Outs<Option<V>> {
            y.iter().map(|_| None).collect()
        }

        fn vjp<V: Value<T = T>>(&self, _: &[&V], _: &[&V], _: &mut [Option<V>], _: &mut Grads<'_, V>) {}
    };
}

pub(crate) mod by_members;
pub(crate) mod direct;
pub(crate) mod documentation;
mod evaluation;
mod primitive;

// The rules: a folder for each family, a file for what is derived together.

/// Functions of entries, with broadcasting: arithmetic, functions of one entry, choices between entries.
pub(crate) mod entries {
    pub(crate) mod arithmetic;
    pub(crate) mod atan2;
    pub(crate) mod broadcast;
    pub(crate) mod extremum;
    pub(crate) mod hadamard_add;
    pub(crate) mod hypot;
    pub(crate) mod select;
    pub(crate) mod unary;
}
/// Sums, norms, extrema, softmax and distances.
pub(crate) mod reductions {
    pub(crate) mod cumsum;
    pub(crate) mod distance;
    pub(crate) mod dot;
    pub(crate) mod peak;
    pub(crate) mod reduce;
    pub(crate) mod softmax;
}
/// Moves of entries, and triangles. All linear: each rule is the transpose of another operation here.
pub(crate) mod layout {
    pub(crate) mod gather;
    pub(crate) mod moves;
    pub(crate) mod part;
    pub(crate) mod translate;
}
/// Products of matrices, quadratic forms, and linear maps that are given as functions.
pub(crate) mod products {
    pub(crate) mod linear;
    pub(crate) mod product;
    pub(crate) mod quadratic;
}
/// Linear systems, determinants, least squares, and the matrix equations of Sylvester, Stein and Lyapunov.
pub(crate) mod solves {
    pub(crate) mod det;
    pub(crate) mod least_squares;
    pub(crate) mod lu;
    pub(crate) mod lyapunov;
    pub(crate) mod sylvester;
    pub(crate) mod sym_lyapunov;
    pub(crate) mod trsm;
}
/// Factors of a matrix: LU, Cholesky, QR, polar, Schur, and positive definite matrices that were factorised.
pub(crate) mod factorisations {
    pub(crate) mod cholesky;
    pub(crate) mod complement;
    pub(crate) mod lu_factors;
    pub(crate) mod permute;
    pub(crate) mod polar;
    pub(crate) mod qr;
    pub(crate) mod schur;
    pub(crate) mod spd;
}
/// Exponentials, logarithms, roots and other functions of a matrix; rotations.
pub(crate) mod matrix_functions {
    pub(crate) mod action;
    pub(crate) mod cayley;
    pub(crate) mod expm;
    pub(crate) mod family;
    pub(crate) mod logm;
    pub(crate) mod projector;
    pub(crate) mod rotation;
    pub(crate) mod spectral;
    pub(crate) mod sqrtm;
}
/// Eigenvalues and eigenvectors, singular values and singular vectors.
pub(crate) mod spectra {
    pub(crate) mod columns;
    pub(crate) mod eig;
    pub(crate) mod eigh;
    pub(crate) mod spectrum;
    pub(crate) mod svd;
    pub(crate) mod vectors;
    mod whole;
}
/// Operations that decide what a derivative is allowed to be: guards, gauges, stops.
pub(crate) mod control {
    pub(crate) mod gauge;
    pub(crate) mod guard;
}

pub(crate) use primitive::{Arg, Out, Primitive, Reads, Shapes, members, one, out1, square, two};

macro_rules! registry {
    ($($family:literal, $text:literal { $($Op:ident($Ty:ty) $name:literal,)* })*) => {
        /// An operation with its parameters.
        #[derive(Debug, Clone)]
        pub(crate) enum Op<T: Scalar> { $($($Op($Ty),)*)* }

        impl<T: Scalar> Op<T> {
            #[inline]
            pub(crate) fn name(&self) -> &'static str {
                match self { $($(Op::$Op(_) => $name,)*)* }
            }
            fn family(&self) -> &'static str {
                match self { $($(Op::$Op(_) => $family,)*)* }
            }
            fn label(&self) -> &'static &'static str {
                match self { $($(Op::$Op(_) => &$name,)*)* }
            }
            #[inline]
            pub(crate) fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
                match self { $($(Op::$Op(p) => Primitive::<T>::infer(p, x),)*)* }
            }
            #[inline(always)]
            pub(crate) fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
                match y[0].shape.batch {
                    ..2 => self.eval_here(x, y, s),
                    _ => by_members::eval(self, x, y, s).unwrap_or_else(|| self.eval_here(x, y, s)),
                }
            }
            /// [`Op::eval`] on this thread.
            #[inline(never)]
            fn eval_here(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
                match self { $($(Op::$Op(p) => p.eval(x, y, s),)*)* }
            }
            /// What the reverse rule reads.
            pub(crate) fn reads(&self) -> Reads {
                match self { $($(Op::$Op(p) => Reads::of::<T, _>(p),)*)* }
            }
            #[inline(always)]
            pub(crate) fn eval_direct(&self, step: EvalStep<'_, T>) -> Option<Result<(), Trouble>> {
                match self { $($(Op::$Op(p) => p.eval_direct(step),)*)* }
            }
            #[inline(always)]
            pub(crate) fn push_direct(&self, step: PushStep<'_, T>) -> bool {
                match self { $($(Op::$Op(p) => p.push_direct(step),)*)* }
            }
            #[inline(always)]
            pub(crate) fn pull_direct(&self, step: PullStep<'_, T>) -> bool {
                match self { $($(Op::$Op(p) => p.pull_direct(step),)*)* }
            }
            #[inline]
            pub(crate) fn pull_pairs(&self, step: PullPairsStep<'_, T>) -> bool {
                match self { $($(Op::$Op(p) => p.pull_pairs(step),)*)* }
            }
            #[inline(never)]
            pub(crate) fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
                match self { $($(Op::$Op(p) => p.jvp(x, y, dx),)*)* }
            }
            #[inline(never)]
            pub(crate) fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
                match self { $($(Op::$Op(p) => p.vjp(x, y, dy, out),)*)* }
            }
        }

        /// Every primitive by families, with what the documentation says of it, in the order of the page.
        pub const SECTIONS: &[Section] = {
            type T = f64;
            &[$(Section { title: $family, text: $text, rows: &[$(($name, <$Ty as Primitive<T>>::DOC)),*] }),*]
        };
    };
}

registry! {
    "Entries", "" {
        LinComb(entries::arithmetic::LinComb) "add",
        Scale(entries::arithmetic::Scale) "scale",
        Shift(entries::arithmetic::Shift) "shift",
        Hadamard(entries::arithmetic::Hadamard) "hadamard",
        HadamardAdd(entries::hadamard_add::HadamardAdd) "hadamard_add",
        Divide(entries::arithmetic::Divide) "elem_div",
        Unary(entries::unary::UnaryFn) "unary",
        UnaryDerivative(entries::unary::UnaryDerivative) "unary_derivative",
        Extremum(entries::extremum::Extremum) "extremum",
        Route(entries::extremum::Route) "route",
        Atan2(entries::atan2::Atan2) "atan2",
        Reciprocal(entries::atan2::Reciprocal) "atan2_derivative",
        Hypot(entries::hypot::Hypot) "hypot",
        Compare(entries::select::Compare) "compare",
        Select(entries::select::Select) "select",
        Keep(entries::select::Keep) "keep",
    }
    "Reductions", "" {
        SumTo(reductions::reduce::SumTo) "sum",
        BroadcastTo(reductions::reduce::BroadcastTo) "broadcast",
        Dot(reductions::dot::Dot) "dot",
        Norm(reductions::reduce::Norm) "norm",
        Exponentials(reductions::softmax::Exponentials) "exponentials",
        LogSumExp(reductions::softmax::LogSumExp) "log_sum_exp",
        Softmax(reductions::softmax::Softmax) "softmax",
        LogSoftmax(reductions::softmax::LogSoftmax) "log_softmax",
        Peak(reductions::peak::Peak) "peak",
        PeakAt(reductions::peak::PeakAt) "peak_at",
        Winners(reductions::peak::Winners) "winners",
        CumSum(reductions::cumsum::CumSum) "cumsum",
        Distances(reductions::distance::Distances) "distances",
        DistancesPush(reductions::distance::DistancesPush) "distances_push",
        DistancesPull(reductions::distance::DistancesPull) "distances_pull",
    }
    "Layout", "All linear; each rule is its transpose." {
        Transpose(layout::moves::Transpose) "transpose",
        Reshape(layout::moves::Reshape) "reshape",
        Slice(layout::moves::Slice) "slice",
        Embed(layout::moves::Embed) "embed",
        Concat(layout::moves::Concat) "concat",
        Gather(layout::gather::Gather) "gather",
        Scatter(layout::gather::Scatter) "scatter",
        Diag(layout::moves::Diag) "diag",
        FromDiag(layout::moves::FromDiag) "from_diag",
        Part(layout::part::Part) "part",
        Translate(layout::translate::Translate) "translate",
    }
    "Products", "" {
        Mul(products::product::Mul) "matmul",
        MulAdd(products::product::MulAdd) "matmul_add",
        QuadraticForm(products::quadratic::QuadraticForm) "quadratic_form",
        Linear(products::linear::Linear<T>) "linear_map",
    }
    "Solves", "" {
        Trsm(solves::trsm::Trsm) "solve_triangular",
        Lu(solves::lu::Lu) "lu",
        LuSolve(solves::lu::LuSolve) "solve",
        LuInverse(solves::lu::LuInverse) "inverse",
        LuLogdet(solves::lu::LuLogdet) "logdet",
        LuSign(solves::lu::LuSign) "det_sign",
        CompleteLu(solves::det::CompleteLu) "det_factor",
        Det(solves::det::Det) "det",
        Cofactor(solves::det::Cofactor) "cofactor",
        LeastSquaresFactor(solves::least_squares::LeastSquaresFactor) "least_squares_factor",
        LeastSquaresSolve(solves::least_squares::LeastSquaresSolve) "least_squares",
        SymLyap(solves::sym_lyapunov::SymLyap) "sym_lyapunov",
        Sylvester(solves::sylvester::Sylvester) "sylvester",
        Lyapunov(solves::lyapunov::Lyapunov) "lyapunov",
    }
    "Factorisations", "" {
        LuFactors(factorisations::lu_factors::LuFactors) "lu_factors",
        Cholesky(factorisations::cholesky::Cholesky) "cholesky",
        CholeskyPush(factorisations::cholesky::CholeskyPush) "cholesky_push",
        CholeskyPull(factorisations::cholesky::CholeskyPull) "cholesky_pull",
        LowerProduct(factorisations::cholesky::LowerProduct) "lower_product",
        Spd(factorisations::spd::Spd) "spd",
        SpdSolve(factorisations::spd::SpdSolve) "spd_solve",
        SpdInverse(factorisations::spd::SpdInverse) "spd_inverse",
        SpdLogdet(factorisations::spd::SpdLogdet) "spd_logdet",
        SpdFactor(factorisations::spd::SpdFactor) "spd_factor",
        Qr(factorisations::qr::Qr) "qr",
        Complement(factorisations::complement::Complement) "complement",
        Pivots(factorisations::permute::Pivots) "pivots",
        Permute(factorisations::permute::Permute) "permute",
        Polar(factorisations::polar::Polar) "polar",
        Schur(factorisations::schur::Schur) "schur",
    }
    "Matrix functions", "" {
        Cayley(matrix_functions::cayley::Cayley) "cayley",
        Expm(matrix_functions::expm::Expm) "expm",
        ExpmJet(matrix_functions::expm::ExpmJet) "expm_along",
        Action(matrix_functions::action::Action) "expm_multiply",
        ActionPull(matrix_functions::action::ActionPull) "expm_multiply_pull",
        Rotation(matrix_functions::rotation::Rotation) "rotation",
        Sqrtm(matrix_functions::sqrtm::Sqrtm) "sqrtm",
        Logm(matrix_functions::logm::Logm) "logm",
        LogmAlong(matrix_functions::logm::LogmAlong) "logm_along",
        Projector(matrix_functions::projector::Projector) "group_projector",
        ProjectorAlong(matrix_functions::projector::ProjectorAlong) "group_projector_along",
        Definite(matrix_functions::spectral::Definite) "positive_definite",
        Spectral(matrix_functions::spectral::Spectral) "spectral",
        SpectralTrace(matrix_functions::spectral::SpectralTrace) "spectral_trace",
    }
    "Spectra", "" {
        Eigh(spectra::eigh::Eigh) "eigh",
        EighValues(spectra::eigh::EighValues) "eigh_values",
        EighComplete(spectra::eigh::EighComplete) "eigh_complete",
        Svd(spectra::svd::Svd) "svd",
        Spectrum(spectra::spectrum::Spectrum) "spectrum",
        Weighted(spectra::spectrum::Weighted) "spectrum_weighted",
        Along(spectra::spectrum::Along) "spectrum_along",
        Vectors(spectra::vectors::Vectors) "vectors",
        VectorsPull(spectra::vectors::VectorsPull) "vectors_pull",
        Resolvent(spectra::vectors::Resolvent) "resolvent",
        Eig(spectra::eig::Eig) "eig",
        EigVerdict(spectra::eig::Judge) "eig_verdict",
        Columns(spectra::columns::Columns) "packed_columns",
    }
    "Control", "" {
        Alias(control::guard::Alias) "alias",
        StopGradient(control::guard::StopGradient) "stop_gradient",
        Nonzero(control::guard::Nonzero) "nonzero",
        Vanishing(control::guard::Vanishing) "vanishing",
        OfFinite(control::guard::OfFinite) "of_finite",
        Positive(control::guard::Positive) "positive",
        Invariant(control::gauge::Invariant) "invariant",
        Custom(crate::custom::CustomOp<T>) "custom",
        Checkpoint(crate::checkpoint::Checkpoint<T>) "checkpoint",
    }
}

impl<T: Scalar> Op<T> {
    /// The method that users call for this operation alone. Methods that make several say their names themselves.
    pub(crate) fn method(&self) -> &'static &'static str {
        match self {
            Op::Extremum(entries::extremum::Extremum { max }) => {
                if *max {
                    &"max"
                } else {
                    &"min"
                }
            }
            Op::MulAdd(_) => &"add_mul",
            Op::FromDiag(_) => &"to_diag",
            Op::Part(p) => p.method(),
            Op::Linear(products::linear::Linear { transpose, .. }) => {
                if *transpose {
                    &"mapped_transposed"
                } else {
                    &"mapped"
                }
            }
            Op::Sylvester(solves::sylvester::Sylvester { stein: true, .. }) => &"stein",
            Op::Lyapunov(solves::lyapunov::Lyapunov { discrete: true, .. }) => &"discrete_lyapunov",
            op => op.label(),
        }
    }

    /// Is this input what a factorisation left, rather than an argument?
    pub(crate) fn is_handle(&self, input: usize) -> bool {
        match self {
            Op::Sylvester(_) => input == 1 || input == 3,
            op => input == 1 && op.has_handle(),
        }
    }

    /// Is the second input what a factorisation left?
    fn has_handle(&self) -> bool {
        matches!(
            self,
            Op::LuSolve(_)
                | Op::LuInverse(_)
                | Op::LuLogdet(_)
                | Op::Det(_)
                | Op::LeastSquaresSolve(_)
                | Op::Lyapunov(_)
                | Op::LogmAlong(_)
                | Op::ProjectorAlong(_)
                | Op::Definite(_)
                | Op::EighComplete(_)
                | Op::Spectral(_)
                | Op::SpectralTrace(_)
                | Op::Spectrum(_)
                | Op::Weighted(_)
                | Op::Vectors(_)
                | Op::ExpmJet(_)
        )
    }
}
