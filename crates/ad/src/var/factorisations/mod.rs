//! Factorisations: Cholesky and polar factors. LU is in `lu.rs`, QR in `qr.rs`, the handle of a positive definite
//! matrix in `spd.rs`.

mod lu;
mod qr;
pub(crate) mod spd;

use crate::ops::{self, Op};
use crate::{Result, Scalar, Var};

/// # Factorisations
/// Cholesky and polar factors.
impl<'t, T: Scalar> Var<'t, T> {
    /// The lower Cholesky factor of `(A + A^T)/2`. Poisons: not positive definite.
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let l = value(|a| a.cholesky(), &faer::mat![[4.0, 2.0], [2.0, 10.0]])?;
    /// assert_eq!(l.into_mat(), faer::mat![[2.0, 0.0], [1.0, 3.0]]);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "llt")]
    #[track_caller]
    #[must_use]
    pub fn cholesky(self) -> Self {
        self.op1(Op::Cholesky(ops::factorisations::cholesky::Cholesky))
    }

    /// [`Var::cholesky`] for programs that have another way when it fails.
    ///
    /// # Errors
    /// The failure, which is then forgotten by the tape.
    #[track_caller]
    pub fn try_cholesky(self) -> Result<Self> {
        let clean = !self.tape.store.has_failed();
        let y = self.cholesky();
        self.tape.verdict_of_attempt(clean, y).map(|()| y)
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
        let id = self.tape().push(Op::Polar(ops::factorisations::polar::Polar), &[&self]);
        (self.tape().handle(id), self.tape().handle(id + 1))
    }
}
