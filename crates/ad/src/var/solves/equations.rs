//! Equations whose unknown is a matrix between two others, by Schur forms: Sylvester, Stein and Lyapunov.
//!
//! No rule lives here: each method is a primitive on a matrix and the handle of its Schur form.

use crate::ops::solves::lyapunov::Lyapunov;
use crate::ops::solves::sylvester::Sylvester;
use crate::ops::{Op, factorisations::schur};
use crate::{Operand, Scalar, Var};

/// A general square matrix with its real Schur form: several matrix equations from one factorisation, to any order of
/// derivative.
///
/// Made by [`Var::schur`]. A batch holds one Schur form for each member.
#[derive(Debug, Clone, Copy)]
pub struct Schur<'t, T: Scalar = f64> {
    a: Var<'t, T>,
    handle: Var<'t, T>,
}

/// # Solves: equations between matrices
/// Sylvester, Stein, Lyapunov.
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
    /// use pullback::{Schur, Var, faer::mat, grad};
    ///
    /// let (b, c) = (mat![[1.0f64], [2.0]], mat![[1.0f64, 0.5]]);
    /// let gradient = grad(
    ///     |a: Var| {
    ///         let schur: Schur = a.schur();
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
