//! Starts of a solver on several threads: each finds to the bit what it finds alone.

use pullback::faer::Mat;
use pullback::{Threads, Var};
use pullback_manifolds::{Stiefel, rng};
use pullback_optim::{Problem, Stop, TrustRegions};

#[test]
fn starts_share_threads() {
    let st = Stiefel::new(6, 2);
    let a = Mat::from_fn(6, 6, |i, j| 1.0 / (1 + i + j) as f64 + if i == j { i as f64 } else { 0.0 });
    let weights = Mat::from_fn(1, 2, |_, j| (j + 1) as f64);
    let starts: Vec<Mat<f64>> = (0..12).map(|k| st.random(&mut rng(k))).collect();
    let solve = |x0: &Mat<f64>| {
        let problem = Problem::new(&st, x0, |x: Var| (x.t_mul(&a * x)).diag().t().dot(&weights));
        let found = problem.solve(TrustRegions::default(), Stop::GradientNorm(1e-9)).unwrap();
        (found.cost.to_bits(), found.point)
    };
    let alone: Vec<_> = starts.iter().map(solve).collect();
    for count in [1, 2, 4] {
        assert_eq!(Threads::new(count).unwrap().map(&starts, solve), alone, "{count} threads");
    }
}
