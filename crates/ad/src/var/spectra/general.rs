//! What users ask of the spectrum of a general matrix: eigenvalues and eigenvectors as real and imaginary parts,
//! condition numbers, the spectral radius, and what is smooth where eigenvalues coincide. Each is a line over
//! primitives of `ops`; no rule lives here.

use crate::ops::spectra::columns::Columns;
use crate::ops::{self, Op};
use crate::{Scalar, Shape, Var};
use pullback_kernels::ColumnOp;

/// A general matrix with its eigenvalues and eigenvectors, to ask several things of. Made by [`Var::general`].
///
/// ```
/// use pullback::prelude::*;
/// use pullback::General;
/// /// Largest real part of an eigenvalue: below 0 where `x' = A x` is stable.
/// fn abscissa<'t>(a: General<'t>) -> Var<'t> {
///     a.values().0.max_all()
/// }
/// let a = faer::mat![[-1.0, 5.0], [0.0, -2.0]];
/// let (rate, g) = value_and_grad(|a: Var| abscissa(a.general()), &a)?;
/// assert!((rate + 1.0f64).abs() < 1e-15);
/// assert!((g - faer::mat![[1.0, 0.0], [5.0, 0.0]]).norm_max() < 1e-13);
/// # Ok::<(), pullback::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct General<'t, T: Scalar = f64> {
    values: Var<'t, T>,
    vectors: Var<'t, T>,
    inverse: Var<'t, T>,
    notes: Var<'t, T>,
}

/// Real and imaginary parts.
type Complex<'t, T> = (Var<'t, T>, Var<'t, T>);

impl<'t, T: Scalar> General<'t, T> {
    #[track_caller]
    fn columns(self, op: ColumnOp, x: Var<'t, T>) -> Var<'t, T> {
        self.notes.tape().push_one(Op::Columns(Columns(op)), &[&x, &self.notes])
    }

    #[track_caller]
    fn parts(self, x: Var<'t, T>) -> Complex<'t, T> {
        (self.columns(ColumnOp::Unpack { im: false }, x), self.columns(ColumnOp::Unpack { im: true }, x))
    }

    /// The eigenvalues: [`Var::eigvals`].
    #[track_caller]
    #[must_use]
    pub fn values(self) -> (Var<'t, T>, Var<'t, T>) {
        let _said = self.notes.tape().saying(&"values");
        let (re, im) = self.parts(self.values);
        (re.t(), im.t())
    }

    /// The eigenvectors, as columns in the order of the eigenvalues: [`Var::eig`].
    #[track_caller]
    #[must_use]
    pub fn vectors(self) -> (Var<'t, T>, Var<'t, T>) {
        let _said = self.notes.tape().saying(&"vectors");
        self.parts(self.vectors)
    }

    /// The left eigenvectors `y_j`, as columns: `y_j^H A = l_j y_j^H`, and `y_j^H v_i` is 1 for `i = j` and 0
    /// otherwise, so that they are the columns of `V^{-H}`.
    #[track_caller]
    #[must_use]
    pub fn left_vectors(self) -> (Var<'t, T>, Var<'t, T>) {
        let _said = self.notes.tape().saying(&"left_vectors");
        self.parts(self.columns(ColumnOp::Half, self.inverse))
    }

    /// The condition numbers of the eigenvalues, `1 / |y^H v|` for unit left and right vectors, as a column: how much
    /// farther than a perturbation of the matrix an eigenvalue may move. 1 for a normal matrix; what a defective one
    /// has is not defined.
    #[track_caller]
    #[must_use]
    pub fn conditions(self) -> Var<'t, T> {
        let _said = self.notes.tape().saying(&"conditions");
        let (re, im) = self.left_vectors();
        Var::concat(&[re, im], crate::Axis::Rows).column_norms().t()
    }

    /// The spectral radius: [`Var::spectral_radius`].
    #[track_caller]
    #[must_use]
    pub fn radius(self) -> Var<'t, T> {
        let _said = self.notes.tape().saying(&"radius");
        let op = Op::Columns(Columns(ColumnOp::Leading));
        self.notes.tape().push_one(op, &[&self.values, &self.values, &self.notes]).row_norms()
    }
}

/// # Spectra: general matrices
/// Eigenvalues and eigenvectors, which may be complex.
impl<'t, T: Scalar> Var<'t, T> {
    /// The eigenvalues and eigenvectors of a general matrix as a handle, to ask several things of from one
    /// decomposition.
    #[track_caller]
    #[must_use]
    pub fn general(self) -> General<'t, T> {
        let _said = self.tape().saying(&"general");
        let id = self.tape().push(Op::Eig(ops::spectra::eig::Eig), &[&self]);
        let at = |k: u32| self.tape().handle(id + k);
        General { values: at(0), vectors: at(1), inverse: at(2), notes: at(3) }
    }

    /// The eigenvalues of a general real matrix, as columns of their real and imaginary parts, ordered by real part and
    /// then by imaginary part. Those that are not real come in conjugate pairs.
    ///
    /// # Derivatives
    /// A simple eigenvalue is smooth. Where eigenvalues coincide up to rounding, what exists depends on the program:
    /// - it weighs the coinciding ones equally and they have enough eigenvectors (the identity): its gradient is exact;
    /// - it tells them apart: `NotDifferentiable`; so are second derivatives of any program that sees them. One that
    ///   sees simple eigenvalues alone has its second derivatives in reverse over reverse, and `TiedVectors` along a
    ///   direction;
    /// - they have too few eigenvectors (a Jordan block): the values stand, with about half of their digits or fewer;
    ///   derivatives are [`Defective`](crate::Failure::Defective), with the condition number.
    ///
    /// What is smooth at all of these: [`trace_power`](Var::trace_power), [`charpoly`](Var::charpoly), functions of the
    /// matrix.
    ///
    /// ```
    /// use pullback::{prelude::*, value, value_and_grad};
    /// // A rotation, scaled: 3 ± 4i.
    /// let a = faer::mat![[3.0, -4.0], [4.0, 3.0]];
    /// let im = value(|a| a.eigvals().1, &a)?.into_mat();
    /// assert!((im - faer::mat![[-4.0], [4.0]]).norm_max() < 1e-14);
    /// // Stability: the gradient of the largest real part of a damped oscillator.
    /// let (_, g) = value_and_grad(|a: Var| a.eigvals().0.row_range(1, 1), &faer::mat![[0.0, 1.0], [-4.0, -0.2]])?;
    /// assert!((g[(1, 1)] - 0.5).abs() < 1e-14);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "eigenvalues")]
    #[doc(alias = "linalg.eigvals")]
    #[track_caller]
    #[must_use]
    pub fn eigvals(self) -> (Self, Self) {
        let _said = self.tape().saying(&"eigvals");
        self.general().values()
    }

    /// Eigenvalues and eigenvectors of a general real matrix: the columns of real and imaginary parts of
    /// [`eigvals`](Var::eigvals), and the matrices of the real and the imaginary parts of the vectors, which are their
    /// columns in the same order. A vector has unit length, and its entry of largest modulus (the first of those) is
    /// real and positive.
    ///
    /// Derivatives respect this normal form. They exist to every order where the eigenvalues are simple; for the
    /// values, as for [`eigvals`](Var::eigvals); what depends on vectors of coinciding eigenvalues is `GaugeDependent`,
    /// and everything about vectors of a defective matrix is [`Defective`](crate::Failure::Defective).
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let a = faer::mat![[1.0, -2.0], [2.0, 0.5]];
    /// // The real part of A V = V diag(l).
    /// let rest = value(|a| { let (re, im, v, w) = a.eig(); a * v - (v * re.to_diag() - w * im.to_diag()) }, &a)?;
    /// assert!(rest.max_abs() < 1e-14);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "linalg.eig")]
    #[doc(alias = "eigendecomposition")]
    #[track_caller]
    #[must_use]
    pub fn eig(self) -> (Self, Self, Self, Self) {
        let _said = self.tape().saying(&"eig");
        let a = self.general();
        let ((re, im), (v, w)) = (a.values(), a.vectors());
        (re, im, v, w)
    }

    /// The spectral radius of a general matrix, the largest modulus of an eigenvalue. For a derivative: one real
    /// eigenvalue or one pair has it, and it is not 0, else `NotDifferentiable`.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// let g = grad(|a: Var| a.spectral_radius(), &faer::mat![[-3.0, 7.0], [0.0, 1.0]])?;
    /// assert!((g[(0, 0)] + 1.0).abs() < 1e-14);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn spectral_radius(self) -> Self {
        let _said = self.tape().saying(&"spectral_radius");
        self.general().radius()
    }

    /// `tr A^k` of each member, the sum of the `k`-th powers of the eigenvalues: a polynomial, so exact to every order
    /// whatever the eigenvalues are. From half the powers, `tr A^k = <(A^p)^T, A^q>` with `p + q = k`.
    ///
    /// # Panics
    /// If the matrix is not square.
    #[doc(alias = "power_sum")]
    #[track_caller]
    #[must_use]
    pub fn trace_power(self, k: u32) -> Self {
        let _said = self.tape().saying(&"trace_power");
        assert!(self.rows() == self.cols(), "trace_power: expected a square matrix, got {}", self.shape());
        match k {
            0 => self.matrix_power(0).trace(),
            1 => self.trace(),
            k => self.matrix_power((k / 2) as i32).t().dot(self.matrix_power((k - k / 2) as i32)),
        }
    }

    /// The coefficients `c_0, .., c_n` of the characteristic polynomial `det(z I - A) = c_0 + c_1 z + .. + z^n`, as a
    /// column of `n + 1` numbers: polynomials in the entries, so they have exact derivatives of every order whatever
    /// the eigenvalues are.
    ///
    /// By the recursion of Faddeev and LeVerrier, `M_1 = I`, `c_{n-k} = -tr(A M_k) / k`, `M_{k+1} = A M_k + c_{n-k} I`.
    /// It needs `n` products and no division by data. Its rounding is that of the largest `c |A|^k` on the way, so
    /// small coefficients of large matrices lose digits: beyond an order of about 20, work with the eigenvalues where
    /// they are simple.
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// // A Jordan block: (z - 2)^2 = 4 - 4 z + z^2.
    /// let c = value(|a| a.charpoly(), &faer::mat![[2.0, 1.0], [0.0, 2.0]])?.into_mat();
    /// assert_eq!(c, faer::mat![[4.0], [-4.0], [1.0]]);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the matrix is not square.
    #[doc(alias = "poly")]
    #[doc(alias = "characteristic_polynomial")]
    #[track_caller]
    #[must_use]
    pub fn charpoly(self) -> Self {
        let _said = self.tape().saying(&"charpoly");
        let n = self.rows();
        assert!(n == self.cols(), "charpoly: expected a square matrix, got {}", self.shape());
        let eye = self.tape().eye(n);
        let one = self.tape().filled(Shape::batch(self.shape().batch, 1, 1), T::one());
        let mut c = vec![one];
        let mut am = self;
        for k in 1..=n {
            let next = am.trace().scaled(-1.0 / k as f64);
            if k < n {
                am = self * (am + eye.hadamard(next));
            }
            c.push(next);
        }
        c.reverse();
        Var::concat(&c, crate::Axis::Rows)
    }
}
