//! The angle of the point `(x, y)`, entry by entry, and the derivative of the complex logarithm that it belongs to.
//!
//! `theta = atan2(y, x)` is the imaginary part of `ln z`, `z = x + i y`, so `dtheta = Im(dz / z) = p dy - q dx` with
//!
//! `p - i q = 1 / z`, that is `p = x / r^2`, `q = y / r^2`, `r^2 = x^2 + y^2`.
//!
//! [`Reciprocal`] computes `(q, p)` without forming `r^2` of large or small numbers. It is closed under
//! differentiation: from `d(1/z) = -dz / z^2`,
//!
//! `dp = -(p - q)(p + q) dx - 2 p q dy`, `dq = (p - q)(p + q) dy - 2 p q dx`,
//!
//! which is a symmetric matrix, so that `gx = -(p - q)(p + q) gp - 2 p q gq` and `gy = (p - q)(p + q) gq - 2 p q gp`.
//! On the branch cut (`y = 0`, `x < 0`) the angle jumps by a full turn and its derivatives do not.
//!
//! Conditions: the value follows IEEE, with signed zeros; at `(0, 0)` there is no derivative, else `NotDifferentiable`.
//! Cost: value one pass, JVP and VJP 4 passes. Source: derived.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Out, Primitive, Reads, Shapes, one, out1, two};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value, plus};
use crate::{Scalar, Shape, ops::Op};
use pullback_kernels::Failure;
use smallvec::smallvec;

/// The angle from `(y, x)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Atan2;

/// `(q, p) = (y, x) / (x^2 + y^2)` from `(y, x)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Reciprocal;

/// `(y, x) / (x^2 + y^2)`: the point is scaled by a power of two that brings it near 1, and so is the result.
fn reciprocal(y: f64, x: f64) -> (f64, f64) {
    let size = x.abs().max(y.abs());
    if size.is_infinite() {
        // Beside an infinite coordinate a finite one does not count. Of two infinite ones the direction is not known,
        // but the result is: zeros.
        let zero = |v: f64| if v.is_nan() { v } else { 0.0f64.copysign(v) };
        return (zero(y), zero(x));
    }
    let s = 2.0f64.powi((-size.log2().floor()).clamp(-1022.0, 1022.0) as i32);
    let (y, x) = (s * y, s * x);
    let r = x * x + y * y;
    (y / r * s, x / r * s)
}

fn same(x: &[Shape]) -> Result<Shape, String> {
    if x[0] == x[1] { Ok(x[0]) } else { Err("shapes must be equal".into()) }
}

impl<T: Scalar> Primitive<T> for Atan2 {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`atan2`",
        conditions: "sizes agree or are 1",
        cost: &["pass", "4 passes", "4 passes"],
        degenerate: "at `(0, 0)` the value follows IEEE and the derivative is `NotDifferentiable`; the same derivative on both sides of the branch cut",
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(same(x)?)
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        for (theta, (y, x)) in y[0].data.iter_mut().zip(x[0].data.iter().zip(x[1].data)) {
            *theta = y.atan2(*x);
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let r = V::apply(Op::Reciprocal(Reciprocal), &[x[0], x[1]]);
        let (q, p) = (&r[0], &r[1]);
        out1(plus(dx[0].map(|dy| p.hadamard(dy)), dx[1].map(|dx| q.hadamard(dx).scaled(-1.0))))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        let r = V::apply(Op::Reciprocal(Reciprocal), &[x[0], x[1]]);
        if out.wants(0) {
            out.add(0, r[1].hadamard(g));
        }
        if out.wants(1) {
            out.add(1, r[0].hadamard(g).scaled(-1.0));
        }
    }
}

/// `((p - q)(p + q) v, 2 p q v)`.
fn squares<V: Value>(y: &[&V], v: &V) -> (V, V) {
    let (q, p) = (y[0], y[1]);
    let (minus, plus) = (p.lincomb(1.0, q, -1.0), p.add(q));
    (minus.hadamard(&plus.hadamard(v)), p.hadamard(&q.hadamard(v)).scaled(2.0))
}

impl<T: Scalar> Primitive<T> for Reciprocal {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "derivatives of `atan2`",
        conditions: "not `(0, 0)`, else `NotDifferentiable`",
        cost: &["pass", "12 passes", "12 passes"],
        degenerate: "scaled by a power of two: no square overflows or underflows",
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let s = same(x)?;
        Ok(smallvec![s, s])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let ((q, p), zero) = (two(y), T::zero());
        for (k, (&y, &x)) in x[0].data.iter().zip(x[1].data).enumerate() {
            if y == zero && x == zero {
                return Err(Trouble {
                    member: Some(k / q.shape.each().max(1)),
                    failure: Failure::NotDifferentiable { what: "atan2 at (0, 0), which has no angle" },
                });
            }
            let (b, a) = reciprocal(y.f64(), x.f64());
            (q.data[k], p.data[k]) = (T::of(b), T::of(a));
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let (dy, dx) = (dx[0].map(|d| squares(y, d)), dx[1].map(|d| squares(y, d)));
        let negative = |v: &V| v.scale(-1.0);
        let dq = plus(dy.as_ref().map(|(d, _)| d.clone()), dx.as_ref().map(|(_, m)| negative(m)));
        let dp = plus(dy.as_ref().map(|(_, m)| negative(m)), dx.as_ref().map(|(d, _)| negative(d)));
        smallvec![dq, dp]
    }

    fn vjp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let (gq, gp) = (dy[0].as_ref().map(|g| squares(y, g)), dy[1].as_ref().map(|g| squares(y, g)));
        let negative = |v: &V| v.scale(-1.0);
        if let Some(gy) = plus(gq.as_ref().map(|(d, _)| d.clone()), gp.as_ref().map(|(_, m)| negative(m))) {
            out.add(0, gy);
        }
        if let Some(gx) = plus(gq.as_ref().map(|(_, m)| negative(m)), gp.as_ref().map(|(d, _)| negative(d))) {
            out.add(1, gx);
        }
    }
}
