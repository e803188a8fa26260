//! A user's own primitive: value, JVP and VJP as functions of recorded values, at home in every mode and order.

use crate::dual::Dual;
use crate::eager::Eager;
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Out, Primitive, Shapes};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Batch, Scalar, Shape, Tape, Var};
use std::fmt;
use std::sync::Arc;

/// A primitive of the user's own.
///
/// Rules are programs on [`Var`], so they can be differentiated again: a Hessian-vector product runs the tangent of
/// `vjp`. What is `None` is zero. `pullback-check` tests the rules against each other.
pub trait Custom<T: Scalar = f64>: Send + Sync + 'static {
    /// Its name in errors and dumps.
    fn name(&self) -> &'static str;
    /// The shapes of the outputs from those of the inputs. `None`: the tape finds out, at the price of one evaluation
    /// more.
    fn shapes(&self, _x: &[Shape]) -> Option<Vec<Shape>> {
        None
    }
    /// The outputs.
    fn value<'t>(&self, x: &[Var<'t, T>]) -> Vec<Var<'t, T>>;
    /// Tangents of the outputs from those of the inputs.
    fn jvp<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], dx: &[Option<Var<'t, T>>]) -> Vec<Option<Var<'t, T>>>;
    /// Cotangents of the inputs from those of the outputs.
    fn vjp<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], dy: &[Option<Var<'t, T>>]) -> Vec<Option<Var<'t, T>>>;
}

/// A function of recorded values, as the sweeps call it.
pub(crate) type CustomFn<'f, T> = dyn for<'t> Fn(&[Var<'t, T>]) -> Vec<Option<Var<'t, T>>> + 'f;

/// A custom primitive with the shapes of its outputs.
#[derive(Clone)]
pub(crate) struct CustomOp<T: Scalar> {
    rule: Arc<dyn Custom<T>>,
    /// Not a list in place: the largest operation decides the size of every record of a tape.
    shapes: Arc<[Shape]>,
}

impl<T: Scalar> fmt::Debug for CustomOp<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "custom {}", self.rule.name())
    }
}

impl<T: Scalar> CustomOp<T> {
    pub(crate) fn name(&self) -> &'static str {
        self.rule.name()
    }
}

impl<T: Scalar> Tape<T> {
    /// Applies a custom primitive.
    ///
    /// # Panics
    /// If `x` is empty.
    #[track_caller]
    pub fn custom<'t>(&'t self, rule: Arc<dyn Custom<T>>, x: &[Var<'t, T>]) -> Vec<Var<'t, T>> {
        assert!(!x.is_empty(), "custom {}: expected at least one input, got none", rule.name());
        let given: Vec<Shape> = x.iter().map(Var::shape).collect();
        let shapes: Arc<[Shape]> = match rule.shapes(&given) {
            Some(shapes) => shapes.into(),
            None => {
                // From a trial on another tape; the operation itself then evaluates like any other.
                let scratch = Tape::<T>::plain();
                let copies: Vec<Var<'_, T>> =
                    x.iter().map(|v| scratch.constant(&self.peek(v, |s, d| Batch::from_slice(s, d)))).collect();
                rule.value(&copies).iter().map(Var::shape).collect()
            }
        };
        let n = shapes.len() as u32;
        let first = self.push(crate::ops::Op::Custom(CustomOp { rule, shapes }), &x.iter().collect::<Vec<_>>());
        (first..first + n).map(|id| self.handle(id)).collect()
    }
}

impl<T: Scalar> Primitive<T> for CustomOp<T> {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`Tape::custom`",
        conditions: "the rule's own",
        gauge: "the rule's own",
        cost: &["the rule's own"],
        degenerate: "`pullback-check` tests the rules against each other",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, _: &[Shape]) -> Result<Shapes, String> {
        Ok(self.shapes.iter().copied().collect())
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], store: &Store<T>) -> Result<(), Trouble> {
        let x: Vec<Eager<'_, T>> = x.iter().map(|a| Eager::borrowed(a.data, a.shape, store)).collect();
        let f: &CustomFn<'_, T> = &|x| self.rule.value(x).into_iter().map(Some).collect();
        for (y, v) in y.iter_mut().zip(call_eager(f, &x.iter().collect::<Vec<_>>())) {
            if let Some(v) = v {
                y.data.copy_from_slice(v.data());
            }
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let (n, m) = (x.len(), y.len());
        let present: Vec<bool> = dx.iter().map(Option::is_some).collect();
        let all: Vec<&V> = x.iter().chain(y).copied().chain(dx.iter().flatten().copied()).collect();
        V::call(&|v| self.rule.jvp(&v[..n], &v[n..n + m], &spread(&present, &v[n + m..])), &all)
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let (n, m) = (x.len(), y.len());
        let present: Vec<bool> = dy.iter().map(Option::is_some).collect();
        let all: Vec<&V> = x.iter().chain(y).copied().chain(dy.iter().flatten()).collect();
        let dx = V::call(&|v| self.rule.vjp(&v[..n], &v[n..n + m], &spread(&present, &v[n + m..])), &all);
        for (i, d) in dx.into_iter().enumerate() {
            if let Some(d) = d {
                out.add(i, d);
            }
        }
    }
}

/// Puts the present ones back in their places.
fn spread<'t, T: Scalar>(present: &[bool], v: &[Var<'t, T>]) -> Vec<Option<Var<'t, T>>> {
    let mut v = v.iter();
    present.iter().map(|&p| if p { v.next().copied() } else { None }).collect()
}

/// Runs `f` on a scratch tape of numbers.
pub(crate) fn call_eager<'a, T: Scalar>(f: &CustomFn<'_, T>, x: &[&Eager<'a, T>]) -> Outs<Option<Eager<'a, T>>> {
    let store = x[0].cx();
    let tape = Tape::<T>::plain();
    let vars: Vec<Var<'_, T>> = x.iter().map(|e| tape.constant(&Batch::from_slice(e.shape(), e.data()))).collect();
    let out = f(&vars)
        .into_iter()
        .map(|v| v.map(|v| tape.peek(&v, |s, d| Eager::build(s, store, |b| b.copy_from_slice(d)))))
        .collect();
    if let Some(e) = tape.store.failure() {
        store.remember(e);
    }
    out
}

/// Runs `f` on a scratch tape that carries tangents.
pub(crate) fn call_dual<'a, T: Scalar>(
    f: &CustomFn<'_, T>,
    x: &[&Dual<Eager<'a, T>>],
) -> Outs<Option<Dual<Eager<'a, T>>>> {
    let store = x[0].cx();
    let tape = Tape::<T>::forward();
    let batch = |e: &Eager<'a, T>| Batch::from_slice(e.shape(), e.data());
    let vars: Vec<Var<'_, T>> = x
        .iter()
        .map(|d| match &d.du {
            None => tape.constant(&batch(&d.re)),
            Some(du) => tape.input_along(&batch(&d.re), &batch(du)),
        })
        .collect();
    let pair = |v: Var<'_, T>| {
        let re = tape.peek(&v, |s, d| Eager::build(s, store, |b| b.copy_from_slice(d)));
        let du = Eager::build(re.shape(), store, |b| b.copy_from_slice(v.tangent().data()));
        Dual { re, du: Some(du) }
    };
    let out = f(&vars).into_iter().map(|v| v.map(pair)).collect();
    if let Some(e) = tape.store.failure() {
        store.remember(e);
    }
    out
}

/// Runs `f` on the tape itself: what it does is recorded.
pub(crate) fn call_recorded<'t, T: Scalar>(f: &CustomFn<'_, T>, x: &[&Var<'t, T>]) -> Outs<Option<Var<'t, T>>> {
    f(&x.iter().map(|v| **v).collect::<Vec<_>>()).into_iter().collect()
}
