//! What a primitive is, what its kernel sees, and small helpers that rules share. Which primitives there are is the
//! registry's business.

use super::direct::{EvalStep, PullPairsStep, PullStep, PushStep};
use super::documentation::PrimitiveDoc;
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape};
use pullback_kernels::Failure;
use smallvec::{SmallVec, smallvec};

pub(crate) type Shapes = SmallVec<[Shape; 3]>;

/// An input of a kernel.
#[derive(Clone, Copy)]
pub(crate) struct Arg<'a, T> {
    pub(crate) shape: Shape,
    pub(crate) data: &'a [T],
}

impl<'a, T> Arg<'a, T> {
    /// Member `b`; a batch of one serves every `b`.
    #[inline]
    pub(crate) fn member(&self, b: usize) -> &'a [T] {
        if self.shape.batch == 1 {
            return self.data;
        }
        let o = self.shape.offset(b);
        &self.data[o..o + self.shape.each()]
    }
}

/// An output of a kernel. Its contents are arbitrary until written.
pub(crate) struct Out<'a, T> {
    pub(crate) shape: Shape,
    pub(crate) data: &'a mut [T],
}

impl<T> Out<'_, T> {
    #[inline]
    pub(crate) fn member(&mut self, b: usize) -> &mut [T] {
        if self.shape.batch == 1 {
            return self.data;
        }
        let o = self.shape.offset(b);
        &mut self.data[o..o + self.shape.each()]
    }
}

/// What a reverse rule reads, in a way that its derivative along a direction depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Inputs and outputs.
    All,
    /// Inputs.
    Inputs,
    /// For the cotangent of each input the other inputs: a product.
    OtherInputs,
    /// Nothing: a linear operation.
    Nothing,
}

impl Reads {
    /// What the rule of this primitive reads.
    pub(crate) fn of<T: Scalar, P: Primitive<T>>(_: &P) -> Reads {
        if P::LINEAR { Reads::Nothing } else { P::READS }
    }
}

/// A primitive: its shapes, its value, and two derivative rules, each derived by hand and each the other's test.
pub(crate) trait Primitive<T: Scalar> {
    /// What the page of primitives says of it.
    const DOC: PrimitiveDoc;

    /// The shapes of the outputs, or what would fit.
    fn infer(&self, x: &[Shape]) -> Result<Shapes, String>;
    /// Writes the outputs. The only place where numbers are looked at.
    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], store: &Store<T>) -> Result<(), Trouble>;
    /// Tangents of the outputs; absent means zero. At least one `dx` is present.
    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>>;
    /// Adds to the cotangents of the inputs. At least one `dy` is present.
    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>);

    /// Is it linear in all its inputs together, with one output? Over numbers its tangent is then its value at their
    /// tangents.
    const LINEAR: bool = false;

    /// What the reverse rule reads beside the cotangents; what it does not read needs no tangent where only its
    /// derivative is asked for (`scratch.rs`). [`Reads::All`] is always right.
    const READS: Reads = Reads::All;

    // Shortcuts over plain numbers, from buffer to buffer (`direct.rs`). `None` or `false`: nothing was done, ask the
    // rule.

    /// What `eval` does.
    #[inline(always)]
    fn eval_direct(&self, _: EvalStep<'_, T>) -> Option<Result<(), Trouble>> {
        None
    }
    /// What `jvp` does.
    #[inline(always)]
    fn push_direct(&self, p: PushStep<'_, T>) -> bool
    where
        Self: Sized,
    {
        Self::LINEAR && p.linear(self)
    }
    /// What `vjp` does.
    #[inline(always)]
    fn pull_direct(&self, _: PullStep<'_, T>) -> bool {
        false
    }
    /// What `vjp` does over pairs. Only for an operation with one input, and perhaps its handle.
    #[inline(always)]
    fn pull_pairs(&self, _: PullPairsStep<'_, T>) -> bool {
        false
    }
}

// ---- small helpers that rules share ---------------------------------------------------------------------------

/// One output shape.
pub(crate) fn one(s: Shape) -> Result<Shapes, String> {
    Ok(smallvec![s])
}

/// One output tangent.
pub(crate) fn out1<V>(v: Option<V>) -> Outs<Option<V>> {
    smallvec![v]
}

/// A square matrix, or why not.
pub(crate) fn square(x: Shape) -> Result<usize, String> {
    if x.rows == x.cols { Ok(x.rows) } else { Err("expected a square matrix".into()) }
}

/// Runs a kernel for every member of the batch and names the member that failed.
#[inline(always)]
pub(crate) fn members(batch: usize, mut f: impl FnMut(usize) -> Result<(), Failure>) -> Result<(), Trouble> {
    for member in 0..batch {
        if let Err(failure) = f(member) {
            return Err(Trouble { member: Some(member), failure });
        }
    }
    Ok(())
}

/// Two different outputs at once.
pub(crate) fn two<'s, 'a, T>(y: &'s mut [Out<'a, T>]) -> (&'s mut Out<'a, T>, &'s mut Out<'a, T>) {
    let (a, b) = y.split_at_mut(1);
    (&mut a[0], &mut b[0])
}
