//! Solutions as nodes of the tape: first and second derivatives against closed programs, layers inside layers.

use crate::{apart, mat, qf, with_spectrum};
use pullback::Shape;
use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_implicit::{Condition, Kind, Layer, Space, fixed_point, root, stationary};

/// `min z'Az/2 + sum log cosh z - phi'z`, solved by Newton's method in plain numbers.
fn smooth(a: &'static Mat<f64>) -> Layer<impl Condition<State = Mat<f64>, Params = Mat<f64>> + Send + Sync + 'static> {
    let n = a.nrows();
    let blank = Mat::zeros(n, 1);
    let c =
        stationary(&blank, &blank, move |z, phi| z.dot(a * z) * 0.5 + (z.exp() + (-z).exp()).ln().sum() - z.dot(phi))
            .flat();
    Layer::new(c, blank.clone(), blank, move |phi: &Mat<f64>| Ok(newton(a, phi)))
}

fn newton(a: &Mat<f64>, phi: &Mat<f64>) -> Mat<f64> {
    let n = a.nrows();
    let mut z = Mat::zeros(n, 1);
    for _ in 0..40 {
        let t = |i: usize, z: &Mat<f64>| z[(i, 0)].tanh();
        let r = Mat::from_fn(n, 1, |i, _| (a * &z)[(i, 0)] + t(i, &z) - phi[(i, 0)]);
        let h = Mat::from_fn(n, n, |i, j| a[(i, j)] + if i == j { 1.0 - t(i, &z).powi(2) } else { 0.0 });
        z = &z - crate::solve(&h, &r);
    }
    z
}

fn matrix(seed: u64) -> &'static Mat<f64> {
    Box::leak(Box::new(with_spectrum(&[0.7, 1.0, 2.0], seed)))
}

/// The derivative of a function of plain numbers along `v`, by differences of fourth order.
fn difference(f: impl Fn(&Mat<f64>) -> Mat<f64>, x: &Mat<f64>, v: &Mat<f64>) -> Mat<f64> {
    let h = 1e-3;
    let at = |c: f64| f(&(x + v * (c * h)));
    ((at(1.0) - at(-1.0)) * 8.0 - (at(2.0) - at(-2.0))) * (1.0 / (12.0 * h))
}

#[test]
fn first_and_second_derivatives_are_those_of_the_solution() {
    let a = matrix(200);
    let layer = smooth(a);
    let (x, v, m) = (mat(201, 3, 1), mat(202, 3, 1), mat(203, 3, 3));
    let loss = func(|x: Var| {
        let z = layer.apply(&(x * 2.0));
        z.dot(&m * z) + z.sum()
    });
    let plain = |x: &Mat<f64>| {
        let z = newton(a, &(x * 2.0));
        Mat::from_fn(1, 1, |_, _| crate::dot(&z, &(&m * &z)) + (0..3).map(|i| z[(i, 0)]).sum::<f64>())
    };
    let g = grad(&loss, &x).unwrap();
    assert!((crate::dot(&g, &v) - difference(plain, &x, &v)[(0, 0)]).abs() < 1e-9);
    let (_, d) = jvp(&loss, &x, &v).unwrap();
    assert!((crate::dot(&g, &v) - d.into_mat()[(0, 0)]).abs() < 1e-12);
    let h = hvp(&loss, &x, &v).unwrap();
    assert!(apart(&h, &difference(|x| grad(&loss, x).unwrap(), &x, &v)) < 1e-9);
    // A recorded gradient, differentiated in turn: all of it symmetric.
    let second = hessian(&loss, &x).unwrap();
    assert!((&second - second.transpose()).norm_l2() < 1e-11 && apart(&(&second * &v), &h) < 1e-11);
}

#[test]
fn a_layer_inside_the_cost_of_a_layer() {
    // Outer layer: min |y|²/2 + y'z(y + phi), where z is the inner layer. Its gradient needs z', its Hessian z''.
    let a = matrix(210);
    let inner = smooth(a);
    let blank = Mat::zeros(3, 1);
    let outer = {
        let inner = inner.clone();
        let c = stationary(&blank, &blank, move |y: Var, phi: Var| {
            let z = inner.apply(&((y + phi) * 0.3));
            y.dot(y) * 0.5 + y.dot(z) * 0.4 - y.dot(phi)
        })
        .flat();
        let solver = {
            let layer = smooth(a);
            move |phi: &Mat<f64>| {
                let mut y = Mat::<f64>::zeros(3, 1);
                for _ in 0..25 {
                    let f = func(|y: Var| {
                        let z = layer.apply(&((y + phi) * 0.3));
                        y.dot(y) * 0.5 + y.dot(z) * 0.4 - y.dot(phi)
                    });
                    let (g, h) = (grad(&f, &y)?, hessian(&f, &y)?);
                    y = &y - crate::solve(&h, &g);
                }
                Ok(y)
            }
        };
        Layer::new(c, blank.clone(), blank.clone(), solver)
    };
    let (x, v) = (mat(211, 3, 1), mat(212, 3, 1));
    let solution = |x: &Mat<f64>| value_of(&outer, x);
    let dy = pullback::jvp(func(|x: Var| outer.apply(&x)), &x, &v).unwrap().1.into_mat();
    assert!(apart(&dy, &difference(solution, &x, &v)) < 1e-8, "{:e}", apart(&dy, &difference(solution, &x, &v)));
    let g = grad(func(|x: Var| outer.apply(&x).dot(&v)), &x).unwrap();
    assert!(
        (crate::dot(&g, &x)
            - crate::dot(&pullback::jvp(func(|x: Var| outer.apply(&x)), &x, &x).unwrap().1.into_mat(), &v))
        .abs()
            < 1e-11
    );
}

fn value_of<C>(layer: &Layer<C>, x: &Mat<f64>) -> Mat<f64>
where
    C: Condition<State = Mat<f64>, Params = Mat<f64>> + Send + Sync + 'static,
{
    pullback::value(func(|x: Var| layer.apply(&x)), x).unwrap().into_mat()
}

/// The polar factor on the Stiefel manifold, a condition that owns its manifold.
struct Procrustes(crate::spaces::Stiefel);

impl Condition for Procrustes {
    type State = Mat<f64>;
    type Params = Mat<f64>;
    fn kind(&self) -> Kind {
        Kind::Stationary
    }
    fn space(&self) -> Space<'_> {
        Space::On(&self.0)
    }
    fn program<'t>(&self, _: &'t Tape, q: Var<'t>, m: Var<'t>) -> Vec<Var<'t>> {
        vec![q.dot(m) * -1.0]
    }
}

#[test]
fn a_layer_on_a_manifold_has_the_derivatives_of_its_closed_form() {
    let (m, v) = (mat(220, 4, 2), mat(221, 4, 2));
    let solver = |m: &Mat<f64>| Ok(pullback::value(func(|m: Var| m.polar().0), m)?.into_mat());
    let layer = Layer::new(Procrustes(crate::spaces::Stiefel(4, 2)), qf(&m), m.clone(), solver);
    let c = mat(222, 4, 4);
    let loss = func(|m: Var| {
        let q = layer.apply(&m);
        q.t_mul(&c * q).trace() + q.sum()
    });
    let closed = func(|m: Var| {
        let q = m.polar().0;
        q.t_mul(&c * q).trace() + q.sum()
    });
    assert!(apart(&grad(&loss, &m).unwrap(), &grad(&closed, &m).unwrap()) < 1e-11);
    assert!(apart(&hvp(&loss, &m, &v).unwrap(), &hvp(&closed, &m, &v).unwrap()) < 1e-10);
}

#[test]
fn a_fixed_point_layer_and_a_solver_that_fails() {
    let z0 = 0.5f64;
    let c = fixed_point(&z0, &z0, |z: Var, phi: Var| (z * phi).cos()).flat();
    let layer = Layer::new(c, z0, z0, |phi: &f64| Ok((0..300).fold(0.5, |z, _| (z * phi).cos())));
    let (g, h) =
        (grad(func(|p: Var| layer.apply(&p)), &0.8).unwrap(), hvp(func(|p: Var| layer.apply(&p)), &0.8, &1.0).unwrap());
    let z = |p: f64| (0..300).fold(0.5, |z: f64, _| (z * p).cos());
    let step = 1e-3;
    let first = (8.0 * (z(0.8 + step) - z(0.8 - step)) - (z(0.8 + 2.0 * step) - z(0.8 - 2.0 * step))) / (12.0 * step);
    assert!((g - first).abs() < 1e-10, "{g} {first}");
    let second = (z(0.8 + step) - 2.0 * z(0.8) + z(0.8 - step)) / (step * step);
    assert!((h - second).abs() < 1e-4, "{h} {second}");
    let c = fixed_point(&z0, &z0, |z: Var, phi: Var| (z * phi).cos()).flat();
    let broken = Layer::new(c, z0, z0, |_: &f64| Err(pullback_implicit::Error::NoSteps));
    assert!(grad(func(|p: Var| broken.apply(&p)), &0.8).is_err());
}

#[test]
fn the_member_whose_system_is_singular_has_no_derivative() {
    // z phi + phi = 0: z = -1, and any z where phi = 0, where nothing moves it.
    let (z, phi) = (Batch::from_slice(Shape::batch(2, 1, 1), &[-1.0, 2.0]), [1.0, 0.0]);
    let phi = Batch::from_slice(Shape::batch(2, 1, 1), &phi);
    let c = root(&z, &phi, |z: Var, phi: Var| z.hadamard(phi) + phi).flat();
    let answer = z.clone();
    let layer = Layer::new(c, z, phi.clone(), move |_: &Batch| Ok(answer.clone()));
    let both = Batch::from_slice(Shape::batch(2, 1, 1), &[1.0, 1.0]);
    let failed = pullback::jvp(func(|p: Var| layer.apply(&p)), &phi, &both);
    let text = format!("{:?}", failed.map(|_| ()));
    assert!(text.contains("entry 1 is NaN"), "{text}");
}
