//! A manifold of one's own in the fewest lines, as `docs/manifolds.md` shows it: the unit vectors whose entries sum to
//! 0, a sphere cut by a hyperplane. The checker proves it, and then it serves like any other.

use pullback::prelude::*;
use pullback::{Scalar, Shape};
use pullback_check::check_space;
use pullback_manifolds::{
    Effort, Egrad, Manifold, Parts, Power, Result, Shapes, gaussian, mean, numbers, residuals, rng,
};

/// Unit vectors of `R^n` whose entries sum to 0.
#[derive(Debug, Clone, Copy)]
struct Contrasts(usize);

/// The part of `u` whose entries sum to 0.
fn centred<'t, T: Scalar>(u: Var<'t, T>) -> Var<'t, T> {
    let sum = u.column_sums();
    u - sum.lincomb(1.0 / u.rows() as f64, sum, 0.0)
}

impl<T: Scalar> Manifold<T> for Contrasts {
    fn name(&self) -> String {
        format!("contrasts of {}", self.0)
    }
    fn shapes(&self) -> Shapes {
        [Shape::mat(self.0, 1)].into_iter().collect()
    }
    fn dim(&self) -> usize {
        self.0 - 2
    }
    fn project<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        let u = centred(u[0]);
        [u - x[0] * x[0].dot(u)].into_iter().collect()
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        let y = centred(x[0] + v[0]);
        [y.elem_div(y.norm())].into_iter().collect()
    }
    fn random_point(&self, batch: usize, rng: &mut dyn rand::Rng) -> Vec<Batch<T>> {
        let x = gaussian(Shape::batch(batch, self.0, 1), rng);
        numbers::apply(&[&[x]], &mut |l| Manifold::reproject(self, &l[0])).expect("a Gaussian vector is not constant")
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        let name = || Manifold::<T>::name(self);
        residuals::shapes(&name, &Manifold::<T>::shapes(self), x)?;
        let allowed = |_| residuals::tolerance::<T>(self.0);
        residuals::point_equation(&name, "x^T x = 1", &residuals::gram_residual(&x[0], &x[0], 1.0), allowed)?;
        residuals::point_equation(&name, "the entries sum to 0", &sums(&x[0]), allowed)
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        let name = || Manifold::<T>::name(self);
        residuals::shapes(&name, &Manifold::<T>::shapes(self), u)?;
        let allowed = |b| residuals::tolerance::<T>(self.0) * (1.0 + residuals::largest(&u[0], b));
        residuals::tangent_equation(&name, "x^T u = 0", &residuals::gram_residual(&x[0], &u[0], 0.0), allowed)?;
        residuals::tangent_equation(&name, "the entries sum to 0", &sums(&u[0]), allowed)
    }
    // Not required; with a claim the checker compares accelerations and second derivatives too.
    fn retraction_order(&self) -> usize {
        2
    }
}
pullback_manifolds::words!(Contrasts);

/// A residual counts by its size, whatever its sign.
#[test]
fn a_negative_residual_is_one() {
    for off in [0.5, -0.5, f64::NAN] {
        let said = residuals::point_equation(&|| "a space".into(), "x = 0", &[0.0, off], |_| 1e-12).unwrap_err();
        assert!(said.to_string().contains("x = 0"), "{said}");
    }
}

#[test]
fn a_random_point_is_of_the_type_that_is_asked_for() {
    let m = Contrasts(4);
    let (x, y): (pullback::faer::Mat<f64>, Batch<f32>) = (m.random(&mut rng(3)), m.random(&mut rng(3)));
    m.check_point(&[Batch::from(x)]).unwrap();
    m.check_point(&[y]).unwrap();
    let list: Vec<Batch> = m.random(&mut rng(3));
    assert_eq!(list, m.random_point(1, &mut rng(3)));
}

#[test]
#[should_panic(expected = "random: a point of contrasts of 4 is 1 matrices, which is not two matrices")]
fn a_random_point_of_another_form_is_refused() {
    let _: (pullback::faer::Mat<f64>, pullback::faer::Mat<f64>) = Contrasts(4).random(&mut rng(3));
}

fn sums<T: Scalar>(x: &Batch<T>) -> Vec<f64> {
    x.data().chunks(x.shape().each()).map(|c| c.iter().map(|v| v.f64()).sum::<f64>().abs()).collect()
}

#[test]
fn the_checker_proves_it() {
    for n in [3, 4, 9] {
        for seed in 0..10 {
            check_space::<f64>(&Contrasts(n)).seed(seed).run().assert_ok();
        }
        check_space::<f64>(&Contrasts(n)).batch(3).run().assert_ok();
        check_space::<f32>(&Contrasts(n)).length(0.5).run().assert_ok();
    }
    check_space::<f64>(&Power::new(Contrasts(4), 3)).run().assert_ok();
}

#[test]
fn it_serves_like_any_other() {
    // The direction of largest variance among contrasts: descent to the largest eigenvalue of the centred matrix.
    let m = Contrasts(3);
    let a = pullback::faer::mat![[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let x0: Batch = m.random_point(1, &mut rng(1)).swap_remove(0);
    let x = pullback::value(
        |x: Var| {
            let x = x.tape().iterate(x, 200, |x| {
                let g = x.grad(|x| x.t_mul(&a * x).sum());
                m.retract(x, *m.egrad_to_rgrad(x, Egrad(g)) * 0.2)
            });
            x.t_mul(&a * x)
        },
        &x0,
    )
    .unwrap();
    // (2, -1, -1) / sqrt 6.
    assert!((x.data()[0] - (2.0 * 4.0 + 2.0) / 6.0).abs() < 1e-12);
    // What it does not have is said.
    let points: Vec<Batch> = m.random_point(3, &mut rng(2));
    let said = mean::<f64>(&m, &points, &Effort::default()).unwrap_err().to_string();
    assert!(said.contains("has no log"), "{said}");
    let off = Batch::from_slice(Shape::mat(3, 1), &[1.0, 0.0, 0.0]);
    assert!(m.project(&off, &off).unwrap_err().to_string().contains("the entries sum to 0"));
}
