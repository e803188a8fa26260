//! The length of the point `(x, y)`, entry by entry, without squares that overflow or underflow.
//!
//! `r = sqrt(x^2 + y^2)`. From `r dr = x dx + y dy`, with `c = x / r` and `s = y / r`,
//!
//! `dr = c dx + s dy`, `gx = c gr`, `gy = s gr`.
//!
//! Conditions: at `(0, 0)` the length has a kink and no derivative, else `NotDifferentiable`. Cost: value one pass, JVP
//! and VJP 4 passes. Source: derived.

use super::broadcast::{broadcast, broadcast_shapes};
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Out, Primitive, Shapes, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value, plus};
use crate::{Scalar, Shape};

/// `r` from `(x, y)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hypot;

const AT_ZERO: &str = "hypot at (0, 0), where the length has a kink";

impl<T: Scalar> Primitive<T> for Hypot {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`hypot`",
        conditions: "sizes agree or are 1",
        cost: &["pass", "4 passes", "4 passes"],
        degenerate: "at `(0, 0)` the derivative is `NotDifferentiable`; no square overflows or underflows",
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        broadcast_shapes(x)
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let flat = |x: &[T], y: &[T], r: &mut [T]| {
            r.iter_mut().zip(x.iter().zip(y)).for_each(|(r, (x, y))| *r = x.hypot(*y));
        };
        broadcast(x[0], x[1], &mut y[0], flat, |x, y| x.hypot(y));
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let r = y[0].nonzero(AT_ZERO);
        let part = |i: usize| dx[i].map(|d| x[i].divide(&r).hadamard(d));
        out1(plus(part(0), part(1)))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        let r = y[0].nonzero(AT_ZERO);
        for i in [0, 1] {
            if out.wants(i) {
                out.add(i, x[i].divide(&r).hadamard(g));
            }
        }
    }
}
