//! Functions of a general matrix but for the exponential itself: its action, square root, logarithm, real powers, the
//! sign, projectors of groups of eigenvalues, and how far two matrices are from a singular equation.
//!
//! **Powers.** `A^t = exp(t log A)` with the principal logarithm. The exponential is scaled and squared as its own norm
//! asks, so that the error is that of rounding in `t log A`: some `|t log A|` units. Integers are `matrix_power`, which
//! needs no logarithm and exists for singular and for negative matrices, and halves are square roots.
//!
//! **Sign.** The sign of a matrix is the function that is 1 in the right half plane and -1 in the left one, that is
//! `2 Pi - I` with the spectral projector `Pi` of the right half plane. Nothing is squared (as in `A (A^2)^{-1/2}`,
//! which loses half of the digits near the imaginary axis) or iterated.

use crate::batch::MatLike;
use crate::ops::{
    Op, matrix_functions::action::Action, matrix_functions::logm, matrix_functions::projector::Projector,
    matrix_functions::sqrtm,
};
use crate::{Batch, Operand, Scalar, Var};
use pullback_kernels::{Failure, Group, Workspace};
use smallvec::SmallVec;

/// # Matrix functions: roots, logarithms, powers
/// Of general matrices; the sign, spectral projectors.
impl<'t, T: Scalar> Var<'t, T> {
    /// `exp(A) B` of a general matrix, `self`, and a thin `B`, without the exponential of `A`: by truncated Taylor
    /// series, products of `A` with thin matrices alone.
    ///
    /// There are derivatives up to the fifth order in every mode, in both arguments; they are computed like the value,
    /// and agree with those of `a.expm() * b`. Poisons: entries that are not finite; a result that overflows
    /// (`Overflow`); a norm so large that more than 16000 segments would be needed (`Unsupported`).
    ///
    /// # Cost
    /// With `n x n` `A`, `n x p` `B`, and `s` segments of degree `m`, where about `s = 1 + |A - mu I| / 3.5` in the
    /// 1-norm, `mu` is the mean of the diagonal and `m` at most 30 (less segments where powers of `A` are smaller than
    /// the norm says): a value takes `s m` products of `n x n` by `n x p`, a gradient with respect to both matrices
    /// `4 s m`, one with respect to `B` alone `s m`. The tape keeps the result; while it works, a value takes
    /// `n^2 + 3 n p` numbers and a gradient `n^2 + (s + 2 m + 4) n p`. Where `p` is not much smaller than `n`, and for
    /// norms in the hundreds, `a.expm() * b` is cheaper.
    ///
    /// # Panics
    /// If `A` is not square, or `B` has another number of rows.
    ///
    /// ```
    /// use pullback::{prelude::*, value, faer::mat};
    /// // Heat on a ring of three places, after a while: what is there stays.
    /// let ring = mat![[-2.0, 1.0, 1.0], [1.0, -2.0, 1.0], [1.0, 1.0, -2.0]];
    /// let heat = mat![[1.0], [0.0], [0.0]];
    /// let later = value(|a: Var| (a * 0.5).expm_multiply(&heat), &ring)?.into_mat();
    /// let whole: f64 = later.col(0).sum();
    /// assert!((whole - 1.0).abs() < 1e-14 && later[(0, 0)] < 0.5);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias("expmv", "expm_action", "exponential_integrator"))]
    #[track_caller]
    #[must_use]
    pub fn expm_multiply(self, b: impl Operand<'t, T>) -> Self {
        self.tape().push_one(Op::Action(Action::VALUE), &[&self, &b.on(self.tape())])
    }

    /// The principal real power of a general square matrix, `exp(t log A)`. For an integer it is
    /// [`Var::matrix_power`], for `1/2` [`Var::sqrtm`].
    ///
    /// There are derivatives as far as the logarithm has them, up to the fourth. Of a symmetric matrix,
    /// [`Var::powm_spd`] is cheaper and exactly symmetric. Poisons: as [`Var::logm`], for exponents that are not
    /// integers; a singular matrix, for negative ones.
    ///
    /// # Panics
    /// If the matrix is not square, or the exponent is not finite.
    ///
    /// ```
    /// use pullback::{prelude::*, value, faer::mat};
    /// // A third of a quarter turn, and back.
    /// let quarter = mat![[0.0, -1.0], [1.0, 0.0]];
    /// let r = value(|a| a.powm(1.0 / 3.0), &quarter)?.into_mat();
    /// assert!((&r * &r * &r - quarter).norm_max() < 1e-15);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias("fractional_matrix_power", "mpower"))]
    #[track_caller]
    #[must_use]
    pub fn powm(self, t: f64) -> Self {
        let _said = self.tape().saying(&"powm");
        let s = self.shape();
        assert!(s.rows == s.cols, "powm: expected a square matrix, got {s}");
        assert!(t.is_finite(), "powm: expected a finite exponent, got {t}");
        if t == 0.5 {
            return self.sqrtm();
        }
        if t.fract() == 0.0 && t.abs() <= f64::from(i32::MAX) {
            return self.matrix_power(t as i32);
        }
        self.logm().scaled(t).expm()
    }

    /// `exp(t log A)` with an exponent that is itself a value: one number for each member, or for all. Derivatives and
    /// failures are those of [`Var::powm`] at an exponent that is not an integer, at integers too.
    ///
    /// # Panics
    /// If the matrix is not square, or the exponent is not one number.
    ///
    /// ```
    /// use pullback::{grad, faer::mat};
    /// // d/dt tr 4^t = 4^t log 4.
    /// let g = grad(|t: pullback::Var| t.tape().constant(&mat![[4.0]]).powm_by(t).trace(), &0.5f64)?;
    /// assert!((g - 2.0 * 4f64.ln()).abs() < 1e-14);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn powm_by(self, t: impl Operand<'t, T>) -> Self {
        let _said = self.tape().saying(&"powm_by");
        let (s, t) = (self.shape(), t.on(self.tape()));
        assert!(s.rows == s.cols, "powm_by: expected a square matrix, got {s}");
        let e = t.shape();
        assert!((e.rows, e.cols) == (1, 1), "powm_by: expected an exponent of one number, got {e}");
        self.logm().hadamard(t).expm()
    }

    /// The spectral projector of a group of eigenvalues of a general matrix, onto their invariant subspace along that
    /// of the others, and the *separation* of the two: an estimate of `min |A_1 X - X A_2| / |X|`, over the size of the
    /// matrix, where `A_1` and `A_2` are what the matrix does on the two. The separation is a number without a
    /// derivative; it is the largest number there is where all or none of the eigenvalues are in the group.
    ///
    /// The projector does not depend on a choice of basis, and has derivatives up to the fourth order whatever is tied
    /// or defective within the group or among the others. Of a symmetric matrix, [`Var::spectral_projector`] is
    /// cheaper. Poisons: an eigenvalue on the boundary of the group to working precision, a conjugate pair that a count
    /// would part, or a separation of the size of rounding (`Unseparated`). About as many digits are lost as the
    /// separation has zeros behind its point.
    ///
    /// # Panics
    /// If the matrix is not square.
    ///
    /// ```
    /// use pullback::{Group, prelude::*, value, faer::mat};
    /// // The stable part of a system.
    /// let a = mat![[-1.0, 5.0], [0.0, 2.0]];
    /// let p = value(|a: Var| a.group_projector(Group::RealBelow(0.0)).0, &a)?.into_mat();
    /// assert!((&p * &p - &p).norm_max() < 1e-15 && (&a * &p - &p * &a).norm_max() < 1e-14);
    /// assert!((p[(0, 0)] - 1.0).abs() < 1e-15 && (p[(0, 1)] + 5.0 / 3.0).abs() < 1e-14);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias("invariant_subspace", "riesz_projector", "ordschur"))]
    #[track_caller]
    #[must_use]
    pub fn group_projector(self, group: Group) -> (Self, Self) {
        let id = self.tape().push(Op::Projector(Projector { group }), &[&self]);
        (self.tape().handle(id), self.tape().handle(id + 2))
    }

    /// The sign of a general square matrix, whose square is the identity: 1 on the invariant subspace of the right half
    /// plane, -1 on that of the left one.
    ///
    /// Derivatives and accuracy are those of [`Var::group_projector`]. Poisons: an eigenvalue on the imaginary axis to
    /// working precision (`Unseparated`). For the sign of entries, see [`Var::sign`].
    ///
    /// # Panics
    /// If the matrix is not square.
    ///
    /// ```
    /// use pullback::{prelude::*, value, faer::mat};
    /// let s = value(|a: Var| a.signm(), &mat![[3.0, 10.0], [0.0, -2.0]])?.into_mat();
    /// assert!((s - mat![[1.0, 4.0], [0.0, -1.0]]).norm_max() < 1e-15);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "matrix_sign")]
    #[track_caller]
    #[must_use]
    pub fn signm(self) -> Self {
        let _said = self.tape().saying(&"signm");
        self.group_projector(Group::RealAbove(0.0)).0.scaled(2.0) - self.tape().eye(self.rows())
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
    /// // A Jordan block: the root of [4 1; 0 4] is [2 1/4; 0 2], and the trace of the root has the gradient
    /// // A^{-T/2} / 2.
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

    #[track_caller]
    fn logm_handle(self) -> (Self, Self) {
        let id = self.tape.push(Op::Logm(logm::Logm), &[&self]);
        (self.tape.handle(id), self.tape.handle(id + 1))
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
}

/// An estimate of the separation of two square matrices: the least `|A X + X B|` over all `X` of norm 1, which is 0 for
/// a singular Sylvester equation and small for one whose solutions are badly conditioned. It is that of the inverse of
/// the operator in the 1-norm of lists of numbers, in bases in which the matrices are triangular, and seldom too large
/// by more than a factor of three. For `A X - X B`, pass `-B`.
///
/// # Errors
/// A matrix that is not finite.
///
/// # Panics
/// If a matrix is not square.
///
/// ```
/// use pullback::{separation, faer::mat};
/// assert!((separation(&mat![[2.0f64]], &mat![[-1.5]])? - 0.5).abs() < 1e-15);
/// // Eigenvalues of A and -B that coincide.
/// assert!(separation(&mat![[1.0f64, 5.0], [0.0, 2.0]], &mat![[-2.0]])? < 1e-15);
/// # Ok::<(), pullback::Failure>(())
/// ```
#[doc(alias = "sep")]
pub fn separation<T: Scalar>(a: &(impl MatLike<T> + ?Sized), b: &(impl MatLike<T> + ?Sized)) -> Result<T, Failure> {
    separation_by(a, b, false)
}

/// The same for Stein equations: the least `|X - A X B|` over all `X` of norm 1.
///
/// # Errors
/// A matrix that is not finite.
///
/// # Panics
/// If a matrix is not square.
///
/// ```
/// use pullback::{faer::mat, stein_separation};
/// assert!((stein_separation(&mat![[0.5f64]], &mat![[0.5]])? - 0.75).abs() < 1e-15);
/// # Ok::<(), pullback::Failure>(())
/// ```
pub fn stein_separation<T: Scalar>(
    a: &(impl MatLike<T> + ?Sized),
    b: &(impl MatLike<T> + ?Sized),
) -> Result<T, Failure> {
    separation_by(a, b, true)
}

fn separation_by<T: Scalar>(
    a: &(impl MatLike<T> + ?Sized),
    b: &(impl MatLike<T> + ?Sized),
    stein: bool,
) -> Result<T, Failure> {
    let w = &mut Workspace::default();
    let mut form = |x: Batch<T>| {
        let (s, n) = (x.shape(), x.shape().rows);
        assert!(n == s.cols, "separation: expected square matrices, got {s}");
        let mut handle = vec![T::zero(); 2 * n * n];
        T::schur(x.data(), n, &mut handle, w).map(|()| (handle, n))
    };
    let ((a, m), (b, n)) = (form(Batch::of(a))?, form(Batch::of(b))?);
    Ok(T::separation(&a, m, &b, n, stein, w))
}
