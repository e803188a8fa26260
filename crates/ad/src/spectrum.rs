//! What users ask of spectra: functions of symmetric matrices, eigenvalues, eigenvectors, singular values, projectors,
//! polar factors and Cayley transforms. Each is a line over primitives of `ops`; no rule lives here.

use crate::ops::spectrum::{Chosen, Spectrum, Weighted};
use crate::ops::vectors::{Frame, Vectors};
use crate::ops::{self, Op};
use crate::var::Operand;
use crate::{Gauge, Scalar, Shape, Var};
use pullback_kernels::SymFn;
use pullback_kernels::tolerances::EXPM_ORDER;
use std::ops::Range;

#[track_caller]
fn chosen(singular: bool, range: Range<usize>) -> Chosen {
    assert!(range.start <= range.end, "expected a range of values that does not end before it starts, got {range:?}");
    Chosen { singular, from: range.start, len: range.end - range.start }
}

impl<'t, T: Scalar> Var<'t, T> {
    /// The thin singular value decomposition as a handle, to ask several things of.
    #[track_caller]
    #[must_use]
    pub fn singular(self) -> Singular<'t, T> {
        let _said = self.tape().saying(&"singular");
        let shape = self.shape();
        let flip = shape.rows < shape.cols;
        let a = if flip { self.t() } else { self };
        let handle = self.tape().push_one(Op::Svd(ops::svd::Svd { flip }), &[&a]);
        Singular { a, handle, flip, count: shape.rows.min(shape.cols), gauge: Gauge::Error }
    }

    /// Eigenvalues, ascending, and eigenvectors of `(A + A^T)/2`; the largest entry of each vector is positive.
    ///
    /// Derivatives at a tie: eigenvalues as [`Var::eigvalsh`]. Vectors of tied values are any orthonormal basis, so a
    /// program that depends on which one is `GaugeDependent`, also at the identity and at diagonal matrices, where the
    /// dependence has no slope. A program that does not depend on it has its gradient if the cotangents of tied values
    /// are equal; a matrix put together again from its values and vectors is a function of the matrix, for which
    /// [`Var::symmetric`] is exact at ties to any order, as are [`spectral_projector`](Var::spectral_projector) and
    /// [`invariant_subspace`](Symmetric::invariant_subspace).
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let a = faer::mat![[2.0, 1.0], [1.0, 2.0]];
    /// assert!(value(|a| { let (l, v) = a.eigh(); (v * l.to_diag() * v.t() - a).norm() }, &a)?.scalar() < 1e-14);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "symmetric_eigen")]
    #[track_caller]
    #[must_use]
    pub fn eigh(self) -> (Self, Self) {
        let _said = self.tape().saying(&"eigh");
        self.symmetric().eigen()
    }

    /// Eigenvalues of `(A + A^T)/2`, ascending.
    ///
    /// # Derivatives at ties
    /// Where eigenvalues coincide, what exists depends on the program of them and on the mode:
    ///
    /// | the program of the eigenvalues | `jvp`, `linearize` | `grad`, `vjp` | `hvp`, `hessian_map`, `hessian`, `x.hvp` | a recorded gradient, differentiated again in reverse |
    /// |---|---|---|---|---|
    /// | their sum, or that of a whole group of tied ones | exact | exact | exact | exact, to every order |
    /// | treats tied ones alike (`l.ln().sum()`, a Schatten norm, a likelihood) | exact | exact | exact | [`NotDifferentiable`] |
    /// | tells tied ones apart (the largest) | the one-sided derivative | [`NotDifferentiable`] | [`NotDifferentiable`] | [`NotDifferentiable`] |
    ///
    /// Along a direction the eigenvalues of a group are analytic in the basis in which the direction is diagonal
    /// (Rellich 1937), and modes that know a direction use that. A recorded gradient does not know the direction in
    /// which it will be differentiated; [`Var::trace_fun`] is exact in every mode and to every order.
    ///
    /// *Near a tie*, at a gap `g` relative to the largest eigenvalue, first derivatives of programs that treat close
    /// values alike lose nothing. Second derivatives divide differences of cotangents by the gap and would keep about
    /// `eps/g`; where the slope along the direction tells more, they keep about `g` instead, so that the loss is at
    /// most about `sqrt(eps)`. Along a direction in which two close values have the same slope (a unit matrix beside
    /// the diagonal, at a diagonal matrix), and in a recorded gradient that is differentiated again in reverse, it is
    /// `eps/g`. Values closer than rounding are tied.
    ///
    /// [`NotDifferentiable`]: crate::Failure::NotDifferentiable
    ///
    /// ```
    /// use pullback::prelude::*;
    /// // At the identity all eigenvalues are tied, and the Hessian of ln det is -V all the same.
    /// let (eye, v) = (faer::Mat::<f64>::identity(2, 2), faer::mat![[1.0, 2.0], [2.0, 3.0]]);
    /// let h = hvp(|a: Var| a.eigvalsh().ln().sum(), &eye, &v)?;
    /// assert!((h + &v).norm_max() < 1e-14);
    /// // The largest one has a derivative to one side: the largest eigenvalue of the direction.
    /// let (_, d) = jvp(|a: Var| a.symmetric().values(1..2), &eye, &v)?;
    /// assert!((d.scalar() - (2.0 + 5f64.sqrt())).abs() < 1e-14);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "symmetric_eigenvalues")]
    #[track_caller]
    #[must_use]
    pub fn eigvalsh(self) -> Self {
        let _said = self.tape().saying(&"eigvalsh");
        let n = self.shape().cols;
        self.symmetric().values(0..n)
    }

    /// The orthogonal projector on the eigenvectors of the `top` largest eigenvalues of `(A + A^T)/2`: smooth to any
    /// order, whatever ties there are among those or among the others. Poisons: a tie between the two groups
    /// (`NotDifferentiable`).
    #[track_caller]
    #[must_use]
    pub fn spectral_projector(self, top: usize) -> Self {
        let _said = self.tape().saying(&"spectral_projector");
        let n = self.shape().cols;
        assert!(top <= n, "spectral_projector: expected at most {n} eigenvalues, got {top}");
        self.symmetric().projector(n - top..n)
    }

    /// Thin SVD `A = U diag(s) V^T`: `U`, `s` descending as a column, `V`; the largest entry of each column of `U` is
    /// positive.
    ///
    /// Derivatives at a tie, or at a singular value 0: as for [`Var::eigh`]. What is smooth there is [`Var::polar`].
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let a = faer::mat![[3.0, 0.0], [4.0, 5.0], [0.0, 1.0]];
    /// assert!(value(|a| { let (u, s, v) = a.svd(); (u * s.to_diag() * v.t() - a).norm() }, &a)?.scalar() < 1e-14);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "linalg.svd")]
    #[track_caller]
    #[must_use]
    pub fn svd(self) -> (Self, Self, Self) {
        let _said = self.tape().saying(&"svd");
        let s = self.singular();
        s.triplets(0..s.count)
    }

    /// The first `k` singular triplets. Their derivatives know of the others, which may be tied with each other.
    #[track_caller]
    #[must_use]
    pub fn svd_truncated(self, k: usize) -> (Self, Self, Self) {
        let _said = self.tape().saying(&"svd_truncated");
        self.singular().triplets(0..k)
    }

    /// Singular values, descending.
    ///
    /// # Derivatives at ties and at 0
    /// As those of [`Var::eigvalsh`], whose table holds here too: at an orthogonal matrix, where all singular values
    /// are 1, `s.ln().sum()` and `s.powf(3.0).sum()` have their gradient and their Hessian-vector products. A singular
    /// value 0 is a kink: `jvp` gives the one-sided derivative, `grad` is `NotDifferentiable` unless the cotangent of
    /// that value is 0, as it is in `s.powf(2.0).sum()`, which has second derivatives there as well.
    #[doc(alias = "singular_values")]
    #[track_caller]
    #[must_use]
    pub fn svdvals(self) -> Self {
        let _said = self.tape().saying(&"svdvals");
        let s = self.singular();
        s.values(0..s.count)
    }

    /// The nuclear norm of each member, the sum of its singular values; its gradient is the polar factor.
    ///
    /// Its cotangents are constant, so every mode and order is exact at ties, and at orthogonal matrices. At a singular
    /// value 0 `jvp` gives the one-sided derivative, and everything else is `NotDifferentiable`.
    #[doc(alias = "nuc")]
    #[track_caller]
    #[must_use]
    pub fn nuclear_norm(self) -> Self {
        let _said = self.tape().saying(&"nuclear_norm");
        self.svdvals().sum_each()
    }

    /// The spectral norm of each member, its largest singular value. For a derivative: it is simple and not 0, else
    /// `NotDifferentiable`.
    #[doc(alias = "matrix_norm")]
    #[track_caller]
    #[must_use]
    pub fn spectral_norm(self) -> Self {
        let _said = self.tape().saying(&"spectral_norm");
        self.singular().values(0..1)
    }

    /// Polar factors `A = W H`; `m >= n`. Poisons: rank-deficient.
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// // The nearest orthogonal matrix.
    /// let w = value(|a| a.polar().0, &faer::mat![[0.0, -3.0], [2.0, 0.0]])?;
    /// assert!((w.into_mat() - faer::mat![[0.0, -1.0], [1.0, 0.0]]).norm_max() < 1e-15);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "orthogonalize")]
    #[track_caller]
    #[must_use]
    pub fn polar(self) -> (Self, Self) {
        let id = self.tape().push(Op::Polar(ops::polar::Polar), &[&self]);
        (self.tape().handle(id), self.tape().handle(id + 1))
    }

    /// The Cayley transform `(I - alpha W)^{-1} (I + alpha W)`. Poisons: `1/alpha` an eigenvalue.
    #[track_caller]
    #[must_use]
    pub fn cayley(self, alpha: f64) -> Self {
        self.tape().push_one(Op::Cayley(ops::cayley::Cayley { alpha }), &[&self])
    }

    /// The exponential of a general matrix, by scaling and squaring. Derivatives up to the third order are as accurate
    /// as the value, at defective and at zero matrices too, and there are some up to the sixth; a gradient costs twice
    /// the value.
    ///
    /// Of an exactly skew matrix the result is orthogonal to rounding. For a symmetric matrix, [`Var::expm_sym`] is
    /// cheaper and its result exactly symmetric; here a symmetric matrix is one among others, since a derivative sees
    /// directions that are not symmetric. Poisons: an entry that is not finite, a result that overflows (`Overflow`), a
    /// matrix of norm above `2^52` (`2^23` in single precision), where rounding its entries decides every digit
    /// (`Unsupported`).
    ///
    /// ```
    /// use pullback::{prelude::*, value, value_and_grad};
    /// // A rotation by a third of a turn.
    /// let third = std::f64::consts::TAU / 3.0;
    /// let r = value(|w| w.expm(), &faer::mat![[0.0, -third], [third, 0.0]])?.into_mat();
    /// assert!((r - faer::mat![[-0.5, -0.75f64.sqrt()], [0.75f64.sqrt(), -0.5]]).norm_max() < 1e-15);
    /// // The gradient of the trace is the transposed exponential.
    /// let a = faer::mat![[0.5, 2.0], [-1.0, 0.25]];
    /// let (_, g) = value_and_grad(|a| a.expm().trace(), &a)?;
    /// assert!((g.transpose() - value(|a| a.expm(), &a)?.into_mat()).norm_max() < 1e-14);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "matrix_exp")]
    #[doc(alias = "matrix_exponential")]
    #[track_caller]
    #[must_use]
    pub fn expm(self) -> Self {
        self.tape().push_one(Op::Expm(ops::expm::Expm), &[&self])
    }

    /// The exponential and its Fréchet derivative along `e`: `exp(A)` and `D exp(A)[E]`, for the price of three
    /// exponentials.
    #[track_caller]
    #[must_use]
    pub fn expm_frechet(self, e: impl Operand<'t, T>) -> (Self, Self) {
        let _said = self.tape().saying(&"expm_frechet");
        let (y, handle) = self.expm_handle();
        (y, self.expm_derivatives(y, handle, &[e.on(self.tape())]))
    }

    /// `D^k exp(A)[E_1, .., E_k]`, the mixed derivative of the exponential along `k` up to six directions (none: the
    /// exponential itself), for the price of `3^k` exponentials; it is the same for every order of the directions.
    /// Poisons: as [`Var::expm`]; more than six directions (`Unsupported`).
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// // Along multiples of the matrix itself the exponential grows like a number's.
    /// let a = faer::mat![[0.5, 2.0], [-1.0, 0.25]];
    /// let (second, product) = (value(|a| a.expm_along(&[a, a]), &a)?, value(|a| a * a * a.expm(), &a)?);
    /// assert!((second.into_mat() - product.into_mat()).norm_max() < 1e-14);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn expm_along(self, es: &[Self]) -> Self {
        let _said = self.tape().saying(&"expm_along");
        let (y, handle) = self.expm_handle();
        self.expm_derivatives(y, handle, es)
    }

    #[track_caller]
    fn expm_handle(self) -> (Self, Self) {
        let id = self.tape().push(Op::Expm(ops::expm::Expm), &[&self]);
        (self.tape().handle(id), self.tape().handle(id + 1))
    }

    /// The derivative along all of `es`, from the value `y` and its handle.
    #[track_caller]
    fn expm_derivatives(self, mut y: Self, handle: Self, es: &[Self]) -> Self {
        let mut handles = vec![handle];
        // One direction too many fails at once, without those of fewer.
        let es = &es[..es.len().min(EXPM_ORDER + 1)];
        let full = (1 << es.len()) - 1;
        for s in if es.len() > EXPM_ORDER { full..=full } else { 1..=full } {
            let id = {
                let (op, x) = ops::expm::along(s, &self, es, &handles);
                self.tape().push(Op::ExpmJet(op), &x)
            };
            y = self.tape().handle(id);
            handles.push(self.tape().handle(id + 1));
        }
        y
    }

    /// `C X` for the Cayley transform `C` of `W = U V^T`, with `U` and `V` of `n x k`, by Woodbury's identity:
    /// `X + 2 alpha U (I - alpha V^T U)^{-1} V^T X`. Nothing of size `n x n` is made: `O(n k p + k³)`, derivatives too.
    ///
    /// The Cayley retraction of Wen & Yin (2013) at `X` for a gradient `G` has `U = [G, X]`, `V = [X, -G]` and
    /// `alpha = -tau/2`.
    /// Poisons: `1/alpha` an eigenvalue of `W`.
    #[track_caller]
    #[must_use]
    pub fn cayley_low_rank(self, u: impl Operand<'t, T>, v: impl Operand<'t, T>, alpha: f64) -> Self {
        let _said = self.tape().saying(&"cayley_low_rank");
        let (u, v) = (u.on(self.tape()), v.on(self.tape()));
        let ((n, k), (us, vs)) = ((self.rows(), u.cols()), (u.shape(), v.shape()));
        assert!(
            (us.rows, vs.rows, vs.cols) == (n, n, k),
            "cayley_low_rank: expected U and V of one shape, with {n} rows, got {us} and {vs}"
        );
        let small = self.tape().eye(u.cols()).add_mul(-alpha, v.t(), u);
        self.add_mul(2.0 * alpha, u, small.solve(v.t_mul(self)))
    }

    /// The eigendecomposition of `(A + A^T)/2` as a handle, to evaluate several functions of the matrix with.
    #[track_caller]
    #[must_use]
    pub fn symmetric(self) -> Symmetric<'t, T> {
        let _said = self.tape().saying(&"symmetric");
        Symmetric {
            a: self,
            handle: self.tape().push_one(Op::Eigh(ops::spectral::Eigh), &[&self]),
            gauge: Gauge::Error,
        }
    }

    /// Matrix exponential of `(A + A^T)/2`.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// // tr exp A has the gradient exp A, here at a tie.
    /// let g = grad(|a: Var| a.expm_sym().trace(), &faer::Mat::zeros(2, 2))?;
    /// assert_eq!(g, faer::Mat::<f64>::identity(2, 2));
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias("expm", "matrix_exp", "exp"))]
    #[track_caller]
    #[must_use]
    pub fn expm_sym(self) -> Self {
        let _said = self.tape().saying(&"expm_sym");
        self.symmetric().map(SymFn::Exp)
    }

    /// Matrix logarithm of `(A + A^T)/2`. Poisons: not positive definite.
    #[doc(alias = "logm")]
    #[track_caller]
    #[must_use]
    pub fn logm_spd(self) -> Self {
        let _said = self.tape().saying(&"logm_spd");
        self.symmetric().map(SymFn::Ln)
    }

    /// Matrix square root of `(A + A^T)/2`. Poisons: not positive definite.
    #[doc(alias = "sqrtm")]
    #[track_caller]
    #[must_use]
    pub fn sqrtm_spd(self) -> Self {
        let _said = self.tape().saying(&"sqrtm_spd");
        self.symmetric().map(SymFn::Pow(0.5))
    }

    /// Inverse square root of `(A + A^T)/2`. Poisons: not positive definite.
    #[track_caller]
    #[must_use]
    pub fn invsqrtm_spd(self) -> Self {
        let _said = self.tape().saying(&"invsqrtm_spd");
        self.symmetric().map(SymFn::Pow(-0.5))
    }

    /// `p`-th power of `(A + A^T)/2`. Poisons: not positive definite, whatever `p`. (Powers of any symmetric matrix are
    /// products, or `a.symmetric().map(SymFn::Pow(3.0))`.)
    #[doc(alias = "fractional_matrix_power")]
    #[track_caller]
    #[must_use]
    pub fn powm_spd(self, p: f64) -> Self {
        let _said = self.tape().saying(&"powm_spd");
        let s = self.symmetric();
        let handle = self.tape().push_one(Op::Definite(ops::spectral::Definite), &[&self, &s.handle]);
        Symmetric { handle, ..s }.map(SymFn::Pow(p))
    }

    /// `tr f((A + A^T)/2)`; its gradient is `f'(A)`, with the scalar derivative `f'`, right to any order at ties.
    #[track_caller]
    #[must_use]
    pub fn trace_fun(self, f: SymFn) -> Self {
        let _said = self.tape().saying(&"trace_fun");
        self.symmetric().trace(f)
    }
}

/// `A` with the eigendecomposition of its symmetric part: any function of it, eigenvalues and vectors, from one
/// decomposition.
#[derive(Debug, Clone, Copy)]
pub struct Symmetric<'t, T: Scalar = f64> {
    a: Var<'t, T>,
    handle: Var<'t, T>,
    gauge: Gauge,
}

impl<'t, T: Scalar> Symmetric<'t, T> {
    /// The policy where values are tied, so that their vectors are defined up to rotation only, and a first derivative
    /// is asked for what sees the choice; [`Gauge::Error`] unless told otherwise.
    ///
    /// What depends on the spans of tied vectors alone has its first derivative under every policy; but forward mode
    /// cannot know how vectors will be used, and gives it under [`Gauge::Project`] and [`Gauge::Warn`] only. Tied
    /// values have no derivatives of their own under these two. Second derivatives through vectors at a tie do not
    /// exist.
    #[must_use]
    pub fn gauge(self, gauge: Gauge) -> Self {
        Symmetric { gauge, ..self }
    }

    /// `f(A)`.
    #[track_caller]
    #[must_use]
    pub fn map(self, f: SymFn) -> Var<'t, T> {
        let _said = self.a.tape().saying(&"map");
        self.push(Op::Spectral(ops::spectral::Spectral { f }))
    }

    /// `tr f(A)`.
    #[track_caller]
    #[must_use]
    pub fn trace(self, f: SymFn) -> Var<'t, T> {
        let _said = self.a.tape().saying(&"trace");
        self.push(Op::SpectralTrace(ops::spectral::SpectralTrace { f }))
    }

    /// `D^k f(A)[E_1, ..., E_k]`, the Fréchet derivatives of `f` as values.
    #[track_caller]
    #[must_use]
    pub fn frechet(self, f: SymFn, es: &[Var<'t, T>]) -> Var<'t, T> {
        let _said = self.a.tape().saying(&"frechet");
        let x: Vec<&Var<'t, T>> = [&self.a, &self.handle].into_iter().chain(es).collect();
        self.a.tape().push_one(Op::Spectral(ops::spectral::Spectral { f }), &x)
    }

    /// The `X` with `A X + X A = C`, with the symmetric part of `A` and any `C`: a Lyapunov equation from the
    /// eigendecomposition, and its derivatives from the same one. Poisons: two eigenvalues whose sum is not positive.
    /// Cost: `8 n^3`.
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let (a, c) = (faer::mat![[2.0, 1.0], [1.0, 3.0]], faer::mat![[1.0, 2.0], [-2.0, 0.0]]);
    /// let x = value(|a: Var| a.symmetric().lyapunov(&c), &a)?.into_mat();
    /// assert!((&a * &x + &x * &a - &c).norm_max() < 1e-14);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    ///
    /// # Panics
    /// If `C` has another shape than `A`.
    #[track_caller]
    #[must_use]
    pub fn lyapunov(self, c: impl Operand<'t, T>) -> Var<'t, T> {
        let _said = self.a.tape().saying(&"lyapunov");
        self.a.tape().push_one(Op::SymLyap(ops::polar::SymLyap), &[&self.a, &self.handle, &c.on(self.a.tape)])
    }

    /// The eigenvalues `range` of the ascending list, as a column: [`Var::eigvalsh`]. Ties among others do not matter.
    #[track_caller]
    #[must_use]
    pub fn values(self, range: Range<usize>) -> Var<'t, T> {
        let _said = self.a.tape().saying(&"values");
        self.push(Op::Spectrum(Spectrum::chosen(chosen(false, range), self.gauge)))
    }

    /// Their eigenvectors, as columns. Ties among others do not matter, to any order.
    #[track_caller]
    #[must_use]
    pub fn vectors(self, range: Range<usize>) -> Var<'t, T> {
        let _said = self.a.tape().saying(&"vectors");
        self.push(self.frame(range, false, false))
    }

    /// Eigenvalues and eigenvectors: [`Var::eigh`].
    #[track_caller]
    #[must_use]
    pub fn eigen(self) -> (Var<'t, T>, Var<'t, T>) {
        let _said = self.a.tape().saying(&"eigen");
        let tape = self.a.tape();
        let id = tape.push(self.frame(0..self.a.shape().cols, false, true), &[&self.a, &self.handle]);
        (tape.handle(id + 1), tape.handle(id))
    }

    /// The orthogonal projector on the eigenvectors `range`: [`Var::spectral_projector`].
    #[track_caller]
    #[must_use]
    pub fn projector(self, range: Range<usize>) -> Var<'t, T> {
        let _said = self.a.tape().saying(&"projector");
        let of = chosen(false, range);
        let ones = self.a.tape().filled(Shape::mat(of.len, 1), T::one());
        self.a.tape().push_one(Op::Weighted(Weighted(of)), &[&self.a, &self.handle, &ones])
    }

    /// An orthonormal basis of the invariant subspace that the eigenvectors `range` span, for programs that depend on
    /// the subspace alone: those have derivatives of every order, ties inside or not.
    ///
    /// Its tangent is orthogonal to the subspace (the horizontal lift); a cotangent that sees the basis is
    /// `GaugeDependent`, by the policy. A tie between inside and outside is `NotDifferentiable`.
    #[track_caller]
    #[must_use]
    pub fn invariant_subspace(self, range: Range<usize>) -> Var<'t, T> {
        let _said = self.a.tape().saying(&"invariant_subspace");
        self.push(self.frame(range, true, false))
    }

    #[track_caller]
    fn frame(self, range: Range<usize>, block: bool, values: bool) -> Op<T> {
        let frame = Frame { of: chosen(false, range), block, gauge: self.gauge };
        Op::Vectors(Vectors { frame, values })
    }

    #[track_caller]
    fn push(self, op: Op<T>) -> Var<'t, T> {
        self.a.tape().push_one(op, &[&self.a, &self.handle])
    }
}

/// A matrix with its thin singular value decomposition.
#[derive(Debug, Clone, Copy)]
pub struct Singular<'t, T: Scalar = f64> {
    /// Tall: transposed if `flip`.
    a: Var<'t, T>,
    handle: Var<'t, T>,
    flip: bool,
    count: usize,
    gauge: Gauge,
}

impl<'t, T: Scalar> Singular<'t, T> {
    /// The policy where values are tied, so that their vectors are defined up to rotation only, and a first derivative
    /// is asked for what sees the choice; [`Gauge::Error`] unless told otherwise.
    ///
    /// What depends on the spans of tied vectors alone has its first derivative under every policy; but forward mode
    /// cannot know how vectors will be used, and gives it under [`Gauge::Project`] and [`Gauge::Warn`] only. Tied
    /// values have no derivatives of their own under these two. Second derivatives through vectors at a tie do not
    /// exist.
    #[must_use]
    pub fn gauge(self, gauge: Gauge) -> Self {
        Singular { gauge, ..self }
    }

    /// The singular values `range` of the descending list, as a column: [`Var::svdvals`]. Ties among others do not
    /// matter.
    #[track_caller]
    #[must_use]
    pub fn values(self, range: Range<usize>) -> Var<'t, T> {
        let _said = self.a.tape().saying(&"values");
        self.a
            .tape()
            .push_one(Op::Spectrum(Spectrum::chosen(chosen(true, range), self.gauge)), &[&self.a, &self.handle])
    }

    /// The triplets `range`: columns of `U`, singular values, columns of `V`. Ties among others do not matter, to any
    /// order.
    #[track_caller]
    #[must_use]
    pub fn triplets(self, range: Range<usize>) -> (Var<'t, T>, Var<'t, T>, Var<'t, T>) {
        let _said = self.a.tape().saying(&"triplets");
        let frame = Frame { of: chosen(true, range), block: false, gauge: self.gauge };
        let tape = self.a.tape();
        let op = Op::Vectors(Vectors { frame, values: true });
        let id = tape.push(op, &[&self.a, &self.handle]);
        let (q, s) = (tape.handle(id), tape.handle(id + 1));
        let (m, n) = (self.a.rows(), self.a.cols());
        let (u, v) = (q.row_range(0, m), q.row_range(m, n));
        if self.flip { (v, s, u) } else { (u, s, v) }
    }
}
