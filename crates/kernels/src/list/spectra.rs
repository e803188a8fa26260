//! Eigenvalues, singular values and their vectors.
//! One entry for a kernel; no algorithm lives here.

use crate::eig::{EigOut, eig};
use crate::spectrum::{How, pull, resolvent};
use crate::{ColumnOp, Failure, Scalar, Verdict, Window, WithTangent, Workspace};

kernels! {
    /// Eigenvalues, singular values and their vectors.
    pub trait Spectra {
        /// Eigendecomposition of `(A + A^T)/2` into a handle of `n x (n + 1)`: `V`, then the eigenvalues, ascending;
        /// the entry of largest modulus of each eigenvector is positive.
        fn eigh(
            a: &[Self], n: usize, handle: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::eigh::eigh;
        /// The eigenvalues of `(A + A^T)/2`, of order [`EIGH_CONQUER`](crate::tolerances::EIGH_CONQUER) or more, into a
        /// handle of the shape of [`eigh`](Self::eigh)'s, with the values in the same place and a reduction of the
        /// matrix before them.
        fn eigh_values(
            a: &[Self], n: usize, handle: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::eigh_large::values;
        /// The handle of [`eigh`](Self::eigh) from that of [`eigh_values`](Self::eigh_values).
        fn eigh_complete(
            half: &[Self], n: usize, handle: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::eigh_large::complete;
        /// Thin SVD of a tall `m x n` matrix into a handle of `m n + n n + n` numbers: `U`, `V`, then `s`, descending.
        /// The entry of largest modulus of each column of `U` (of `V`, if `flip`) is positive.
        fn svd(
            a: &[Self], m: usize, n: usize, flip: bool, handle: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::svd::svd;
        /// `D^k x[E_1, ..., E_k]` for the chosen values `x` (`k = 0` gives them).
        fn values(
            win: Window, handle: &[Self], es: &[&[Self]], out: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::spectrum::values;
        /// `D^k F(A)[E_1, ..., E_k]` for `F = V diag(weights) V^T` (`U diag(weights) V^T`), with weights on the chosen
        /// values and zeros on the others, at fixed weights.
        fn weighted(
            win: Window, handle: &[Self], weights: &[Self], es: &[&[Self]], out: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::spectrum::weighted;
        /// The derivatives of the chosen values along `E`, one-sided (`t -> 0+`) where values are tied.
        fn values_along(
            win: Window, handle: &[Self], e: &[Self], out: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::ties::values_along;
        /// The derivative of `V diag(weights) V^T` while `A` moves along `E` and the weights along `dw`, which may
        /// differ on ties.
        fn weighted_along(
            win: Window, handle: &[Self], weights: &[Self], e: &[Self], dw: &[Self], out: &mut [Self],
            w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::ties::weighted_along;
        /// Are there chosen vectors that share their value with another one, or belong to a singular value 0?
        fn has_ties(win: Window, handle: &[Self]) -> bool = crate::turn::has_ties;
        /// Chooses the vectors of tied values in the handle otherwise: by a fixed rotation without zeros.
        fn turn_ties(win: Window, handle: &mut [Self]) = crate::turn::turn_ties;
        /// Turns the columns of an `m x k` matrix among each other by a fixed rotation; a single one changes its sign.
        fn turn_columns(a: &mut [Self], m: usize) = |a, m| crate::turn::turn(a, m, 1.0);
        /// The chosen eigenvectors (`u` over `v`).
        fn vectors(win: Window, handle: &[Self], out: &mut [Self]) = crate::spectrum::vectors;
        /// `y_i = (x_i - A)^+ z_i` for each chosen value `x_i`. `block`: what turns the chosen vectors among each other
        /// does not count. `first`: at a tie, drops what sees the basis and returns how large it was, relative to `z`;
        /// else a tie is an error.
        fn resolvent(
            win: Window, handle: &[Self], block: bool, first: bool, z: &[Self], out: &mut [Self],
            w: &mut Workspace<Self>,
        ) -> Result<Self, Failure> = |win, handle, block, first, z, out, w| {
            resolvent(win, handle, How { block, first }, z, out, w)
        };
        /// The cotangent of `A` for the cotangent `z` of the chosen vectors; flags and result as for
        /// [`resolvent`](Self::resolvent).
        fn pull_vectors(
            win: Window, handle: &[Self], block: bool, first: bool, z: &[Self], out: &mut [Self],
            w: &mut Workspace<Self>,
        ) -> Result<Self, Failure> = |win, handle, block, first, z, out, w| {
            pull(win, handle, How { block, first }, z, out, w)
        };
        /// Are all values chosen, none tied with another, and none, as a singular value, 0? With `near`, nor nearly
        /// tied. The three below ask for that.
        fn separate(win: Window, handle: &[Self], near: bool) -> bool = crate::spectrum::whole::separate;
        /// The tangents of all vectors (`dU` over `dV`) and values along `E`.
        fn push_whole(
            win: Window, handle: &[Self], e: &[Self], dq: &mut [Self], dx: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::spectrum::whole::push;
        /// The cotangent of `A` for those of all vectors and, perhaps, values.
        fn pull_whole(
            win: Window, handle: &[Self], gq: &[Self], gx: Option<&[Self]>, ga: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::spectrum::whole::pull;
        /// The derivative of [`pull_whole`](Self::pull_whole), where vectors and values move by `moved`, which
        /// [`push_whole`](Self::push_whole) gave, and their cotangents by what comes with them. With `ga`, also what it
        /// is the derivative of, in the same bits.
        fn pull_whole_pairs(
            win: Window, handle: &[Self], moved: Option<[&[Self]; 2]>, gq: WithTangent<'_, Self>,
            gx: Option<WithTangent<'_, Self>>, ga: (Option<&mut [Self]>, &mut [Self]), w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::spectrum::whole::pull_pairs;
        /// `A X = X D` with packed columns (`eig.rs`): the `n` packed eigenvalues, `X`, `X^{-T}`, and `6 x n` notes.
        fn eig(
            a: &[Self], n: usize, values: &mut [Self], x: &mut [Self], inverse: &mut [Self], notes: &mut [Self],
            w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = |a, n, values, x, inverse, notes, w| {
            eig(a, n, &mut EigOut { values, x, inverse, notes }, w)
        };
        /// Is the eigenvalue of largest modulus alone?
        fn eig_leading_alone(notes: &[Self], values: &[Self]) -> Result<(), Failure> = crate::columns::leading_alone;
        /// The motion of packed eigenvalues along `dA`, from `W = X^{-T}` and `dA X`: NaN where it does not exist, and
        /// why.
        fn eig_motion(
            notes: &[Self], w: &[Self], m: &[Self], dl: &mut [Self],
        ) -> Result<(), Failure> = crate::columns::motion;
        /// NaN into what tied vectors turn by, in `Z` of `dX = X Z`, and why.
        fn eig_undetermined(notes: &[Self], z: &mut [Self]) -> Result<(), Failure> = crate::columns::undetermined;
        /// NaN into the packed columns of `m` rows of tied eigenvalues, and why.
        fn eig_blank(notes: &[Self], m: usize, x: &mut [Self]) -> Result<(), Failure> = crate::columns::blank;
        /// Algebra of packed columns of `m` rows, by the notes of [`eig`](Self::eig).
        fn columns(op: ColumnOp, notes: &[Self], m: usize, x: &[&[Self]], out: &mut [Self]) = crate::columns::apply;
        /// May a derivative be taken along packed columns of `m` rows?
        fn columns_verdict(
            verdict: Verdict, notes: &[Self], m: usize, x: &[Self],
        ) -> Result<(), Failure> = crate::columns::judge;
    }
}
