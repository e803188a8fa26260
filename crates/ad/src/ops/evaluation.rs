//! What a primitive sees at replay when it works from buffer to buffer. Sweeps are in `direct.rs`, which says when
//! shortcuts are taken.

use super::{Arg, Primitive};
use crate::Scalar;
use crate::store::{Store, Trouble};
use crate::val::Val;

/// A step at replay: the values before it, and the places of its outputs.
pub(crate) struct EvalStep<'a, T: Scalar> {
    pub(crate) inputs: &'a [u32],
    pub(crate) before: &'a [Val<T>],
    pub(crate) out: &'a mut [Val<T>],
    pub(crate) store: &'a Store<T>,
}

impl<'a, T: Scalar> EvalStep<'a, T> {
    #[inline(always)]
    pub(crate) fn input(&self, i: usize) -> Arg<'a, T> {
        self.before[self.inputs[i] as usize].arg()
    }

    /// The value by the kernel, of a primitive that makes one matrix of `N`. Declines batches, whose members may be for
    /// several threads.
    #[inline(always)]
    pub(crate) fn of_matrices<const N: usize>(self, op: &impl Primitive<T>) -> Option<Result<(), Trouble>> {
        let x: [Arg<'_, T>; N] = std::array::from_fn(|i| self.input(i));
        match self.out {
            [y] if y.shape.batch == 1 => Some(op.eval(&x, &mut [y.out()], self.store)),
            _ => None,
        }
    }
}
