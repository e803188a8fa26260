//! Singular values and vectors, and norms that are made of them.

use super::chosen;
use crate::ops::spectra::spectrum::Spectrum;
use crate::ops::spectra::vectors::{Frame, Vectors};
use crate::ops::{self, Op};
use crate::{Gauge, Scalar, Var};
use std::ops::Range;

/// # Spectra: singular values
/// Of any matrix.
impl<'t, T: Scalar> Var<'t, T> {
    /// The thin singular value decomposition as a handle, to ask several things of.
    #[track_caller]
    #[must_use]
    pub fn singular(self) -> Singular<'t, T> {
        let _said = self.tape().saying(&"singular");
        let shape = self.shape();
        let flip = shape.rows < shape.cols;
        let a = if flip { self.t() } else { self };
        let handle = self.tape().push_one(Op::Svd(ops::spectra::svd::Svd { flip }), &[&a]);
        Singular { a, handle, flip, count: shape.rows.min(shape.cols), gauge: Gauge::Error }
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
}

/// A matrix with its thin singular value decomposition: values, vectors and what is made of them, from one
/// decomposition.
///
/// ```
/// use pullback::prelude::*;
/// use pullback::Singular;
/// /// The logarithm of the condition number.
/// fn log_condition<'t>(a: Singular<'t>, n: usize) -> Var<'t> {
///     a.values(0..1).ln() - a.values(n - 1..n).ln()
/// }
/// let a = faer::mat![[4.0, 0.0], [0.0, 2.0]];
/// let g = grad(|a: Var| log_condition(a.singular(), 2).sum(), &a)?;
/// assert!((g - faer::mat![[0.25, 0.0], [0.0, -0.5]]).norm_max() < 1e-15);
/// # Ok::<(), pullback::Error>(())
/// ```
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
    /// of a quantity that depends on the choice is computed; [`Gauge::Error`] by default.
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
