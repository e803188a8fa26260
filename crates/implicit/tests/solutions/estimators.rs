//! Estimators in one loop: names, values, certificates that compare, and the implicit one against the rest.

use crate::{apart, mat, solve, with_spectrum};
use pullback::faer::Mat;
use pullback_implicit::linear::Method;
use pullback_implicit::{Estimate, Estimator, Implicit, Verdict, compare, inner_loop};
use pullback_manifolds::{Egrad, Grassmann, Manifold, Stiefel, StiefelRetraction, rng};

#[test]
fn estimators_are_compared_in_a_loop() {
    let a = with_spectrum(&[0.9, -0.5, 0.2], 300);
    let (w, z0, phi) = (mat(301, 3, 1), Mat::zeros(3, 1), mat(302, 3, 1));
    let p = inner_loop(&z0, &phi, |z, phi, _| &a * z + phi, |z, _| z.dot(&w));
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
    let descend = inner_loop(
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

#[test]
fn on_a_curved_manifold_the_implicit_estimator_knows_its_error_when_the_loop_stops_early() {
    let st = Stiefel::new(6, 2).with(StiefelRetraction::Polar);
    let x0 = st.random_point(1, &mut rng(14)).swap_remove(0);
    let c0 = Mat::from_fn(6, 6, |i, j| if i == j { 1.0 + 0.7 * i as f64 } else { 0.0 });
    // Weights that differ make the minimum a frame and not a subspace.
    let (m, n) = (mat(311, 6, 2), Mat::from_fn(2, 2, |i, j| if i == j { 1.0 - 0.5 * i as f64 } else { 0.0 }));
    let descend = inner_loop(
        &x0,
        &c0,
        |x, c, _| {
            let g = x.grad(|x| (x.t_mul(c.sym() * x) * &n).trace());
            st.retract(x, *st.egrad_to_rgrad(x, Egrad(g)) * -0.15)
        },
        |x, _| x.dot(&m) + x.t_mul(&m).dot(x.t_mul(&m)),
    )
    .on(&st);
    let truth = descend.derivative(3000, Estimator::Checkpointed { snapshots: None }).unwrap().gradient;
    let mut on = pullback_implicit::Sensitivity::new();
    let mut estimated = 0;
    for steps in [20, 30, 40, 60, 80, 120, 160, 240] {
        let found = Implicit::new::<f64>().estimate(&mut on, &descend, &x0, &c0, steps).unwrap();
        let unroll = descend.derivative(steps, Estimator::Unroll).unwrap();
        let (error, c) = (apart(&found.gradient, &truth), &found.certificate);
        let own = c.error.unwrap() / truth.norm_l2();
        match c.verdict {
            Verdict::Verified => assert!(error < 1e-7, "T = {steps}: {error:e} {c}"),
            Verdict::Estimated => {
                estimated += 1;
                assert!(own < 2.0 * error && error < 2.0 * own, "T = {steps}: {error:e}, estimate {own:e}\n{c}");
                // One Newton step makes the distance to the fixed point a multiple of its square.
                assert!(error < 0.1 * apart(&unroll.gradient, &truth), "T = {steps}: {error:e}");
            }
            _ => assert!(steps < 60, "T = {steps}: {c}"),
        }
    }
    assert!(estimated > 0);
}
