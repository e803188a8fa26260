//! Few-shot learning with an orthogonal head: for every task the head is the point of a Stiefel manifold that fits the
//! support images best, and what is learned across tasks is how much each pixel counts.

#[path = "data/mod.rs"]
mod data;

use pullback::{faer::Mat, prelude::*};
use pullback_implicit::{Condition, Result, stationary};
use pullback_manifolds::Stiefel;

/// Images of five digits, their labels one-hot, and as numbers.
fn images(task: u8, skip: usize, count: usize) -> (Mat<f64>, Mat<f64>, Vec<usize>) {
    let (x, label) = data::digits(&[0, 1, 2, 3, 4].map(|k| (task + k) % 10), skip, count);
    let (x, y) = (Mat::from_fn(count, 64, |i, j| x[(i, j)] - 0.3), |i, c| f64::from(label[i] == c));
    (x, Mat::from_fn(count, 5, y), label)
}

/// The head with orthonormal columns that is nearest to the weighted support images: a polar factor.
fn head(theta: &Mat<f64>, m: &Mat<f64>) -> Result<Mat<f64>> {
    Ok(pullback::value(|t: Var| (t.exp().to_diag() * m).polar().0, theta)?.into_mat())
}

/// Runs the example and returns what it prints.
pub fn run() -> Result<String> {
    let (st, mut theta) = (Stiefel::new(64, 5), Mat::<f64>::zeros(64, 1));
    // New images of every task, five of a digit to learn from: how many of 100 others are told right?
    let right = |theta: &Mat<f64>| -> Result<usize> {
        let one = |task| {
            let ((x, y, _), (xq, _, label)) = (images(task, 700, 25), images(task, 740, 100));
            let w = head(theta, &(x.transpose() * &y))?;
            let scores = &xq * Mat::from_fn(64, 5, |i, j| theta[(i, 0)].exp() * w[(i, j)]);
            let best = |i: usize| (0..5).max_by(|a, b| scores[(i, *a)].total_cmp(&scores[(i, *b)]));
            Ok((0..100).filter(|i| best(*i) == Some(label[*i])).count())
        };
        (0..10).map(one).sum()
    };
    let before = right(&theta)?;
    for step in 0..100 {
        let (task, draw) = (step % 10, usize::from(step / 10));
        let ((x, y, _), (xq, yq, _)) = (images(task, 25 * draw, 25), images(task, 300 + 40 * draw, 40));
        let (m, w) = (x.transpose() * &y, head(&theta, &(x.transpose() * &y))?);
        let nearest = stationary(&w, &theta, |w: Var, t: Var| -w.dot(t.exp().to_diag() * &m)).on(&st);
        // Outer: cross entropy of the query images, whose scores are X diag(e^t) W.
        let d = nearest.at(&w, &theta).hypergradient(|w: Var, t: Var| {
            let scores = &xq * (t.exp().to_diag() * w) * 3.0;
            scores.row_log_sum_exp().sum() - scores.dot(&yq)
        })?;
        assert!(d.certificate.verdict.is_sound(), "{}", d.certificate);
        theta -= d.gradient * 0.01;
    }
    let after = right(&theta)?;
    assert!(after > before + 20, "{before} {after}");
    Ok(format!("right of 1000 new images: {before} -> {after}"))
}

#[allow(dead_code)]
fn main() -> Result<()> {
    println!("{}", run()?);
    Ok(())
}
