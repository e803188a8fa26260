//! Estimators in one loop: names, values, certificates that compare, and the implicit one against the rest.

use crate::{apart, mat, solve, with_spectrum};
use pullback::faer::Mat;
use pullback_implicit::linear::Method;
use pullback_implicit::{Estimate, Estimator, Implicit, Verdict, compare, program};
use pullback_manifolds::{Egrad, Grassmann, Manifold, rng};

#[test]
fn estimators_are_compared_in_a_loop() {
    let a = with_spectrum(&[0.9, -0.5, 0.2], 300);
    let (w, z0, phi) = (mat(301, 3, 1), Mat::zeros(3, 1), mat(302, 3, 1));
    let p = program(&z0, &phi, |z, phi, _| &a * z + phi, |z, _| z.dot(&w));
    let implicit = Implicit::new::<f64>();
    let gmres = implicit.method(Method::Gmres { restart: 5 });
    let series = Estimator::FixedPoint { terms: 5 };
    let all: [&dyn Estimate<_>; 5] = [&implicit, &gmres, &series, &Estimator::OneStep, &Estimator::Unroll];
    let found = compare(&all, &p, &z0, &phi, 500).unwrap();
    let truth = solve(&(Mat::<f64>::identity(3, 3) - a.transpose()), &w);
    for (name, d) in &found {
        let error = (&d.gradient - &truth).norm_l2();
        match d.certificate.verdict {
            Verdict::Verified => assert!(apart(&d.gradient, &truth) < 1e-7, "{name}"),
            Verdict::Estimated => {
                let ratio = d.certificate.error.unwrap() / error;
                assert!(ratio > 0.5 && ratio < 2.0, "{name}: {ratio}");
            }
            _ => {}
        }
        assert!(d.bytes > 0 && d.operations > 0 && (d.value - found[4].1.value).abs() < 1e-12, "{name}");
    }
    assert_eq!([2, 3, 4].map(|k| found[k].1.products), [5, 1, 0]);
    assert!(found[0].0.starts_with("Implicit") && found[2].0.contains("FixedPoint"));
    assert!(found[..2].iter().all(|(_, d)| d.certificate.verdict == Verdict::Verified), "{}", found[0].1.certificate);
    assert_eq!(found[2].1.certificate.verdict, Verdict::Estimated);
}

#[test]
fn the_implicit_estimator_on_a_manifold_is_the_series() {
    let gr = Grassmann::new(5, 2);
    let x0 = gr.random_point(1, &mut rng(4)).swap_remove(0);
    let c0 = Mat::from_fn(5, 5, |i, j| if i == j { [1.0, 2.0, 3.5, 4.0, 6.0][i] } else { 0.0 });
    let m = mat(310, 5, 5);
    let descend = program(
        &x0,
        &c0,
        |x, c, _| {
            let g = x.grad(|x| x.t_mul(c.sym() * x).trace());
            gr.retract(x, *gr.egrad_to_rgrad(x, Egrad(g)) * -0.08)
        },
        |x, _| x.t_mul(&m * x).trace(),
    )
    .on(&gr);
    let series = descend.derivative(400, Estimator::FixedPoint { terms: 300 }).unwrap();
    let mut on = pullback_implicit::Sensitivity::new();
    let implicit = Implicit::new::<f64>().estimate(&mut on, &descend, &x0, &c0, 400).unwrap();
    assert!(apart(&implicit.gradient, &series.gradient) < 1e-9, "{}", implicit.certificate);
    assert_eq!(implicit.certificate.verdict, Verdict::Verified, "{}", implicit.certificate);
    // Bytes do not grow with the loop.
    let bytes = |t| {
        Implicit::new::<f64>()
            .estimate(&mut pullback_implicit::Sensitivity::new(), &descend, &x0, &c0, t)
            .unwrap()
            .bytes
    };
    assert_eq!(bytes(400), bytes(800));
}
