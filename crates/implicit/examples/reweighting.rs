//! Data reweighting: a third of the training labels is wrong, and a weight for every training image is learned from a
//! few clean ones. Which labels were wrong shows in the weights.

#[path = "data/mod.rs"]
mod data;

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_implicit::bilevel::Bilevel;
use pullback_implicit::stationary;

const N: usize = 90;

/// The loss of every image.
fn logistic<'t>(z: Var<'t>, x: &Mat<f64>, y: &Mat<f64>) -> Var<'t> {
    (-(x * z).hadamard(y)).softplus()
}

fn weighted<'t>(z: Var<'t>, s: Var<'t>, x: &Mat<f64>, y: &Mat<f64>) -> Var<'t> {
    s.sigmoid().dot(logistic(z, x, y)) + z.dot(z) * 0.5
}

/// Runs the example and returns what it prints.
pub fn run() -> pullback_implicit::Result<String> {
    let ((x, label), (xv, labelv)) = (data::digits(&[3, 8], 0, N), data::digits(&[3, 8], N, 120));
    let wrong = |i: usize| i.is_multiple_of(3);
    let sign = |label: usize| 2.0 * label as f64 - 1.0;
    let y = Mat::from_fn(N, 1, |i, _| if wrong(i) { -sign(label[i]) } else { sign(label[i]) });
    let yv = Mat::from_fn(120, 1, |i, _| sign(labelv[i]));
    // Inner: weighted logistic regression. Newton's method finds it, in plain numbers.
    let (z0, s0) = (Mat::zeros(64, 1), Mat::zeros(N, 1));
    let condition = stationary(&z0, &s0, |z, s| weighted(z, s, &x, &y)).flat();
    let solve = |s: &Mat<f64>, z: &Mat<f64>| {
        let loss = func(|z: Var| weighted(z, z.tape().constant(s), &x, &y));
        let mut z = z.clone();
        for _ in 0..8 {
            let (g, h) = (pullback::grad(&loss, &z)?, pullback::hessian(&loss, &z)?);
            z -= pullback::value(|h: Var| h.solve(&g), &h)?.into_mat();
        }
        Ok(z)
    };
    let bilevel = Bilevel::new(1e-3);
    let mut state = bilevel.start(z0, s0);
    // Outer: the loss on the clean images.
    bilevel.run(&condition, &mut state, 60, solve, |z, _| logistic(z, &xv, &yv).sum(), |s, g| Ok(s - g * 3.0))?;

    // How often does a right label weigh more than a wrong one?
    let pairs = (0..N * N).map(|k| (k / N, k % N)).filter(|(i, j)| !wrong(*i) && wrong(*j));
    let more: Vec<bool> = pairs.map(|(i, j)| state.phi[(i, 0)] > state.phi[(j, 0)]).collect();
    let auc = 100.0 * more.iter().filter(|m| **m).count() as f64 / more.len() as f64;
    let (first, last) = (state.history[0].value, state.history[state.steps - 1].value);
    assert!(auc > 90.0 && last < 0.7 * first, "{auc} {first} {last}");
    Ok(format!("loss on clean images {first:.2} -> {last:.2}; a right label outweighs a wrong one in {auc:.1} %"))
}

#[allow(dead_code)]
fn main() -> pullback_implicit::Result<()> {
    println!("{}", run()?);
    Ok(())
}
