//! The registry: one line for a primitive, one file for its rules. Nothing here knows tapes or sweeps.
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
use direct::{Eval, Pull, PullPairs, Push};
use documentation::{PrimitiveDoc, Section};
use pullback_kernels::Failure;
use smallvec::{SmallVec, smallvec};

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

pub(crate) mod action;
pub(crate) mod arithmetic;
pub(crate) mod atan2;
pub(crate) mod cayley;
pub(crate) mod cholesky;
pub(crate) mod columns;
pub(crate) mod complement;
pub(crate) mod cumsum;
pub(crate) mod det;
pub(crate) mod direct;
pub(crate) mod distance;
pub(crate) mod documentation;
pub(crate) mod eig;
pub(crate) mod expm;
pub(crate) mod extremum;
pub(crate) mod family;
pub(crate) mod gauge;
pub(crate) mod guard;
pub(crate) mod hypot;
pub(crate) mod layout;
pub(crate) mod least_squares;
pub(crate) mod linear;
pub(crate) mod logm;
pub(crate) mod lu;
pub(crate) mod lu_factors;
pub(crate) mod lyapunov;
pub(crate) mod part;
pub(crate) mod peak;
pub(crate) mod permute;
pub(crate) mod polar;
pub(crate) mod product;
pub(crate) mod projector;
pub(crate) mod qr;
pub(crate) mod quadratic;
pub(crate) mod reduce;
pub(crate) mod rotation;
pub(crate) mod schur;
pub(crate) mod select;
pub(crate) mod softmax;
pub(crate) mod spd;
pub(crate) mod spectral;
pub(crate) mod spectrum;
pub(crate) mod sqrtm;
pub(crate) mod svd;
pub(crate) mod sylvester;
pub(crate) mod trsm;
pub(crate) mod unary;
pub(crate) mod vectors;

pub(crate) type Shapes = SmallVec<[Shape; 3]>;

/// An input of a kernel.
#[derive(Clone, Copy)]
pub(crate) struct Arg<'a, T> {
    pub(crate) shape: Shape,
    pub(crate) data: &'a [T],
}

impl<'a, T> Arg<'a, T> {
    /// Member `b`; a batch of one serves every `b`.
    #[inline]
    pub(crate) fn member(&self, b: usize) -> &'a [T] {
        if self.shape.batch == 1 {
            return self.data;
        }
        let o = self.shape.offset(b);
        &self.data[o..o + self.shape.each()]
    }
}

/// An output of a kernel. Its contents are arbitrary until written.
pub(crate) struct Out<'a, T> {
    pub(crate) shape: Shape,
    pub(crate) data: &'a mut [T],
}

impl<T> Out<'_, T> {
    #[inline]
    pub(crate) fn member(&mut self, b: usize) -> &mut [T] {
        if self.shape.batch == 1 {
            return self.data;
        }
        let o = self.shape.offset(b);
        &mut self.data[o..o + self.shape.each()]
    }
}

/// A primitive: its shapes, its value, and two derivative rules, each derived by hand and each the other's test.
pub(crate) trait Primitive<T: Scalar> {
    /// What the page of primitives says of it.
    const DOC: PrimitiveDoc;

    /// The shapes of the outputs, or what would fit.
    fn infer(&self, x: &[Shape]) -> Result<Shapes, String>;
    /// Writes the outputs. The only place where numbers are looked at.
    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], store: &Store<T>) -> Result<(), Trouble>;
    /// Tangents of the outputs; absent means zero. At least one `dx` is present.
    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>>;
    /// Adds to the cotangents of the inputs. At least one `dy` is present.
    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>);

    /// Is it linear in all its inputs together, with one output? Over numbers its tangent is then its value at their
    /// tangents.
    const LINEAR: bool = false;

    // Shortcuts over plain numbers, from buffer to buffer (`direct.rs`). `None` or `false`: nothing was done, ask the
    // rule.

    /// What `eval` does.
    #[inline(always)]
    fn eval_direct(&self, _: Eval<'_, T>) -> Option<Result<(), Trouble>> {
        None
    }
    /// What `jvp` does.
    #[inline(always)]
    fn push_direct(&self, p: Push<'_, T>) -> bool
    where
        Self: Sized,
    {
        Self::LINEAR && p.linear(self)
    }
    /// What `vjp` does.
    #[inline(always)]
    fn pull_direct(&self, _: Pull<'_, T>) -> bool {
        false
    }
    /// What `vjp` does over pairs. Only for an operation with one input.
    #[inline(always)]
    fn pull_pairs(&self, _: PullPairs<'_, T>) -> bool {
        false
    }
}

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
            fn label(&self) -> &'static &'static str {
                match self { $($(Op::$Op(_) => &$name,)*)* }
            }
            #[inline]
            pub(crate) fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
                match self { $($(Op::$Op(p) => Primitive::<T>::infer(p, x),)*)* }
            }
            #[inline]
            pub(crate) fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
                match self { $($(Op::$Op(p) => p.eval(x, y, s),)*)* }
            }
            #[inline(always)]
            pub(crate) fn eval_direct(&self, step: Eval<'_, T>) -> Option<Result<(), Trouble>> {
                match self { $($(Op::$Op(p) => p.eval_direct(step),)*)* }
            }
            #[inline(always)]
            pub(crate) fn push_direct(&self, step: Push<'_, T>) -> bool {
                match self { $($(Op::$Op(p) => p.push_direct(step),)*)* }
            }
            #[inline(always)]
            pub(crate) fn pull_direct(&self, step: Pull<'_, T>) -> bool {
                match self { $($(Op::$Op(p) => p.pull_direct(step),)*)* }
            }
            #[inline]
            pub(crate) fn pull_pairs(&self, step: PullPairs<'_, T>) -> bool {
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
        LinComb(arithmetic::LinComb) "add",
        Scale(arithmetic::Scale) "scale",
        Shift(arithmetic::Shift) "shift",
        Hadamard(arithmetic::Hadamard) "hadamard",
        Divide(arithmetic::Divide) "elem_div",
        Unary(unary::UnaryFn) "unary",
        UnaryDerivative(unary::UnaryDerivative) "unary_derivative",
        Extremum(extremum::Extremum) "extremum",
        Route(extremum::Route) "route",
        Atan2(atan2::Atan2) "atan2",
        Reciprocal(atan2::Reciprocal) "atan2_derivative",
        Hypot(hypot::Hypot) "hypot",
        Compare(select::Compare) "compare",
        Select(select::Select) "select",
        Keep(select::Keep) "keep",
    }
    "Reductions", "" {
        SumTo(reduce::SumTo) "sum",
        BroadcastTo(reduce::BroadcastTo) "broadcast",
        Dot(reduce::Dot) "dot",
        Norm(reduce::Norm) "norm",
        LogSumExp(softmax::LogSumExp) "log_sum_exp",
        Softmax(softmax::Softmax) "softmax",
        LogSoftmax(softmax::LogSoftmax) "log_softmax",
        Peak(peak::Peak) "peak",
        PeakAt(peak::PeakAt) "peak_at",
        Winners(peak::Winners) "winners",
        CumSum(cumsum::CumSum) "cumsum",
        Distances(distance::Distances) "distances",
        DistancesPush(distance::DistancesPush) "distances_push",
        DistancesPull(distance::DistancesPull) "distances_pull",
    }
    "Layout", "All linear; each rule is its transpose." {
        Transpose(layout::Transpose) "transpose",
        Reshape(layout::Reshape) "reshape",
        Slice(layout::Slice) "slice",
        Embed(layout::Embed) "embed",
        Concat(layout::Concat) "concat",
        Gather(layout::Gather) "gather",
        Scatter(layout::Scatter) "scatter",
        Diag(layout::Diag) "diag",
        FromDiag(layout::FromDiag) "from_diag",
        Part(part::Part) "part",
    }
    "Products", "" {
        Mul(product::Mul) "matmul",
        MulAdd(product::MulAdd) "matmul_add",
        QuadraticForm(quadratic::QuadraticForm) "quadratic_form",
        Linear(linear::Linear<T>) "linear_map",
    }
    "Solves", "" {
        Trsm(trsm::Trsm) "solve_triangular",
        Lu(lu::Lu) "lu",
        LuSolve(lu::LuSolve) "solve",
        LuInverse(lu::LuInverse) "inverse",
        LuLogdet(lu::LuLogdet) "logdet",
        LuSign(lu::LuSign) "det_sign",
        CompleteLu(det::CompleteLu) "det_factor",
        Det(det::Det) "det",
        Cofactor(det::Cofactor) "cofactor",
        LeastFactor(least_squares::LeastFactor) "least_factor",
        LeastSolve(least_squares::LeastSolve) "least_squares",
        SymLyap(polar::SymLyap) "sym_lyapunov",
        Sylvester(sylvester::Sylvester) "sylvester",
        Lyapunov(lyapunov::Lyapunov) "lyapunov",
    }
    "Factorisations", "" {
        LuFactors(lu_factors::LuFactors) "lu_factors",
        Cholesky(cholesky::Cholesky) "cholesky",
        CholeskyPush(cholesky::CholeskyPush) "cholesky_push",
        CholeskyPull(cholesky::CholeskyPull) "cholesky_pull",
        LowerProduct(cholesky::LowerProduct) "lower_product",
        Spd(spd::Spd) "spd",
        SpdSolve(spd::SpdSolve) "spd_solve",
        SpdInverse(spd::SpdInverse) "spd_inverse",
        SpdLogdet(spd::SpdLogdet) "spd_logdet",
        SpdFactor(spd::SpdFactor) "spd_factor",
        Qr(qr::Qr) "qr",
        Complement(complement::Complement) "complement",
        Pivots(permute::Pivots) "pivots",
        Permute(permute::Permute) "permute",
        Polar(polar::Polar) "polar",
        Schur(schur::Schur) "schur",
    }
    "Matrix functions", "" {
        Cayley(cayley::Cayley) "cayley",
        Expm(expm::Expm) "expm",
        ExpmJet(expm::ExpmJet) "expm_along",
        Action(action::Action) "expm_multiply",
        ActionPull(action::ActionPull) "expm_multiply_pull",
        Rotation(rotation::Rotation) "rotation",
        Sqrtm(sqrtm::Sqrtm) "sqrtm",
        Logm(logm::Logm) "logm",
        LogmAlong(logm::LogmAlong) "logm_along",
        Projector(projector::Projector) "group_projector",
        ProjectorAlong(projector::ProjectorAlong) "group_projector_along",
        Definite(spectral::Definite) "positive_definite",
        Spectral(spectral::Spectral) "spectral",
        SpectralTrace(spectral::SpectralTrace) "spectral_trace",
    }
    "Spectra", "" {
        Eigh(spectral::Eigh) "eigh",
        EighValues(spectral::EighValues) "eigh_values",
        EighComplete(spectral::EighComplete) "eigh_complete",
        Svd(svd::Svd) "svd",
        Spectrum(spectrum::Spectrum) "spectrum",
        Weighted(spectrum::Weighted) "spectrum_weighted",
        Along(spectrum::Along) "spectrum_along",
        Vectors(vectors::Vectors) "vectors",
        Pull(vectors::Pull) "vectors_pull",
        Resolvent(vectors::Resolvent) "resolvent",
        Eig(eig::Eig) "eig",
        EigVerdict(eig::Judge) "eig_verdict",
        Columns(columns::Columns) "packed_columns",
    }
    "Control", "" {
        Alias(guard::Alias) "alias",
        StopGradient(guard::StopGradient) "stop_gradient",
        Nonzero(guard::Nonzero) "nonzero",
        Vanishing(guard::Vanishing) "vanishing",
        OfFinite(guard::OfFinite) "of_finite",
        Positive(guard::Positive) "positive",
        Invariant(gauge::Invariant) "invariant",
        Custom(crate::custom::CustomOp<T>) "custom",
        Checkpoint(crate::checkpoint::Checkpoint<T>) "checkpoint",
    }
}

impl<T: Scalar> Op<T> {
    /// The method that users call for this operation alone. Methods that make several say their names themselves.
    pub(crate) fn method(&self) -> &'static &'static str {
        match self {
            Op::Extremum(extremum::Extremum { max }) => {
                if *max {
                    &"max"
                } else {
                    &"min"
                }
            }
            Op::MulAdd(_) => &"add_mul",
            Op::FromDiag(_) => &"to_diag",
            Op::Part(p) => p.method(),
            Op::Linear(linear::Linear { transpose, .. }) => {
                if *transpose {
                    &"mapped_transposed"
                } else {
                    &"mapped"
                }
            }
            Op::Sylvester(sylvester::Sylvester { stein: true, .. }) => &"stein",
            Op::Lyapunov(lyapunov::Lyapunov { discrete: true, .. }) => &"discrete_lyapunov",
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
                | Op::LeastSolve(_)
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

// ---- small helpers that rules share ---------------------------------------------------------------------------

/// One output shape.
pub(crate) fn one(s: Shape) -> Result<Shapes, String> {
    Ok(smallvec![s])
}

/// One output tangent.
pub(crate) fn out1<V>(v: Option<V>) -> Outs<Option<V>> {
    smallvec![v]
}

/// A square matrix, or why not.
pub(crate) fn square(x: Shape) -> Result<usize, String> {
    if x.rows == x.cols { Ok(x.rows) } else { Err("expected a square matrix".into()) }
}

/// Runs a kernel for every member of the batch and names the member that failed.
#[inline(always)]
pub(crate) fn members(batch: usize, mut f: impl FnMut(usize) -> Result<(), Failure>) -> Result<(), Trouble> {
    for member in 0..batch {
        if let Err(failure) = f(member) {
            return Err(Trouble { member, failure });
        }
    }
    Ok(())
}

/// Two different outputs at once.
pub(crate) fn two<'s, 'a, T>(y: &'s mut [Out<'a, T>]) -> (&'s mut Out<'a, T>, &'s mut Out<'a, T>) {
    let (a, b) = y.split_at_mut(1);
    (&mut a[0], &mut b[0])
}
