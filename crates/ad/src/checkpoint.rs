//! Checkpoints: a piece of program kept as its operations alone. Its values are computed again when a sweep needs them.
//!
//! A checkpoint is an ordinary operation. Its inputs are the variable and whatever the piece captured; its rules run
//! the piece over the same kind of value as the sweep, so it works in every mode and order.

use crate::eager::Eager;
use crate::error::Place;
use crate::in_program;
use crate::leaves::VarTree;
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Op, Out, Primitive, Shapes};
use crate::record::{Mark, OpRec};
use crate::scratch::mark_depends;
use crate::store::{Store, Trouble};
use crate::sweep::{self, Recording};
use crate::tape::Tape;
use crate::value::{Grads, Outs, Value};
use crate::{Error, Scalar, Shape, Var};
use pullback_kernels::Failure;
use smallvec::{SmallVec, smallvec};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A piece of program. Values are numbered: inputs, literals, then results.
#[derive(Debug)]
pub(crate) struct Piece<T: Scalar> {
    inputs: usize,
    literals: Vec<(Shape, Box<[T]>)>,
    ops: Vec<OpRec<T>>,
    shapes: Vec<Shape>,
    outputs: Vec<u32>,
}

/// A checkpointed piece of program.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint<T: Scalar>(Arc<Piece<T>>);

impl<T: Scalar> Piece<T> {
    /// Lifts what the tape recorded since `mark` off it; also the handles of what the piece captured, those of `x`
    /// first.
    fn lift<'t>(tape: &'t Tape<T>, mark: Mark, x: &[Var<'t, T>], outputs: &[Var<'t, T>]) -> (Self, Vec<Var<'t, T>>) {
        let inner = tape.inner();
        let made = inner.ops[mark.ops..].iter().flat_map(|r| r.first..r.first + r.outs);
        let made: std::collections::BTreeSet<u32> = made.collect();
        let used = inner.ops[mark.ops..].iter().flat_map(|r| r.inputs.iter().copied());
        let used = used.chain(outputs.iter().map(|y| y.id));
        let mut outside: Vec<u32> = vec![];
        let mut literals: Vec<u32> = vec![];
        for id in x.iter().map(|x| x.id).chain(used.filter(|id| !made.contains(id))) {
            let list = if (id as usize) < mark.vals { &mut outside } else { &mut literals };
            if !list.contains(&id) {
                list.push(id);
            }
        }
        let ids = outside.iter().chain(&literals).copied().chain(made.iter().copied());
        let place: BTreeMap<u32, u32> = ids.enumerate().map(|(k, id)| (id, k as u32)).collect();
        let mut shapes = vec![Shape::SCALAR; place.len()];
        place.iter().for_each(|(&id, &k)| shapes[k as usize] = inner.vals[id as usize].shape);
        let ops = inner.ops[mark.ops..]
            .iter()
            .map(|r| OpRec { inputs: r.inputs.iter().map(|i| place[i]).collect(), first: place[&r.first], ..r.clone() })
            .collect();
        let literal = |&id: &u32| {
            let v = &inner.vals[id as usize];
            (v.shape, v.buf.clone())
        };
        let program = Piece {
            inputs: outside.len(),
            literals: literals.iter().map(literal).collect(),
            ops,
            shapes,
            outputs: outputs.iter().map(|y| place[&y.id]).collect(),
        };
        drop(inner);
        (program, outside.into_iter().map(|id| tape.handle(id)).collect())
    }

    fn run<V: Value<T = T>>(&self, x: &[&V]) -> Run<'_, V> {
        let cx = x[0].cx();
        let outer = V::at(cx, None);
        let mut vals: Vec<V> = x.iter().map(|v| (*v).clone()).collect();
        vals.extend(self.literals.iter().map(|(s, d)| V::literal(cx, *s, d)));
        for rec in &self.ops {
            let y = {
                let args: SmallVec<[&V; 4]> = rec.inputs.iter().map(|&i| &vals[i as usize]).collect();
                V::at(cx, Some(rec.line));
                V::apply(rec.op.clone(), &args)
            };
            vals.extend(y);
        }
        V::at(cx, outer);
        Run { program: self, vals }
    }

    /// What a sweep left over goes back to where it came from.
    fn put_back<V: Value<T = T>>(&self, cx: V::Cx, slots: Vec<Option<V::Slot>>) {
        for (slot, &shape) in slots.into_iter().zip(&self.shapes) {
            drop(slot.map(|s| V::unpark(cx, s, shape)));
        }
    }
}

/// A program with its values.
struct Run<'p, V: Value> {
    program: &'p Piece<V::T>,
    vals: Vec<V>,
}

impl<V: Value> Recording<V> for Run<'_, V> {
    type Step<'s>
        = &'s OpRec<V::T>
    where
        Self: 's;
    type Held<'s>
        = &'s V
    where
        Self: 's;
    fn step(&self, k: usize) -> &OpRec<V::T> {
        &self.program.ops[k]
    }
    fn load(&self, id: u32) -> &V {
        &self.vals[id as usize]
    }
    fn shape(&self, id: u32) -> Shape {
        self.program.shapes[id as usize]
    }
    fn is_poisoned(&self, _: u32) -> bool {
        false
    }
    fn cx(&self) -> V::Cx {
        self.vals[0].cx()
    }
    fn at(&self, line: Option<Place>) -> Option<Place> {
        V::at(self.cx(), line)
    }
}

impl<T: Scalar> Checkpoint<T> {
    /// What it keeps.
    pub(crate) fn ops(&self) -> &[OpRec<T>] {
        &self.0.ops
    }

    /// The bytes of its records and literals.
    fn bytes(&self) -> usize {
        let Piece { literals, ops, shapes, outputs, .. } = &*self.0;
        let numbers: usize = literals.iter().map(|(_, x)| size_of_val(&**x)).sum();
        let lists = size_of_val(&literals[..]) + size_of_val(&ops[..]) + size_of_val(&shapes[..]);
        size_of::<Piece<T>>() + lists + size_of_val(&outputs[..]) + numbers + owned(ops)
    }
}

/// The bytes that operations keep beside their records, which are those of checkpoints.
pub(crate) fn owned<T: Scalar>(ops: &[OpRec<T>]) -> usize {
    let of = |rec: &OpRec<T>| match &rec.op {
        Op::Checkpoint(c) => c.bytes(),
        _ => 0,
    };
    ops.iter().map(of).sum()
}

impl<T: Scalar> Primitive<T> for Checkpoint<T> {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`checkpoint`",
        conditions: "those of the piece",
        cost: &["the piece", "twice", "three times"],
        degenerate: "as the piece",
        source: "Griewank & Walther 2008, ch. 12",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, _: &[Shape]) -> Result<Shapes, String> {
        Ok(self.0.outputs.iter().map(|&y| self.0.shapes[y as usize]).collect())
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], store: &Store<T>) -> Result<(), Trouble> {
        let before = store.take_failure();
        let x: Vec<Eager<'_, T>> = x.iter().map(|a| Eager::borrowed(a.data, a.shape, store)).collect();
        let run = self.0.run(&x.iter().collect::<Vec<_>>());
        for (y, &id) in y.iter_mut().zip(&self.0.outputs) {
            y.data.copy_from_slice(run.vals[id as usize].data());
        }
        // The first failure inside is the one to tell, with its own line; the operation itself only passes it on.
        let mut failure = store.take_failure();
        if let Some(Error::Data { derivative, .. }) = &mut failure {
            *derivative = false;
        }
        let failed = failure.is_some();
        before.into_iter().chain(failure).for_each(|e| store.remember(e));
        match failed {
            true => Err(Failure::Unsupported { what: "an operation inside failed" }.into()),
            false => Ok(()),
        }
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let run = self.0.run(x);
        let mut slots: Vec<Option<V::Slot>> = run.vals.iter().map(|_| None).collect();
        for (s, d) in slots.iter_mut().zip(dx) {
            *s = d.map(|d| d.clone().park());
        }
        sweep::forward(&run, 0..self.0.ops.len(), 0, &mut slots);
        let unpark = |s: V::Slot, id: u32| V::unpark(x[0].cx(), s, self.0.shapes[id as usize]);
        let mut dy: Outs<Option<V>> = smallvec![];
        for (k, &id) in self.0.outputs.iter().enumerate() {
            // A value may be given out twice: the later place has a copy.
            let before = self.0.outputs[..k].iter().position(|&other| other == id);
            dy.push(match before {
                Some(j) => dy[j].clone(),
                None => slots[id as usize].take().map(|s| unpark(s, id)),
            });
        }
        self.0.put_back::<V>(x[0].cx(), slots);
        dy
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if dy.iter().all(Option::is_none) {
            return;
        }
        let run = self.0.run(x);
        let mut slots: Vec<Option<V::Slot>> = run.vals.iter().map(|_| None).collect();
        for (g, &id) in dy.iter_mut().zip(&self.0.outputs) {
            if let Some(g) = g.take() {
                V::add_to(&mut slots[id as usize], g);
            }
        }
        let mut depends = Vec::new();
        let targets = (0..self.0.inputs as u32).filter(|&i| out.wants(i as usize));
        mark_depends(&mut depends, 0, run.vals.len(), targets, &self.0.ops);
        sweep::reverse(&run, 0..self.0.ops.len(), 0, &depends, &mut slots);
        for i in 0..self.0.inputs {
            if let Some(s) = slots[i].take() {
                out.add(i, V::unpark(x[0].cx(), s, x[i].shape()));
            }
        }
        self.0.put_back::<V>(x[0].cx(), slots);
    }
}

/// The method `checkpoint` of [`VarTree`].
#[track_caller]
pub(crate) fn checkpoint<'t, T: Scalar, S: VarTree<'t, T>, R: VarTree<'t, T>>(at: S, f: impl Fn(S) -> R) -> R {
    let tape = in_program::tape_of("checkpoint", &at);
    if !tape.records.get() {
        return tape.scope(|| f(at));
    }
    let mark = tape.mark();
    // Not in a closure: those do not know their caller's line.
    let mut x = in_program::handles(&at);
    for v in &mut x {
        *v = v.alias();
    }
    let y = f(in_program::with_handles(&at, x));
    let outputs = in_program::handles(&y);
    for v in &outputs {
        tape.shape_of(v);
    }
    // A gradient inside that passed a choice of basis is judged anew at every replay, for which its values are needed.
    if outputs.is_empty() || tape.judges_since(mark) {
        return y;
    }
    let (program, captured) = Piece::lift(tape, mark, &in_program::handles(&at), &outputs);
    tape.truncate(mark);
    let op = Op::Checkpoint(Checkpoint(Arc::new(program)));
    let first = tape.push(op, &captured.iter().collect::<Vec<_>>());
    in_program::with_handles(&y, (first..).zip(&outputs).map(|(id, _)| tape.handle(id)))
}

impl<'t, T: Scalar> Var<'t, T> {
    /// `f(self)`, of which a recording tape keeps the operations and not the values: sweeps compute them again. Of
    /// several values:
    /// [`VarTree::checkpoint`].
    ///
    /// Memory for time: one more evaluation of `f` for each sweep. `f` may capture other values; they are ordinary
    /// inputs. Where `f` takes a gradient through eigenvectors, singular vectors or a complement, its values are kept:
    /// every replay judges anew whether that gradient depends on the choice of a basis.
    #[track_caller]
    #[must_use]
    pub fn checkpoint(self, f: impl Fn(Var<'t, T>) -> Var<'t, T>) -> Var<'t, T> {
        checkpoint(self, f)
    }
}
