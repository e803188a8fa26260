//! Max-cut by a relaxation (Burer & Monteiro): each vertex gets a unit vector, and neighbours push each other away.
//!
//! `cargo run -p pullback-optim --example max_cut -- FILE` takes a graph: a line `vertices edges`, then `i j weight`.

use pullback::{faer::Mat, prelude::*};
use pullback_manifolds::{Oblique, rng};
use pullback_optim::{History, Problem, Stop, TrustRegions};

/// Vertices, edges, and each edge with its weight.
const PETERSEN: &str =
    "10 15 1 2 1 2 3 1 3 4 1 4 5 1 5 1 1 1 6 1 2 7 1 3 8 1 4 9 1 5 10 1 6 8 1 8 10 1 10 7 1 7 9 1 9 6 1";

/// Maximises `sum w_ij (1 - y_i . y_j)/2`: what it reaches, how far below the optimum that is at most, and a cut.
fn relax(graph: &str) -> Result<([f64; 3], History), Box<dyn std::error::Error>> {
    let numbers = graph.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    let n = *numbers.first().filter(|n| **n >= 1.0).ok_or("expected `vertices edges`, then `i j weight`")? as usize;
    let mut w = Mat::<f64>::zeros(n, n);
    for e in numbers[2.min(numbers.len())..].chunks(3) {
        if e.len() < 3 || e[0].min(e[1]) < 1.0 || e[0].max(e[1]) > n as f64 {
            return Err(format!("expected two vertices from 1 to {n} and a weight, got {e:?}").into());
        }
        w[(e[0] as usize - 1, e[1] as usize - 1)] += e[2];
        w[(e[1] as usize - 1, e[0] as usize - 1)] += e[2];
    }
    // Columns of length 1, one a vertex. With more than sqrt(2 n) rows every local optimum is a global one.
    let p = (2.0 * n as f64).sqrt() as usize + 1;
    let vectors = Oblique::new(p, n);
    let y0: Mat<f64> = vectors.random(&mut rng(5));
    let problem = Problem::new(&vectors, &y0, |y| y.dot(y * &w) * 0.5);
    let found = problem.solve(TrustRegions::default(), Stop::GradientNorm(1e-6) | Stop::Iterations(500))?;
    let y = &found.point;
    // The certificate: nothing is better by more than n/4 times the negative part of this eigenvalue.
    let slack = func(|y: Var| -(y.t_mul(y * &w).diag().to_diag() - &w));
    let least = pullback::value(|y: Var| slack(y).eigvalsh().row(0), y)?.scalar();
    let cut = |seed| {
        let side = Oblique::new(p, 1).random::<Mat<f64>>(&mut rng(seed)).transpose() * y;
        let s = Mat::from_fn(n, 1, |i, _| side[(0, i)].signum()); // the side of a random plane
        (w.sum() - (s.transpose() * &w * &s)[(0, 0)]) / 4.0
    };
    let (value, gap) = (w.sum() / 4.0 - found.cost / 2.0, n as f64 / 4.0 * (-least).max(0.0));
    Ok(([value, gap, (0..50).map(cut).fold(f64::MIN, f64::max)], found.history))
}

/// What the example prints, and the history of its run.
pub fn run() -> Result<(String, History), Box<dyn std::error::Error>> {
    let ((pentagon, _), (petersen, history)) = (relax("5 5 1 2 1 2 3 1 3 4 1 4 5 1 5 1 1")?, relax(PETERSEN)?);
    assert!((pentagon[0] - 4.522542485937).abs() < 1e-6 && pentagon[1] < 1e-3 && pentagon[2] == 4.0, "{pentagon:?}");
    assert!((petersen[0] - 12.5).abs() < 1e-6 && petersen[1] < 1e-3 && petersen[2] == 12.0, "{petersen:?}");
    let line = |name, [value, _, cut]: [f64; 3]| format!("{name}: {value:.6}, cut {cut}\n");
    Ok((line("pentagon", pentagon) + &line("Petersen", petersen), history))
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    match std::env::args().nth(1) {
        None => print!("{}", run()?.0),
        Some(path) => println!("[value, gap at most, cut] = {:?}", relax(&std::fs::read_to_string(path)?)?.0),
    }
    Ok(())
}
