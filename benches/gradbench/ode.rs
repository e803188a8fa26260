//! `ode`: `y_0' = x_0`, `y_i' = x_i y_(i-1)` from `y = 0`, to time 2 by the classical Runge-Kutta method, and the
//! gradient of the last entry.

use crate::measured::Program;
use crate::{Case, number, uniform};
use pullback::{Axis, Batch, Shape, Var};
use pullback_benches::worker::Problem;

pub(crate) fn cases() -> Vec<Case> {
    let case = |(n, steps): (usize, usize)| {
        Case::new(format!("ode/{n},{steps}"), Program::Cost(last_entry), move || Problem {
            x: vec![uniform(Shape::mat(n, 1), 1)],
            w: vec![number(steps)],
            ..Problem::default()
        })
    };
    [(1_000, 10), (1_000, 100), (10_000, 10), (10_000, 100)].map(case).into()
}

/// Numbers on a trajectory from which on only the states are kept: a step needs fifteen times as many, which would
/// leave the caches.
const MANY: usize = 500_000;

fn last_entry<'t>(x: &[Var<'t>], w: &[Batch<f64>]) -> Var<'t> {
    let (x, steps) = (x[0], w[0].scalar() as usize);
    let h = 2.0 / steps as f64;
    // What stands before the first entry is 1, so the first entry of the slope is that of `x`.
    let first = x.row(0).scatter(Axis::Rows, &[0], x.rows());
    let slope = |y: Var<'t>| x.hadamard_add(y.shift(Axis::Rows, 1), first);
    let step = |y: Var<'t>| {
        let k1 = slope(y);
        let k2 = slope(y.lincomb(1.0, k1, h / 2.0));
        let k3 = slope(y.lincomb(1.0, k2, h / 2.0));
        let k4 = slope(y.lincomb(1.0, k3, h));
        y.lincomb(1.0, (k2 + k3).lincomb(2.0, k1 + k4, 1.0), h / 6.0)
    };
    let mut y = x.tape().filled(x.shape(), 0.0);
    for _ in 0..steps {
        y = if x.rows() * steps > MANY { y.checkpoint(step) } else { step(y) };
    }
    y.row(y.rows() - 1)
}
