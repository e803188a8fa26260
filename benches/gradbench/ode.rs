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

fn last_entry<'t>(x: &[Var<'t>], w: &[Batch<f64>]) -> Var<'t> {
    let (x, steps) = (x[0], w[0].scalar() as usize);
    let h = 2.0 / steps as f64;
    let one = x.tape().filled(Shape::SCALAR, 1.0);
    let slope = |y: Var<'t>| x.hadamard(Var::concat(&[one, y.row_range(0, y.rows() - 1)], Axis::Rows));
    let mut y = x.tape().filled(x.shape(), 0.0);
    for _ in 0..steps {
        let k1 = slope(y);
        let k2 = slope(y.lincomb(1.0, k1, h / 2.0));
        let k3 = slope(y.lincomb(1.0, k2, h / 2.0));
        let k4 = slope(y.lincomb(1.0, k3, h));
        y = y.lincomb(1.0, (k2 + k3).lincomb(2.0, k1 + k4, 1.0), h / 6.0);
    }
    y.row(y.rows() - 1)
}
