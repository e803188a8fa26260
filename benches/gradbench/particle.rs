//! `particle`: the charge `w` for which a particle in the field of two charges, followed by Euler's method, crosses the
//! axis at the origin. The force is a gradient inside the program whose result is minimised.

use crate::Case;
use crate::descent::{Mode, argmin, gradient};
use crate::measured::{Nested, Program};
use pullback::{Axis, Batch, Shape, Var};
use pullback_benches::worker::Problem;

pub(crate) fn cases() -> Vec<Case> {
    Nested::ALL
        .map(|modes| {
            Case::new(format!("particle/{modes}"), Program::Solved(solve, modes), move || Problem {
                x: vec![Batch::from_slice(Shape::mat(1, 1), &[0.0])],
                ..Problem::default()
            })
        })
        .into()
}

fn solve<'t>(x: &[Var<'t>], outer: Mode, inner: Mode) -> Var<'t> {
    argmin(outer, &|w| crossing(w, inner), x[0])
}

/// The square of the place where the particle crosses the axis.
fn crossing<'t>(w: Var<'t>, mode: Mode) -> Var<'t> {
    const STEP: f64 = 0.1;
    let tape = w.tape();
    let column = |a: f64, b: f64| tape.constant(&Batch::from_slice(Shape::mat(2, 1), &[a, b]));
    let ten = tape.filled(Shape::SCALAR, 10.0);
    let charges = [Var::concat(&[ten, 10.0 - w], Axis::Rows), column(10.0, 0.0)];
    let potential = |x: Var<'t>| (x - charges[0]).norm().recip() + (x - charges[1]).norm().recip();
    let (mut x, mut v) = (column(0.0, 8.0), column(0.75, 0.0));
    loop {
        let force = -gradient(mode, &potential, x);
        let next = x.lincomb(1.0, v, STEP);
        if next.row(1).scalar() <= 0.0 {
            let left = -x.row(1) / v.row(1);
            return (x.row(0) + left * v.row(0)).square();
        }
        (x, v) = (next, v.lincomb(1.0, force, STEP));
    }
}
