//! Cayley transform `C = (I - alpha W)^{-1} (I + alpha W)`.
//!
//! With `K = (I - alpha W)^{-1}`: `C = 2 K - I`, `dK = alpha K dW K`, `dC = 2 dK`. From
//! `<gC, dC> + <gK, dK> = <2 gC + gK, dK>`: `gW = alpha K^T (2 gC + gK) K^T`. `K` is a second output, so the rules hold
//! no solve; it is not recovered from `C`, since `C + I` would cancel.
//!
//! Conditions: `1/alpha` is no eigenvalue of `W` (always so for skew `W`), else `Singular`. Cost (n³): value 2.7, JVP
//! 4, VJP 4.
//! Source: Wen & Yin 2013; derived here.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Out, Primitive, Shapes, members, square, two};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Product, Value, plus};
use crate::{Scalar, Shape};
use smallvec::smallvec;

/// `(C, K)` of `W`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cayley {
    pub(crate) alpha: f64,
}

impl<T: Scalar> Primitive<T> for Cayley {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`cayley`",
        conditions: "`1/alpha` is no eigenvalue, else `Singular`",
        cost: &["8/3", "4", "4"],
        degenerate: "skew arguments are always regular",
        source: "Wen & Yin 2013; derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        square(x[0])?;
        Ok(smallvec![x[0], x[0]])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let (n, alpha) = (x[0].shape.rows, T::of(self.alpha));
        let (c, k) = two(y);
        members(x[0].shape.batch, |b| T::cayley(x[0].member(b), n, alpha, c.member(b), k.member(b), w))
    }

    fn jvp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let Some(dw) = dx[0] else { return smallvec![None, None] };
        let dk = V::product(Product::NN.times(self.alpha), &y[1].mul(dw), y[1]);
        smallvec![Some(dk.scale(2.0)), Some(dk)]
    }

    fn vjp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let g = plus(dy[0].as_ref().map(|c| c.scale(2.0)), dy[1].take());
        if let Some(g) = g {
            out.add_product(0, Product::NT.times(self.alpha), &y[1].t_mul(&g), y[1]);
        }
    }
}
