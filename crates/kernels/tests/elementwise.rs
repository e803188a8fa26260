//! Elementwise maps, their derivatives against central differences, and reductions.

mod common;
use common::*;
use pullback_kernels::list::*;
use pullback_kernels::{Failure, Unary};

const ALL: [Unary; 15] = [
    Unary::Exp,
    Unary::Ln,
    Unary::Sqrt,
    Unary::Recip,
    Unary::Pow(3.0),
    Unary::Pow(-2.0),
    Unary::Pow(2.7),
    Unary::Tanh,
    Unary::Sigmoid,
    Unary::Relu,
    Unary::Softplus,
    Unary::Sin,
    Unary::Cos,
    Unary::Abs,
    Unary::Pow(0.0),
];

fn value(f: Unary, x: f64) -> f64 {
    let mut y = [0.0];
    f64::unary(f, &[x], &mut y);
    y[0]
}

fn derivative(f: Unary, k: u32, x: f64) -> f64 {
    if k == 0 {
        return value(f, x);
    }
    let mut out = [0.0];
    f64::unary_derivative(f, k, &[x], &[value(f, x)], &[1.0], &mut out).unwrap();
    out[0]
}

#[test]
fn each_derivative_is_the_slope_of_the_one_before() {
    for f in ALL {
        for k in 1..=6 {
            for x in [0.3, 0.9, 1.7] {
                let h = 1e-4;
                let slope = (8.0 * (derivative(f, k - 1, x + h) - derivative(f, k - 1, x - h))
                    - derivative(f, k - 1, x + 2.0 * h)
                    + derivative(f, k - 1, x - 2.0 * h))
                    / (12.0 * h);
                let got = derivative(f, k, x);
                assert!((got - slope).abs() < 1e-8 * (1.0 + got.abs()), "{f:?} {k} {x}: {got} {slope}");
            }
        }
    }
}

#[test]
fn special_points() {
    assert_eq!(derivative(Unary::Pow(2.0), 1, 0.0), 0.0);
    assert_eq!(derivative(Unary::Pow(2.0), 2, 0.0), 2.0);
    assert_eq!(derivative(Unary::Pow(2.0), 3, 0.0), 0.0);
    assert_eq!(derivative(Unary::Pow(2.5), 1, 0.0), 0.0);
    assert_eq!(derivative(Unary::Relu, 1, 0.0), 0.0);
    assert_eq!(derivative(Unary::Abs, 1, -2.0), -1.0);
    assert_eq!(value(Unary::Sigmoid, -800.0), 0.0);
    assert_eq!(value(Unary::Sigmoid, 800.0), 1.0);
    assert_eq!(value(Unary::Softplus, 800.0), 800.0);
    assert_eq!(value(Unary::Softplus, -50.0), (-50.0f64).exp());
    assert!(value(Unary::Relu, f64::NAN).is_nan());
    let high = f64::unary_derivative(Unary::Tanh, 13, &[0.1], &[0.1], &[1.0], &mut [0.0]);
    assert!(matches!(high, Err(Failure::Unsupported { .. })));
}

#[test]
fn reductions_and_copies() {
    let mut rng = rng(12);
    for n in [0, 1, 2, 7, 8, 9, 16, 100] {
        let (a, b) = (random::<f64>(&mut rng, n), random::<f64>(&mut rng, n));
        let dot: f64 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
        assert!((f64::dot(&a, &b) - dot).abs() < 1e-14 * (1 + n) as f64);
        assert!((f64::sum(&a) - a.iter().sum::<f64>()).abs() < 1e-14 * (1 + n) as f64);
        let norm = a.iter().map(|x| x * x).sum::<f64>().sqrt();
        for scale in [1e-300, 1e-160, 1.0, 1e160, 1e300] {
            let scaled: Vec<f64> = a.iter().map(|x| x * scale).collect();
            assert!((f64::norm(&scaled) / scale - norm).abs() <= 1e-13 * norm);
        }
        let mut c = vec![0.0; n];
        f64::lincomb(2.0, &a, -1.0, &b, &mut c);
        f64::axpy(1.0, &b, &mut c);
        f64::scale(0.5, &c.clone(), &mut c);
        assert!(gap(&c, &a) < 1e-15);
        f64::hadamard(&a, &b, &mut c);
        f64::divide(&c.clone(), &b, &mut c);
        assert!(gap(&c, &a) < 1e-15);
        assert!(f64::all_finite(&a));
        for i in 0..n {
            let mut bad = a.clone();
            bad[i] = if i % 2 == 0 { f64::NAN } else { f64::INFINITY };
            assert!(!f64::all_finite(&bad));
        }
    }
    assert!(f64::all_finite(&[f64::MAX; 40]));
    for (m, n) in [(1, 5), (3, 4), (20, 33), (0, 3)] {
        let a = random::<f32>(&mut rng, m * n);
        let mut t = vec![0.0f32; m * n];
        f32::transpose(&a, m, n, &mut t);
        assert_eq!(t, transposed(&a, m, n));
    }
}
