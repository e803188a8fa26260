//! Products: matrices with matrices, with constant linear maps, with themselves, and entry by block.

use crate::ops::products::linear::{Linear, LinearMap};
use crate::ops::{self, Op};
use crate::value::Product;
use crate::{Axis, Operand, Scalar, Shape, Var};
use std::sync::Arc;

/// # Products
/// Matrices with matrices and with constant linear maps.
impl<'t, T: Scalar> Var<'t, T> {
    /// The matrix product `A B`, of `1x1` matrices too (`*` scales by those).
    #[doc(alias("dot", "@", "mm", "bmm"))]
    #[track_caller]
    #[must_use]
    pub fn matmul(self, b: impl Operand<'t, T>) -> Self {
        self.op2(Op::Mul(ops::products::product::Mul(Product::NN)), b.on(self.tape))
    }

    /// `A^T B`.
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let a = faer::mat![[1.0, 2.0], [3.0, 4.0]];
    /// assert_eq!(value(|x| x.t_mul(&a), &a)?.into_mat(), a.transpose() * &a);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "tr_mul")]
    #[track_caller]
    #[must_use]
    pub fn t_mul(self, b: impl Operand<'t, T>) -> Self {
        let _said = self.tape.saying(&"t_mul");
        self.op2(Op::Mul(ops::products::product::Mul(Product::TN)), b.on(self.tape))
    }

    /// `A B^T`.
    #[track_caller]
    #[must_use]
    pub fn mul_t(self, b: impl Operand<'t, T>) -> Self {
        let _said = self.tape.saying(&"mul_t");
        self.op2(Op::Mul(ops::products::product::Mul(Product::NT)), b.on(self.tape))
    }

    /// `A^T B^T`.
    #[track_caller]
    #[must_use]
    pub fn t_mul_t(self, b: impl Operand<'t, T>) -> Self {
        let _said = self.tape.saying(&"t_mul_t");
        self.op2(Op::Mul(ops::products::product::Mul(Product::new(1.0, true, true))), b.on(self.tape))
    }

    /// The quadratic form `tr(X^T A X)` of each member, `x^T A x` for a column; of `A` only the symmetric part matters.
    ///
    /// Where `A` does not depend on the variables, a gradient costs no product beyond that of the value and a
    /// Hessian-vector product one, `A V`; `x.dot(&a * x)` takes one more for each, since it cannot know that `A^T` is
    /// `A`. Cost: one product `A X`; the symmetric part of plain numbers is computed once, when the program is
    /// recorded.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// use faer::mat;
    /// let a = mat![[2.0, 1.0], [1.0, 3.0]];
    /// let x = mat![[1.0], [-1.0]];
    /// assert_eq!(grad(func(|x| x.quadratic_form(&a)), &x).unwrap(), 2.0 * &a * &x);
    /// ```
    ///
    /// # Panics
    /// If `A` is not square, or has another number of rows than `X`.
    #[doc(alias("quad_form", "energy", "rayleigh"))]
    #[track_caller]
    #[must_use]
    pub fn quadratic_form(self, a: impl Operand<'t, T>) -> Self {
        let _said = self.tape.saying(&"quadratic_form");
        let a = a.sym_on(self.tape);
        let q = self.tape.push(Op::QuadraticForm(ops::products::quadratic::QuadraticForm), &[&a, &self]);
        self.tape.handle(q)
    }

    /// `self + alpha A B` in one operation.
    #[doc(alias("addmm", "gemm", "baddbmm"))]
    #[track_caller]
    #[must_use]
    pub fn add_mul(self, alpha: f64, a: impl Operand<'t, T>, b: impl Operand<'t, T>) -> Self {
        let (a, b) = (a.on(self.tape), b.on(self.tape));
        self.tape
            .push_one(Op::MulAdd(ops::products::product::MulAdd(Product::new(alpha, false, false))), &[&self, &a, &b])
    }

    /// `A X` for a constant linear map `A`: a sparse matrix of faer (with the feature `sparse`), or an operator of
    /// yours.
    #[track_caller]
    #[must_use]
    pub fn mapped(self, map: Arc<impl LinearMap<T>>) -> Self {
        self.tape.push_one(Op::Linear(Linear { map, transpose: false }), &[&self])
    }

    /// `A^T X` for a constant linear map `A`.
    #[track_caller]
    #[must_use]
    pub fn mapped_transposed(self, map: Arc<impl LinearMap<T>>) -> Self {
        self.tape.push_one(Op::Linear(Linear { map, transpose: true }), &[&self])
    }

    /// The Kronecker product, block `(i, j)` being `a_ij B`: `vec(B X A^T) = (A kron B) vec(X)`.
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let k = value(|a| a.kron(&faer::mat![[1.0, 10.0]]), &faer::mat![[1.0, 2.0]])?;
    /// assert_eq!(k.data(), [1.0, 10.0, 2.0, 20.0]);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "kronecker")]
    #[track_caller]
    #[must_use]
    pub fn kron(self, b: impl Operand<'t, T>) -> Self {
        let _said = self.tape.saying(&"kron");
        let b = b.on(self.tape);
        let ((m, n), (p, q)) = ((self.rows(), self.cols()), (b.rows(), b.cols()));
        // Entry `(i, j)` of `A` times entry `(k, l)` of `B` stands at `(k + p l, i + m j)` of `vec(B) vec(A)^T`.
        let at = |c: usize, r: usize| (r % p + p * (c % q)) + p * q * (r / p + m * (c / q));
        let index: Vec<usize> = (0..n * q).flat_map(|c| (0..m * p).map(move |r| at(c, r))).collect();
        b.vec().mul_t(self.vec()).vec().gather(Axis::Rows, &index).reshape(m * p, n * q)
    }

    /// The integer power of a square matrix by repeated squaring; a negative one is that of the inverse. Poisons for
    /// `k < 0`: singular.
    ///
    /// # Panics
    /// If it is not square.
    #[doc(alias("powi", "mpower"))]
    #[track_caller]
    #[must_use]
    pub fn matrix_power(self, k: i32) -> Self {
        let _said = self.tape.saying(&"matrix_power");
        let s = self.shape();
        assert!(s.rows == s.cols, "matrix_power: expected a square matrix, got {s}");
        let mut base = if k < 0 { self.inverse() } else { self };
        let (mut k, mut power) = (k.unsigned_abs(), None);
        while k > 0 {
            if k & 1 == 1 {
                power = Some(power.map_or(base, |p: Self| p.matmul(base)));
            }
            k >>= 1;
            if k > 0 {
                base = base.matmul(base);
            }
        }
        power.unwrap_or_else(|| self.tape.eye(s.rows).broadcast_to(Shape { batch: s.batch, ..s }))
    }

    /// `u v^T` of two columns: entry `(i, j)` is `u_i v_j`.
    ///
    /// # Panics
    /// If one of them is not a column.
    #[doc(alias = "ger")]
    #[track_caller]
    #[must_use]
    pub fn outer(self, v: impl Operand<'t, T>) -> Self {
        let v = v.on(self.tape);
        let (x, y) = (self.shape(), v.shape());
        let fits = x.cols == 1 && y.cols == 1 && x.common_batch(y).is_some();
        assert!(fits, "outer: expected two columns, with batches that agree or are 1, got {x} and {y}");
        self.mul_t(v)
    }
}
