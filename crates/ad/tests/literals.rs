//! Drivers at literals without a suffix, at single precision and at every kind of tree: what compiles, and what comes
//! out.

mod common;
use common::*;
use pullback::faer::{Mat, mat};
use pullback::prelude::*;
use pullback::{Many, jvp_many, jvps, value, value_grad_hvp, vjp_many};

#[test]
fn maps_at_a_literal_without_a_suffix() {
    let (y, pull) = vjp(|x: Var| x.ln(), &1.0).unwrap();
    assert_eq!((y.scalar(), pull(&2.0).unwrap()), (0.0, 2.0));
    let (y, push) = linearize(|x: Var| x.ln(), &2.0).unwrap();
    assert_eq!((y.scalar(), push(&3.0).unwrap().scalar()), (2f64.ln(), 1.5));
    let h = hessian_map(|x: Var| x * x * x, &2.0).unwrap();
    assert_eq!(h(&1.0).unwrap(), 12.0);
    let (y, pull) = vjp_many(|x: Var| [x, x * x].into(), &3.0).unwrap();
    assert_eq!(pull(&y).unwrap(), 3.0 + 9.0 * 6.0);
    let (y, pull) = vjp(|(a, b)| a * b, &(2.0_f64, 3.0_f64)).unwrap();
    assert_eq!((y.scalar(), pull(&1.0).unwrap()), (6.0, (3.0, 2.0)));
    let h = hessian_map(|(a, b)| a * a * b, &(2.0_f64, 3.0_f64)).unwrap();
    assert_eq!(h(&(1.0, 0.0)).unwrap(), (6.0, 4.0));
    let (_, push) = linearize(|x| x[0] * x[1], &[2.0_f64, 3.0]).unwrap();
    assert_eq!(push(&[1.0, 1.0]).unwrap().scalar(), 5.0);
    let list = vec![2.0_f64, 3.0];
    let (_, pull) = vjp(|x| x[0] * x[1], &list).unwrap();
    assert_eq!(pull(&1.0).unwrap(), [3.0, 2.0]);
}

#[test]
fn the_other_drivers_at_a_literal() {
    assert_eq!(value(|x: Var| x * x, &3.0).unwrap().scalar(), 9.0);
    assert_eq!(grad(|x: Var| x * x, &3.0).unwrap(), 6.0);
    assert_eq!(value_and_grad(|x: Var| x * x, &3.0).unwrap(), (9.0, 6.0));
    assert_eq!(value_grad_hvp(|x: Var| x * x * x, &2.0, &3.0).unwrap(), (8.0, 12.0, 36.0));
    assert_eq!(hvp(|x: Var| x * x, &3.0, &1.0).unwrap(), 2.0);
    assert_eq!(jvp(|x: Var| x * x, &3.0, &1.0).unwrap().1.scalar(), 6.0);
    assert_eq!(jvp_many(|x: Var| [x, x * x].into(), &3.0, &1.0).unwrap()[1].1.scalar(), 6.0);
    assert_eq!(jvps(|x: Var| x * x, &3.0, &[1.0, 2.0]).unwrap().1[1].scalar(), 12.0);
    assert_eq!(hessian(|x: Var| x * x * x, &3.0).unwrap()[(0, 0)], 18.0);
    assert_eq!(jacobian(|x: Var| x * x, &3.0).unwrap()[(0, 0)], 6.0);
}

#[test]
fn single_precision() {
    let (y, pull) = vjp(|x: Var<f32>| x * x, &3.0).unwrap();
    assert_eq!((y.scalar(), pull(&1.0f32).unwrap()), (9.0, 6.0f32));
    let (_, push) = linearize(|x: Var<f32>| 1.0 / x, &2.0f32).unwrap();
    assert_eq!(push(&1.0).unwrap().scalar(), -0.25f32);
    assert_eq!(hessian_map(|x: Var<f32>| x * x * x, &2.0).unwrap()(&1.0).unwrap(), 12.0f32);
    let m = mat![[1.0f32, 2.0]];
    let (_, pull) = vjp(|x| x.dot(x), &m).unwrap();
    assert_eq!(pull(&1.0).unwrap(), mat![[2.0f32, 4.0]]);
}

pullback::leaves! {
    #[derive(Clone, Debug, PartialEq)]
    struct Layer<T: pullback::Scalar> as LayerVars {
        weight: Mat<T>,
        bias: Mat<T>,
    }
}
pullback::leaves! {
    #[derive(Clone, Debug, PartialEq)]
    struct Net<T: pullback::Scalar> as NetVars {
        layers: [Layer<T>; 2],
        scale: Vec<Mat<T>>,
    }
}
pullback::leaves! {
    #[derive(Clone, Debug, PartialEq)]
    struct Half as HalfVars { layer: Layer<f32>, gain: f32 }
}

fn layer<T: pullback::Scalar>(a: f64) -> Layer<T> {
    Layer { weight: Mat::from_fn(1, 2, |_, j| T::of(a + j as f64)), bias: Mat::from_fn(1, 1, |_, _| T::of(a)) }
}

fn program<'t, T: pullback::Scalar>(net: NetVars<'t, T>) -> Var<'t, T> {
    let [a, b] = net.layers;
    (a.weight.mul_t(b.weight) + a.bias * b.bias) * net.scale[0]
}

#[test]
fn structs_that_are_generic_in_their_scalar() {
    fn check<T: pullback::Scalar>() {
        let net = Net { layers: [layer::<T>(1.0), layer(3.0)], scale: vec![Mat::from_fn(1, 1, |_, _| T::of(2.0))] };
        let (y, g) = value_and_grad(program, &net).unwrap();
        // 2 (1·3 + 2·4 + 1·3)
        assert_eq!(y, T::of(28.0));
        assert_eq!(g.layers[0].weight, Mat::from_fn(1, 2, |_, j| T::of(2.0 * (3.0 + j as f64))));
        assert_eq!(g.layers[1].bias[(0, 0)], T::of(2.0));
        assert_eq!(g.scale[0][(0, 0)], T::of(14.0));
        let (_, pull) = vjp(program, &net).unwrap();
        assert_eq!(pull(&Mat::from_fn(1, 1, |_, _| T::of(1.0))).unwrap(), g);
    }
    check::<f64>();
    check::<f32>();
    let half = Half { layer: layer(2.0), gain: 3.0 };
    let g = grad(|h| h.layer.weight.sum() * h.gain, &half).unwrap();
    assert_eq!((g.gain, g.layer.weight), (5.0, mat![[3.0f32, 3.0]]));
    let names: Vec<String> = pullback::Leaves::named(&half).into_iter().map(|(n, _)| n).collect();
    assert_eq!(names, ["layer.weight", "layer.bias", "gain"]);
}

#[test]
fn closures_in_variables_are_pinned_to_any_tree() {
    let x0 = (rnd(2, 2, 1), [1.5_f64, 2.5], vec![rnd(2, 1, 2)]);
    let f = pin(&x0, |(a, s, c)| (a * c[0]).sum() * s[0] * s[1]);
    let (y, g) = value_and_grad(&f, &x0).unwrap();
    assert!((g.1[0] * 1.5 - y).abs() < 1e-15 * y.abs().max(1.0));
    let h = hvp(&f, &x0, &x0).unwrap();
    // Homogeneous of degree 4: H x = 3 g.
    assert!((h.1[0] - 3.0 * g.1[0]).abs() < 1e-14);
    let f = pullback::pin_many(&x0, |(a, s, _)| Many(vec![a * s[0], s[1]]));
    assert_eq!(vjp_many(&f, &x0).unwrap().0[1].scalar(), 2.5);
}

#[test]
fn value_gradient_and_hessian_product_are_those_of_the_drivers_apart() {
    let (x0, v) = (spd(4, 1), spd(4, 2));
    let f = func(|a: Var| (a.logdet() + a.cholesky().sum()) * a.trace());
    let (y, g, h) = value_grad_hvp(f, &x0, &v).unwrap();
    let (y1, g1) = value_and_grad(f, &x0).unwrap();
    assert_eq!(y, y1);
    close_mat(&g, &g1, 1e-13);
    close_mat(&h, &hvp(f, &x0, &v).unwrap(), 1e-13);
    // A leaf that the value does not depend on, and one whose gradient is constant.
    let f = pin(&(1.0_f64, 2.0_f64, 3.0_f64), |(a, b, _)| a * a + b);
    assert_eq!(value_grad_hvp(f, &(2.0, 5.0, 7.0), &(1.0, 1.0, 1.0)).unwrap(), (9.0, (4.0, 1.0, 0.0), (2.0, 0.0, 0.0)));
    let e = value_grad_hvp(|x: Var| x.sqrt(), &0.0, &1.0).unwrap_err();
    assert!(matches!(e, pullback::Error::NonFinite { .. }), "{e}");
}

#[test]
fn several_directions_are_those_one_by_one() {
    let x0 = spd(3, 1);
    let f = func(|a: Var| a.expm_sym());
    let v: Vec<Mat<f64>> = (0..4).map(|k| rnd(3, 3, k)).collect();
    let (y, d) = jvps(f, &x0, &v).unwrap();
    for (v, d) in v.iter().zip(&d) {
        let (y1, d1) = jvp(f, &x0, v).unwrap();
        assert_eq!(y, y1);
        close_mat(&d.clone().into_mat(), &d1.into_mat(), 1e-14);
    }
    assert!(jvps(f, &x0, &[rnd(2, 2, 1)]).is_err());
    assert!(jvps(f, &x0, &[]).unwrap().1.is_empty());
}
