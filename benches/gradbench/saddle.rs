//! `saddle`: the saddle point of `|a|² - |b|²` as the minimum over `a` of a maximum over `b`, by a descent whose cost
//! is the result of another one.

use crate::Case;
use crate::descent::{Mode, argmax, argmin};
use crate::measured::{Nested, Program};
use pullback::{Axis, Batch, Shape, Var};
use pullback_benches::worker::Problem;

pub(crate) fn cases() -> Vec<Case> {
    Nested::ALL
        .map(|modes| {
            Case::new(format!("saddle/{modes}"), Program::Solved(solve, modes), move || Problem {
                x: vec![Batch::from_slice(Shape::mat(2, 1), &[1.0, 1.0])],
                ..Problem::default()
            })
        })
        .into()
}

fn f<'t>(a: Var<'t>, b: Var<'t>) -> Var<'t> {
    a.dot(a) - b.dot(b)
}

fn solve<'t>(x: &[Var<'t>], outer: Mode, inner: Mode) -> Var<'t> {
    let start = x[0];
    let a = argmin(outer, &|a| f(a, argmax(inner, &|b| f(a, b), start)), start);
    let b = argmax(inner, &|b| f(a, b), start);
    Var::concat(&[a, b], Axis::Rows)
}
