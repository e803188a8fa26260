//! A value as a tape keeps it: its shape, its numbers and, on a forward tape, its tangent. What made it is not known
//! here.

use crate::Shape;
use crate::ops::{Arg, Out};
use crate::store::Buf;

#[derive(Debug, Clone)]
pub(crate) struct Val<T> {
    pub(crate) shape: Shape,
    pub(crate) buf: Buf<T>,
    pub(crate) tan: Option<Buf<T>>,
    pub(crate) generation: u32,
    /// By an operation.
    pub(crate) made: bool,
    pub(crate) poisoned: bool,
}

impl<T> Val<T> {
    #[inline]
    pub(crate) fn arg(&self) -> Arg<'_, T> {
        Arg { shape: self.shape, data: &self.buf }
    }

    #[inline]
    pub(crate) fn out(&mut self) -> Out<'_, T> {
        Out { shape: self.shape, data: &mut self.buf }
    }
}
