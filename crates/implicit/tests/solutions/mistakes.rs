//! Mistakes are errors that say what was expected; sizes of zero and one are no special cases.

use crate::mat;
use crate::spaces::Stiefel;
use pullback::faer::{Mat, mat};
use pullback::{Batch, Shape, Var};
use pullback_implicit::linear::{Map, Method, Positive, SelfAdjoint, spectrum};
use pullback_implicit::{Condition, Error, Result, Settings, Verdict, Why, fixed_point, root, stationary};
use pullback_manifolds::{Egrad, Parts, Rgrad};

#[test]
fn mistakes_are_typed() {
    let (z, phi) = (mat(400, 2, 1), mat(401, 2, 1));
    let c = root(&z, &phi, |z, phi| (z + phi).row_range(0, 1)).flat();
    assert!(matches!(c.at(&z, &phi).jvp(&phi), Err(Error::Condition { .. })));
    let c = stationary(&z, &phi, |z, phi| z + phi).flat();
    let e = c.at(&z, &phi).jvp(&phi).unwrap_err();
    assert!(e.to_string().starts_with("expected one cost"), "{e}");
    let c = root(&z, &phi, |z, phi| z.ln() + phi).flat();
    let e = c.at(&mat![[1.0], [-1.0]], &phi).jvp(&phi).unwrap_err();
    assert!(matches!(e, Error::NotFinite { .. } | Error::Engine(_)), "{e}");
    let c = root(&z, &phi, |z, phi| z * 2.0 + phi).flat();
    assert!(matches!(c.at(&z, &phi).jvp(&mat(402, 3, 1)), Err(Error::Lists { .. })));
    assert!(matches!(c.at(&z, &phi).vjp(&mat(402, 1, 2)), Err(Error::Lists { .. })));
    for tolerance in [0.0, -1.0, f64::NAN, 1.5] {
        assert!(matches!(c.at(&z, &phi).tolerance(tolerance).jvp(&phi), Err(Error::Setting { .. })));
    }
    // A solution that is no point of its manifold.
    let sphere = Stiefel(2, 1);
    let c = stationary(&z, &phi, |z, phi| z.dot(phi)).on(&sphere);
    let e = c.at(&mat![[1.0], [0.1]], &phi).jvp(&phi).unwrap_err();
    assert!(matches!(e, Error::Geometry(_)) && e.to_string().contains("X^T X = I"), "{e}");
    // Leaves that differ in the number of their members.
    let pair = (Batch::<f64>::zeros(Shape::batch(2, 1, 1)), Batch::zeros(Shape::batch(3, 1, 1)));
    let c = stationary(&pair, &1.0, |(a, b), phi| a.dot(a).sum() + b.dot(b).sum() * phi).flat();
    assert!(matches!(c.at(&pair, &1.0).jvp(&1.0), Err(Error::Members { .. })));
}

/// A map that claims more dimensions than it has.
struct Claims(Vec<Shape>);

impl Map for Claims {
    fn shapes(&self) -> &[Shape] {
        &self.0
    }
    fn dim(&self) -> usize {
        2
    }
    fn apply(&self, v: &[Batch], out: &mut [Batch]) -> Result<()> {
        out[0] = v[0].clone();
        Ok(())
    }
    fn adjoint(&self, v: &[Batch], out: &mut [Batch]) -> Result<()> {
        self.apply(v, out)
    }
    fn project(&self, v: &mut [Batch]) -> Result<()> {
        v[0].data_mut()[1] = 0.0;
        Ok(())
    }
}

#[test]
fn a_space_of_fewer_dimensions_than_it_claims_is_an_error() {
    let found = spectrum(&Claims(vec![Shape::mat(2, 1)]));
    assert!(matches!(found, Err(Error::Dimension { expected: 2, got: 1 })));
}

#[test]
fn a_residual_that_is_not_tangent_is_reported() {
    let sphere = Stiefel(3, 1);
    let z = mat![[1.0], [0.0], [0.0]];
    let c = root(&z, &z, |z, x| z - x.elem_div(x.norm()) + z * 0.01).on(&sphere);
    let d = c.at(&z, &z).jvp(&mat![[0.0], [1.0], [0.0]]).unwrap();
    assert!(matches!(d.certificate.verdict, Verdict::Suspect(Why::NotTangent { .. })), "{}", d.certificate);
}

#[test]
fn nothing_and_one_number() {
    let none = Mat::<f64>::zeros(0, 1);
    let c = stationary(&none, &none, |z, phi| z.dot(z) * 0.5 - z.dot(phi)).flat();
    let d = c.at(&none, &none).jvp(&none).unwrap();
    assert_eq!((d.value.nrows(), d.certificate.verdict), (0, Verdict::Verified), "{}", d.certificate);
    for method in [Method::Auto, Method::Gmres { restart: 1 }, Method::Lsmr, Method::BiCgStab] {
        let c = stationary(&2.0f64, &6.0f64, |z, phi| z * z * 1.5 - z * phi).flat();
        let d = c.at(&2.0, &6.0).method(method).hypergradient(|z, phi| z * z + phi).unwrap();
        assert!((d.gradient - (4.0 / 3.0 + 1.0)).abs() < 1e-12, "{method:?}: {}", d.gradient);
        assert_eq!((d.value, d.certificate.verdict), (10.0, Verdict::Verified), "{}", d.certificate);
        // Nobody looked: the number is right and the verdict does not say so.
        let settings = Settings { check: false, ..Settings::new::<f64>() };
        let d = c.at(&2.0, &6.0).with(settings).jvp(&1.0).unwrap();
        assert_eq!(d.certificate.verdict, Verdict::Suspect(Why::Unchecked));
        assert!(d.certificate.error.is_none() && (d.value - 1.0 / 3.0).abs() < 1e-12);
    }
}

/// The plane, with a gradient that does not belong to its inner product.
#[derive(Debug)]
struct Skewed;

impl pullback_manifolds::Manifold for Skewed {
    fn name(&self) -> String {
        "a plane with a wrong gradient".into()
    }
    fn shapes(&self) -> pullback_manifolds::Shapes {
        [Shape::mat(2, 1)].into_iter().collect()
    }
    fn dim(&self) -> usize {
        2
    }
    fn project<'t>(&self, _: &[Var<'t>], u: &[Var<'t>]) -> Parts<'t> {
        u.iter().copied().collect()
    }
    fn egrad_to_rgrad<'t>(&self, _: &[Var<'t>], g: Egrad<&[Var<'t>]>) -> Rgrad<Parts<'t>> {
        Rgrad(g.0.iter().map(|g| g.hadamard(mat![[1.0], [2.0]])).collect())
    }
    fn retract<'t>(&self, x: &[Var<'t>], v: &[Var<'t>]) -> Parts<'t> {
        x.iter().zip(v).map(|(x, v)| *x + *v).collect()
    }
    fn random_point(&self, batch: usize, _: &mut dyn pullback_manifolds::rand::Rng) -> Vec<Batch> {
        vec![Batch::zeros(Shape::batch(batch, 2, 1))]
    }
    fn check_point(&self, _: &[Batch]) -> pullback_manifolds::Result<()> {
        Ok(())
    }
    fn check_tangent(&self, _: &[Batch], _: &[Batch]) -> pullback_manifolds::Result<()> {
        Ok(())
    }
}

#[test]
fn a_hessian_that_is_not_symmetric_is_reported() {
    let (h, z, phi) = (mat![[2.0, 1.0], [1.0, 3.0]], Mat::zeros(2, 1), Mat::zeros(2, 1));
    let c = stationary(&z, &phi, |z: Var, phi: Var| z.dot(&h * z) * 0.5 - z.dot(phi)).on(&Skewed);
    let verdict = c.at(&z, &phi).jvp(&mat![[1.0], [0.0]]).unwrap().certificate.verdict;
    assert!(matches!(verdict, Verdict::Suspect(Why::NotSymmetric { defect }) if defect > 0.1), "{verdict}");
}

#[test]
fn a_solver_that_diverges_has_no_derivative() {
    // z = 2 z + phi has the solution -phi, and a series that grows.
    let c = fixed_point(&1.0, &-1.0, |z: Var, phi: Var| z * 2.0 + phi).flat();
    let found = c.at(&1.0, &-1.0).method(Method::NeumannAdaptive).jvp(&1.0).unwrap();
    let verdict = found.certificate.verdict;
    assert!(matches!(verdict, Verdict::Invalid(Why::Solver { member: 0, .. })), "{verdict}");
}

#[test]
fn a_newton_step_that_leaves_the_domain_is_an_error_of_that_size() {
    // ln z = phi at z = 3 and phi = -1: the step ends at a negative number.
    let c = root(&3.0, &-1.0, |z: Var, phi: Var| z.ln() - phi).flat();
    let certificate = c.at(&3.0, &-1.0).jvp(&1.0).unwrap().certificate;
    let error = certificate.error.unwrap();
    assert!(error.total >= error.inner && error.relative() > 0.5, "{certificate}");
    assert!(!certificate.verdict.is_sound(), "{certificate}");
}

#[test]
fn a_newton_step_that_makes_it_worse_is_not_taken() {
    // atan z = phi at z = 2 and phi = 0: the step ends at -3.5, where the residual is larger.
    let c = root(&2.0f64, &0.0f64, |z: Var, phi: Var| z.atan2(z * 0.0 + 1.0) - phi).flat();
    let found = c.at(&2.0, &0.0).jvp(&1.0).unwrap();
    assert!(!found.certificate.polished && (found.value - 5.0).abs() < 1e-12, "{}", found.certificate);
    assert!(!found.certificate.verdict.is_sound(), "{}", found.certificate);
}

#[test]
fn a_residual_that_newton_steps_hardly_lower_is_no_rounding() {
    // z = phi, with a derivative three times too large: a step leaves two thirds of a residual of 1e-7.
    let c = root(&1.0, &1.0, |z: Var, phi: Var| z * 3.0 - z.stop_gradient() * 2.0 - phi).flat();
    let verdict = c.at(&(1.0 + 1e-7), &1.0).jvp(&1.0).unwrap().certificate.verdict;
    assert!(matches!(verdict, Verdict::Suspect(Why::NotASolution { .. })), "{verdict}");
}

#[test]
fn an_eigenvalue_that_the_solver_has_not_seen_is_no_reason_to_trust_it() {
    // Along the last direction the right-hand side is below the tolerance of the solver, the solution is not.
    let (d, phi) = (mat![[1.0], [0.5], [1e-6]], Mat::zeros(3, 1));
    let dphi = mat![[1.0], [1.0], [5e-11]];
    let c = stationary(&phi, &phi, |z: Var, phi: Var| (z.hadamard(z).hadamard(&d)).sum() * 0.5 - z.dot(phi)).flat();
    for method in [
        Method::Cg(Positive::asserted()),
        Method::Minres(SelfAdjoint::asserted()),
        Method::Gmres { restart: 9 },
        Method::BiCgStab,
        Method::Dense,
        Method::Auto,
    ] {
        let found = c.at(&phi, &phi).method(method).jvp(&dphi).unwrap();
        let truth = Mat::from_fn(3, 1, |i, _| dphi[(i, 0)] / d[(i, 0)]);
        let error = (&found.value - &truth).norm_l2() / truth.norm_l2();
        let certificate = &found.certificate;
        let said = certificate.error.unwrap().relative();
        assert!(error < 1e-8 || certificate.verdict != Verdict::Verified, "{method:?}: {error:e}, {certificate}");
        assert!(error < 1e-8 || said > 0.3 * error, "{method:?}: {error:e}, {certificate}");
    }
}

#[test]
fn iterative_solvers_pull_back_in_the_metric() {
    // L Z + Z L^T = phi on positive definite matrices, whose metric is not that of the matrices around them.
    let l = mat![[1.0, 0.4], [-0.2, 1.5]];
    let z = mat![[2.0, 0.3], [0.3, 0.5]];
    let phi = &l * &z + &z * l.transpose();
    let space = pullback_manifolds::Spd::new(2);
    let c = root(&z, &phi, |z: Var, phi: Var| {
        let lz = &l * z;
        lz + lz.t() - phi
    });
    let c = c.on(&space);
    let zbar = mat![[1.0, -0.5], [-0.5, 2.0]];
    let truth = c.at(&z, &phi).method(Method::Dense).vjp(&zbar).unwrap().value;
    for method in [Method::Gmres { restart: 9 }, Method::BiCgStab, Method::Lsmr] {
        let found = c.at(&z, &phi).method(method).vjp(&zbar).unwrap();
        let off = (&found.value - &truth).norm_l2() / truth.norm_l2();
        assert!(off < 1e-8, "{method:?}: {off:e}, {}", found.certificate);
        assert!(found.certificate.members[0].residual < 1e-9, "{method:?}: {}", found.certificate);
    }
}
