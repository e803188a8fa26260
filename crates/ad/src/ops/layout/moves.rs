//! Moving entries without changing them: transpose, reshape, slice, concat, diagonals. Every one is linear, and its
//! rule is its transpose, which is here too. Rows that indices name are in `gather.rs`, shifts in `translate.rs`.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Out, Primitive, Shapes, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape, ops::Op};
use smallvec::SmallVec;

/// `A^T`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Transpose;

/// The same entries in storage order under another shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Reshape {
    pub(crate) shape: Shape,
}

/// The block of `shape` that starts at `at = (member, row, column)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Slice {
    pub(crate) at: (usize, usize, usize),
    pub(crate) shape: Shape,
}

/// Zeros of `shape` with the input as the block at `at`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Embed {
    pub(crate) at: (usize, usize, usize),
    pub(crate) shape: Shape,
}

/// Along which axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// The members of the batch.
    Batch,
    /// Rows: results are stacked vertically.
    Rows,
    /// Columns: results stand side by side.
    Cols,
}

/// The inputs one after the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Concat {
    pub(crate) axis: Axis,
}

/// The diagonal as a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Diag;

/// A column as a diagonal of a `rows x cols` matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FromDiag {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
}

/// A linear primitive: both rules from itself and its transpose.
macro_rules! linear {
    ($P:ty, |$p:ident, $x:ident| $transpose:expr) => {
        fn jvp<V: Value<T = T>>(&self, _: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
            out1(dx[0].map(|d| V::one(self.clone().into(), &[d])))
        }

        fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
            if let Some(g) = &dy[0] {
                let ($p, $x) = (self, x[0].shape());
                let _ = ($p, $x);
                out.add_moved(0, $transpose, g);
            }
        }
    };
}
pub(crate) use linear;

macro_rules! into_op {
    ($($P:ident),*) => { $(impl<T: Scalar> From<$P> for Op<T> { fn from(p: $P) -> Self { Op::$P(p) } })* };
}
pub(crate) use into_op;
into_op!(Transpose, Reshape, Slice, Embed, Diag, FromDiag);

impl<T: Scalar> Primitive<T> for Transpose {
    const DOC: PrimitiveDoc =
        PrimitiveDoc { operation: "`t`", cost: &["pass", "pass", "pass"], ..PrimitiveDoc::of(file!()) };

    const LINEAR: bool = true;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(x[0].t())
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        for b in 0..x[0].shape.batch {
            T::transpose(x[0].member(b), x[0].shape.rows, x[0].shape.cols, y[0].member(b));
        }
        Ok(())
    }

    linear!(Transpose, |_p, _x| Op::Transpose(Transpose));
}

impl<T: Scalar> Primitive<T> for Reshape {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`reshape`, `reshape_batch`",
        conditions: "as many entries",
        cost: &["pass", "pass", "pass"],
        ..PrimitiveDoc::of(file!())
    };

    const LINEAR: bool = true;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        match x[0].len() == self.shape.len() {
            true => one(self.shape),
            false => Err(format!("expected {} entries, to become {}", self.shape.len(), self.shape)),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        y[0].data.copy_from_slice(x[0].data);
        Ok(())
    }

    linear!(Reshape, |_p, x| Op::Reshape(Reshape { shape: x }));
}

/// Copies columns between a large and a small batch; `copy` gets (large column part, small column).
fn block<L, S>(
    at: (usize, usize, usize),
    (ls, mut large): (Shape, L),
    (ss, mut small): (Shape, S),
    mut copy: impl FnMut(&mut L, std::ops::Range<usize>, &mut S, std::ops::Range<usize>),
) {
    for b in 0..ss.batch {
        for j in 0..ss.cols {
            let l = ((b + at.0) * ls.cols + j + at.2) * ls.rows + at.1;
            let s = (b * ss.cols + j) * ss.rows;
            copy(&mut large, l..l + ss.rows, &mut small, s..s + ss.rows);
        }
    }
}

fn within_bounds(at: (usize, usize, usize), part: Shape, whole: Shape) -> Result<(), String> {
    match at.0 + part.batch <= whole.batch && at.1 + part.rows <= whole.rows && at.2 + part.cols <= whole.cols {
        true => Ok(()),
        false => Err(format!("expected a block inside {whole}; {part} at (member, row, column) {at:?} is not")),
    }
}

impl<T: Scalar> Primitive<T> for Slice {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`slice`, `member`, `column_range`, `row_range`",
        conditions: "the block lies inside",
        cost: &["pass", "pass", "pass"],
        degenerate: "empty blocks are allowed",
        ..PrimitiveDoc::of(file!())
    };

    const LINEAR: bool = true;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        within_bounds(self.at, self.shape, x[0])?;
        one(self.shape)
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let (large, small) = ((x[0].shape, x[0].data), (self.shape, &mut *y[0].data));
        block(self.at, large, small, |l, lr, s, sr| s[sr].copy_from_slice(&l[lr]));
        Ok(())
    }

    linear!(Slice, |p, x| Op::Embed(Embed { at: p.at, shape: x }));
}

impl Embed {
    /// Adds what comes from `x` to `y`.
    pub(crate) fn add<T: Scalar>(self, shape: Shape, x: &[T], y: &mut [T]) {
        let add = |y: &mut &mut [T], large, x: &mut &[T], small| T::axpy(T::one(), &x[small], &mut y[large]);
        block(self.at, (self.shape, y), (shape, x), add);
    }
}

impl<T: Scalar> Primitive<T> for Embed {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "derivative of `slice`",
        conditions: "the block lies inside",
        cost: &["pass", "pass", "pass"],
        ..PrimitiveDoc::of(file!())
    };

    const LINEAR: bool = true;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        within_bounds(self.at, x[0], self.shape)?;
        one(self.shape)
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        y[0].data.fill(T::zero());
        let (large, small) = ((self.shape, &mut *y[0].data), (x[0].shape, x[0].data));
        block(self.at, large, small, |l, lr, s, sr| l[lr].copy_from_slice(&s[sr]));
        Ok(())
    }

    linear!(Embed, |p, x| Op::Slice(Slice { at: p.at, shape: x }));
}

impl Axis {
    /// How many there are along this axis.
    pub(crate) fn size(self, s: Shape) -> usize {
        match self {
            Axis::Batch => s.batch,
            Axis::Rows => s.rows,
            Axis::Cols => s.cols,
        }
    }

    /// How many entries lie between one and the next along this axis.
    pub(crate) fn step(self, s: Shape) -> usize {
        match self {
            Axis::Batch => s.each(),
            Axis::Rows => 1,
            Axis::Cols => s.rows,
        }
    }
}

impl Concat {
    fn at(self, offset: usize) -> (usize, usize, usize) {
        match self.axis {
            Axis::Batch => (offset, 0, 0),
            Axis::Rows => (0, offset, 0),
            Axis::Cols => (0, 0, offset),
        }
    }
}

pub(crate) fn with_size(s: Shape, axis: Axis, n: usize) -> Shape {
    match axis {
        Axis::Batch => Shape { batch: n, ..s },
        Axis::Rows => Shape { rows: n, ..s },
        Axis::Cols => Shape { cols: n, ..s },
    }
}

impl<T: Scalar> Primitive<T> for Concat {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`Var::concat`",
        conditions: "other sizes agree",
        cost: &["pass", "pass", "pass"],
        degenerate: "empty parts are allowed",
        ..PrimitiveDoc::of(file!())
    };

    const LINEAR: bool = true;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let total = x.iter().map(|&s| self.axis.size(s)).sum();
        match x.iter().all(|&s| with_size(s, self.axis, 1) == with_size(x[0], self.axis, 1)) {
            true => one(with_size(x[0], self.axis, total)),
            false => Err(format!("expected sizes that agree in all but {:?}", self.axis)),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let mut offset = 0;
        for a in x {
            let large = (y[0].shape, &mut *y[0].data);
            block(self.at(offset), large, (a.shape, a.data), |l, lr, s, sr| l[lr].copy_from_slice(&s[sr]));
            offset += self.axis.size(a.shape);
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let cx = x[0].cx();
        let parts: SmallVec<[V; 3]> =
            x.iter().zip(dx).map(|(x, d)| d.map_or_else(|| V::filled(cx, x.shape(), 0.0), V::clone)).collect();
        out1(Some(V::one(Op::Concat(*self), &parts.iter().collect::<SmallVec<[_; 3]>>())))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        let mut offset = 0;
        for (i, a) in x.iter().enumerate() {
            if out.wants(i) {
                out.add(i, V::one(Op::Slice(Slice { at: self.at(offset), shape: a.shape() }), &[g]));
            }
            offset += self.axis.size(a.shape());
        }
    }
}

impl<T: Scalar> Primitive<T> for Diag {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`diag`, `trace`",
        cost: &["pass", "pass", "pass"],
        degenerate: "rectangular matrices too",
        ..PrimitiveDoc::of(file!())
    };

    const LINEAR: bool = true;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(x[0].with(x[0].rows.min(x[0].cols), 1))
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        for b in 0..x[0].shape.batch {
            let a = x[0].member(b);
            y[0].member(b).iter_mut().enumerate().for_each(|(i, d)| *d = a[i * x[0].shape.rows + i]);
        }
        Ok(())
    }

    linear!(Diag, |_p, x| Op::FromDiag(FromDiag { rows: x.rows, cols: x.cols }));
}

impl<T: Scalar> Primitive<T> for FromDiag {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`to_diag`, derivative of `diag`",
        conditions: "a column",
        cost: &["pass", "pass", "pass"],
        ..PrimitiveDoc::of(file!())
    };

    const LINEAR: bool = true;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        match (x[0].rows, x[0].cols) == (self.rows.min(self.cols), 1) {
            true => one(x[0].with(self.rows, self.cols)),
            false => Err(format!(
                "expected a column of {}, the diagonal of {}x{}",
                self.rows.min(self.cols),
                self.rows,
                self.cols
            )),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        y[0].data.fill(T::zero());
        for b in 0..x[0].shape.batch {
            let out = y[0].member(b);
            x[0].member(b).iter().enumerate().for_each(|(i, d)| out[i * self.rows + i] = *d);
        }
        Ok(())
    }

    linear!(FromDiag, |_p, _x| Op::Diag(Diag));
}
