//! `gmm`: the logarithm of the posterior of a mixture of Gaussians, by weights, means and factors of precisions.

use crate::measured::Program;
use crate::{Case, normal, uniform};
use pullback::faer::Mat;
use pullback::{Axis, Batch, Shape, Var, value};
use pullback_benches::worker::Problem;
use std::f64::consts::{PI, TAU};

/// How many points.
const N: usize = 1000;

pub(crate) fn cases() -> Vec<Case> {
    let case = |(d, k): (usize, usize)| {
        Case::new(format!("gmm/d={d},k={k}"), Program::Cost(log_posterior), move || Problem {
            // Components are the members of a batch.
            x: vec![
                normal(Shape::batch(k, 1, 1), 1),
                uniform(Shape::batch(k, d, 1), 2),
                normal(Shape::batch(k, d, 1), 3),
                normal(Shape::batch(k, d * (d - 1) / 2, 1), 4),
            ],
            w: vec![normal(Shape::mat(d, N), 5)],
            ..Problem::default()
        })
    };
    [(2, 5), (10, 10), (20, 25), (64, 25)].map(case).into()
}

/// With `Q = exp(q)` on the diagonal and `l` below it, `beta_ik = alpha_k - |Q_k (x_i - mu_k)|^2 / 2 + sum q_k`, and
/// the logarithms of likelihood and Wishart prior (precision 1, no further degrees of freedom) as sums.
fn log_posterior<'t>(x: &[Var<'t>], w: &[Batch<f64>]) -> Var<'t> {
    let &[alpha, mu, q, l] = x else { unreachable!("four inputs") };
    let Shape { batch: k, rows: d, .. } = mu.shape();
    let below: Vec<usize> = (0..d).flat_map(|j| (j + 1..d).map(move |i| j * d + i)).collect();
    let factor = l.scatter(Axis::Rows, &below, d * d).reshape(d, d) + q.exp().to_diag();
    let residual = factor * (mu - &w[0]);
    let beta = alpha + q.sum_each() - residual.column_dots(residual) * 0.5;
    let beta = beta.reshape_batch(Shape::mat(N, k));
    let weights = alpha.reshape_batch(Shape::mat(k, 1)).log_sum_exp();
    beta.row_log_sum_exp().sum() - weights * N as f64 - factor.dot(factor).sum() * 0.5 + constant(d, k)
}

/// What depends on the sizes only; `ln Gamma_d(a) = d (d-1)/4 ln pi + sum_j ln Gamma(a - j/2)`.
fn constant(d: usize, k: usize) -> f64 {
    let (n, size) = ((d + 1) as f64, d as f64);
    let arguments = Mat::from_fn(d, 1, |j, _| (n - j as f64) / 2.0);
    let ln_gammas = value(|a| a.ln_gamma().sum(), &arguments).expect("positive arguments").scalar();
    let ln_gamma = size * (size - 1.0) / 4.0 * PI.ln() + ln_gammas;
    -(N as f64) * size / 2.0 * TAU.ln() + k as f64 * (-n * size * 2f64.sqrt().ln() - ln_gamma)
}
