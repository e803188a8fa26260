//! The program of a condition on a tape, in the coordinates of the tangent space at a point, which are described in
//! `local.rs`; what becomes of it is not known here.

use crate::condition::{Condition, Kind};
use crate::error::{Error, Result};
use crate::iteration::Of;
use crate::lists::{self, List};
use crate::space::Space;
use pullback::{Batch, Leaves, Scalar, Shape, Tape, Var, VarTree};
use std::cell::Cell;

/// What a condition leaves on the tape.
pub(crate) struct Recorded<'t, T: Scalar> {
    /// What a tangent is pushed forward from: `P w` where it can be, which is `w` for a tangent.
    pub(crate) from: Vec<Var<'t, T>>,
    /// The outcome in the tangent space.
    pub(crate) out: Vec<Var<'t, T>>,
    /// The outcome before its projection, from where a tangent may be pulled back as well. Of a step, the point that it
    /// leads to, since what is taken off it is a constant. Of a cost, `out`.
    pub(crate) raw: Vec<Var<'t, T>>,
}

/// The coordinates that stand for the point itself: zero, and in flat space the point.
pub(crate) fn origin<T: Scalar>(space: Space<'_, T>, at: &[Batch<T>]) -> List<T> {
    if matches!(space, Space::Flat) { at.to_vec() } else { lists::zeros(&lists::shapes(at)) }
}

/// Runs the program of a condition in the coordinates of the tangent space, of which [`origin`] is the point `at`.
pub(crate) fn run<'t, C: Condition>(
    c: &C,
    tape: &'t Tape<Of<C::State>>,
    at: &[Batch<Of<C::State>>],
    w: &[Var<'t, Of<C::State>>],
    z: &C::State,
    phi: &C::Params,
    phi_in: &[Var<'t, Of<C::State>>],
) -> Result<Recorded<'t, Of<C::State>>> {
    let space = c.space();
    let base: Vec<_> = at.iter().map(|b| tape.constant(b)).collect();
    let shapes = lists::shapes(at);
    // With the tangent `v = P w`. Only the Hessian of a cost sees more of the retraction than that its derivative at 0
    // is the identity.
    let bound = |v: &[Var<'t, Of<C::State>>]| {
        let x: Vec<_> = match (space, c.kind()) {
            (Space::Flat, _) => v.to_vec(),
            (_, Kind::Stationary) => space.retract(&base, v),
            _ => base.iter().zip(v).map(|(z, v)| *z + *v).collect(),
        };
        let (mut x, mut p) = (x.into_iter(), phi_in.iter().copied());
        let x = z.bind(&mut || x.next().unwrap_or_else(|| unreachable!("one handle for each leaf")));
        let p = phi.bind(&mut || p.next().unwrap_or_else(|| unreachable!("one handle for each leaf")));
        c.program(tape, x, p)
    };
    let tangent = |w: &[Var<'t, Of<C::State>>]| match space {
        Space::Flat => w.to_vec(),
        _ => space.project(&base, w),
    };
    if c.kind() == Kind::Stationary {
        return slope(tape, w, &|w| bound(&tangent(w)), &shapes);
    }
    let from = tangent(w);
    let out = bound(&from);
    if out.iter().map(Var::shape).ne(shapes.iter().copied()) {
        return Err(misfit("a step or residual", &out, &shapes));
    }
    Ok(Recorded { from, out: space.project(&base, &out), raw: out })
}

/// The gradient of a cost by the coordinates `w`.
fn slope<'t, T: Scalar>(
    tape: &'t Tape<T>,
    w: &[Var<'t, T>],
    cost: &dyn Fn(&[Var<'t, T>]) -> Vec<Var<'t, T>>,
    shapes: &[Shape],
) -> Result<Recorded<'t, T>> {
    let wrong = Cell::new(None);
    let slope = w.to_vec().grad(|w| {
        let out = cost(&w);
        match out.as_slice() {
            [cost] if cost.shape().is_scalar() => cost.sum(),
            _ => {
                wrong.set(Some(misfit("one cost, a number or one for each member, of a solution", &out, shapes)));
                tape.filled(Shape::SCALAR, lists::number(0.0))
            }
        }
    });
    let found = Recorded { from: w.to_vec(), raw: slope.clone(), out: slope };
    wrong.into_inner().map_or(Ok(found), Err)
}

/// Other shapes than those of the solution.
fn misfit<T: Scalar>(what: &'static str, got: &[Var<'_, T>], shapes: &[Shape]) -> Error {
    Error::Condition { what, expected: shapes.to_vec(), got: got.iter().map(Var::shape).collect() }
}

/// What the program of a condition returns at the tangent `w` at `at`, as numbers.
pub(crate) fn outcome<C: Condition>(
    c: &C,
    at: &[Batch<Of<C::State>>],
    w: &[Batch<Of<C::State>>],
    like: (&C::State, &C::Params),
    phi: &[Batch<Of<C::State>>],
) -> Result<List<Of<C::State>>> {
    let tape = Tape::plain();
    let put = |l: &[Batch<_>]| -> Vec<Var<'_, _>> { l.iter().map(|b| tape.input(b)).collect() };
    let mut from = origin(c.space(), at);
    lists::add_all(&mut from, 1.0, w);
    let out = run(c, &tape, at, &put(&from), like.0, like.1, &put(phi))?.out;
    tape.check()?;
    let value: List<_> = out.iter().map(Var::value).collect();
    finite(&value)?;
    Ok(value)
}

/// The part of the outcome of a program that its projection dropped, relative to the whole and as a length, for each
/// member.
pub(crate) fn normal_parts<T: Scalar>(raw: &[Batch<T>], projected: &[Batch<T>]) -> (Vec<f64>, Vec<f64>) {
    let off = lists::minus(raw, projected);
    let size = |v: &[Batch<T>], m| lists::member_length(v, m);
    let part = |m| if size(raw, m) > 0.0 { size(&off, m) / size(raw, m) } else { 0.0 };
    let n = lists::members(&lists::shapes(raw));
    ((0..n).map(part).collect(), (0..n).map(|m| size(&off, m)).collect())
}

/// Names the first member whose residual is not finite.
pub(crate) fn finite<T: Scalar>(value: &[Batch<T>]) -> Result<()> {
    for (leaf, b) in value.iter().enumerate() {
        if let Some(i) = b.data().iter().position(|x| !x.is_finite()) {
            return Err(Error::NotFinite { member: i / b.shape().each().max(1), leaf, value: b.data()[i].f64() });
        }
    }
    Ok(())
}
