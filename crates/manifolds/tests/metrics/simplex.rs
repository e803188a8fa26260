//! Positive matrices, probabilities, doubly stochastic matrices; symmetric and skew matrices.

use crate::support::{along, apart, claims, claims_with, distances, place, programs, retracted, scaled};
use pullback::faer::{Mat, mat as m};
use pullback::prelude::*;
use pullback::{Shape, value};
use pullback_manifolds::{
    DoublyStochastic, Error, Manifold, PositiveMatrices, Simplex, SimplexRetraction, SkewMatrices,
    StochasticRetraction, SymmetricMatrices, gaussian, numbers, rng,
};

const RETRACTIONS: [SimplexRetraction; 3] =
    [SimplexRetraction::Logistic, SimplexRetraction::Multiplicative, SimplexRetraction::Exponential];
const SCALINGS: [StochasticRetraction; 2] = [StochasticRetraction::Logistic, StochasticRetraction::Multiplicative];

#[test]
fn claims_of_positive_and_flat_spaces() {
    claims(&PositiveMatrices::new(1, 1));
    claims(&PositiveMatrices::new(3, 2));
    for n in [1, 2, 4] {
        claims(&SymmetricMatrices::new(n));
        claims(&SkewMatrices::new(n));
    }
    assert_eq!(Manifold::<f64>::dim(&SymmetricMatrices::new(4)) + Manifold::<f64>::dim(&SkewMatrices::new(4)), 16);
}

#[test]
fn claims_of_the_simplex() {
    for retraction in RETRACTIONS {
        for n in [1, 2, 5] {
            claims_with(&Simplex::new(n).with(retraction), 10.0, 1.0);
        }
    }
}

#[test]
fn claims_of_doubly_stochastic_matrices() {
    for retraction in SCALINGS {
        for n in [1, 2, 4] {
            claims_with(&DoublyStochastic::new(n).with(retraction), 10.0, 1.0);
        }
    }
}

#[test]
fn operations_as_programs() {
    programs(&PositiveMatrices::new(2, 2), 3);
    programs(&SymmetricMatrices::new(3), 3);
    programs(&SkewMatrices::new(3), 3);
    for retraction in RETRACTIONS {
        programs(&Simplex::new(4).with(retraction), 3);
    }
    for retraction in SCALINGS {
        programs(&DoublyStochastic::new(3).with(retraction), 3);
    }
    // The centre, where everything is tied.
    let space = DoublyStochastic::new(3);
    let centre = vec![Mat::from_fn(3, 3, |_, _| 1.0 / 3.0).into()];
    let v = Manifold::<f64>::random_tangent(&space, &centre, &mut rng(1)).unwrap();
    along(&space, &centre, &v);
    along(&space, &centre, &scaled(&v, 0.0));
}

#[test]
fn distances_are_exact_near_equal_points() {
    distances(&PositiveMatrices::new(3, 1), 1, 1e-6);
    // Beyond half a unit this geodesic leaves the simplex: so its own test.
    let space = Simplex::new(2);
    for t in [40, 30, 20, 10, 3, 2].map(|k| 0.5f64.powi(k)) {
        // cos² b = 1/2 - t at the angle pi/4 + asin(2t)/2; nothing is rounded here.
        let (x, y, exact) = (m![[0.5], [0.5]], m![[0.5 - t], [0.5 + t]], (2.0 * t).asin());
        let d = space.dist(&x, &y).unwrap();
        assert!((d / exact - 1.0).abs() < 1e-14, "{t}: {d} {exact}");
        let d = PositiveMatrices::new(1, 1).dist(&m![[1.0]], &m![[1.0 + t]]).unwrap();
        assert!((d / f64::ln_1p((1.0 + t) - 1.0) - 1.0).abs() < 1e-14, "{t}: {d}");
    }
    let d = PositiveMatrices::new(1, 1).dist(&m![[1e-150]], &m![[1e150]]).unwrap();
    assert!((d / (300.0 * 10f64.ln()) - 1.0).abs() < 1e-14);
}

#[test]
fn scaling_is_the_limit_of_normalising_rows_and_columns() {
    let k: Batch = gaussian(Shape::mat(5, 5), &mut rng(3));
    let found = value(|k: Var| DoublyStochastic::new(5).scaled_from_logarithms(k), &k).unwrap().into_mat();
    let mut a = Mat::from_fn(5, 5, |i, j| k.member(0)[(i, j)].exp());
    for _ in 0..500 {
        for i in 0..5 {
            let r: f64 = (0..5).map(|j| a[(i, j)]).sum();
            (0..5).for_each(|j| a[(i, j)] /= r);
        }
        for j in 0..5 {
            let c: f64 = (0..5).map(|i| a[(i, j)]).sum();
            (0..5).for_each(|i| a[(i, j)] /= c);
        }
    }
    assert!((found - a).norm_l2() < 1e-14);
}

#[test]
fn long_steps_stay_on_the_manifolds() {
    for scale in [1.0, 10.0, 30.0] {
        for retraction in [SimplexRetraction::Logistic, SimplexRetraction::Multiplicative] {
            let space = Simplex::new(6).with(retraction);
            let (x, _, v) = place(&space, 2, 4);
            space.check_point(&retracted(&space, &x, &scaled(&v, scale))).unwrap();
        }
        for retraction in SCALINGS {
            let space = DoublyStochastic::new(6).with(retraction);
            let (x, _, v) = place(&space, 2, 4);
            let v = scaled(&v, scale);
            // The right number or an error that says so; never a matrix that is no point.
            match numbers::apply(&[&x, &v], &mut |l| Manifold::retract(&space, &l[0], &l[1])) {
                Ok(y) => space
                    .check_point(&y)
                    .or_else(|e| if e.to_string().contains("X > 0") { Ok(()) } else { Err(e) })
                    .unwrap(),
                Err(e) => assert!(scale > 1.0 && e.to_string().contains("converged"), "{e}"),
            }
        }
    }
}

#[test]
fn the_default_hessian_of_the_trait_agrees_where_the_metric_is_ambient() {
    /// Only what a manifold must have.
    #[derive(Debug)]
    struct Plain(SymmetricMatrices);
    impl Manifold for Plain {
        fn name(&self) -> String {
            "plain".into()
        }
        fn shapes(&self) -> pullback_manifolds::Shapes {
            Manifold::<f64>::shapes(&self.0)
        }
        fn dim(&self) -> usize {
            Manifold::<f64>::dim(&self.0)
        }
        fn project<'t>(&self, x: &[Var<'t>], u: &[Var<'t>]) -> pullback_manifolds::Parts<'t> {
            Manifold::project(&self.0, x, u)
        }
        fn retract<'t>(&self, x: &[Var<'t>], v: &[Var<'t>]) -> pullback_manifolds::Parts<'t> {
            Manifold::retract(&self.0, x, v)
        }
        fn random_point(&self, batch: usize, rng: &mut dyn rand::Rng) -> Vec<Batch> {
            self.0.random_point(batch, rng)
        }
        fn check_point(&self, x: &[Batch]) -> pullback_manifolds::Result<()> {
            self.0.check_point(x)
        }
        fn check_tangent(&self, x: &[Batch], u: &[Batch]) -> pullback_manifolds::Result<()> {
            self.0.check_tangent(x, u)
        }
    }
    let space = SymmetricMatrices::new(3);
    let (x, u, _) = place(&space, 1, 2);
    let (g, h): (Batch, Batch) = (gaussian(x[0].shape(), &mut rng(4)), gaussian(x[0].shape(), &mut rng(5)));
    let (g, h) = (vec![g], vec![h]);
    let of = |m: &dyn Manifold| {
        numbers::apply(&[&x, &g, &h, &u], &mut |l| {
            m.ehess_to_rhess(&l[0], pullback_manifolds::Egrad(&l[1]), &l[2], &l[3])
        })
        .unwrap()
    };
    assert!(apart(&of(&space), &of(&Plain(space))) < 1e-14);
}

#[test]
fn bad_input() {
    let e = PositiveMatrices::new(2, 1).exp(&m![[1.0], [0.0]], &m![[1.0], [1.0]]).unwrap_err();
    assert!(matches!(e, Error::NotAPoint { equation: "X > 0", .. }), "{e}");
    let space = Simplex::new(2);
    let (x, u) = (m![[0.25], [0.75]], m![[0.1], [-0.1]]);
    assert!(matches!(space.log(&x, &m![[0.5], [0.6]]).unwrap_err(), Error::NotAPoint { equation: "sum x = 1", .. }));
    assert!(matches!(space.log(&x, &m![[1.0], [0.0]]).unwrap_err(), Error::NotAPoint { equation: "x > 0", .. }));
    assert!(matches!(space.exp(&x, &m![[0.1], [0.1]]).unwrap_err(), Error::NotTangent { .. }));
    assert!(matches!(space.exp(&m![[f64::NAN], [0.5]], &u).unwrap_err(), Error::NonFinite { .. }));
    let e = space.exp(&x, &m![[-2.0], [2.0]]).unwrap_err();
    assert!(e.to_string().contains("stays within the simplex"), "{e}");
    let space = DoublyStochastic::new(2);
    let x = m![[0.25, 0.75], [0.75, 0.25]];
    let e = space.retract(&x, &m![[0.1, 0.1], [-0.1, -0.1]]).unwrap_err();
    assert!(matches!(e, Error::NotTangent { equation: "U 1 = 0", .. }), "{e}");
    let e = space.project(&m![[0.5, 0.5], [0.6, 0.4]], &x).unwrap_err();
    assert!(matches!(e, Error::NotAPoint { equation: "X^T 1 = 1", .. }), "{e}");
    assert!(matches!(space.exp(&x, &m![[0.0, 0.0], [0.0, 0.0]]).unwrap_err(), Error::Missing { word: "exp", .. }));
    let e = SkewMatrices::new(2).project(&m![[0.0, 1.0], [1.0, 0.0]], &x).unwrap_err();
    assert!(matches!(e, Error::NotAPoint { equation: "X = -X^T", .. }), "{e}");
}
