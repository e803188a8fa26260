//! A tree drawn in the hyperbolic plane: distances between the points as near as can be to those along the branches.
//!
//! The number of leaves grows as an exponential of the depth, for which a flat plane has no room and a hyperbolic one
//! has. The same cost on both shows by how much.

use pullback::faer::Mat;
use pullback::{Shape, prelude::*};
use pullback_manifolds::{Euclidean, Manifold, PoincareBall, Power};
use pullback_optim::{History, Problem, Result, Stop, TrustRegions};

/// Where to begin: children near their parents' directions, farther out.
fn start(nodes: usize, radius: fn(f64) -> f64) -> Mat<f64> {
    Mat::from_fn(2, nodes, |axis, k| {
        let depth = (k + 1).ilog2();
        let turn = |l: u32| 0.1f64.powi(l as i32) * if (k + 1) >> (depth - 1 - l) & 1 == 1 { 1.57 } else { -1.57 };
        let angle: f64 = (0..depth).map(turn).sum();
        radius(f64::from(depth)) * if axis == 0 { angle.cos() } else { angle.sin() }
    })
}

/// The columns `k`, each as a member of a batch.
fn columns<'t>(x: Var<'t>, k: &[usize]) -> Var<'t> {
    x.gather(Axis::Cols, k).reshape_batch(Shape::batch(k.len(), x.rows(), 1))
}

/// What the example prints, and the history of its run.
pub fn run() -> std::result::Result<(String, History), Box<dyn std::error::Error>> {
    // A binary tree: the parent of node k, counted from 1, is k/2. A branch is two radii of curvature long.
    let nodes = 31;
    let along = |mut a: usize, mut b: usize| {
        let mut length = 0.0;
        while a != b {
            (a, b, length) = (a.min(b), a.max(b) / 2, length + 2.0);
        }
        length
    };
    let (i, j): (Vec<usize>, Vec<usize>) = (0..nodes).flat_map(|i| (0..i).map(move |j| (i, j))).unzip();
    let wanted = Batch::from_fn(Shape::batch(i.len(), 1, 1), |k, _, _| along(i[k] + 1, j[k] + 1));

    // The root mean square of the relative errors of all distances. The valley is long and flat: 60 steps do.
    let embed = |all: &dyn Manifold, plane: &dyn Manifold, x0: Mat<f64>| -> Result<(f64, History)> {
        let problem = Problem::new(all, &x0, |x| {
            let d = plane.dist(&[columns(x, &i)], &[columns(x, &j)]).expect("both planes have distances");
            (d.elem_div(&wanted) - 1.0).square().sum() / i.len() as f64
        });
        let found = problem.solve(TrustRegions::default(), Stop::GradientNorm(1e-8) | Stop::Iterations(60))?;
        Ok((found.cost.sqrt(), found.history))
    };
    let (flat, ball) = (Euclidean::new(2, 1), PoincareBall::new(2));
    let (in_flat, _) = embed(&Power::new(flat, nodes), &flat, start(nodes, |depth| 2.0 * depth))?;
    let (in_ball, history) = embed(&Power::new(ball, nodes), &ball, start(nodes, |depth| depth.tanh()))?;
    assert!(in_ball < 0.04 && in_flat > 0.15, "{in_ball} {in_flat}");
    Ok((format!("relative error of distances: flat plane {in_flat:.3}, hyperbolic plane {in_ball:.3}\n"), history))
}

#[allow(dead_code)]
fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    print!("{}", run()?.0);
    Ok(())
}
