//! Every operation under the checker: first, second and third derivatives, in every argument, at the zero tangent too.

use pullback::Shape;
use pullback::prelude::*;
use pullback_check::check;
use pullback_manifolds::{Egrad, Grassmann, Manifold, Retraction, gaussian, rng};

fn point_and_tangent(gr: &Grassmann, scale: f64) -> (Batch, Batch) {
    let r = &mut rng(3);
    let x: Vec<Batch> = gr.random_point(2, r);
    let v = Manifold::<f64>::random_tangent(gr, &x, r).unwrap().swap_remove(0);
    let v = Batch::from_slice(v.shape(), &v.data().iter().map(|v| v * scale).collect::<Vec<_>>());
    (x[0].clone(), v)
}

#[test]
fn retractions_to_third_order() {
    for retraction in [Retraction::Qr, Retraction::Polar] {
        let gr = Grassmann::new(5, 2).with(retraction);
        for scale in [0.0, 0.6] {
            check(|(x, v): (Var, Var)| gr.retract(x, v), &point_and_tangent(&gr, scale)).seed(1).run().assert_ok();
        }
    }
}

#[test]
fn projection_transport_gradient_hessian_and_metric_to_third_order() {
    let gr = Grassmann::new(5, 2);
    let (x, v) = point_and_tangent(&gr, 0.6);
    let (g, h): (Batch, Batch) =
        (gaussian(Shape::batch(2, 5, 2), &mut rng(8)), gaussian(Shape::batch(2, 5, 2), &mut rng(9)));
    let at = (x.clone(), v.clone());
    check(|(x, v): (Var, Var)| gr.project(x, v), &at).seed(1).run().assert_ok();
    check(|(x, g): (Var, Var)| gr.egrad_to_rgrad(x, Egrad(g)).0, &at).seed(1).run().assert_ok();
    check(|(x, y, v): (Var, Var, Var)| gr.transport(x, y, v), &(x.clone(), g.clone(), v.clone()))
        .seed(1)
        .run()
        .assert_ok();
    check(|(x, g, h, u): (Var, Var, Var, Var)| gr.ehess_to_rhess(x, Egrad(g), h, u), &(x.clone(), g, h, v.clone()))
        .seed(1)
        .run()
        .assert_ok();
    check(|(x, v): (Var, Var)| gr.inner(x, v, v), &at).seed(1).run().assert_ok();
}
