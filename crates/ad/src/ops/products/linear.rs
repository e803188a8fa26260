//! A product with a constant linear map that is not a dense matrix: a sparse one, or a user's operator.
//!
//! `Y = A X` is linear: `dY = A dX`, `gX = A^T gY`. The map is data and is never differentiated; a change of it is
//! another map.
//! Cost: that of the map. Conditions: those of the map.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Op, Out, Primitive, Reads, Shapes, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape};
use faer::{MatMut, MatRef};
use std::fmt;
use std::sync::Arc;

/// A constant linear map from columns of `cols` numbers to columns of `rows` numbers.
///
/// ```
/// use pullback::{LinearMap, Var, grad};
/// use pullback::faer::{MatMut, MatRef, mat};
/// use std::sync::Arc;
///
/// /// Differences of neighbours.
/// struct Differences(usize);
/// impl LinearMap for Differences {
///     fn size(&self) -> (usize, usize) { (self.0 - 1, self.0) }
///     fn apply(&self, x: MatRef<'_, f64>, mut y: MatMut<'_, f64>) {
///         for j in 0..x.ncols() { for i in 0..y.nrows() { y[(i, j)] = x[(i + 1, j)] - x[(i, j)]; } }
///     }
///     fn apply_transpose(&self, x: MatRef<'_, f64>, mut y: MatMut<'_, f64>) {
///         y.fill(0.0);
///         for j in 0..x.ncols() { for i in 0..x.nrows() { y[(i, j)] -= x[(i, j)]; y[(i + 1, j)] += x[(i, j)]; } }
///     }
/// }
/// let d = Arc::new(Differences(3));
/// let g = grad(|x: Var| { let y = x.mapped(d.clone()); y.dot(y) }, &mat![[0.0], [1.0], [3.0]]).unwrap();
/// assert_eq!(g, mat![[-2.0], [-2.0], [4.0]]);
/// ```
pub trait LinearMap<T = f64>: Send + Sync + 'static {
    /// `(rows, cols)`.
    fn size(&self) -> (usize, usize);
    /// `Y = A X`. What stands in `y` before is arbitrary.
    fn apply(&self, x: MatRef<'_, T>, y: MatMut<'_, T>);
    /// `Y = A^T X`. The dot test of `pullback-check` finds it wrong if it is.
    fn apply_transpose(&self, x: MatRef<'_, T>, y: MatMut<'_, T>);
}

/// `A X` or `A^T X`.
#[derive(Clone)]
pub(crate) struct Linear<T> {
    pub(crate) map: Arc<dyn LinearMap<T>>,
    pub(crate) transpose: bool,
}

impl<T: 'static> fmt::Debug for Linear<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (m, n) = self.map.size();
        write!(f, "linear map {m}x{n}{}", if self.transpose { ", transposed" } else { "" })
    }
}

impl<T: Scalar> Linear<T> {
    fn on<V: Value<T = T>>(&self, x: &V, flip: bool) -> V {
        V::one(Op::Linear(Linear { map: self.map.clone(), transpose: self.transpose != flip }), &[x])
    }
}

impl<T: Scalar> Primitive<T> for Linear<T> {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`mapped`, `mapped_transposed`: a constant sparse matrix (feature `sparse`) or a user's operator",
        conditions: "the map's own",
        cost: &["the map's own"],
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Nothing;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let (m, n) = self.map.size();
        let (m, n) = if self.transpose { (n, m) } else { (m, n) };
        match x[0].rows == n {
            true => one(x[0].with(m, x[0].cols)),
            false => Err(format!("expected columns of {n} numbers, as the linear map takes")),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let (n, m, k) = (x[0].shape.rows, y[0].shape.rows, x[0].shape.cols);
        for b in 0..x[0].shape.batch {
            let from = MatRef::from_column_major_slice(x[0].member(b), n, k);
            let to = MatMut::from_column_major_slice_mut(y[0].member(b), m, k);
            match self.transpose {
                false => self.map.apply(from, to),
                true => self.map.apply_transpose(from, to),
            }
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, _: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|d| self.on(d, false)))
    }

    fn vjp<V: Value<T = T>>(&self, _: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            out.add(0, self.on(g, true));
        }
    }
}

#[cfg(feature = "sparse")]
impl<T: Scalar> LinearMap<T> for faer::sparse::SparseColMat<usize, T> {
    fn size(&self) -> (usize, usize) {
        (self.nrows(), self.ncols())
    }

    fn apply(&self, x: MatRef<'_, T>, mut y: MatMut<'_, T>) {
        let a = self.as_ref();
        for k in 0..x.ncols() {
            for i in 0..y.nrows() {
                y[(i, k)] = T::zero();
            }
            for j in 0..a.ncols() {
                let s = x[(j, k)];
                for (i, v) in a.row_idx_of_col(j).zip(a.val_of_col(j)) {
                    y[(i, k)] += *v * s;
                }
            }
        }
    }

    fn apply_transpose(&self, x: MatRef<'_, T>, mut y: MatMut<'_, T>) {
        let a = self.as_ref();
        for k in 0..x.ncols() {
            for j in 0..a.ncols() {
                let terms = a.row_idx_of_col(j).zip(a.val_of_col(j));
                y[(j, k)] = terms.fold(T::zero(), |s, (i, v)| s + *v * x[(i, k)]);
            }
        }
    }
}
