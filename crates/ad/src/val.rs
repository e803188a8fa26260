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

/// Appends a value that no operation made. It is written field by field where it stays: written elsewhere first, it
/// would be read back, to be moved, before it has left the processor, which takes as long as a small operation.
#[inline(always)]
pub(crate) fn push_val<T>(vals: &mut Vec<Val<T>>, shape: Shape, buf: Buf<T>, generation: u32) -> &mut Val<T> {
    let val = push_blank(vals);
    (val.shape, val.buf, val.generation) = (shape, buf, generation);
    val
}

/// Out of line, or the compiler would make the value elsewhere again.
#[inline(never)]
fn push_blank<T>(vals: &mut Vec<Val<T>>) -> &mut Val<T> {
    let at = vals.len();
    vals.push(Val {
        shape: Shape::SCALAR,
        buf: Buf::default(),
        tan: None,
        generation: 0,
        made: false,
        poisoned: false,
    });
    &mut vals[at]
}
