//! A penalty for every pixel of a ridge regression that tells threes from eights, learned on validation images: a
//! bilevel loop whose inner problem is solved exactly and never differentiated.

#[path = "data/mod.rs"]
mod data;

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_implicit::bilevel::Bilevel;
use pullback_implicit::stationary;

/// Images, and -1 for a three, 1 for an eight.
fn images(skip: usize, count: usize) -> (Mat<f64>, Mat<f64>) {
    let (x, label) = data::digits(&[3, 8], skip, count);
    let y = Mat::from_fn(count, 1, |i, _| 2.0 * label[i] as f64 - 1.0);
    (x, y)
}

/// Runs the example and returns what it prints.
pub fn run() -> pullback_implicit::Result<String> {
    let ((x, y), (xv, yv), (xt, yt)) = (images(0, 50), images(50, 150), images(200, 150));
    let (gram, right) = (x.transpose() * &x, x.transpose() * &y);
    let (w0, l0) = (Mat::zeros(64, 1), Mat::from_fn(64, 1, |_, _| -3.0));
    // Inner: |Xw - y|²/2 + sum e^(l_j) w_j²/2, stationary in w. Outer: the error on the validation images.
    let ridge = stationary(&w0, &l0, |w, l| {
        let r = &x * w - &y;
        (r.dot(r) + l.exp().dot(w.hadamard(w))) * 0.5
    })
    .flat();
    let solve = |l: &Mat<f64>, _: &Mat<f64>| {
        Ok(pullback::value(|l: Var| (&gram + l.exp().to_diag()).solve(&right), l)?.into_mat())
    };
    let error = |w: &Mat<f64>, x: &Mat<f64>, y: &Mat<f64>| {
        (0..y.nrows()).filter(|i| (x * w)[(*i, 0)] * y[(*i, 0)] <= 0.0).count()
    };
    let before = error(&solve(&l0, &w0)?, &xt, &yt);

    let update = |l: &Mat<f64>, g: &Mat<f64>| Ok(Mat::from_fn(64, 1, |j, _| (l[(j, 0)] - g[(j, 0)]).clamp(-9.0, 6.0)));
    let bilevel = Bilevel::new(1e-3);
    let mut state = bilevel.start(w0, l0);
    bilevel.run(&ridge, &mut state, 60, solve, |w, _| (&xv * w - &yv).dot(&xv * w - &yv) * 0.5, update)?;

    let (first, last, after) = (state.history[0], state.history[state.steps - 1], error(&state.z, &xt, &yt));
    assert!(last.value < 0.7 * first.value && after <= before, "{first:?} {last:?} {before} {after}");
    assert!(state.history.iter().all(|r| r.applied && r.verdict.is_sound()), "{:?}", state.history);
    let (v, w, n) = (first.value, last.value, state.steps);
    Ok(format!("validation loss {v:.2} -> {w:.2} in {n} steps, wrong of 150 new images {before} -> {after}"))
}

#[allow(dead_code)]
fn main() -> pullback_implicit::Result<()> {
    println!("{}", run()?);
    Ok(())
}
