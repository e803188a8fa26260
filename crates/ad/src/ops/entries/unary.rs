//! Functions of one entry, and all their derivatives: a family closed under differentiation.
//!
//! `y = f(x)`; its derivative of order `k` along `v` is `f^(k)(x) o v`, an operation of its own that takes `x`, `y` and
//! `v`. It is a function of `x` and `v` alone (`y` only saves the evaluation of `f`), so its rules give nothing to `y`.
//! At a kink the derivative is stated: for `abs` at 0 it is 0, the mean of the derivatives from the left and from the
//! right; for `relu` at 0 it is 0, the derivative from the left.

use crate::ops::direct::{EvalStep, PullStep, PushStep};
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Out, Primitive, Reads, Shapes, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value, plus};
use crate::{Scalar, Shape};
use pullback_kernels::Unary;

/// `f(x)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct UnaryFn(pub(crate) Unary);

/// `f^(k)(x) o v` from `(x, y = f(x), v)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct UnaryDerivative {
    pub(crate) f: Unary,
    pub(crate) k: u32,
}

impl<T: Scalar> Primitive<T> for UnaryFn {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`exp ln log2 log10 sqrt square recip powf sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh sigmoid relu softplus abs ln_1p exp_m1 sign clamp erf erfc ln_gamma digamma stumpff atan_root`",
        conditions: "the domain of the function, by IEEE",
        cost: &["pass", "pass", "pass"],
        degenerate: "kinks at 0: `relu` takes the left derivative 0, `abs` and `sign` the mean 0; `clamp` the mean 1/2 at a bound",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(x[0])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        T::unary(self.0, x[0].data, y[0].data);
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|d| x[0].unary_derivative(self.0, 1, y[0], d)))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = dy[0].take() {
            out.add(0, g.unary_pulled(self.0, 1, x[0], y[0]));
        }
    }

    #[inline(always)]
    fn eval_direct(&self, step: EvalStep<'_, T>) -> Option<Result<(), Trouble>> {
        step.of_matrices::<1>(self)
    }

    #[inline(always)]
    fn push_direct(&self, p: PushStep<'_, T>) -> bool {
        let Some(da) = p.tangent(0) else { return false };
        let mut dy = p.room();
        dy.copy_from_slice(da.data);
        let done = T::unary_derivative_assign(self.0, 1, p.input(0).data, p.output().data, &mut dy);
        debug_assert!(done.is_ok(), "a first derivative exists");
        p.done([dy])
    }

    #[inline(always)]
    fn pull_direct(&self, mut p: PullStep<'_, T>) -> bool {
        let Some(mut g) = p.take() else { return true };
        let done = T::unary_derivative_assign(self.0, 1, p.input(0).data, p.output().data, &mut g);
        debug_assert!(done.is_ok(), "a first derivative exists");
        p.give(0, g);
        true
    }
}

impl<T: Scalar> Primitive<T> for UnaryDerivative {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "derivatives of `unary`",
        conditions: "order at most 12",
        cost: &["pass", "3 passes", "3 passes"],
        degenerate: "as `unary`",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(x[0])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        Ok(T::unary_derivative(self.f, self.k, x[0].data, x[1].data, x[2].data, y[0].data)?)
    }

    /// For `u = f^(k)(x) o v`: `du = f^(k+1)(x) o v o dx + f^(k)(x) o dv`.
    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let dx0 = dx[0].map(|d| x[2].hadamard(d).unary_pulled(self.f, self.k + 1, x[0], x[1]));
        let dv = dx[2].map(|d| x[0].unary_derivative(self.f, self.k, x[1], d));
        out1(plus(dx0, dv))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = dy[0].take() else { return };
        if out.wants(0) {
            out.add(0, x[2].hadamard(&g).unary_pulled(self.f, self.k + 1, x[0], x[1]));
        }
        if out.wants(2) {
            out.add(2, g.unary_pulled(self.f, self.k, x[0], x[1]));
        }
    }
}
