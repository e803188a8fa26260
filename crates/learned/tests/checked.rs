//! The network's step under the checker, by all parameters, the point, the gradient and the state.

use pullback::Shape;
use pullback::prelude::*;
use pullback_check::check;
use pullback_learned::{GmLstm, GmLstmOptions, GmLstmVars, Input, LearnedOptimizer};
use pullback_manifolds::{Grassmann, Manifold, gaussian, rng};

#[test]
fn the_step_to_second_order() {
    let (p, d, b) = (4, 2, 2);
    let shape = Shape::batch(b, p, d);
    let gr = Grassmann::new(p, d);
    for input in [Input::Rms, Input::Scaled(0.8)] {
        let net =
            GmLstm::new(GmLstmOptions { hidden: 3, start_as_descent: false, input, ..GmLstmOptions::new(p, d, 0.1) });
        let state: Vec<Batch> = (0..4).map(|k| gaussian(shape, &mut rng(k))).collect();
        let x = gr.random_point(b, &mut rng(9)).swap_remove(0);
        let at = (net.init(&mut rng(2)), x, gaussian(shape, &mut rng(10)), state);
        for output in 0..5 {
            check(
                |(phi, x, g, s): (GmLstmVars<'_>, Var<'_>, Var<'_>, Vec<Var<'_>>)| {
                    let (v, next) = net.step(&gr, &phi, x, g, &s);
                    if output == 0 { v } else { next[output - 1] }
                },
                &at,
            )
            .seed(3)
            .orders(1..=2)
            .run()
            .assert_ok();
        }
    }
}
