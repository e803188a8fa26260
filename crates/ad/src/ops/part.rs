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

    /// Writes the part of every member, column by column: above the diagonal, on it, below.
    pub(crate) fn write<T: Scalar>(self, shape: Shape, x: &[T], y: &mut [T]) {
        use std::cmp::Ordering::*;
        let (m, each) = (shape.rows, shape.each());
        let w = [Less, Equal, Greater].map(|o| self.weights(o));
        for (k, (a, out)) in x.chunks_exact(each.max(1)).zip(y.chunks_exact_mut(each.max(1))).enumerate() {
            debug_assert!(k < shape.batch);
            for j in 0..shape.cols {
                let (top, low) = (j.min(m), (j + 1).min(m));
                for (rows, (s, t)) in [0..top, top..low, low..m].into_iter().zip(w) {
                    let range = j * m + rows.start..j * m + rows.end;
                    segment(T::of(s), &a[range.clone()], &mut out[range]);
                    if t != 0.0 {
                        rows.for_each(|i| out[j * m + i] += T::of(t) * a[i * m + j]);
                    }
                }
            }
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

/// `y = s x`; a weight of zero ignores its entries, whatever stands there.
#[inline]
fn segment<T: Scalar>(s: T, x: &[T], y: &mut [T]) {
    if s == T::one() {
        y.copy_from_slice(x);
    } else if s == T::zero() {
        y.fill(T::zero());
    } else {
        y.iter_mut().zip(x).for_each(|(y, x)| *y = s * *x);
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
        self.write(x[0].shape, x[0].data, y[0].data);
        Ok(())
    }

    linear!(Part, |p, _x| Op::Part(p.adjoint()));
}
