//! Rotations of space and their rotation vectors.
//!
//! **Exponential.** `exp(hat(w))` is the rotation by `|w|` about `w`. Rodrigues' formula is the same number in another
//! way, and needs series near 0; the exponential of matrices has derivatives to rounding there and everywhere, gives an
//! exactly skew argument a result that is orthogonal to rounding, and at order three costs less than the words of the
//! formula would.
//!
//! **Logarithm.** For a rotation `R` with unit quaternion `q = (q_0, v)` the symmetric matrix `K = 4 q q^T` is linear
//! in `R` (Bar-Itzhack 2000), and its trace is 4: some diagonal entry is at least 1, and the column `c` of such an
//! entry is a multiple of `q` that is well conditioned. So `q = c / |c|`, up to a sign that makes `q_0` positive. With
//! `z_4 = v / (1 + q_0) = tan(theta / 4) a`, where `a` is the axis, twice the half-angle formula
//! `z -> z / (1 + sqrt(1 + |z|^2))` gives `z = tan(theta / 16) a`, and `w = theta a = 16 h(|z|^2) z` with
//! `h(u) = atan(sqrt u) / sqrt u = 1 - u/3 + u^2/5 - ..`. Up to half a turn `u` is at most `tan^2(pi / 16) < 0.04`, so
//! one short polynomial is exact from 0 to half a turn, and so are its derivatives: nothing divides by the angle or by
//! its sine. At half a turn `q_0 = 0`, the sign jumps, and there is no logarithm to speak of.

use crate::ops::Op;
use crate::ops::guard::Nonzero;
use crate::{Batch, Scalar, Shape, Var};

/// Terms of `h`. The first that is left out is `0.04^16 / 33 < 1e-23`; the third derivative has a factor of
/// `16^3 / 0.04^3` of it.
const TERMS: i32 = 16;

/// `K = constant + linear vec(R)`, column by column: the places of the entries of `R` with a plus and with a minus.
const K: [(f64, &[usize], &[usize]); 16] = {
    const fn at(i: usize, j: usize) -> usize {
        i - 1 + 3 * (j - 1)
    }
    const D: [usize; 3] = [at(1, 1), at(2, 2), at(3, 3)];
    const X: (f64, &[usize], &[usize]) = (0.0, &[at(3, 2)], &[at(2, 3)]);
    const Y: (f64, &[usize], &[usize]) = (0.0, &[at(1, 3)], &[at(3, 1)]);
    const Z: (f64, &[usize], &[usize]) = (0.0, &[at(2, 1)], &[at(1, 2)]);
    const XY: (f64, &[usize], &[usize]) = (0.0, &[at(1, 2), at(2, 1)], &[]);
    const XZ: (f64, &[usize], &[usize]) = (0.0, &[at(1, 3), at(3, 1)], &[]);
    const YZ: (f64, &[usize], &[usize]) = (0.0, &[at(2, 3), at(3, 2)], &[]);
    [
        (1.0, &D, &[]),
        X,
        Y,
        Z,
        X,
        (1.0, &[D[0]], &[D[1], D[2]]),
        XY,
        XZ,
        Y,
        XY,
        (1.0, &[D[1]], &[D[0], D[2]]),
        YZ,
        Z,
        XZ,
        YZ,
        (1.0, &[D[2]], &[D[0], D[1]]),
    ]
};

impl<'t, T: Scalar> Var<'t, T> {
    /// The rotation by the angle `|w|` about the axis `w`, of a column `w` of three numbers: orthogonal to rounding,
    /// and smooth to every order, at 0 too.
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
        self.hat().expm()
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
        let c = self.quaternion();
        let what = "a rotation by half a turn has two rotation vectors";
        let c0 = self.tape().push_one(Op::Nonzero(Nonzero { what }), &[&c.slice(0, 0, 1, 1)]);
        let zero = self.tape().filled(Shape::SCALAR, T::zero());
        let sign = c0.gt(zero).scaled(2.0).shifted(-1.0);
        let mut z = c.slice(1, 0, 3, 1).hadamard(sign).elem_div(c.norm() + c0.hadamard(sign));
        for _ in 0..2 {
            z = z.elem_div(z.dot(z).shifted(1.0).sqrt().shifted(1.0));
        }
        let u = z.dot(z);
        let coefficient = |i: i32| 16.0 * f64::from((-1i32).pow(i as u32)) / f64::from(2 * i + 1);
        let first = self.tape().filled(u.shape(), T::of(coefficient(TERMS - 1)));
        let h = (0..TERMS - 1).rev().fold(first, |h, i| h.hadamard(u).shifted(coefficient(i)));
        z.hadamard(h)
    }

    /// A multiple of the unit quaternion, by at least 2: the column of the first diagonal entry of `K` that is at least
    /// 1.
    #[track_caller]
    fn quaternion(self) -> Self {
        let entry = |i: usize, j: usize| {
            let (_, plus, minus) = K[i];
            f64::from(plus.contains(&j)) - f64::from(minus.contains(&j))
        };
        let linear: Batch<T> = Batch::from_fn(Shape::mat(16, 9), |_, i, j| T::of(entry(i, j)));
        let constant: Batch<T> = Batch::from_fn(Shape::mat(16, 1), |_, i, _| T::of(K[i].0));
        let k = self.tape().constant(&linear) * self.vec() + &constant;
        let column = |j: usize| k.slice(4 * j, 0, 4, 1);
        let one = self.tape().filled(Shape::SCALAR, T::one());
        let large = |j: usize| k.slice(5 * j, 0, 1, 1).ge(one);
        (0..3).rev().fold(column(3), |rest, j| large(j).select(column(j), rest))
    }
}
