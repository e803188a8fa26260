//! A penalty for every feature of a ridge regression, learned on validation data: a bilevel loop with warm starts.

use pullback::faer::Mat;
use pullback_implicit::bilevel::Bilevel;
use pullback_implicit::stationary;

/// Runs the example and returns what it prints.
pub fn run() -> pullback_implicit::Result<String> {
    // Two features matter, four are noise.
    let data = |m: usize, s: usize| Mat::from_fn(m, 6, |i, j| ((7 * (i + s) + 13 * j * j + 3 * j) as f64).sin());
    let truth = Mat::from_fn(6, 1, |j, _| if j < 2 { 1.0 } else { 0.0 });
    let noise = |m: usize, s: usize| Mat::from_fn(m, 1, |i, _| 0.5 * ((11 * (i + s)) as f64).cos());
    let (x, xv) = (data(12, 0), data(30, 40));
    let (y, yv) = (&x * &truth + noise(12, 0), &xv * &truth + noise(30, 40));

    let (w0, l0) = (Mat::zeros(6, 1), Mat::zeros(6, 1));
    // Inner: |Xw - y|²/2 + sum e^(l_j) w_j²/2, stationary in w. Outer: the validation loss.
    let ridge = stationary(&w0, &l0, |w, l| {
        let r = &x * w - &y;
        (r.dot(r) + l.exp().dot(w.hadamard(w))) * 0.5
    })
    .flat();

    // The inner solver is any: here gradient descent from where the last step ended.
    let inner = |l: &Mat<f64>, w: &Mat<f64>| {
        let mut w = w.clone();
        for _ in 0..200 {
            let g = x.transpose() * (&x * &w - &y);
            w = Mat::from_fn(6, 1, |j, _| w[(j, 0)] - 0.04 * (g[(j, 0)] + l[(j, 0)].exp() * w[(j, 0)]));
        }
        Ok(w)
    };
    let update = |l: &Mat<f64>, g: &Mat<f64>| Ok(Mat::from_fn(6, 1, |j, _| (l[(j, 0)] - g[(j, 0)]).clamp(-6.0, 6.0)));
    let bilevel = Bilevel::new(1e-6);
    let mut state = bilevel.start(w0.clone(), l0.clone());
    bilevel.run(&ridge, &mut state, 60, inner, |w, _| (&xv * w - &yv).dot(&xv * w - &yv) * 0.5, update)?;

    let (first, last) = (state.history[0], state.history[state.steps - 1]);
    assert!(last.value < first.value && state.history.iter().all(|r| r.verdict.is_sound()), "{first:?} {last:?}");
    Ok(format!("validation loss {:.4} -> {:.4} in {} steps, {}", first.value, last.value, state.steps, last.verdict))
}

#[allow(dead_code)]
fn main() -> pullback_implicit::Result<()> {
    println!("{}", run()?);
    Ok(())
}
