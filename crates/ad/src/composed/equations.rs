//! What users ask of the Schur form of a general matrix: Sylvester, Stein and Lyapunov equations, the square root and
//! the logarithm.
//!
//! No rule lives here: each method is a primitive on a matrix and the handle of its Schur form.

use crate::ops::lyapunov::Lyapunov;
use crate::ops::sylvester::Sylvester;
use crate::ops::{Op, logm, schur, sqrtm};
use crate::{Operand, Scalar, Var};
use smallvec::SmallVec;

/// A general square matrix with its real Schur form: several matrix equations from one factorisation, to any order of
/// derivative.
///
/// Made by [`Var::schur`]. A batch holds one Schur form for each member.
#[derive(Debug, Clone, Copy)]
pub struct Schur<'t, T: Scalar = f64> {
    a: Var<'t, T>,
    handle: Var<'t, T>,
}

impl<'t, T: Scalar> Var<'t, T> {
    /// The real Schur form of a general square matrix as a handle, to solve several equations with.
    ///
    /// Poisons: an entry that is not finite. Cost: about `25 n^3`, once, and no further Schur form in any derivative.
    ///
    /// # Panics
    /// If the matrix is not square.
    ///
    /// # Example
    /// Both Gramians of a linear system from one factorisation, and a gradient through them:
    /// ```
    /// use pullback::{Var, faer::mat, grad};
    ///
    /// let (b, c) = (mat![[1.0f64], [2.0]], mat![[1.0f64, 0.5]]);
    /// let gradient = grad(
    ///     |a: Var| {
    ///         let schur = a.schur();
    ///         let reachable = schur.lyapunov(-(&b * b.transpose()));
    ///         let observable = schur.lyapunov_transpose(-(c.transpose() * &c));
    ///         reachable.dot(observable)
    ///     },
    ///     &mat![[-1.0f64, 0.5], [0.0, -2.0]],
    /// )?;
    /// assert!(gradient[(0, 0)] > 0.0);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn schur(self) -> Schur<'t, T> {
        Schur { a: self, handle: self.tape.push_one(Op::Schur(schur::Schur), &[&self]) }
    }

    /// The `X` with `A X + X B = C`, where `self` is `A`: the Sylvester equation.
    ///
    /// `A` is `m x m`, `B` is `n x n`, `C` and `X` are `m x n`. Poisons: entries that are not finite; an equation that
    /// is singular to working precision, because eigenvalues of `A` and `-B` coincide. Cost: the Schur forms
    /// (`25 (m^3 + n^3)`) and `4 m n (m + n)`; any derivative takes further solves and products only. For several
    /// equations with one matrix, [`Var::schur`].
    ///
    /// # Panics
    /// If `A` or `B` is not square, or `C` does not fit.
    ///
    /// ```
    /// use pullback::{prelude::*, value_and_grad, faer::mat};
    /// // 2 x + x 3 = 10, and dx/da = -x / (a + b).
    /// let (x, g) = value_and_grad(|a| a.sylvester(mat![[3.0]], mat![[10.0]]), &mat![[2.0f64]])?;
    /// assert!((x - 2.0).abs() < 1e-15 && (g[(0, 0)] + 0.4).abs() < 1e-15);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "solve_sylvester")]
    #[track_caller]
    #[must_use]
    pub fn sylvester(self, b: impl Operand<'t, T>, c: impl Operand<'t, T>) -> Self {
        let _said = self.tape.saying(&"sylvester");
        self.schur().sylvester(b.on(self.tape).schur(), c)
    }

    /// The `X` with `X - A X B = C`, where `self` is `A`: the Stein equation.
    ///
    /// Shapes, failures and cost as for [`Var::sylvester`]; it is singular where a product of eigenvalues of `A` and
    /// `B` is 1.
    ///
    /// # Panics
    /// If `A` or `B` is not square, or `C` does not fit.
    ///
    /// ```
    /// use pullback::{prelude::*, value, faer::mat};
    /// let x = value(|a| a.stein(mat![[0.5]], mat![[3.0]]), &mat![[0.5f64]])?.scalar();
    /// assert!((x - 4.0).abs() < 1e-15);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "discrete_sylvester")]
    #[track_caller]
    #[must_use]
    pub fn stein(self, b: impl Operand<'t, T>, c: impl Operand<'t, T>) -> Self {
        let _said = self.tape.saying(&"stein");
        self.schur().stein(b.on(self.tape).schur(), c)
    }

    /// The `X` with `A X + X A^T = C`, where `self` is `A`: the continuous Lyapunov equation.
    ///
    /// `C` is any matrix; where it is exactly symmetric, `X` is exactly symmetric. Poisons: entries that are not
    /// finite; an equation that is singular to working precision, because eigenvalues of `A` and `-A` coincide. Cost:
    /// the Schur form (`25 n^3`) and `8 n^3`; value and gradient together about 1.5 times the value.
    ///
    /// # Panics
    /// If `A` is not square, or `C` has another shape.
    ///
    /// ```
    /// use pullback::{prelude::*, value, faer::mat};
    /// let a = mat![[-1.0, 0.5], [0.0, -2.0]];
    /// let c = mat![[1.0, 0.0], [0.0, 1.0]];
    /// let x = value(|a| a.lyapunov(-&c), &a)?.into_mat();
    /// assert!((&a * &x + &x * a.transpose() + &c).norm_max() < 1e-15);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias("solve_continuous_lyapunov", "lyap"))]
    #[track_caller]
    #[must_use]
    pub fn lyapunov(self, c: impl Operand<'t, T>) -> Self {
        let _said = self.tape.saying(&"lyapunov");
        self.schur().lyapunov(c)
    }

    /// The `X` with `X - A X A^T = C`, where `self` is `A`: the discrete Lyapunov equation, that of a stationary
    /// covariance.
    ///
    /// All else as for [`Var::lyapunov`]; it is singular where a product of two eigenvalues is 1.
    ///
    /// # Panics
    /// If `A` is not square, or `C` has another shape.
    ///
    /// ```
    /// use pullback::{prelude::*, value, faer::mat};
    /// // The variance of x' = x / 2 + noise of variance 3.
    /// assert!((value(|a| a.discrete_lyapunov(mat![[3.0]]), &mat![[0.5f64]])?.scalar() - 4.0).abs() < 1e-15);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias("solve_discrete_lyapunov", "dlyap", "stein"))]
    #[track_caller]
    #[must_use]
    pub fn discrete_lyapunov(self, c: impl Operand<'t, T>) -> Self {
        let _said = self.tape.saying(&"discrete_lyapunov");
        self.schur().discrete_lyapunov(c)
    }

    /// The principal square root of a general square matrix: the `X` with `X X = A` and eigenvalues in the open right
    /// half plane.
    ///
    /// There are derivatives of every order, at repeated and defective eigenvalues too. Of a symmetric matrix,
    /// [`Var::sqrtm_spd`] is cheaper and exactly symmetric. Poisons: entries that are not finite; an eigenvalue on the
    /// closed negative real axis, to working precision (`NoPrincipalValue`); a root too ill-conditioned to keep half of
    /// the digits. Cost: `30 n^3`; a gradient `8 n^3` more.
    ///
    /// # Panics
    /// If the matrix is not square.
    ///
    /// ```
    /// use pullback::{prelude::*, value_and_grad, faer::mat};
    /// // A Jordan block: the root of [4 1; 0 4] is [2 1/4; 0 2], and the trace of the root has the gradient A^{-T/2} / 2.
    /// let (t, g) = value_and_grad(|a| a.sqrtm().trace(), &mat![[4.0f64, 1.0], [0.0, 4.0]])?;
    /// assert!((t - 4.0).abs() < 1e-14);
    /// assert!((g - mat![[0.25, 0.0], [-0.03125, 0.25]]).norm_max() < 1e-15);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias("matrix_square_root", "msqrt"))]
    #[track_caller]
    #[must_use]
    pub fn sqrtm(self) -> Self {
        self.tape.handle(self.tape.push(Op::Sqrtm(sqrtm::Sqrtm), &[&self]))
    }

    /// The principal logarithm of a general square matrix: the `L` with `exp(L) = A` whose eigenvalues have imaginary
    /// parts between `-pi` and `pi`.
    ///
    /// There are derivatives up to the fourth order, at repeated and defective eigenvalues too, and near the identity
    /// the result and its derivatives are right relative to `A - I`. Of a symmetric matrix, [`Var::logm_spd`] is
    /// cheaper and exactly symmetric. Poisons: entries that are not finite; a singular matrix (`Singular`) and an
    /// eigenvalue on the negative real axis (`NoPrincipalValue`), to working precision; square roots too
    /// ill-conditioned to keep half of the digits (`IllConditioned`). Cost: about `50 n^3`; a gradient about as much
    /// again.
    ///
    /// # Panics
    /// If the matrix is not square.
    ///
    /// ```
    /// use pullback::{prelude::*, value, value_and_grad, faer::mat};
    /// // A quarter of a turn.
    /// let l = value(|a| a.logm(), &mat![[0.0, -1.0], [1.0, 0.0]])?.into_mat();
    /// let quarter = std::f64::consts::FRAC_PI_2;
    /// assert!((l - mat![[0.0, -quarter], [quarter, 0.0]]).norm_max() < 1e-15);
    /// // The trace of the logarithm is log det; its gradient is the transposed inverse.
    /// let (t, g) = value_and_grad(|a| a.logm().trace(), &mat![[2.0, 1.0], [0.0, 2.0]])?;
    /// assert!((t - 4f64.ln()).abs() < 1e-15);
    /// assert!((g - mat![[0.5, 0.0], [-0.25, 0.5]]).norm_max() < 1e-14);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias("matrix_logarithm", "matrix_log"))]
    #[track_caller]
    #[must_use]
    pub fn logm(self) -> Self {
        self.logm_handle().0
    }

    /// The logarithm and its Fréchet derivative along `e`: `log(A)` and `D log(A)[E]`.
    ///
    /// # Panics
    /// If the matrix is not square, or the direction has another shape.
    #[track_caller]
    #[must_use]
    pub fn logm_frechet(self, e: impl Operand<'t, T>) -> (Self, Self) {
        let _said = self.tape.saying(&"logm_frechet");
        let (l, handle) = self.logm_handle();
        (l, self.tape.push_one(Op::LogmAlong(logm::LogmAlong), &[&self, &handle, &e.on(self.tape)]))
    }

    /// `D^k log(A)[E_1, .., E_k]`, the mixed derivative of the logarithm along up to four directions (none: the
    /// logarithm itself); it is the same for every order of the directions. Poisons: as [`Var::logm`]; more than four
    /// directions (`Unsupported`).
    ///
    /// # Panics
    /// If the matrix is not square, or a direction has another shape.
    ///
    /// ```
    /// use pullback::{prelude::*, value, faer::mat};
    /// // Along multiples of the matrix itself the logarithm grows like a number's: its second derivative is -I.
    /// let second = value(|a| a.logm_along(&[a, a]), &mat![[0.5, 2.0], [-1.0, 0.25]])?.into_mat();
    /// assert!((second + faer::Mat::<f64>::identity(2, 2)).norm_max() < 1e-14);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn logm_along(self, es: &[Self]) -> Self {
        let _said = self.tape.saying(&"logm_along");
        let (l, handle) = self.logm_handle();
        if es.is_empty() {
            return l;
        }
        let x: SmallVec<[&Self; 6]> = [&self, &handle].into_iter().chain(es).collect();
        self.tape.push_one(Op::LogmAlong(logm::LogmAlong), &x)
    }

    #[track_caller]
    fn logm_handle(self) -> (Self, Self) {
        let id = self.tape.push(Op::Logm(logm::Logm), &[&self]);
        (self.tape.handle(id), self.tape.handle(id + 1))
    }
}

impl<'t, T: Scalar> Schur<'t, T> {
    #[track_caller]
    fn equation(self, stein: bool, b: Self, c: impl Operand<'t, T>) -> Var<'t, T> {
        let op = Op::Sylvester(Sylvester { stein, ta: false, tb: false });
        self.a.tape.push_one(op, &[&self.a, &self.handle, &b.a, &b.handle, &c.on(self.a.tape)])
    }

    #[track_caller]
    fn own_equation(self, discrete: bool, transpose: bool, c: impl Operand<'t, T>) -> Var<'t, T> {
        let op = Op::Lyapunov(Lyapunov { discrete, transpose });
        self.a.tape.push_one(op, &[&self.a, &self.handle, &c.on(self.a.tape)])
    }

    /// The `X` with `A X + X B = C`: [`Var::sylvester`] from two Schur forms.
    ///
    /// # Panics
    /// If `C` has another number of rows than `A`, or of columns than `B`.
    #[track_caller]
    #[must_use]
    pub fn sylvester(self, b: Self, c: impl Operand<'t, T>) -> Var<'t, T> {
        self.equation(false, b, c)
    }

    /// The `X` with `X - A X B = C`: [`Var::stein`] from two Schur forms.
    ///
    /// # Panics
    /// If `C` has another number of rows than `A`, or of columns than `B`.
    #[track_caller]
    #[must_use]
    pub fn stein(self, b: Self, c: impl Operand<'t, T>) -> Var<'t, T> {
        self.equation(true, b, c)
    }

    /// The `X` with `A X + X A^T = C`: [`Var::lyapunov`].
    ///
    /// # Panics
    /// If `C` has another shape than `A`.
    #[track_caller]
    #[must_use]
    pub fn lyapunov(self, c: impl Operand<'t, T>) -> Var<'t, T> {
        self.own_equation(false, false, c)
    }

    /// The `X` with `A^T X + X A = C`.
    ///
    /// # Panics
    /// If `C` has another shape than `A`.
    #[track_caller]
    #[must_use]
    pub fn lyapunov_transpose(self, c: impl Operand<'t, T>) -> Var<'t, T> {
        self.own_equation(false, true, c)
    }

    /// The `X` with `X - A X A^T = C`: [`Var::discrete_lyapunov`].
    ///
    /// # Panics
    /// If `C` has another shape than `A`.
    #[track_caller]
    #[must_use]
    pub fn discrete_lyapunov(self, c: impl Operand<'t, T>) -> Var<'t, T> {
        self.own_equation(true, false, c)
    }

    /// The `X` with `X - A^T X A = C`.
    ///
    /// # Panics
    /// If `C` has another shape than `A`.
    #[track_caller]
    #[must_use]
    pub fn discrete_lyapunov_transpose(self, c: impl Operand<'t, T>) -> Var<'t, T> {
        self.own_equation(true, true, c)
    }
}
