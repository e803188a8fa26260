//! Mistakes are errors that say what was expected; sizes of zero and one are no special cases.

use crate::mat;
use crate::spaces::Stiefel;
use pullback::faer::{Mat, mat};
use pullback::{Batch, Shape};
use pullback_implicit::linear::{Map, Method, spectrum};
use pullback_implicit::{Condition, Error, Result, Settings, Verdict, Why, root, stationary};

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
