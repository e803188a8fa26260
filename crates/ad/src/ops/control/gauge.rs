//! The verdict on a cotangent of a factor that is unique only up to a group: the gauge.
//!
//! A rule splits the cotangent `G` of such a factor into the part `D` along the orbit of the group (which a program
//! that uses the factor as it should leaves zero, up to rounding) and the rest, and puts this guard on it: `G - D`, or
//! a failure when `D` is not small beside `G`. The numbers are looked at in `eval` alone, so a recorded derivative
//! judges anew at every replay.
//!
//! `Y = G - D` is linear: `dY = dG - dD`, `gG = gY`, `gD = -gY`. Cost: one pass. Forward mode has no cotangent to
//! judge: it carries the tangent of a stated choice of gauge (see the factor).

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Op, Out, Primitive, Shapes, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value, plus};
use crate::{Scalar, Shape};
use pullback_kernels::{Failure, tolerances};

/// What to do with a cotangent that depends on a choice of gauge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gauge {
    /// Poison: the driver returns [`Failure::GaugeDependent`] with the defect.
    #[default]
    Error,
    /// Drop the part that depends on it, and note its size: [`Tape::gauge_defect`](crate::Tape::gauge_defect).
    Warn,
    /// Drop the part that depends on it.
    Project,
}

/// `G - D` from `(G, D)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Invariant(pub(crate) Gauge);

/// The cotangent without its part along the gauge orbit, judged.
pub(crate) fn invariant<V: Value>(policy: Gauge, g: &V, along: &V) -> V {
    V::one(Op::Invariant(Invariant(policy)), &[g, along])
}

/// Changes the entries of unit vectors by a few rounding units.
pub(crate) fn rounded<T: Scalar>(a: &mut [T]) {
    for (k, x) in a.iter_mut().enumerate() {
        let r = (0.618_033_988_75 * (k + 1) as f64).fract() - 0.5;
        *x += T::of(8.0 * r) * T::EPS;
    }
}

impl<T: Scalar> Primitive<T> for Invariant {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "guard on cotangents of factors with a gauge",
        conditions: "the part along the gauge orbit is rounding, else by policy `GaugeDependent`, a note, or nothing",
        cost: &["pass", "pass", "pass"],
        degenerate: "this is the verdict",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        if x[0] == x[1] { one(x[0]) } else { Err("expected equal shapes".into()) }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        T::lincomb(T::one(), x[0].data, -T::one(), x[1].data, y[0].data);
        for member in 0..x[0].shape.batch {
            let (size, along) = (T::norm(x[0].member(member)), T::norm(x[1].member(member)));
            // A NaN passes here: it is found where derivatives are handed out.
            if along <= tolerances::gauge::<T>() * size || along.is_nan() {
                continue;
            }
            let defect = (along / size).f64();
            match self.0 {
                Gauge::Error => {
                    return Err(Trouble { member: Some(member), failure: Failure::GaugeDependent { defect } });
                }
                Gauge::Warn => s.warn(defect),
                Gauge::Project => {}
            }
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, _: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(plus(dx[0].cloned(), dx[1].map(|d| d.scale(-1.0))))
    }

    fn vjp<V: Value<T = T>>(&self, _: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = dy[0].take() else { return };
        if out.wants(1) {
            out.add(1, g.scale(-1.0));
        }
        out.add(0, g);
    }
}
