//! Entries moved along an axis, with zeros where nothing comes from: `y_(i + by) = x_i`. Linear, and its transpose is
//! the move back: `gx_i = gy_(i + by)`.
//!
//! Conditions: none. Cost: one pass each. Source: derived.

use super::moves::{Axis, into_op, linear};
use crate::ops::direct::PullStep;
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Op, Out, Primitive, Shapes, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape};
use std::ops::Range;

/// `y_(i + by) = x_i`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Translate {
    pub(crate) axis: Axis,
    pub(crate) by: isize,
}

into_op!(Translate);

impl Translate {
    fn back(self) -> Self {
        Translate { by: -self.by, ..self }
    }

    /// The length of the pieces that move as one, and where in each what stays comes from and goes to.
    fn ranges(self, s: Shape) -> (usize, Range<usize>, Range<usize>) {
        let (n, step) = (self.axis.size(s), self.axis.step(s));
        let k = self.by.unsigned_abs().min(n) * step;
        let (low, high) = (0..n * step - k, k..n * step);
        if self.by < 0 { (n * step, high, low) } else { (n * step, low, high) }
    }

    fn moved<T: Scalar>(self, shape: Shape, x: &[T], y: &mut [T]) {
        let (len, from, to) = self.ranges(shape);
        for (x, y) in x.chunks_exact(len.max(1)).zip(y.chunks_exact_mut(len.max(1))) {
            y[..to.start].fill(T::zero());
            y[to.end..].fill(T::zero());
            y[to.clone()].copy_from_slice(&x[from.clone()]);
        }
    }
}

impl<T: Scalar> Primitive<T> for Translate {
    const DOC: PrimitiveDoc =
        PrimitiveDoc { operation: "`shift`", cost: &["pass", "pass", "pass"], ..PrimitiveDoc::of(file!()) };

    const LINEAR: bool = true;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(x[0])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        self.moved(x[0].shape, x[0].data, y[0].data);
        Ok(())
    }

    linear!(Translate, |p, _x| Op::Translate(p.back()));

    #[inline(always)]
    fn pull_direct(&self, mut p: PullStep<'_, T>) -> bool {
        let (shape, store) = (p.output().shape, p.store);
        let Some(g) = p.take() else { return true };
        match p.slot(0) {
            Some(Some(sum)) => {
                let (len, from, to) = self.ranges(shape);
                for (sum, g) in sum.chunks_exact_mut(len.max(1)).zip(g.chunks_exact(len.max(1))) {
                    T::axpy(T::one(), &g[to.clone()], &mut sum[from.clone()]);
                }
            }
            Some(slot) => {
                let mut new = store.take(g.len());
                self.back().moved(shape, &g, &mut new);
                *slot = Some(new);
            }
            None => {}
        }
        store.put(g);
        true
    }
}
