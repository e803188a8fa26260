//! Rows (columns, members) that indices name, and their transpose, which adds them to where they came from.
//!
//! `y_k = x_(i_k)`, and from `<gy, y>`: `gx_i = sum of gy_k over i_k = i`.
//!
//! Conditions: indices lie inside. Cost: one pass each. Source: derived.

use super::moves::{Axis, into_op, linear, with_size};
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Op, Out, Primitive, Shapes, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape};
use std::sync::Arc;

/// Rows (columns, members) `index[0], index[1], ...`; repetition is allowed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gather {
    pub(crate) axis: Axis,
    pub(crate) index: Arc<[usize]>,
}

/// Adds row `k` of the input to row `index[k]` of zeros with `size` rows: the transpose of [`Gather`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scatter {
    pub(crate) axis: Axis,
    pub(crate) index: Arc<[usize]>,
    pub(crate) size: usize,
}

into_op!(Gather, Scatter);

/// `y_k = x_(i_k)` for pieces of `step` entries.
fn gather<T: Copy>(step: usize, x: &[T], index: &[usize], y: &mut [T]) {
    match step {
        1 => gather_few::<1, T>(x, index, y),
        2 => gather_few::<2, T>(x, index, y),
        3 => gather_few::<3, T>(x, index, y),
        4 => gather_few::<4, T>(x, index, y),
        _ => {
            let pieces = y.chunks_exact_mut(step).zip(index);
            pieces.for_each(|(y, i)| y.copy_from_slice(&x[i * step..(i + 1) * step]));
        }
    }
}

/// [`gather`] for pieces of known length.
fn gather_few<const N: usize, T: Copy>(x: &[T], index: &[usize], y: &mut [T]) {
    let (x, _) = x.as_chunks::<N>();
    let (y, _) = y.as_chunks_mut::<N>();
    y.iter_mut().zip(index).for_each(|(y, &i)| *y = x[i]);
}

/// `y_(i_k) += x_k` for pieces of `step` entries.
fn scatter<T: Scalar>(step: usize, x: &[T], index: &[usize], y: &mut [T]) {
    match step {
        1 => scatter_few::<1, T>(x, index, y),
        2 => scatter_few::<2, T>(x, index, y),
        3 => scatter_few::<3, T>(x, index, y),
        4 => scatter_few::<4, T>(x, index, y),
        _ => {
            let pieces = x.chunks_exact(step).zip(index);
            pieces.for_each(|(x, i)| T::axpy(T::one(), x, &mut y[i * step..(i + 1) * step]));
        }
    }
}

/// [`scatter`] for pieces of known length.
fn scatter_few<const N: usize, T: Scalar>(x: &[T], index: &[usize], y: &mut [T]) {
    let (x, _) = x.as_chunks::<N>();
    let (y, _) = y.as_chunks_mut::<N>();
    for (x, &i) in x.iter().zip(index) {
        y[i].iter_mut().zip(x).for_each(|(y, x)| *y += *x);
    }
}

impl<T: Scalar> Primitive<T> for Gather {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`gather`, `vee`, `kron`",
        conditions: "indices lie inside",
        cost: &["pass", "pass", "pass"],
        degenerate: "repetition adds up",
        ..PrimitiveDoc::of(file!())
    };

    const LINEAR: bool = true;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let size = self.axis.size(x[0]);
        match self.index.iter().find(|&&i| i >= size) {
            Some(i) => Err(format!("expected indices below {size}; index {i} is not")),
            None => one(with_size(x[0], self.axis, self.index.len())),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        if !y[0].data.is_empty() {
            let (step, n) = (self.axis.step(x[0].shape), self.axis.size(x[0].shape));
            let lists = x[0].data.chunks_exact(n * step).zip(y[0].data.chunks_exact_mut(self.index.len() * step));
            lists.for_each(|(x, y)| gather(step, x, &self.index, y));
        }
        Ok(())
    }

    linear!(Gather, |p, x| Op::Scatter(Scatter { axis: p.axis, index: p.index.clone(), size: p.axis.size(x) }));
}

impl Scatter {
    /// Adds what comes from `x` to `y`.
    pub(crate) fn add<T: Scalar>(&self, shape: Shape, x: &[T], y: &mut [T]) {
        if !x.is_empty() {
            let step = self.axis.step(shape);
            let lists = x.chunks_exact(self.index.len() * step).zip(y.chunks_exact_mut(self.size * step));
            lists.for_each(|(x, y)| scatter(step, x, &self.index, y));
        }
    }
}

impl<T: Scalar> Primitive<T> for Scatter {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`scatter`, `hat`, derivative of `gather`",
        conditions: "indices lie inside",
        cost: &["pass", "pass", "pass"],
        degenerate: "repetition adds up",
        ..PrimitiveDoc::of(file!())
    };

    const LINEAR: bool = true;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let rows = self.axis.size(x[0]);
        match rows == self.index.len() && self.index.iter().all(|&i| i < self.size) {
            true => one(with_size(x[0], self.axis, self.size)),
            false => Err(format!("expected {rows} indices below {}", self.size)),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        y[0].data.fill(T::zero());
        self.add(x[0].shape, x[0].data, y[0].data);
        Ok(())
    }

    linear!(Scatter, |p, _x| Op::Gather(Gather { axis: p.axis, index: p.index.clone() }));
}
