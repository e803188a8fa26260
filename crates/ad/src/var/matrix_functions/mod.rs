//! Functions of a matrix: Cayley transforms, exponentials, functions of symmetric matrices. Logarithm, roots, powers
//! and projectors of general matrices are in `general.rs`; rotations of space in `rotations.rs` and `quaternions.rs`,
//! rigid motions in `motions.rs`.

pub(crate) mod general;
mod motions;
mod quaternions;
mod rotations;

use crate::ops::{self, Op};
use crate::{Operand, Scalar, SymFn, Symmetric, Var};
use pullback_kernels::tolerances::EXPM_ORDER;

/// # Matrix functions
/// Exponentials, Cayley transforms, functions of symmetric matrices.
impl<'t, T: Scalar> Var<'t, T> {
    /// The Cayley transform `(I - alpha W)^{-1} (I + alpha W)`. Poisons: `1/alpha` an eigenvalue.
    #[track_caller]
    #[must_use]
    pub fn cayley(self, alpha: f64) -> Self {
        self.tape().push_one(Op::Cayley(ops::matrix_functions::cayley::Cayley { alpha }), &[&self])
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
        self.tape().push_one(Op::Expm(ops::matrix_functions::expm::Expm), &[&self])
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
        let id = self.tape().push(Op::Expm(ops::matrix_functions::expm::Expm), &[&self]);
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
                let (op, x) = ops::matrix_functions::expm::along(s, &self, es, &handles);
                self.tape().push(Op::ExpmJet(op), &x)
            };
            y = self.tape().handle(id);
            handles.push(self.tape().handle(id + 1));
        }
        y
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

    /// Matrix logarithm of `(A + A^T)/2`. Poisons: not positive definite, or so steeply graded that the small
    /// eigenvalues are rounding of the large ones (more than about `1 / (32 n eps)` apart), and have no digits.
    #[doc(alias = "logm")]
    #[track_caller]
    #[must_use]
    pub fn logm_spd(self) -> Self {
        let _said = self.tape().saying(&"logm_spd");
        self.symmetric().map(SymFn::Ln)
    }

    /// Matrix square root of `(A + A^T)/2`. Poisons: as [`logm_spd`](Self::logm_spd).
    #[doc(alias = "sqrtm")]
    #[track_caller]
    #[must_use]
    pub fn sqrtm_spd(self) -> Self {
        let _said = self.tape().saying(&"sqrtm_spd");
        self.symmetric().map(SymFn::Pow(0.5))
    }

    /// Inverse square root of `(A + A^T)/2`. Poisons: as [`logm_spd`](Self::logm_spd).
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
        let handle = self.tape().push_one(Op::Definite(ops::matrix_functions::spectral::Definite), &[&self, &s.handle]);
        Symmetric { handle, ..s }.map(SymFn::Pow(p))
    }

    /// `tr f((A + A^T)/2)`; its gradient is `f'(A)`, with the scalar derivative `f'`, right to any order at ties. From
    /// order 32 on the value takes no eigenvectors; a derivative completes them.
    #[track_caller]
    #[must_use]
    pub fn trace_fun(self, f: SymFn) -> Self {
        let _said = self.tape().saying(&"trace_fun");
        let handle = self.tape().push_one(Op::EighValues(ops::spectra::eigh::EighValues), &[&self]);
        let trace = ops::matrix_functions::spectral::SpectralTrace { f, values: true };
        self.tape().push_one(Op::SpectralTrace(trace), &[&self, &handle])
    }
}
