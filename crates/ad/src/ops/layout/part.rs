//! Triangles and symmetries: the masks that factorisations' rules are written with. All linear.

use super::moves::linear;
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Out, Primitive, Shapes, one, out1, square};
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
    /// `sym(X) = (X + X^T)/2`
    Sym,
    /// `skew(X) = (X - X^T)/2`
    Skew,
    /// `triu(X) + striu(X)^T`: copies the upper triangle down.
    CopyUp,
    /// `triu(X) + stril(X)^T`: folds the lower triangle up. The adjoint of `CopyUp`.
    FoldUp,
}

impl Part {
    /// The method that gives it.
    pub(crate) fn method(self) -> &'static &'static str {
        match self {
            Part::Lower => &"tril",
            Part::Upper => &"triu",
            Part::Sym => &"sym",
            Part::Skew => &"skew",
            _ => &"part",
        }
    }

    /// Writes the part of every member.
    #[inline]
    pub(crate) fn write<T: Scalar>(self, shape: Shape, x: &[T], y: &mut [T]) {
        y.copy_from_slice(x);
        self.write_in_place(shape, y);
    }

    /// Does the same in place. Entries that have no part in it are not read, whatever stands there.
    #[inline]
    pub(crate) fn write_in_place<T: Scalar>(self, shape: Shape, y: &mut [T]) {
        let m = shape.rows;
        let zero = T::zero();
        for y in y.chunks_exact_mut(shape.each().max(1)) {
            match self {
                Part::CopyUp => pairs(m, |above, below| y[below] = y[above]),
                Part::FoldUp => pairs(m, |above, below| {
                    y[above] += y[below];
                    y[below] = zero;
                }),
                Part::Sym => pairs(m, |above, below| {
                    let half = T::of(0.5);
                    let s = half * y[above] + half * y[below];
                    (y[above], y[below]) = (s, s);
                }),
                Part::Skew => {
                    pairs(m, |above, below| {
                        let half = T::of(0.5);
                        let s = half * y[above] - half * y[below];
                        (y[above], y[below]) = (s, -s);
                    });
                    y.iter_mut().step_by(m + 1).for_each(|y| *y = zero);
                }
                Part::Lower | Part::StrictLower | Part::Upper | Part::StrictUpper => {
                    for (j, column) in y.chunks_exact_mut(m.max(1)).enumerate() {
                        match self {
                            Part::Lower => column[..j.min(m)].fill(zero),
                            Part::StrictLower => column[..(j + 1).min(m)].fill(zero),
                            Part::Upper => column[(j + 1).min(m)..].fill(zero),
                            _ => column[j.min(m)..].fill(zero),
                        }
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

/// Places of the entries above the diagonal and their mirror images, tile by tile, so that both are walked in cache
/// lines.
#[inline(always)]
fn pairs(n: usize, mut f: impl FnMut(usize, usize)) {
    const TILE: usize = 8;
    for j0 in (0..n).step_by(TILE) {
        for i0 in (0..=j0).step_by(TILE) {
            for j in j0..n.min(j0 + TILE) {
                for i in i0..j.min(i0 + TILE) {
                    f(j * n + i, i * n + j);
                }
            }
        }
    }
}

impl<T: Scalar> From<Part> for Op<T> {
    fn from(p: Part) -> Self {
        Op::Part(p)
    }
}

impl<T: Scalar> Primitive<T> for Part {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`tril triu sym skew`, masks inside rules",
        conditions: "square for `sym`, `skew`",
        cost: &["pass", "pass", "pass"],
        degenerate: "an entry of weight 0 is not read, even if it is NaN",
        ..PrimitiveDoc::of(file!())
    };

    const LINEAR: bool = true;

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
