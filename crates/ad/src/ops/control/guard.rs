//! Identities with a purpose: a fresh name, a stop for derivatives, and verdicts on numbers.
//!
//! A rule never branches on a number. Where a derivative exists only under a condition, the rule puts a guard on what
//! it computes: evaluated with everything else, at replay too, it is the identity or a failure.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Out, Primitive, Shapes, members, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape};
use pullback_kernels::Failure;
use pullback_kernels::tolerances::vanishing;

/// A copy with a name of its own: the variable of a gradient inside a program.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Alias;

/// A copy through which no derivative passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct StopGradient;

/// The identity where no entry is zero; `NotDifferentiable` elsewhere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Nonzero {
    pub(crate) what: &'static str,
}

/// `X` from `(X, E, A)` where `E` is rounding beside `A`; `NotDifferentiable` elsewhere. `E` and `A` are only looked
/// at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Vanishing {
    pub(crate) what: &'static str,
}

/// `G` from `(G, y)` where the number `y`, whose gradient `G` is, is finite; `NotDifferentiable` elsewhere. `y` is only
/// looked at. It is the value of a gradient inside a program that asks for nothing but the gradient, so this guard is
/// the only place where it is seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct OfFinite;

/// `X` from `(X, c)` in the members whose entries of `c` are all positive; `OutsideDomain` elsewhere. `c` is only
/// looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Positive {
    pub(crate) what: &'static str,
}

fn copy<T: Scalar>(x: &[Arg<'_, T>], y: &mut [Out<'_, T>]) -> Result<(), Trouble> {
    y[0].data.copy_from_slice(x[0].data);
    Ok(())
}

/// Judges the members of the operand behind `X`. One that has no members where `X` has names none of them.
fn judge<T: Scalar>(x: &[Arg<'_, T>], verdict: impl FnMut(usize) -> Result<(), Failure>) -> Result<(), Trouble> {
    let (judged, of) = (x[1].shape.batch, x[0].shape.batch);
    members(judged, verdict).map_err(|t| if judged < of { Trouble { member: None, ..t } } else { t })
}

macro_rules! identity_rules {
    () => {
        fn jvp<V: Value<T = T>>(&self, _: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
            out1(dx[0].cloned())
        }

        fn vjp<V: Value<T = T>>(&self, _: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
            if let Some(g) = dy[0].take() {
                out.add(0, g);
            }
        }
    };
}

impl<T: Scalar> Primitive<T> for Alias {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "the variable of `grad`, `jvp`, `hvp`, `checkpoint` inside programs",
        cost: &["pass", "0", "0"],
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(x[0])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        copy(x, y)
    }

    identity_rules!();
}

impl<T: Scalar> Primitive<T> for StopGradient {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`stop_gradient`",
        cost: &["pass", "0", "0"],
        degenerate: "the derivative is 0 by definition",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(x[0])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        copy(x, y)
    }

    no_derivative!();
}

impl<T: Scalar> Primitive<T> for Nonzero {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "guard in the derivatives of norms and lengths",
        conditions: "no entry is 0, else `NotDifferentiable`",
        cost: &["pass", "0", "0"],
        degenerate: "this is the verdict",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(x[0])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        copy(x, y)?;
        match x[0].data.iter().position(|v| *v == T::zero()) {
            None => Ok(()),
            Some(k) => Err(Trouble {
                member: Some(k / x[0].shape.each().max(1)),
                failure: Failure::NotDifferentiable { what: self.what },
            }),
        }
    }

    identity_rules!();
}

impl<T: Scalar> Primitive<T> for Vanishing {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "guard in `qr_of_rank`",
        conditions: "what must be zero at the stated rank is rounding, else `NotDifferentiable`",
        cost: &["pass", "0", "0"],
        degenerate: "this is the verdict",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(x[0])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        copy(x, y)?;
        judge(x, |b| {
            let (rest, whole) = (T::norm(x[1].member(b)), T::norm(x[2].member(b)));
            let limit = vanishing::<T>(x[2].shape.rows.max(x[2].shape.cols)) * whole;
            if rest <= limit { Ok(()) } else { Err(Failure::NotDifferentiable { what: self.what }) }
        })
    }

    identity_rules!();
}

impl<T: Scalar> Primitive<T> for Positive {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`x.where_positive(c, what)`",
        conditions: "the entries of `c` are positive, else `OutsideDomain`",
        cost: &["pass", "0", "0"],
        degenerate: "a member where `c` is NaN is outside too",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        match x[1].batch {
            b if b == 1 || b == x[0].batch => one(x[0]),
            b => Err(format!("expected a condition with the batch of the value, {}; got {b}", x[0].batch)),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        copy(x, y)?;
        judge(x, |b| match x[1].member(b).iter().all(|c| *c > T::zero()) {
            true => Ok(()),
            false => Err(Failure::OutsideDomain { what: self.what }),
        })
    }

    identity_rules!();
}

impl<T: Scalar> Primitive<T> for OfFinite {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "guard on `grad` and `hvp` inside programs",
        conditions: "the value whose gradient is taken is finite, else `NotDifferentiable`",
        cost: &["pass", "pass", "pass"],
        degenerate: "this is the verdict",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(x[0])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        copy(x, y)?;
        let what = "a gradient inside the program is of a number that is not finite";
        judge(x, |b| if T::all_finite(x[1].member(b)) { Ok(()) } else { Err(Failure::NotDifferentiable { what }) })
    }

    identity_rules!();
}
