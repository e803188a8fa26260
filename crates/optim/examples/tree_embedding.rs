//! A tree drawn in the hyperbolic plane: distances between the points as near as can be to those along the branches.
//!
//! A flat plane has no room for a tree, since the number of leaves grows with its depth as an exponential. A hyperbolic
//! one has. The same cost on both, from the same start, shows by how much.

use pullback::faer::Mat;
use pullback::{Shape, prelude::*};
use pullback_manifolds::{Euclidean, Manifold, PoincareBall, Power};
use pullback_optim::{Found, Problem, Result, Stop, TrustRegions};

/// Runs the example and returns what it prints.
pub fn run() -> std::result::Result<String, Box<dyn std::error::Error>> {
    // A binary tree of 31 nodes: the parent of node k, counted from 1, is k/2.
    let nodes: usize = 31;
    let branches = |mut a: usize, mut b: usize| {
        let mut branches = 0.0;
        while a != b {
            (a, b, branches) = (a.min(b), a.max(b) / 2, branches + 1.0);
        }
        branches
    };
    let (i, j): (Vec<usize>, Vec<usize>) = (0..nodes).flat_map(|i| (0..i).map(move |j| (i, j))).unzip();
    // A branch has length 2: long against the radius of curvature, which is 1, so that the plane has room.
    let pairs = Shape::batch(i.len(), 1, 1);
    let wanted = Batch::from_fn(pairs, |k, _, _| 2.0 * branches(i[k] + 1, j[k] + 1));

    // The start: each node in its own sector, farther out with its depth.
    let start = |radius: fn(f64) -> f64| {
        Mat::from_fn(2, nodes, |axis, k| {
            let depth = (k + 1).ilog2();
            let turn = (k as f64 + 1.5) / f64::from(1 << depth) * std::f64::consts::TAU;
            radius(f64::from(depth)) * if axis == 0 { turn.cos() } else { turn.sin() }
        })
    };
    // Points are columns of one matrix; the ends of all pairs become two batches of points of the plane.
    fn ends<'t>(x: Var<'t>, k: &[usize]) -> Var<'t> {
        x.gather(Axis::Cols, k).reshape_batch(Shape::batch(k.len(), 2, 1))
    }
    let embed = |all: &dyn Manifold, plane: &dyn Manifold, x0: Mat<f64>| -> Result<Found<Mat<f64>>> {
        let problem = Problem::new(all, &x0, |x| {
            let d = plane.dist(&[ends(x, &i)], &[ends(x, &j)]).expect("both planes have distances");
            (d.elem_div(&wanted) - 1.0).square().sum() / i.len() as f64
        });
        problem.solve(TrustRegions::default(), Stop::GradientNorm(1e-8) | Stop::Iterations(300))
    };
    let (flat, ball) = (Euclidean::new(2, 1), PoincareBall::new(2));
    let in_flat = embed(&Power::new(flat, nodes), &flat, start(|depth| 2.0 * depth))?;
    let in_ball = embed(&Power::new(ball, nodes), &ball, start(|depth| (0.9 * depth).tanh()))?;
    let off = |found: &Found<Mat<f64>>| 100.0 * found.cost.sqrt();
    assert!(off(&in_ball) < 10.0 && off(&in_flat) > 20.0, "{} {}", off(&in_ball), off(&in_flat));
    Ok(format!(
        "distances off by {:.1} % in the flat plane, {:.1} % in the hyperbolic one\n",
        off(&in_flat),
        off(&in_ball)
    ))
}

#[allow(dead_code)]
fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    print!("{}", run()?);
    Ok(())
}
