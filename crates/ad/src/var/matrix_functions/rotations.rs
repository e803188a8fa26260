//! Rotations of space, their rotation vectors, and the Jacobians between the two.
//!
//! **Exponential.** `exp(hat(w))` is a primitive of its own, by Rodrigues' formula: `ops/matrix_functions/rotation.rs`.
//!
//! **Logarithm.** Of a rotation `R` with unit quaternion `q = (q_0, v)` the file `quaternions.rs` finds a multiple `c`
//! that is well conditioned. So `q = c / |c|`, up to a sign that makes `q_0` positive. With
//! `z_4 = v / (1 + q_0) = tan(theta / 4) a`, where `a` is the axis, twice the half-angle formula
//! `z -> z / (1 + sqrt(1 + |z|^2))` gives `z = tan(theta / 16) a`, and `w = theta a = 16 h(|z|^2) z` with
//! `h(u) = atan(sqrt u) / sqrt u = 1 - u/3 + u^2/5 - ..`. Up to half a turn `u` is at most `tan^2(pi / 16) < 0.04`, so
//! one short polynomial is exact from 0 to half a turn, and so are its derivatives: nothing divides by the angle or by
//! its sine. At half a turn `q_0 = 0`, the sign jumps, and there is no logarithm to speak of.
//!
//! **Jacobians.** Let `W = hat(w)`, `t = |w|^2` and `c_m` the Stumpff functions. The left Jacobian
//! `J = I + c_2 W + c_3 W^2` says how the rotation moves: `d exp(W) = hat(J dw) exp(W)`. Its inverse is a polynomial in
//! `W` too, `I - W/2 + e W^2`: since `W^3 = -t W`, the coefficients of `W` and `W^2` in the product with `J` vanish if
//! `c_2 - (1 - t c_3)/2 - t e c_2 = 0` and `c_3 - c_2/2 + e (1 - t c_3) = 0`. With `1 - t c_3 = c_1` the first gives
//! `e = (2 c_2 - c_1) / (2 t c_2)`, which is `(c_3 - 2 c_4) / (2 c_2)`, since `2 c_2 - c_1 = t (c_3 - 2 c_4)`; the
//! second agrees, since `c_1^2 = 2 c_2 - t c_2^2`. Nothing divides by the angle: `c_2` is positive below a full turn,
//! where `J` becomes singular.

use crate::ops::Op;
use crate::ops::matrix_functions::rotation::Rotation;
use crate::{Axis, Scalar, Var};

/// Terms of `h`. The first that is left out is `0.04^16 / 33 < 1e-23`; the third derivative has a factor of
/// `16^3 / 0.04^3` of it.
const TERMS: i32 = 16;

/// # Matrix functions: rotations of space
/// Vectors, matrices and the Jacobians between them.
impl<'t, T: Scalar> Var<'t, T> {
    /// The skew matrix of a rotation vector: of 3 numbers with `hat(v) w = v x w`, or of one angle.
    ///
    /// # Panics
    /// If it is not a column of 3 or 1.
    #[track_caller]
    #[must_use]
    pub fn hat(self) -> Self {
        let _said = self.tape.saying(&"hat");
        let s = self.shape();
        // Not in a closure: those do not know their caller's line.
        let Some((n, index)) = rotation(s.rows).filter(|_| s.cols == 1) else {
            panic!("hat: expected a rotation vector, a column of 3 numbers or of 1 in the plane, got {s}")
        };
        self.scatter(Axis::Rows, index, n * n).reshape(n, n).skew().scaled(2.0)
    }

    /// The rotation vector of the skew part of a 3x3 or 2x2 matrix: `v.hat().vee() == v`.
    ///
    /// # Panics
    /// If it is neither.
    #[track_caller]
    #[must_use]
    pub fn vee(self) -> Self {
        let _said = self.tape.saying(&"vee");
        let s = self.shape();
        let entries = match (s.rows, s.cols) {
            (3, 3) => 3,
            (2, 2) => 1,
            _ => panic!("vee: expected a 3x3 or a 2x2 matrix, got {s}"),
        };
        let index = rotation(entries).map_or(&[][..], |(_, index)| index);
        self.skew().vec().gather(Axis::Rows, index)
    }

    /// The rotation by the angle `|w|` about the axis `w`, of a column `w` of three numbers: orthogonal to rounding,
    /// and smooth to every order, at 0 too. A batch of vectors costs little more than their numbers: well below 100 ns
    /// a rotation with its gradient. Poisons: entries, or a square of an angle, that are not finite.
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let w = faer::mat![[0.0], [0.0], [std::f64::consts::FRAC_PI_2]];
    /// let r = value(|w| w.so3_exp(), &w)?.into_mat();
    /// assert!((r - faer::mat![[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).norm_max() < 1e-15);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    ///
    /// # Panics
    /// If `w` has no three rows and one column.
    #[doc(alias = "rodrigues")]
    #[doc(alias = "from_rotvec")]
    #[track_caller]
    #[must_use]
    pub fn so3_exp(self) -> Self {
        let _said = self.tape().saying(&"so3_exp");
        let s = self.shape();
        assert!((s.rows, s.cols) == (3, 1), "so3_exp: expected a column of 3 numbers, got {s}");
        self.tape().push_one(Op::Rotation(Rotation { m: 0 }), &[&self])
    }

    /// The left Jacobian of [`Var::so3_exp`] at `w`: moving `w` by `dw` turns the rotation by `J dw`, that is
    /// `d exp(hat(w)) = hat(J dw) exp(hat(w))`. Its transpose is the right Jacobian. It is also the matrix `V` of
    /// [`Var::se3_exp`]. Smooth to every order, at 0 too; poisons as [`Var::so3_exp`].
    ///
    /// ```
    /// use pullback::{prelude::*, value, jvp};
    /// let (w, dw) = (faer::mat![[0.5], [-2.0], [1.0]], faer::mat![[1.0], [0.0], [3.0]]);
    /// let (r, dr) = jvp(|w: Var| w.so3_exp(), &w, &dw)?;
    /// let turn = value(|w: Var| (w.so3_left_jacobian() * &dw).hat(), &w)?;
    /// assert!((dr.into_mat() - turn.into_mat() * r.into_mat()).norm_max() < 1e-14);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    ///
    /// # Panics
    /// If `w` has no three rows and one column.
    #[track_caller]
    #[must_use]
    pub fn so3_left_jacobian(self) -> Self {
        let _said = self.tape().saying(&"so3_left_jacobian");
        let s = self.shape();
        assert!((s.rows, s.cols) == (3, 1), "so3_left_jacobian: expected a column of 3 numbers, got {s}");
        self.tape().push_one(Op::Rotation(Rotation { m: 1 }), &[&self])
    }

    /// The inverse of [`Var::so3_left_jacobian`], without a solve, for angles below a full turn. There it grows
    /// without bound, as the inverse does; 0 is a place like any other.
    ///
    /// # Panics
    /// If `w` has no three rows and one column.
    #[track_caller]
    #[must_use]
    pub fn so3_left_jacobian_inverse(self) -> Self {
        let _said = self.tape().saying(&"so3_left_jacobian_inverse");
        let s = self.shape();
        assert!((s.rows, s.cols) == (3, 1), "so3_left_jacobian_inverse: expected a column of 3 numbers, got {s}");
        let (w, e) = (self.hat(), self.inverse_jacobian_coefficient());
        w.matmul(w).hadamard(e) - w.scaled(0.5) + self.tape().eye(3)
    }

    /// `e(|w|^2)` of a column `w`: the coefficient of `W^2` in the inverse of the left Jacobian.
    #[track_caller]
    pub(super) fn inverse_jacobian_coefficient(self) -> Self {
        let t = self.dot(self);
        t.stumpff(3).lincomb(0.5, t.stumpff(4), -1.0).elem_div(t.stumpff(2))
    }

    /// The rotation vector `w`, of length below `pi`, of a rotation matrix: [`Var::so3_exp`] of it is the matrix. As
    /// accurate near the identity and near half a turn as anywhere, with its derivatives.
    ///
    /// That the matrix is a rotation is the caller's word. Along directions that leave the rotations the derivative is
    /// that of the extension by the quaternion's formula. Poisons: exactly half a turn (`NotDifferentiable`), where the
    /// vector is unique up to a sign only.
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let w = faer::mat![[0.5], [-2.0], [1e-9]];
    /// let back = value(|w| w.so3_exp().so3_log(), &w)?.into_mat();
    /// assert!((back - w).norm_max() < 1e-14);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the matrix is not `3 x 3`.
    #[doc(alias = "as_rotvec")]
    #[track_caller]
    #[must_use]
    pub fn so3_log(self) -> Self {
        let _said = self.tape().saying(&"so3_log");
        let s = self.shape();
        assert!((s.rows, s.cols) == (3, 3), "so3_log: expected a 3x3 matrix, got {s}");
        let (c0, c, size) = self.upward_quaternion("a rotation by half a turn has two rotation vectors");
        let mut z = c.elem_div(size + c0);
        for _ in 0..2 {
            z = z.elem_div(z.dot(z).shifted(1.0).sqrt().shifted(1.0));
        }
        let u = z.dot(z);
        let coefficient = |i: i32| 16.0 * f64::from((-1i32).pow(i as u32)) / f64::from(2 * i + 1);
        let first = self.tape().filled(u.shape(), T::of(coefficient(TERMS - 1)));
        let h = (0..TERMS - 1).rev().fold(first, |h, i| h.hadamard(u).shifted(coefficient(i)));
        z.hadamard(h)
    }
}

/// The order of the skew matrix of so many numbers, and where they stand in its storage (with a plus sign).
fn rotation(entries: usize) -> Option<(usize, &'static [usize])> {
    match entries {
        1 => Some((2, &[1])),
        3 => Some((3, &[5, 6, 1])),
        _ => None,
    }
}
