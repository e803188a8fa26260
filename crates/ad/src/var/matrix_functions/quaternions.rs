//! Unit quaternions of rotations, and back; the scalar part stands first.
//!
//! **To a quaternion.** For a rotation `R` with unit quaternion `q = (q_0, v)` the symmetric matrix `K = 4 q q^T` is
//! linear in `R` (Bar-Itzhack 2000), and its trace is 4: some diagonal entry is at least 1, and the column `c` of such
//! an entry is a multiple of `q` that is well conditioned, `c = 4 q_j q`. So `q = c / |c|`, up to a sign that makes
//! `q_0` positive. At half a turn `q_0 = 0` and the sign jumps.
//!
//! **From a quaternion.** With `u = q / |q| = (u_0, v)` and `V = hat(v)`, the half-angle formulas turn Rodrigues'
//! formula into `R = I + 2 u_0 V + 2 V^2`.

use crate::ops::Op;
use crate::ops::control::guard::Nonzero;
use crate::{Batch, Scalar, Shape, Var};

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

/// # Matrix functions: quaternions
/// The scalar part stands first.
impl<'t, T: Scalar> Var<'t, T> {
    /// The rotation matrix of a quaternion `(q_0, q_1, q_2, q_3)`, a column of four numbers with the scalar part
    /// **first**. It need not have length 1: the matrix belongs to `q / |q|`. At 0 there is no rotation, and drivers
    /// return an error.
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let r = value(|q: Var| q.so3_from_quaternion(), &faer::mat![[2.0], [0.0], [0.0], [2.0]])?.into_mat();
    /// assert!((r - faer::mat![[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).norm_max() < 1e-15);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    ///
    /// # Panics
    /// If it has no four rows and one column.
    #[doc(alias = "from_quat")]
    #[track_caller]
    #[must_use]
    pub fn so3_from_quaternion(self) -> Self {
        let _said = self.tape().saying(&"so3_from_quaternion");
        let s = self.shape();
        assert!((s.rows, s.cols) == (4, 1), "so3_from_quaternion: expected a column of 4 numbers, got {s}");
        let u = self.elem_div(self.norm());
        let (u0, v) = (u.slice(0, 0, 1, 1), u.slice(1, 0, 3, 1).hat());
        (v.hadamard(u0) + v.matmul(v)).scaled(2.0) + self.tape().eye(3)
    }

    /// The unit quaternion of a rotation matrix whose scalar part, which stands **first**, is positive:
    /// [`Var::so3_from_quaternion`] of it is the matrix. As accurate near half a turn as anywhere.
    ///
    /// That the matrix is a rotation is the caller's word. Poisons: exactly half a turn (`NotDifferentiable`), where
    /// two quaternions are equally good.
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let q = value(|w: Var| w.so3_exp().so3_to_quaternion(), &faer::mat![[0.0], [3.0], [0.0]])?.into_mat();
    /// assert!((q - faer::mat![[1.5f64.cos()], [0.0], [1.5f64.sin()], [0.0]]).norm_max() < 1e-15);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the matrix is not `3 x 3`.
    #[doc(alias = "as_quat")]
    #[track_caller]
    #[must_use]
    pub fn so3_to_quaternion(self) -> Self {
        let _said = self.tape().saying(&"so3_to_quaternion");
        let s = self.shape();
        assert!((s.rows, s.cols) == (3, 3), "so3_to_quaternion: expected a 3x3 matrix, got {s}");
        let (c0, c, size) = self.upward_quaternion("a rotation by half a turn has two quaternions");
        Self::concat(&[c0, c], crate::Axis::Rows).elem_div(size)
    }

    /// Scalar part, vector part and length of a multiple of the unit quaternion whose scalar part is positive. At half
    /// a turn there is none: `what`.
    #[track_caller]
    pub(super) fn upward_quaternion(self, what: &'static str) -> (Self, Self, Self) {
        let c = self.quaternion();
        let c0 = self.tape().push_one(Op::Nonzero(Nonzero { what }), &[&c.slice(0, 0, 1, 1)]);
        let zero = self.tape().filled(Shape::SCALAR, T::zero());
        let sign = c0.gt(zero).scaled(2.0).shifted(-1.0);
        (c0.hadamard(sign), c.slice(1, 0, 3, 1).hadamard(sign), c.norm())
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
