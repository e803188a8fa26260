//! Spectra of symmetric matrices: eigenvalues, eigenvectors, projectors. Singular values are in `singular.rs`, spectra
//! of general matrices in `general.rs`. Each method is a line over primitives of `ops`; no rule lives here.

pub(crate) mod general;
pub(crate) mod singular;

use crate::ops::spectra::spectrum::{Chosen, Spectrum, Weighted};
use crate::ops::spectra::vectors::{Frame, Vectors};
use crate::ops::{self, Op};
use crate::{Gauge, Operand, Scalar, Shape, Var};
use pullback_kernels::SymFn;
use std::ops::Range;

#[track_caller]
fn chosen(singular: bool, range: Range<usize>) -> Chosen {
    assert!(range.start <= range.end, "expected a range of values that does not end before it starts, got {range:?}");
    Chosen { singular, from: range.start, len: range.end - range.start }
}

/// # Spectra: symmetric matrices
/// Eigenvalues and eigenvectors.
impl<'t, T: Scalar> Var<'t, T> {
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

    /// The eigendecomposition of `(A + A^T)/2` as a handle, to evaluate several functions of the matrix with.
    #[track_caller]
    #[must_use]
    pub fn symmetric(self) -> Symmetric<'t, T> {
        let _said = self.tape().saying(&"symmetric");
        Symmetric {
            a: self,
            handle: self.tape().push_one(Op::Eigh(ops::spectra::eigh::Eigh), &[&self]),
            gauge: Gauge::Error,
        }
    }
}

/// `A` with the eigendecomposition of its symmetric part: any function of it, eigenvalues and vectors, from one
/// decomposition.
///
/// ```
/// use pullback::prelude::*;
/// use pullback::Symmetric;
/// /// How much of the variance the first `p` directions explain.
/// fn explained<'t>(covariance: Symmetric<'t>, n: usize, p: usize) -> Var<'t> {
///     covariance.values(n - p..n).sum() / covariance.values(0..n).sum()
/// }
/// let c = faer::mat![[3.0, 0.0], [0.0, 1.0]];
/// let (share, g) = value_and_grad(|c: Var| explained(c.symmetric(), 2, 1), &c)?;
/// assert_eq!((share, g), (0.75, faer::mat![[0.0625, 0.0], [0.0, -0.1875]]));
/// # Ok::<(), pullback::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Symmetric<'t, T: Scalar = f64> {
    pub(crate) a: Var<'t, T>,
    pub(crate) handle: Var<'t, T>,
    pub(crate) gauge: Gauge,
}

impl<'t, T: Scalar> Symmetric<'t, T> {
    /// The policy where values are tied, so that their vectors are defined up to rotation only, and a first derivative
    /// of a quantity that depends on the choice is computed; [`Gauge::Error`] by default.
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
        self.push(Op::Spectral(ops::matrix_functions::spectral::Spectral { f }))
    }

    /// `tr f(A)`.
    #[track_caller]
    #[must_use]
    pub fn trace(self, f: SymFn) -> Var<'t, T> {
        let _said = self.a.tape().saying(&"trace");
        self.push(Op::SpectralTrace(ops::matrix_functions::spectral::SpectralTrace { f, values: false }))
    }

    /// `D^k f(A)[E_1, ..., E_k]`, the Fréchet derivatives of `f` as values.
    #[track_caller]
    #[must_use]
    pub fn frechet(self, f: SymFn, es: &[Var<'t, T>]) -> Var<'t, T> {
        let _said = self.a.tape().saying(&"frechet");
        let x: Vec<&Var<'t, T>> = [&self.a, &self.handle].into_iter().chain(es).collect();
        self.a.tape().push_one(Op::Spectral(ops::matrix_functions::spectral::Spectral { f }), &x)
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
        self.a
            .tape()
            .push_one(Op::SymLyap(ops::solves::sym_lyapunov::SymLyap), &[&self.a, &self.handle, &c.on(self.a.tape)])
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
