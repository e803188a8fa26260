//! Functions of a matrix, and their derivatives of every order.
//! One entry for a kernel; no algorithm lives here.

use crate::{Failure, Group, Scalar, SymFn, WithTangent, Workspace};

kernels! {
    /// Functions of a matrix, and their derivatives of every order.
    pub trait MatrixFunctions {
        /// `C = (I - alpha W)^{-1} (I + alpha W)` and `K = (I - alpha W)^{-1}`.
        fn cayley(
            wm: &[Self], n: usize, alpha: Self, c: &mut [Self], k: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::cayley::cayley;
        /// `exp(A)`, and a handle of `n x (7 n + 4)` numbers that derivatives are computed from.
        fn expm(
            a: &[Self], n: usize, y: &mut [Self], handle: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::expm::expm;
        /// The mixed derivative of `exp(sum_S e_S E_S)` by all `k` symbols `e_i`, and a handle of as many numbers for
        /// those of more symbols. `es[S]` is the direction of the subset `S` (a number of `k` bits), `handles[S]` the
        /// handle of its own derivative; the empty set has `A` and the handle of [`expm`](Self::expm). Empty slices
        /// stand for zeros, and for the handle of the full set.
        fn expm_jet(
            es: &[&[Self]], handles: &[&[Self]], n: usize, y: &mut [Self], handle: &mut [Self],
            w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::expm::jet;
        /// `[e_1 .. e_k] exp(sum_S e_S op(E_S)) sum_S e_S B_S`: the action of the exponential on thin `n x p` matrices,
        /// and its mixed derivative by `k` symbols. Lists are by sets as for [`expm_jet`](Self::expm_jet), and empty
        /// slices stand for zeros; `E_0` is always there.
        fn expm_action(
            es: &[&[Self]], bs: &[&[Self]], size: (usize, usize), transpose: bool, y: &mut [Self],
            w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::action::action;
        /// The same coefficient of the gradients of `<C, exp(A) B>` by `A` and by `B`.
        fn expm_action_pull(
            es: &[&[Self]], bs: &[&[Self]], cs: &[&[Self]], size: (usize, usize), ga: &mut [Self], gb: &mut [Self],
            w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::action::pull;
        /// `phi_m(hat(w))` of each of a batch of vectors of three: rotations for `m = 0`, their left Jacobians for `m =
        /// 1`, nine numbers each. Fails, naming the member, if an entry or a square of an angle is not finite.
        fn rotations(m: usize, w: &[Self], phi: &mut [Self]) -> Result<(), (usize, Failure)> = crate::rotation::value;
        /// The tangent of [`rotations`](Self::rotations) along `dw`.
        fn rotations_push(m: usize, w: &[Self], dw: &[Self], dphi: &mut [Self]) = crate::rotation::push;
        /// The cotangent of `w` under [`rotations`](Self::rotations), from `g`, that of its result.
        fn rotations_pull(m: usize, w: &[Self], g: &[Self], gw: &mut [Self]) = crate::rotation::pull;
        /// [`rotations_pull`](Self::rotations_pull) and its tangent, where `w` and `g` may have tangents.
        fn rotations_pull_pairs(
            m: usize, w: WithTangent<'_, Self>, g: WithTangent<'_, Self>, out: (&mut [Self], &mut [Self]),
        ) = crate::rotation::pull_pairs;
        /// The principal square root `X` of a general matrix, and its Schur form as a handle of `2 n n` numbers.
        /// Errors: an eigenvalue on the closed negative real axis, zero included, to working precision.
        fn sqrtm(
            a: &[Self], n: usize, x: &mut [Self], handle: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::roots::sqrtm;
        /// The principal logarithm of a general matrix, and a handle of `n (2 n + 1)` numbers for its derivatives.
        /// Errors: a singular matrix; an eigenvalue on the negative real axis; both to working precision.
        fn logm(
            a: &[Self], n: usize, l: &mut [Self], handle: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::logm::logm;
        /// `D^k log(A)[E_1, .., E_k]`, `k = es.len()` from 1 to 4, from the handle of `logm`.
        fn logm_along(
            handle: &[Self], n: usize, es: &[&[Self]], out: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::logm::logm_along;
        /// `D log(A)[G]` and its derivative while `A` moves along `E` and `G` along `F` (or not at all, if that is
        /// empty), for the price of `logm_along` with two directions.
        fn logm_pair(
            handle: &[Self], n: usize, directions: [&[Self]; 3], first: &mut [Self], second: &mut [Self],
            w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::logm::logm_pair;
        /// The spectral projector of a group of eigenvalues into `p`, a handle of `n (3 n + 1)` numbers for its
        /// derivatives, and an estimate of the separation of the group over the size of the matrix (the largest number
        /// where all or none are in it). Errors: a group that is not separated.
        fn group_projector(
            group: Group, a: &[Self], n: usize, p: &mut [Self], handle: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<Self, Failure> = crate::group::projector;
        /// `D^k Pi(A)[E_1, .., E_k]`, `k = es.len()` from 1 to 4, from the handle of `group_projector`.
        fn group_projector_along(
            handle: &[Self], n: usize, es: &[&[Self]], out: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::group::along;
        /// Is the spectrum in the handle inside the domain of `f`? (`a` is the matrix it came from, for graded ones.)
        fn spectral_domain(
            f: SymFn, a: &[Self], handle: &[Self], n: usize,
        ) -> Result<(), Failure> = crate::spectral::domain;
        /// `D^k f(A)[E_1, ..., E_k]` with `k = es.len()` (0 gives `f(A)`); each `E_i` is used through its symmetric
        /// part.
        fn spectral(
            f: SymFn, handle: &[Self], n: usize, es: &[&[Self]], out: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::spectral::spectral;
        /// `tr f(A)`.
        fn spectral_trace(f: SymFn, handle: &[Self], n: usize) -> Self = crate::spectral::trace;
    }
}
