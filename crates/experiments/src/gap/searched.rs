//! Solvers that choose their steps themselves by asking for costs, or for products with the Hessian: every question is
//! counted, and a solver is shown where it stood when its questions were as many as the steps of the others.

use super::problems::Problems;
use crate::error::Result;
use pullback::{Batch, Var};
use pullback_optim::{BarzilaiBorwein, Counts, Lbfgs, Problem, Solver, Stop, TrustRegions};

/// Which solver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Lbfgs,
    BarzilaiBorwein,
    TrustRegions,
}

/// All of them.
pub(crate) const ALL: [Which; 3] = [Which::Lbfgs, Which::BarzilaiBorwein, Which::TrustRegions];

impl Which {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Which::Lbfgs => "L-BFGS, line search counted",
            Which::BarzilaiBorwein => "Barzilai-Borwein, line search counted",
            Which::TrustRegions => "trust regions, products counted",
        }
    }
}

/// What is left of each problem after 0, 1, 2, ... questions.
pub(crate) fn run(which: Which, problems: &Problems, questions: usize) -> Result<Vec<Vec<f64>>> {
    let mut left = vec![vec![]; questions + 1];
    for k in 0..problems.count() {
        let one = problems.one(k);
        let points = match which {
            Which::Lbfgs => solve(Lbfgs::default(), &one, questions),
            Which::BarzilaiBorwein => solve(BarzilaiBorwein::default(), &one, questions),
            Which::TrustRegions => {
                // One step may not eat the budget.
                let solver = TrustRegions { max_inner: Some((questions / 8).max(2)), ..TrustRegions::default() };
                solve(solver, &one, questions)
            }
        };
        let mut at = 0;
        for (t, row) in left.iter_mut().enumerate() {
            while at + 1 < points.len() && points[at + 1].0 <= t as u64 {
                at += 1;
            }
            row.push(one.left(&points[at].1)[0]);
        }
    }
    Ok(left)
}

/// Questions: a cost with or without its gradient, or a product with the Hessian.
fn asked(counts: &Counts) -> u64 {
    counts.costs.max(counts.gradients) + counts.hessians
}

/// The points of a run with the questions that they needed. A run that fails stays at its last point.
fn solve<S: Solver>(solver: S, one: &Problems, questions: usize) -> Vec<(u64, Batch)> {
    let problem = Problem::new(one.manifold.as_ref(), &one.starts, |x: Var| one.cost_of(x));
    let mut run = problem.run(solver, Stop::Evaluations(2 * questions as u64));
    let mut points = vec![];
    while let Ok(Some(p)) = run.step() {
        points.push(p.point[0].clone());
    }
    let rows = run.finish().history.rows;
    let mut out = vec![(0, one.starts.clone())];
    out.extend(rows.iter().zip(points).skip(1).map(|(row, x)| (asked(&row.counts), x)));
    out
}
