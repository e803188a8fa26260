//! Triangles and symmetries: the masks that factorisations' rules are written with. All linear.

use super::layout::linear;
use super::{Arg, Out, Primitive, Shapes, one, out1, square};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape, ops::Op};

/// Which part of a matrix, or which fold of its triangles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// `tril`
    Lower,
    /// `tril` without the diagonal
    StrictLower,
    /// `triu`
    Upper,
    /// `triu` without the diagonal
    StrictUpper,
    /// Lower triangle with halved diagonal.
    Phi,
    /// `(X + X')/2`
    Sym,
    /// `(X - X')/2`
    Skew,
    /// `triu(X) + striu(X)'`: copies the upper triangle down.
    CopyUp,
    /// `triu(X) + stril(X)'`: folds the lower triangle up. The adjoint of `CopyUp`.
    FoldUp,
}

impl Part {
    /// `out_ij` as `a x_ij + b x_ji`; the order of `(i, j)` decides.
    fn weights(self, order: std::cmp::Ordering) -> (f64, f64) {
        use Part::*;
        use std::cmp::Ordering::*;
        match (self, order) {
            // i > j: below the diagonal
            (Lower | StrictLower | Phi, Greater) => (1.0, 0.0),
            (CopyUp, Greater) => (0.0, 1.0),
            (Upper | StrictUpper | FoldUp, Greater) => (0.0, 0.0),
            // the diagonal
            (Lower | Upper | CopyUp | FoldUp | Sym, Equal) => (1.0, 0.0),
            (StrictLower | StrictUpper | Skew, Equal) => (0.0, 0.0),
            (Phi, Equal) => (0.5, 0.0),
            // above
            (Upper | StrictUpper | CopyUp, Less) => (1.0, 0.0),
            (FoldUp, Less) => (1.0, 1.0),
            (Lower | StrictLower | Phi, Less) => (0.0, 0.0),
            (Sym, _) => (0.5, 0.5),
            (Skew, _) => (0.5, -0.5),
        }
    }

    fn adjoint(self) -> Part {
        match self {
            Part::CopyUp => Part::FoldUp,
            Part::FoldUp => Part::CopyUp,
            p => p,
        }
    }

    /// Is the result made of entries of the same place only? Then the matrix may be rectangular.
    fn is_mask(self) -> bool {
        !matches!(self, Part::Sym | Part::Skew | Part::CopyUp | Part::FoldUp)
    }
}

impl<T: Scalar> From<Part> for Op<T> {
    fn from(p: Part) -> Self {
        Op::Part(p)
    }
}

impl<T: Scalar> Primitive<T> for Part {
    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        if !self.is_mask() {
            square(x[0])?;
        }
        one(x[0])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        use std::cmp::Ordering::*;
        let (m, n) = (x[0].shape.rows, x[0].shape.cols);
        let w = |o| {
            let (a, b) = self.weights(o);
            (T::of(a), T::of(b))
        };
        let (below, on, above) = (w(Greater), w(Equal), w(Less));
        for k in 0..x[0].shape.batch {
            let (a, out) = (x[0].member(k), y[0].member(k));
            for j in 0..n {
                for i in 0..m {
                    let (s, t) = match i.cmp(&j) {
                        Greater => below,
                        Equal => on,
                        Less => above,
                    };
                    // A weight of zero ignores its entry, whatever stands there.
                    let same = if s == T::zero() { T::zero() } else { s * a[j * m + i] };
                    out[j * m + i] = if t == T::zero() { same } else { same + t * a[i * m + j] };
                }
            }
        }
        Ok(())
    }

    linear!(Part, |p, _x| Op::Part(p.adjoint()));
}
