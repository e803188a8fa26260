//! A product of entries and a sum, `Y = A o B + C`, with broadcasting: one node where `hadamard` and `+` are two.
//!
//! `dY = dA o B + A o dB + dC`, and from `<gY, dY>`: `gA = gY o B`, `gB = gY o A`, `gC = gY`, each summed over what was
//! broadcast.
//!
//! The product is rounded before the sum, so the numbers are those of the two operations, to the bit, on every
//! processor. Conditions: none. Cost: value one pass, JVP 2 passes, VJP 2 passes. Source: derived.

use super::arithmetic::{full, product_vjp};
use super::broadcast::each_entry;
use crate::ops::direct::{PullStep, PushStep};
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Op, Out, Primitive, Reads, Shapes, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape};

/// `A o B + C` from `(A, B, C)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct HadamardAdd;

/// `A o B + C`, of those terms that there are.
fn sum<V: Value>(a: Option<&V>, b: &V, c: Option<V>) -> Option<V> {
    match (a, c) {
        (Some(a), Some(c)) => Some(V::one(Op::HadamardAdd(HadamardAdd), &[a, b, &c])),
        (Some(a), None) => Some(a.hadamard(b)),
        (None, c) => c,
    }
}

impl<T: Scalar> Primitive<T> for HadamardAdd {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`hadamard_add`",
        conditions: "sizes agree or are 1",
        cost: &["pass", "2 passes", "2 passes"],
        degenerate: "rounds twice, as the two operations that it stands for",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::OtherInputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        match x[0].broadcast(x[1]).and_then(|s| s.broadcast(x[2])) {
            Some(s) => one(s),
            None => Err("expected sizes that agree, or are 1, in batch, rows and columns".into()),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let (y, c) = (&mut y[0], x[2]);
        if c.shape == y.shape {
            y.data.copy_from_slice(c.data);
        } else {
            each_entry(c, c, y, |y, c, _| *y = c);
        }
        if x[0].shape == y.shape && x[1].shape == y.shape {
            T::add_hadamard(x[0].data, x[1].data, y.data);
        } else {
            each_entry(x[0], x[1], y, |y, a, b| *y += a * b);
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let d = sum(dx[0], x[1], dx[2].cloned());
        out1(sum(dx[1], x[0], d).map(|d| full(d, y[0].shape())))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = dy[0].take() else { return };
        product_vjp(x, &g, out);
        if out.wants(2) {
            out.add(2, g);
        }
    }

    #[inline(always)]
    fn push_direct(&self, p: PushStep<'_, T>) -> bool {
        if (0..3).any(|i| p.input(i).shape != p.output().shape) {
            return false;
        }
        let mut dy = p.room();
        match p.tangent(2) {
            Some(dc) => dy.copy_from_slice(dc.data),
            None => dy.fill(T::zero()),
        }
        for (i, other) in [(0, 1), (1, 0)] {
            if let Some(d) = p.tangent(i) {
                T::add_hadamard(d.data, p.input(other).data, &mut dy);
            }
        }
        p.done([dy])
    }

    #[inline(always)]
    fn pull_direct(&self, mut p: PullStep<'_, T>) -> bool {
        let (a, b, c) = (p.input(0), p.input(1), p.input(2));
        let whole = p.output().shape;
        if a.shape != whole || b.shape != whole {
            return false;
        }
        let Some(g) = p.take() else { return true };
        p.add_hadamard(0, &g, b.data);
        p.add_hadamard(1, &g, a.data);
        if c.shape == whole {
            p.give(2, g);
        } else {
            p.add_sum(2, T::one(), whole, &g);
            p.store.put(g);
        }
        true
    }
}
