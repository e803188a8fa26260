//! Programs inside programs: custom rules, checkpoints and gradients, nested as the case says.

use super::property::{Program, holds, near, pick};
use super::{Case, Target};
use pullback::{Custom, Leaves, Var};
use std::sync::Arc;

/// The name of the target, its property, and the primitives that it reaches.
pub const TARGET: Target =
    ("control", control, &["custom", "checkpoint", "alias", "of_finite", "positive", "stop_gradient"]);

/// `tanh(a) b` with rules of its own.
struct Squash;

impl Custom for Squash {
    fn name(&self) -> &'static str {
        "squash"
    }
    fn value<'t>(&self, x: &[Var<'t>]) -> Vec<Var<'t>> {
        vec![x[0].tanh() * x[1]]
    }
    fn jvp<'t>(&self, x: &[Var<'t>], _: &[Var<'t>], dx: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        let slope = 1.0 - x[0].tanh().hadamard(x[0].tanh());
        let a = dx[0].map(|d| slope.hadamard(d) * x[1]);
        let b = dx[1].map(|d| x[0].tanh() * d);
        vec![match (a, b) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        }]
    }
    fn vjp<'t>(&self, x: &[Var<'t>], _: &[Var<'t>], dy: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        let slope = 1.0 - x[0].tanh().hadamard(x[0].tanh());
        vec![dy[0].map(|g| slope.hadamard(g.mul_t(x[1]))), dy[0].map(|g| x[0].tanh().t_mul(g))]
    }
}

/// Programs inside programs: custom rules, checkpoints and gradients, nested as the case says.
pub fn control(case: &Case) {
    let n = case.size().0;
    let x0 =
        vec![case.stack(n, n, |b| case.entries(1 + b).mat(n, n)), case.stack(n, n, |b| case.entries(50 + b).mat(n, n))];
    let list: [(&'static str, Program); 7] = [
        ("custom", |x| x[0].tape().custom(Arc::new(Squash), x)),
        ("checkpoint", |x| vec![x[0].checkpoint(|y| (y * x[1]).tanh() * y)]),
        ("custom in a checkpoint", |x| vec![x[0].checkpoint(|y| y.tape().custom(Arc::new(Squash), &[y, x[1]])[0] * y)]),
        ("checkpoint in a checkpoint", |x| vec![x[0].checkpoint(|y| y.checkpoint(|z| (z * x[1]).sin()) + y)]),
        ("where_positive", |x| vec![(x[0] * x[1]).where_positive(x[1].hadamard(x[1]) + 1.0, "a square and one")]),
        ("a gradient step", |x| vec![x[0] - 0.1 * x[0].grad(|y| (y * x[1]).tanh().dot(y).sum())]),
        ("a gradient step in a checkpoint", |x| {
            vec![x[0].checkpoint(|y| y - 0.1 * y.grad(|z| z.sin().dot(x[1]).sum()) + y.stop_gradient() * 0.0)]
        }),
    ];
    let (name, f) = pick(case, list);
    // Same sums, other order: nothing here is ill-conditioned.
    holds(case, name, f, &x0, 10.0);
    if name != "checkpoint" {
        return;
    }
    let plain: Program = |x| vec![(x[0] * x[1]).tanh() * x[0]];
    let (a, b) = (
        pullback::grad(|x: Vec<Var>| plain(&x)[0].sum(), &x0),
        pullback::grad(|x: Vec<Var>| list[1].1(&x)[0].sum(), &x0),
    );
    if let (Ok(a), Ok(b)) = (a, b) {
        for (a, b) in a.batches().iter().zip(b.batches()) {
            for i in 0..case.members() {
                near(case, "checkpointed gradient", &a.member(i), &b.member(i));
            }
        }
    }
}
