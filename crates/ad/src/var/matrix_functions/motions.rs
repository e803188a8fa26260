//! Rotations of the plane, and rigid motions of the plane and of space: exponentials and logarithms.
//!
//! A rigid motion is the matrix `[R p; 0 1]`, and its vector is `(v, w)`: **translation first**, then the rotation
//! vector (an angle in the plane). The exponential of `[hat(w) v; 0 0]` is `[exp(hat(w)) V v; 0 1]` with
//! `V = sum_j hat(w)^j / (j + 1)!`: the powers of the block matrix are `[W^j W^{j-1} v; 0 0]`.
//!
//! In space `V` is the left Jacobian of the rotation, whose inverse stands in `rotations.rs`. In the plane
//! `W = theta hat(1)` and `W^2 = -theta^2 I`, so with the Stumpff functions `c_m` at `theta^2`
//! `V = c_1 I + c_2 W`, and from `c_1^2 + theta^2 c_2^2 = 2 c_2` (half of it is `1 - cos theta` over `theta^2`)
//! `V^{-1} = (c_1 I - c_2 W) / (2 c_2) = c_1 / (2 c_2) I - W / 2`. Nothing divides by the angle; `c_2` is positive
//! below a full turn.
//!
//! **Jacobians in space.** The product of a motion's vector with others, `ad = [W V; 0 W]` with `W = hat(w)` and
//! `V = hat(v)`, is a block matrix of the kind by which functions are differentiated:
//! `f(ad) = [f(W) Df(W)[V]; 0 f(W)]`. The left Jacobian is `f(ad)` for `f(z) = (e^z - 1) / z`, whose `f(W)` is the left
//! Jacobian `J(w)` of the rotation. So it is `[J Q; 0 J]` with `Q` the derivative of `J(w) = I + c_2 W + c_3 W^2`,
//! `c_m` at `t = |w|^2`, along `v`: `Q = c_2 V + c_3 (W V + V W) + 2 <w, v> (c_2' W + c_3' W^2)`. Its inverse is
//! `[J^{-1}  -J^{-1} Q J^{-1}; 0 J^{-1}]`. The adjoint says how vectors change with the frame: from
//! `M exp(hat(x)) M^{-1} = exp(hat(Ad x))` with `M = [R p; 0 1]` follows `R W R^T = hat(R w)` and
//! `R v - hat(R w) p = R v + hat(p) R w`, so `Ad = [R hat(p) R; 0 R]`.

use crate::ops::Op;
use crate::ops::entries::unary::UnaryDerivative;
use crate::{Axis, Scalar, Shape, Var};
use pullback_kernels::Unary;

/// # Matrix functions: rigid motions
/// Of the plane and of space.
impl<'t, T: Scalar> Var<'t, T> {
    /// The rotation of the plane by an angle, one number: `[cos, -sin; sin, cos]`.
    ///
    /// # Panics
    /// If it is not one number.
    #[track_caller]
    #[must_use]
    pub fn so2_exp(self) -> Self {
        let _said = self.tape().saying(&"so2_exp");
        let s = self.shape();
        assert!((s.rows, s.cols) == (1, 1), "so2_exp: expected one angle, got {s}");
        self.sin().hat() + self.tape().eye(2).hadamard(self.cos())
    }

    /// The angle, from `-pi` to `pi`, of a rotation of the plane: [`Var::so2_exp`] of it is the matrix. That it is a
    /// rotation is the caller's word; of another matrix it is the angle of the nearest one. On both sides of half a
    /// turn the derivative is the same.
    ///
    /// ```
    /// use pullback::value;
    /// let back = value(|a: pullback::Var| a.so2_exp().so2_log(), &-3.0f64)?;
    /// assert!((back.data()[0] + 3.0).abs() < 1e-15);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the matrix is not `2 x 2`.
    #[track_caller]
    #[must_use]
    pub fn so2_log(self) -> Self {
        let _said = self.tape().saying(&"so2_log");
        let s = self.shape();
        assert!((s.rows, s.cols) == (2, 2), "so2_log: expected a 2x2 matrix, got {s}");
        let entry = |i: usize, j: usize| self.slice(i, j, 1, 1);
        (entry(1, 0) - entry(0, 1)).atan2(entry(0, 0) + entry(1, 1))
    }

    /// The rigid motion `[R p; 0 1]` of the plane, `3 x 3`, of a column `(v_1, v_2, theta)`: the exponential of
    /// `[hat(theta) v; 0 0]`. Smooth to every order, without a rotation too.
    ///
    /// # Panics
    /// If it has no three rows and one column.
    #[track_caller]
    #[must_use]
    pub fn se2_exp(self) -> Self {
        let _said = self.tape().saying(&"se2_exp");
        let s = self.shape();
        assert!((s.rows, s.cols) == (3, 1), "se2_exp: expected a column of 3 numbers, got {s}");
        let (v, theta) = (self.slice(0, 0, 2, 1), self.slice(2, 0, 1, 1));
        let t = theta.hadamard(theta);
        let p = v.hadamard(t.stumpff(1)) + theta.hadamard(t.stumpff(2)).hat().matmul(v);
        rigid(theta.so2_exp(), p)
    }

    /// The column `(v_1, v_2, theta)` of a rigid motion of the plane, `theta` from `-pi` to `pi`: [`Var::se2_exp`] of
    /// it is the motion. That the matrix is one is the caller's word; its last row is not read.
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let x = faer::mat![[0.5], [-2.0], [1e-9]];
    /// let back = value(|x: Var| x.se2_exp().se2_log(), &x)?.into_mat();
    /// assert!((back - x).norm_max() < 1e-15);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the matrix is not `3 x 3`.
    #[track_caller]
    #[must_use]
    pub fn se2_log(self) -> Self {
        let _said = self.tape().saying(&"se2_log");
        let s = self.shape();
        assert!((s.rows, s.cols) == (3, 3), "se2_log: expected a 3x3 matrix, got {s}");
        let (theta, p) = (self.slice(0, 0, 2, 2).so2_log(), self.slice(0, 2, 2, 1));
        let t = theta.hadamard(theta);
        let v = p.hadamard(t.stumpff(1).scaled(0.5).elem_div(t.stumpff(2))) - theta.scaled(0.5).hat().matmul(p);
        Self::concat(&[v, theta], Axis::Rows)
    }

    /// The rigid motion `[R p; 0 1]` of space, `4 x 4`, of a column `(v, w)` of six numbers, the translation **first**:
    /// the exponential of `[hat(w) v; 0 0]`. Smooth to every order, without a rotation too. Poisons as
    /// [`Var::so3_exp`].
    ///
    /// # Panics
    /// If it has no six rows and one column.
    #[doc(alias = "twist")]
    #[track_caller]
    #[must_use]
    pub fn se3_exp(self) -> Self {
        let _said = self.tape().saying(&"se3_exp");
        let s = self.shape();
        assert!((s.rows, s.cols) == (6, 1), "se3_exp: expected a column of 6 numbers, got {s}");
        let (v, w) = (self.slice(0, 0, 3, 1), self.slice(3, 0, 3, 1));
        rigid(w.so3_exp(), w.so3_left_jacobian().matmul(v))
    }

    /// The column `(v, w)` of a rigid motion of space, `w` shorter than `pi`: [`Var::se3_exp`] of it is the motion.
    /// That the matrix is one is the caller's word; its last row is not read. Poisons: a rotation by exactly half a
    /// turn, as [`Var::so3_log`].
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let x = faer::mat![[1.0], [-2.0], [3.0], [0.5], [1e-9], [-2.0]];
    /// let back = value(|x: Var| x.se3_exp().se3_log(), &x)?.into_mat();
    /// assert!((back - x).norm_max() < 1e-14);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the matrix is not `4 x 4`.
    #[track_caller]
    #[must_use]
    pub fn se3_log(self) -> Self {
        let _said = self.tape().saying(&"se3_log");
        let s = self.shape();
        assert!((s.rows, s.cols) == (4, 4), "se3_log: expected a 4x4 matrix, got {s}");
        let (w, p) = (self.slice(0, 0, 3, 3).so3_log(), self.slice(0, 3, 3, 1));
        let hat = w.hat();
        let turned = hat.matmul(p);
        let v = p - turned.scaled(0.5) + hat.matmul(turned).hadamard(w.inverse_jacobian_coefficient());
        Self::concat(&[v, w], Axis::Rows)
    }

    /// The left Jacobian of [`Var::se3_exp`], `6 x 6`, at a column `(v, w)`: moving the column by `dx` moves the motion
    /// `M` by `dM = [hat(b) a; 0 0] M`, where `(a, b) = J dx`. Smooth to every order, without a rotation too; poisons
    /// as [`Var::so3_exp`].
    ///
    /// # Panics
    /// If it has no six rows and one column.
    #[track_caller]
    #[must_use]
    pub fn se3_left_jacobian(self) -> Self {
        let _said = self.tape().saying(&"se3_left_jacobian");
        let [v, w] = self.twist("se3_left_jacobian");
        upper(w.so3_left_jacobian(), w.jacobian_along(v))
    }

    /// The inverse of [`Var::se3_left_jacobian`], without a solve, for rotations of less than a full turn, as
    /// [`Var::so3_left_jacobian_inverse`].
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let x = faer::mat![[1.0], [-2.0], [3.0], [0.5], [1e-9], [-2.0]];
    /// let one = value(|x: Var| x.se3_left_jacobian() * x.se3_left_jacobian_inverse(), &x)?.into_mat();
    /// assert!((one - faer::Mat::<f64>::identity(6, 6)).norm_max() < 1e-14);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    ///
    /// # Panics
    /// If it has no six rows and one column.
    #[track_caller]
    #[must_use]
    pub fn se3_left_jacobian_inverse(self) -> Self {
        let _said = self.tape().saying(&"se3_left_jacobian_inverse");
        let [v, w] = self.twist("se3_left_jacobian_inverse");
        let inverse = w.so3_left_jacobian_inverse();
        upper(inverse, -inverse.matmul(w.jacobian_along(v)).matmul(inverse))
    }

    /// The adjoint of a rigid motion `M = [R p; 0 1]` of space: the `6 x 6` matrix `[R hat(p) R; 0 R]` that takes the
    /// column of a motion to that of `M` times it times `M^{-1}`. The last row of `M` is not read.
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let x = faer::mat![[1.0], [2.0], [3.0], [0.5], [1.0], [-2.0]];
    /// let y = faer::mat![[0.1], [0.0], [1.0], [0.0], [0.5], [0.2]];
    /// let gap = value(|x: Var| {
    ///     let (m, y) = (x.se3_exp(), x.tape().constant(&y));
    ///     m * y.se3_exp() - (m.se3_adjoint() * y).se3_exp() * m
    /// }, &x)?;
    /// assert!(gap.max_abs() < 1e-14);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the matrix is not `4 x 4`.
    #[track_caller]
    #[must_use]
    pub fn se3_adjoint(self) -> Self {
        let _said = self.tape().saying(&"se3_adjoint");
        let s = self.shape();
        assert!((s.rows, s.cols) == (4, 4), "se3_adjoint: expected a 4x4 matrix, got {s}");
        let (r, p) = (self.slice(0, 0, 3, 3), self.slice(0, 3, 3, 1));
        upper(r, p.hat().matmul(r))
    }

    /// Translation and rotation vector.
    #[track_caller]
    fn twist(self, name: &str) -> [Self; 2] {
        let s = self.shape();
        assert!((s.rows, s.cols) == (6, 1), "{name}: expected a column of 6 numbers, got {s}");
        [self.slice(0, 0, 3, 1), self.slice(3, 0, 3, 1)]
    }

    /// The derivative of the left Jacobian of the rotation `w = self` along `v`.
    #[track_caller]
    fn jacobian_along(self, v: Self) -> Self {
        let (t, along) = (self.dot(self), self.dot(v).scaled(2.0));
        let coefficient = |m: u32| {
            let c = t.stumpff(m);
            let moved = Op::UnaryDerivative(UnaryDerivative { f: Unary::Stumpff(m), k: 1 });
            (c, self.tape().push_one(moved, &[&t, &c, &along]))
        };
        let ((c2, d2), (c3, d3)) = (coefficient(2), coefficient(3));
        let (w, v) = (self.hat(), v.hat());
        v.hadamard(c2) + (w.matmul(v) + v.matmul(w)).hadamard(c3) + w.hadamard(d2) + w.matmul(w).hadamard(d3)
    }
}

/// `[D Q; 0 D]`.
#[track_caller]
fn upper<'t, T: Scalar>(d: Var<'t, T>, q: Var<'t, T>) -> Var<'t, T> {
    let zeros = d.tape().filled(d.shape(), T::zero());
    Var::concat(&[Var::concat(&[d, q], Axis::Cols), Var::concat(&[zeros, d], Axis::Cols)], Axis::Rows)
}

/// `[R p; 0 1]`.
#[track_caller]
fn rigid<'t, T: Scalar>(r: Var<'t, T>, p: Var<'t, T>) -> Var<'t, T> {
    let n = r.rows();
    let batch = r.shape().batch;
    let zeros = r.tape().filled(Shape::batch(batch, 1, n), T::zero());
    let one = r.tape().filled(Shape::batch(batch, 1, 1), T::one());
    let (upper, lower) = (Var::concat(&[r, p], Axis::Cols), Var::concat(&[zeros, one], Axis::Cols));
    Var::concat(&[upper, lower], Axis::Rows)
}
