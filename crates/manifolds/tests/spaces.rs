//! Every manifold under `check_space`: its operations against each other; and functions on it.

use pullback::Shape;
use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_check::{Report, check, check_space};
use pullback_manifolds::{Egrad, Euclidean, Grassmann, Manifold, Parts, Retraction, Rgrad, rng};
use rand::Rng;
use smallvec::SmallVec;

#[test]
fn every_operation_of_every_manifold() {
    let qr = Grassmann::new(6, 2).with(Retraction::Qr);
    let (polar, line, whole) = (Grassmann::new(6, 2), Grassmann::new(3, 1), Grassmann::new(4, 4));
    let flat = Euclidean::new(3, 2);
    let spaces: [&dyn Manifold; 5] = [&qr, &polar, &line, &whole, &flat];
    for space in spaces {
        for seed in 0..20 {
            check_space(space).seed(seed).run().assert_ok();
        }
        check_space(space).batch(3).run().assert_ok();
    }
    let single: [&dyn Manifold<f32>; 3] = [&qr, &polar, &flat];
    for space in single {
        check_space(space).length(0.5).run().assert_ok();
    }
}

#[test]
fn what_is_offered_is_checked() {
    let names = |r: Report| r.defects.into_iter().map(|d| d.what).collect::<Vec<_>>();
    let of_grassmann = names(check_space::<f64>(&Grassmann::new(6, 2)).run());
    for what in ["second order", "gauge: retractions", "Hessian: <v, Hess v>", "transport: linear", "projection: P P"] {
        assert!(of_grassmann.iter().any(|n| n.contains(what)), "{what} is not among {of_grassmann:?}");
    }
    let flat = check_space::<f64>(&Euclidean::new(3, 2)).run();
    assert!(flat.taylor.iter().any(|t| t.what.contains("exponential")), "{flat}");
    assert!(names(flat).iter().any(|n| n == "transport: isometry"));
}

#[test]
fn a_manifold_that_claims_nothing_is_checked_to_first_order() {
    /// Another manifold, without its claims.
    #[derive(Debug)]
    struct Silent<M>(M);
    impl<M: Manifold<f64>> Manifold for Silent<M> {
        fn name(&self) -> String {
            "silent".into()
        }
        fn shapes(&self) -> SmallVec<[Shape; 2]> {
            self.0.shapes()
        }
        fn dim(&self) -> usize {
            self.0.dim()
        }
        fn inner<'t>(&self, x: &[Var<'t>], u: &[Var<'t>], v: &[Var<'t>]) -> Var<'t> {
            self.0.inner(x, u, v)
        }
        fn project<'t>(&self, x: &[Var<'t>], u: &[Var<'t>]) -> Parts<'t> {
            self.0.project(x, u)
        }
        fn egrad_to_rgrad<'t>(&self, x: &[Var<'t>], g: Egrad<&[Var<'t>]>) -> Rgrad<Parts<'t>> {
            self.0.egrad_to_rgrad(x, g)
        }
        fn ehess_to_rhess<'t>(&self, x: &[Var<'t>], g: Egrad<&[Var<'t>]>, h: &[Var<'t>], u: &[Var<'t>]) -> Parts<'t> {
            self.0.ehess_to_rhess(x, g, h, u)
        }
        fn retract<'t>(&self, x: &[Var<'t>], v: &[Var<'t>]) -> Parts<'t> {
            self.0.retract(x, v)
        }
        fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch> {
            self.0.random_point(batch, rng)
        }
        fn random_tangent(&self, x: &[Batch], rng: &mut dyn Rng) -> pullback_manifolds::Result<Vec<Batch>> {
            self.0.random_tangent(x, rng)
        }
        fn check_point(&self, x: &[Batch]) -> pullback_manifolds::Result<()> {
            self.0.check_point(x)
        }
        fn check_tangent(&self, x: &[Batch], u: &[Batch]) -> pullback_manifolds::Result<()> {
            self.0.check_tangent(x, u)
        }
    }
    let report = check_space(&Silent(Euclidean::new(3, 2))).run();
    report.assert_ok();
    assert!(report.skipped.iter().any(|s| s.why.contains("claims the first")), "{report}");
    // Of a quotient the functions to test with are not known, and the Hessian of any other is not symmetric.
    check_space(&Silent(Grassmann::new(5, 2))).run().assert_wrong();
}

#[test]
fn functions_of_subspaces_to_second_order() {
    let gr = Grassmann::new(5, 2);
    let x0: Batch = Manifold::random_point(&gr, 1, &mut rng(3)).swap_remove(0);
    let a = Mat::from_fn(5, 5, |i, j| ((i + j) as f64).sin() + if i == j { i as f64 } else { 0.0 });
    let report = check(|x: Var| x.t_mul(&a * x).trace(), &x0).on(&gr).run();
    report.assert_ok();
    assert_eq!(report.taylor.len(), 2, "{report}");
    // Not a function of the subspace: its gradient is not horizontal along the fibre, and the slopes say so.
    let n = pullback::faer::mat![[2.0, 0.3], [0.0, 1.0]];
    let report = check(|x: Var| (x.t_mul(&a * x) * &n).trace(), &x0)
        .on(&gr)
        .gauge(|x, rng| (&x.member(0) * pullback_check::gauge::orthogonal(2, rng)).into())
        .run();
    report.assert_wrong();
}
