//! What a tape records: values, and the operations that made them, and how they are computed, once and at replay.
//! Handles, sweeps and rules are not known here.

use crate::Scalar;
use crate::eager::Eager;
use crate::error::{Line, Place};
use crate::ops::direct::EvalStep;
use crate::ops::{Arg, Op, Out};
use crate::store::{Buf, Store, Trouble};
use crate::val::Val;
use crate::value::Outs;
use smallvec::SmallVec;
use std::cell::Cell;

/// One recorded operation.
#[derive(Debug, Clone)]
pub(crate) struct OpRec<T: Scalar> {
    pub(crate) op: Op<T>,
    pub(crate) inputs: SmallVec<[u32; 4]>,
    pub(crate) first: u32,
    pub(crate) outs: u32,
    pub(crate) line: Place,
}

impl<T: Scalar> OpRec<T> {
    /// What the program calls it: the method that was called, or the name of a custom primitive.
    pub(crate) fn called(&self) -> &'static str {
        match &self.op {
            Op::Custom(c) => c.name(),
            _ => self.line.said,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Inner<T: Scalar> {
    pub(crate) vals: Vec<Val<T>>,
    pub(crate) ops: Vec<OpRec<T>>,
    /// The lines that made inputs and constants.
    pub(crate) leaves: Vec<(u32, Line)>,
    /// Recorded operations whose outputs may not be determined (`invariance.rs`).
    pub(crate) gauges: usize,
    /// Recorded selections (`dead.rs`).
    pub(crate) selects: usize,
    /// Gradients that were recorded on this tape and passed such operations: judged anew at replay.
    pub(crate) judged: Vec<Judged>,
    /// Grows when values are freed: a handle of an older one is dead.
    pub(crate) generation: u32,
    /// The line that looked at numbers, if any.
    pub(crate) read: Option<Line>,
    /// The same, if something was recorded after that.
    pub(crate) branched: Option<Line>,
}

/// A recorded gradient of the number `y` by `targets` over a piece of the tape.
#[derive(Debug, Clone)]
pub(crate) struct Judged {
    pub(crate) ops: std::ops::Range<usize>,
    pub(crate) base: usize,
    pub(crate) targets: Vec<u32>,
    pub(crate) y: u32,
    /// Found not to depend on a choice, whatever the targets are.
    pub(crate) independent: Cell<bool>,
}

impl<T: Scalar> Inner<T> {
    /// The values and operations once more.
    pub(crate) fn copied(&self) -> Inner<T> {
        let (vals, ops) = (self.vals.clone(), self.ops.clone());
        Inner {
            vals,
            ops,
            leaves: vec![],
            gauges: 0,
            selects: self.selects,
            judged: vec![],
            generation: self.generation,
            read: None,
            branched: None,
        }
    }

    #[inline]
    pub(crate) fn eager<'a>(&'a self, id: u32, store: &'a Store<T>) -> Eager<'a, T> {
        let v = &self.vals[id as usize];
        Eager::borrowed(&v.buf, v.shape, store)
    }
}

/// How far the tape was filled at some moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) vals: usize,
    pub(crate) ops: usize,
}

impl Mark {
    pub(crate) const START: Mark = Mark { vals: 0, ops: 0 };

    /// Of the records of so many values and operations.
    #[inline]
    pub(crate) fn bytes<T: Scalar>(self) -> isize {
        (self.vals * size_of::<Val<T>>() + self.ops * size_of::<OpRec<T>>()) as isize
    }
}

/// Computes the outputs of a recorded operation from its inputs, both in `vals`.
#[inline]
pub(crate) fn evaluate<T: Scalar>(
    vals: &mut [Val<T>],
    rec: &OpRec<T>,
    store: &Store<T>,
) -> std::result::Result<(), Trouble> {
    let known = store.has_ever_failed();
    let poisoned = known && rec.inputs.iter().any(|i| vals[*i as usize].poisoned);
    let done = if poisoned { Ok(()) } else { run(vals, rec, store) };
    if known || done.is_err() {
        for v in &mut vals[rec.first as usize..][..rec.outs as usize] {
            v.poisoned = poisoned || done.is_err();
            if v.poisoned {
                v.buf.fill(T::nan());
            }
        }
    }
    done
}

/// The evaluation itself.
#[inline(always)]
fn run<T: Scalar>(vals: &mut [Val<T>], rec: &OpRec<T>, store: &Store<T>) -> std::result::Result<(), Trouble> {
    let (before, out) = vals.split_at_mut(rec.first as usize);
    let out = &mut out[..rec.outs as usize];
    if store.takes_shortcuts()
        && let Some(done) = rec.op.eval_direct(EvalStep { inputs: &rec.inputs, before, out: &mut *out, store })
    {
        return done;
    }
    by_kernel(rec, before, out, store)
}

/// The evaluation of a primitive that knows no shorter way; the usual few inputs and outputs without a list. In a place
/// of its own: it would take the registers of the shorter ways.
#[inline(never)]
fn by_kernel<T: Scalar>(
    rec: &OpRec<T>,
    before: &[Val<T>],
    out: &mut [Val<T>],
    store: &Store<T>,
) -> std::result::Result<(), Trouble> {
    let arg = |i: &u32| before[*i as usize].arg();
    match (&*rec.inputs, out) {
        ([a], [y]) => rec.op.eval(&[arg(a)], &mut [y.out()], store),
        ([a, b], [y]) => rec.op.eval(&[arg(a), arg(b)], &mut [y.out()], store),
        ([a, b, c], [y]) => rec.op.eval(&[arg(a), arg(b), arg(c)], &mut [y.out()], store),
        ([a], [y, z]) => rec.op.eval(&[arg(a)], &mut [y.out(), z.out()], store),
        (inputs, out) => {
            let args: SmallVec<[Arg<'_, T>; 5]> = inputs.iter().map(arg).collect();
            rec.op.eval(&args, &mut out.iter_mut().map(Val::out).collect::<SmallVec<[Out<'_, T>; 3]>>(), store)
        }
    }
}

/// Computes every operation again and remembers the first failure.
pub(crate) fn replay<T: Scalar>(vals: &mut [Val<T>], ops: &[OpRec<T>], store: &Store<T>) {
    for rec in ops {
        if let Err(t) = evaluate(vals, rec, store) {
            store.fail(rec.op.name(), vals[rec.first as usize].shape.batch, false, Some(rec.line), t);
        }
    }
}

/// The tangents of the outputs, from those that the inputs carry.
pub(crate) fn push_tangents<T: Scalar>(vals: &mut [Val<T>], rec: &OpRec<T>, store: &Store<T>) {
    if vals[rec.first as usize].poisoned || !rec.inputs.iter().any(|&i| vals[i as usize].tan.is_some()) {
        return;
    }
    let eager = |id: u32| Eager::borrowed(&vals[id as usize].buf, vals[id as usize].shape, store);
    store.set_line(Some(rec.line));
    let x: SmallVec<[Eager<'_, T>; 5]> = rec.inputs.iter().map(|&i| eager(i)).collect();
    let y: SmallVec<[Eager<'_, T>; 2]> = (rec.first..rec.first + rec.outs).map(eager).collect();
    let dx: SmallVec<[Option<Eager<'_, T>>; 5]> = rec
        .inputs
        .iter()
        .map(|&i| vals[i as usize].tan.as_ref().map(|t| Eager::borrowed(t, vals[i as usize].shape, store)))
        .collect();
    let dy: Outs<Option<Eager<'_, T>>> = rec.op.jvp(
        &x.iter().collect::<SmallVec<[_; 5]>>(),
        &y.iter().collect::<SmallVec<[_; 2]>>(),
        &dx.iter().map(Option::as_ref).collect::<SmallVec<[_; 5]>>(),
    );
    let dy: Outs<Option<Buf<T>>> = dy.into_iter().map(|d| d.map(Eager::into_buf)).collect();
    drop((x, y, dx));
    for (k, d) in dy.into_iter().enumerate() {
        vals[rec.first as usize + k].tan = d;
    }
}

#[cfg(test)]
mod tests {
    use super::{OpRec, Val};

    #[test]
    fn records_are_small() {
        // Every recorded operation keeps one of each; what is large belongs behind a pointer.
        println!("{} {}", size_of::<OpRec<f64>>(), size_of::<Val<f64>>());
        assert!(size_of::<OpRec<f64>>() <= 128 && size_of::<Val<f64>>() <= 72);
    }
}
