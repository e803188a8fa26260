//! The Karcher mean of covariances of textures as a layer: found by an iteration that nobody differentiates, and
//! differentiated as a stationary point. For two matrices it is their geometric mean, whose closed form checks it.

#[path = "data/mod.rs"]
mod data;

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_implicit::{Layer, Result, Verdict, stationary};

type Matrices = Vec<Mat<f64>>;

/// `X^(1/2) exp(mean of log(X^(-1/2) A_i X^(-1/2))) X^(1/2)`, until it stays.
fn solve(a: &Matrices) -> Result<Mat<f64>> {
    let tape = Tape::plain();
    let a: Vec<Var> = a.iter().map(|a| tape.constant(a)).collect();
    let x = tape.iterate(a[0], 60, |x| {
        let (r, i) = (x.sqrtm_spd(), x.invsqrtm_spd());
        let sum: Var = a.iter().map(|a| (i * *a * i).sym().logm_spd()).sum();
        (r * (sum * (1.0 / a.len() as f64)).sym().expm_sym() * r).sym()
    });
    tape.check()?;
    Ok(x.value().into_mat())
}

/// Runs the example and returns what it prints.
pub fn run() -> Result<String> {
    let given = vec![data::covariance(0, 3) * 100.0, data::covariance(1, 10) * 100.0];
    // Half the sum of squared distances. The last term keeps X symmetric, so that the solution is isolated.
    let condition = stationary(&given[0], &given, |x: Var, a: Vec<Var>| {
        let i = x.sym().invsqrtm_spd();
        let logs = a.iter().map(|a| (i * a.sym() * i).sym().logm_spd());
        logs.map(|l| l.dot(l) * 0.5).sum::<Var>() + x.skew().dot(x.skew())
    })
    .flat();
    let mean = Layer::new(condition, given[0].clone(), given.clone(), solve).certified();

    // A loss of the mean, and the same loss of A # B in closed form.
    let weight = Mat::from_fn(5, 5, |i, j| 0.1 * ((i * j + i + j) as f64).cos());
    let layer = grad(|a: Vec<Var>| mean.apply(&a).dot(&weight).exp(), &given)?;
    let closed = grad(
        |a: Vec<Var>| {
            let (r, i) = (a[0].sym().sqrtm_spd(), a[0].sym().invsqrtm_spd());
            (r * (i * a[1].sym() * i).sym().sqrtm_spd() * r).dot(&weight).exp()
        },
        &given,
    )?;
    let apart = (0..2).map(|k| (&layer[k] - &closed[k]).norm_l2() / closed[k].norm_l2()).fold(0.0, f64::max);
    let verdict = mean.certificates()[0].verdict;
    assert!(apart < 1e-10 && verdict == Verdict::Verified, "{apart:e} {verdict}");
    Ok(format!("gradient through the mean agrees with the closed form to {apart:.0e}: {verdict}"))
}

#[allow(dead_code)]
fn main() -> Result<()> {
    println!("{}", run()?);
    Ok(())
}
