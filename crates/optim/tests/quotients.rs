//! On quotients, methods with memory go the same way whatever representative they start from.

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback::{Shape, value};
use pullback_manifolds::{Grassmann, Manifold, Retraction, gaussian, rng};
use pullback_optim::{Momentum, descend};

#[test]
fn momentum_on_subspaces_does_not_see_the_basis() {
    let gauss = |n: usize, seed: u64| gaussian::<f64>(Shape::mat(n, n), &mut rng(seed)).member(0);
    let a = gauss(8, 1);
    let a = &a + a.transpose();
    let q = value(|a: Var| a.qr().0, &gauss(3, 2)).unwrap().into_mat();
    for retraction in [Retraction::Qr, Retraction::Polar] {
        let gr = Grassmann::new(8, 3).with(retraction);
        let x0: Mat<f64> = Manifold::<f64>::random_point(&gr, 1, &mut rng(3)).swap_remove(0).into_mat();
        let method = Momentum { step: 0.02, beta: 0.8 };
        for steps in [1, 10, 60] {
            let end = |x0: &Mat<f64>| {
                let x = value(|x: Var| descend(&gr, &method, x, steps, |x, _| x.t_mul(&a * x).trace()), x0);
                let x = x.unwrap().into_mat();
                &x * x.transpose()
            };
            let (one, other) = (end(&x0), end(&(&x0 * &q)));
            assert!((&one - other).norm_l2() < 1e-10, "{retraction:?} after {steps} steps");
            assert!((one - &x0 * x0.transpose()).norm_l2() > 1e-3, "{retraction:?}: it did not move");
        }
    }
}
