//! A Kalman filter over 50 steps, and the gradient of its likelihood by the variances of process and measurement.

use pullback::faer::{Col, Mat, mat};
use pullback::prelude::*;

/// Runs the example and returns what it prints.
pub fn run() -> pullback::Result<String> {
    // x_t = F x_{t-1} + w with w ~ N(0, q I), y_t = H x_t + v with v ~ N(0, r), and x_0 ~ N(0, I).
    let (f, h) = (mat![[1.0, 0.1], [-0.1, 0.98]], mat![[1.0, 0.0]]);
    let y = Col::from_fn(50, |t| (0.1 * t as f64).sin() + 0.1 * (1.7 * t as f64).cos());
    let at = (0.02_f64, 0.05_f64);
    let filter = pin(&at, |(q, r)| {
        let tape = q.tape();
        let (mut x, mut p, mut nll) = (tape.constant(&mat![[0.0], [0.0]]), tape.eye(2), tape.constant(&0.0));
        for t in 0..50 {
            (x, p) = (&f * x, (&f * p).mul_t(&f) + tape.eye(2) * q);
            let (s, innovation) = ((&h * p).mul_t(&h) + r, y[t] - &h * x);
            let gain = p.mul_t(&h) / s;
            nll += (innovation * innovation / s + s.ln()) * 0.5;
            (x, p) = (x + gain * innovation, p - gain * (&h * p));
        }
        nll
    });
    // The same likelihood without a filter: y is Gaussian with covariance S + q W + r I.
    let mut powers = vec![&h * &f];
    for t in 1..50 {
        powers.push(&powers[t - 1] * &f);
    }
    let inner = |t: usize, u: usize| (&powers[t] * powers[u].transpose())[(0, 0)];
    let s = Mat::from_fn(50, 50, inner);
    let lag = |t: usize| if t == 0 { h.clone() } else { powers[t - 1].clone() };
    let w = Mat::from_fn(50, 50, |t, u| (0..=t.min(u)).map(|k| (lag(t - k) * lag(u - k).transpose())[(0, 0)]).sum());
    let dense = pin(&at, |(q, r)| {
        let l = (&w * q + &s + q.tape().eye(50) * r).cholesky();
        let z = l.solve_triangular(Uplo::Lower, &y);
        z.dot(z) * 0.5 + l.diag().ln().sum()
    });
    let ((a, ga), (b, gb)) = (value_and_grad(&filter, &at)?, value_and_grad(&dense, &at)?);
    assert!((a - b).abs() < 1e-10 * b.abs() && (ga.0 - gb.0).hypot(ga.1 - gb.1) < 1e-9 * gb.0.hypot(gb.1));
    Ok(format!("nll {a:.6}, by q {:.4}, by r {:.4}", ga.0, ga.1))
}

#[allow(dead_code)]
fn main() -> pullback::Result<()> {
    println!("{}", run()?);
    Ok(())
}
