//! `lse`: the logarithm of a sum of exponentials of many numbers; from its pieces, as the suite asks, and by the
//! primitive.

use crate::measured::Program;
use crate::{Case, uniform};
use pullback::{Batch, Shape, Var};
use pullback_benches::worker::Problem;

pub(crate) fn cases() -> Vec<Case> {
    let case = |n: usize| {
        let problem = move || Problem { x: vec![uniform(Shape::mat(n, 1), 1)], ..Problem::default() };
        let whole = Program::Cost(|x, _| x[0].log_sum_exp());
        [
            Case::new(format!("lse/{n}"), Program::Cost(log_sum_exp), problem),
            Case::new(format!("lse-primitive/{n}"), whole, problem),
        ]
    };
    [2_500, 40_000, 640_000].into_iter().flat_map(case).collect()
}

/// `a + ln sum exp(x - a)` with `a = max x`: the suite asks for a program from such pieces.
fn log_sum_exp<'t>(x: &[Var<'t>], _: &[Batch<f64>]) -> Var<'t> {
    let a = x[0].max_all();
    a + (x[0] - a).exp().sum().ln()
}
