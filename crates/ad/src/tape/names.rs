//! Names in messages: the method that the user called, while it makes several operations, and what does not fit it.

use crate::ops::Op;
use crate::{Scalar, Shape, Tape};
use std::cell::Cell;

impl<T: Scalar> Tape<T> {
    /// Names what is made while the result lives by `method`.
    pub(crate) fn saying(&self, method: &'static &'static str) -> Saying<'_> {
        let outer = self.said.get();
        self.said.set(Some(outer.unwrap_or(method)));
        Saying { said: &self.said, outer }
    }
}

#[track_caller]
#[cold]
pub(super) fn misfit<T: Scalar>(method: &str, op: &Op<T>, shapes: &[Shape], why: &str) -> ! {
    // What a factorisation left is no argument of the user's.
    let given = shapes.iter().enumerate().filter(|(i, _)| !op.is_handle(*i));
    let list = given.map(|(_, s)| s.to_string()).collect::<Vec<_>>().join(" and ");
    match why.starts_with("expected") {
        true => panic!("{method}: {why}, got {list}"),
        false => panic!("{method}: shapes {list} do not fit: {why}"),
    }
}

/// Names the operations made while it lives by the method that the user called, the outermost one.
pub(crate) struct Saying<'t> {
    said: &'t Cell<Option<&'static &'static str>>,
    outer: Option<&'static &'static str>,
}

impl Drop for Saying<'_> {
    fn drop(&mut self) {
        self.said.set(self.outer);
    }
}
