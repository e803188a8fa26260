//! Divided differences against closed forms at ties, near them and far apart; spectral functions and their derivatives.

mod common;
use common::*;
use pullback_kernels::list::*;
use pullback_kernels::{Failure, ScalarFn, SymFn, Workspace};

fn close(got: f64, want: f64, tol: f64, what: &str) {
    assert!(
        (got - want).abs() <= tol * want.abs(),
        "{what}: {got:e} against {want:e} ({:e})",
        (got / want - 1.0).abs()
    );
}

/// The points `1, 1 + g, 1 + 2g, 1 + 3g`, times a base.
fn spaced(base: f64, g: f64, k: usize) -> Vec<f64> {
    (0..=k).map(|i| base * (1.0 + g * i as f64)).collect()
}

#[test]
fn roots_and_reciprocals_have_closed_forms() {
    for base in [1e-12, 0.3, 7.0, 1e9] {
        for g in [0.0, 1e-14, 1e-10, 1e-6, 1e-3, 0.1, 0.4, 1.0, 30.0, 1e6, 1e18] {
            for k in 1..=3 {
                let x = spaced(base, g, k);
                let u: Vec<f64> = x.iter().map(|x| x.sqrt()).collect();
                let pairs: f64 = (0..=k).map(|i| (0..i).map(|j| u[i] + u[j]).product::<f64>()).product();
                let all: f64 = u.iter().product();
                let sum: f64 = u.iter().sum();
                let (root, inverse) = match k {
                    1 => (1.0 / pairs, -1.0 / (all * pairs)),
                    2 => (-1.0 / pairs, sum / (all * pairs)),
                    _ => {
                        let e2 = (0..4).map(|i| (0..i).map(|j| u[i] * u[j]).sum::<f64>()).sum::<f64>();
                        let e3: f64 = u.iter().map(|v| all / v).sum();
                        (sum / pairs, -(sum * e2 - e3) / (all * pairs))
                    }
                };
                let what = format!("base {base} gap {g} order {k}");
                close(SymFn::SQRT.divided(&x), root, 1e-13, &what);
                close(SymFn::INV_SQRT.divided(&x), inverse, 1e-13, &what);
                close(SymFn::RECIP.divided(&x), (-1.0f64).powi(k as i32) / x.iter().product::<f64>(), 1e-14, &what);
            }
        }
    }
}

/// Divided differences of `f` with `f^{(k)}` given, by Gauss quadrature of the Hermite-Genocchi integral (orders 1, 2).
fn quadrature(x: &[f64], derivative: impl Fn(f64) -> f64) -> f64 {
    // 20 panels of the 5-point rule in each direction: exact to rounding for smooth integrands of modest spread.
    let nodes = [-0.906179845938664, -0.5384693101056831, 0.0, 0.5384693101056831, 0.906179845938664];
    let weights =
        [0.23692688505618908, 0.47862867049936647, 0.5688888888888889, 0.47862867049936647, 0.23692688505618908];
    let panels = 20;
    let rule: Vec<(f64, f64)> = (0..panels)
        .flat_map(|p| (0..5).map(move |i| (p, i)))
        .map(|(p, i)| ((p as f64 + 0.5 + 0.5 * nodes[i]) / panels as f64, 0.5 * weights[i] / panels as f64))
        .collect();
    match x {
        [a, b] => rule.iter().map(|(t, w)| w * derivative(a + t * (b - a))).sum(),
        [a, b, c] => rule
            .iter()
            .map(|(t, w)| {
                // The triangle by collapsing the square.
                w * t * rule.iter().map(|(s, v)| v * derivative(a + t * (b - a) + t * s * (c - b))).sum::<f64>()
            })
            .sum(),
        _ => unreachable!(),
    }
}

type Real = fn(f64) -> f64;

/// `f' = (1/(1 + x) - f) / 2x` for `f = atan(sqrt x) / sqrt x`.
fn arc_first(x: f64) -> f64 {
    (1.0 / (1.0 + x) - x.sqrt().atan() / x.sqrt()) / (2.0 * x)
}

/// `f'' = (-1/(1 + x)^2 - 3 f') / 2x`.
fn arc_second(x: f64) -> f64 {
    (-1.0 / (1.0 + x).powi(2) - 3.0 * arc_first(x)) / (2.0 * x)
}

#[test]
fn first_and_second_orders_agree_with_quadrature() {
    let cases: [(SymFn, Real, Real); 10] = [
        // (cos r)' = -sin r / 2r and (sin r / r)' = (r cos r - sin r) / 2r^3 at r = sqrt x, and the same again.
        (
            SymFn::COS_SQRT,
            |x| -x.sqrt().sin() / (2.0 * x.sqrt()),
            |x| {
                let r = x.sqrt();
                (r.sin() - r * r.cos()) / (4.0 * r * r * r)
            },
        ),
        (
            SymFn::SINC_SQRT,
            |x| {
                let r = x.sqrt();
                (r * r.cos() - r.sin()) / (2.0 * r * r * r)
            },
            |x| {
                let r = x.sqrt();
                ((3.0 - x) * r.sin() - 3.0 * r * r.cos()) / (4.0 * x * x * r)
            },
        ),
        (SymFn::ATANC_SQRT, arc_first, arc_second),
        (SymFn::ArcTan { k: 1 }, arc_second, |x| (2.0 / (1.0 + x).powi(3) - 5.0 * arc_second(x)) / (2.0 * x)),
        (SymFn::Ln, |x| 1.0 / x, |x| -1.0 / (x * x)),
        (SymFn::Exp, f64::exp, f64::exp),
        (SymFn::Pow(1.7), |x| 1.7 * x.powf(0.7), |x| 1.7 * 0.7 * x.powf(-0.3)),
        (SymFn::Pow(-0.4), |x| -0.4 * x.powf(-1.4), |x| 0.56 * x.powf(-2.4)),
        (SymFn::Pow(5.3), |x| 5.3 * x.powf(4.3), |x| 5.3 * 4.3 * x.powf(3.3)),
        (SymFn::XLogX, |x| x.ln() + 1.0, |x| 1.0 / x),
    ];
    for (f, d1, d2) in cases {
        for base in [0.7, 1.3, 5.0] {
            for g in [0.0, 1e-14, 1e-10, 1e-6, 1e-3, 0.1, 0.3, 0.6, 1.0, 1.5] {
                let what = format!("{f:?} {base} {g}");
                let x = [base, base * (1.0 + g)];
                close(f.divided(&x), quadrature(&x, d1), 2e-14, &what);
                for y in [base, base * (1.0 + g / 3.0), base * (1.0 + g)] {
                    let x = [base, y, base * (1.0 + g)];
                    close(f.divided(&x), quadrature(&x, d2), 6e-14, &what);
                    close(f.divided(&[x[2], x[0], x[1]]), f.divided(&x), 0.0, &what);
                }
            }
        }
    }
}

#[test]
fn functions_of_angles_are_entire_at_zero_and_right_far_away() {
    let factorial = |n: u32| (1..=n).fold(1.0, |p, i| p * f64::from(i));
    for k in 0..=4u32 {
        // Taylor coefficients at 0: (-1)^k / (2k + m)! and (-1)^k / (2k + 1).
        let (tie, sign) = (vec![0.0; k as usize + 1], (-1.0f64).powi(k as i32));
        for m in 0..4 {
            close(SymFn::Stumpff { m, k: 0 }.divided(&tie), sign / factorial(2 * k + m), 1e-14, "Stumpff");
            close(SymFn::Stumpff { m, k }.divided(&tie[..1]), sign * factorial(k) / factorial(2 * k + m), 1e-14, "'");
        }
        close(SymFn::ATANC_SQRT.divided(&tie), sign / f64::from(2 * k + 1), 1e-14, "arc");
    }
    // (cos a - cos b) / (a^2 - b^2) as a product, from ties to points of many half turns.
    for a in [0.0, 1e-9, 0.5, 3.0, 3.2, 12.0, 40.0] {
        for gap in [0.0, 1e-9, 1e-3, 0.1, 1.0, 7.0] {
            let b: f64 = a + gap;
            let sinc = |x: f64| if x == 0.0 { 1.0 } else { x.sin() / x };
            let product = -0.5 * sinc(0.5 * (a + b)) * sinc(0.5 * (b - a));
            let found = SymFn::COS_SQRT.divided(&[a * a, b * b]);
            // Points far out carry the rounding of their squares.
            let size = 1.0 / (1.0 + a);
            assert!((found - product).abs() <= 1e-14 * size, "{a} {gap}: {found:e} {product:e}");
        }
    }
    // The arc tangent far out, at ties and apart, against the recursion.
    for (a, b) in [(0.0, 1e6), (1.0, 1e12), (1e3, 4e3), (0.25, 1e2)] {
        let f = |x: f64| if x == 0.0 { 1.0 } else { x.sqrt().atan() / x.sqrt() };
        close(SymFn::ATANC_SQRT.divided(&[a, b]), (f(b) - f(a)) / (b - a), 1e-14, &format!("{a} {b}"));
        close(SymFn::ATANC_SQRT.divided(&[b, b]), arc_first(b), 1e-14, &format!("tie at {b}"));
    }
    assert!(SymFn::ATANC_SQRT.divided(&[-1.0f64, 0.0]).is_nan() && SymFn::ATANC_SQRT.value(-1.0f64).is_nan());
    close(SymFn::ATANC_SQRT.value(-1e-18), 1.0, 1e-15, "rounding below zero");
    assert_eq!(SymFn::COS_SQRT.derivative(), (1.0, SymFn::Stumpff { m: 0, k: 1 }));
}

#[test]
fn ties_give_taylor_coefficients() {
    for x in [0.2, 1.0, 40.0] {
        let mut factorial = 1.0;
        for k in 1..=5usize {
            factorial *= k as f64;
            let tie = vec![x; k + 1];
            let sign = if k % 2 == 1 { 1.0 } else { -1.0 };
            close(SymFn::Ln.divided(&tie), sign / k as f64 / x.powi(k as i32), 1e-13, "ln");
            close(SymFn::Exp.divided(&tie), x.exp() / factorial, 1e-13, "exp");
            let falling: f64 = (0..k).map(|i| 2.5 - i as f64).product();
            close(SymFn::Pow(2.5).divided(&tie), falling / factorial * x.powf(2.5 - k as f64), 1e-13, "pow");
            if k >= 2 {
                let want = -sign / (k * (k - 1)) as f64 * x.powi(1 - k as i32);
                close(SymFn::XLogX.divided(&tie), want, 1e-13, "x ln x");
            }
        }
    }
}

#[test]
fn third_order_is_continuous_across_the_switch_of_formulas() {
    // Neighbouring spreads on both sides of every threshold: a jump would be an error of one of the formulas.
    for f in [SymFn::Ln, SymFn::Exp, SymFn::Pow(0.3), SymFn::Pow(4.4), SymFn::XLogX, SymFn::Pow(-1.5)] {
        for s in [0.5, 1.0, 3.0] {
            for shape in [[0.0, 0.0, 0.0, 1.0], [0.0, 0.2, 0.7, 1.0], [0.0, 1.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]] {
                let at = |s: f64| f.divided(&shape.map(|t| 1.0 + s * t));
                let (below, above) = (at(s * (1.0 - 1e-14)), at(s * (1.0 + 1e-14)));
                close(below, above, 2e-13, &format!("{f:?} {s} {shape:?}"));
            }
        }
    }
}

#[test]
fn whole_powers_take_every_real() {
    let x = [-1.0, 0.0, 2.0, 2.0];
    assert_eq!(SymFn::Pow(3.0).divided(&x), 1.0);
    assert_eq!(SymFn::Pow(4.0).divided(&x), 3.0);
    assert_eq!(SymFn::Pow(2.0).divided(&x), 0.0);
    assert_eq!(SymFn::Pow(2.0).divided(&[0.0, 0.0]), 0.0);
    close(SymFn::Exp.divided(&[-1000.0, 700.0]), 700f64.exp() / 1700.0, 1e-15, "no overflow");
    close(SymFn::Ln.divided(&[1e-9, 1e9]), (1e18f64).ln() / (1e9 - 1e-9), 1e-15, "far");
    assert_eq!(SymFn::Pow(0.0).derivative(), (0.0, SymFn::Pow(0.0)));
    assert_eq!(SymFn::XLogX.derivative(), (1.0, SymFn::LnPlus(1.0)));
}

fn handle<T: Kernels>(a: &[T], n: usize) -> Vec<T> {
    let mut h = vec![T::zero(); n * (n + 1)];
    T::eigh(a, n, &mut h, &mut Workspace::default()).unwrap();
    h
}

fn apply<T: Kernels>(f: SymFn, a: &[T], n: usize, es: &[&[T]]) -> Vec<T> {
    let mut out = vec![T::nan(); n * n];
    T::spectral(f, &handle(a, n), n, es, &mut out, &mut Workspace::default()).unwrap();
    assert_eq!(gap(&out, &transposed(&out, n, n)), 0.0);
    out
}

#[test]
fn derivatives_of_each_order_are_slopes_of_the_one_before() {
    let mut rng = rng(14);
    for n in [1, 2, 3, 5] {
        // A tie in the spectrum, on purpose, for n > 2.
        let mut a = spd::<f64>(&mut rng, n);
        if n > 2 {
            a = eye(n);
            a[0] = 2.0;
        }
        let es: Vec<Vec<f64>> = (0..3).map(|_| spd(&mut rng, n)).collect();
        for f in [
            SymFn::Exp,
            SymFn::Ln,
            SymFn::SQRT,
            SymFn::Pow(3.0),
            SymFn::XLogX,
            SymFn::RECIP,
            SymFn::COS_SQRT,
            SymFn::SINC_SQRT,
            SymFn::COSC_SQRT,
            SymFn::ATANC_SQRT,
        ] {
            for k in 1..=3 {
                let before: Vec<&[f64]> = es[..k - 1].iter().map(Vec::as_slice).collect();
                let h = 1e-3;
                let at = |t: f64| {
                    let shifted: Vec<f64> = a.iter().zip(&es[k - 1]).map(|(a, e)| a + t * e).collect();
                    apply(f, &shifted, n, &before)
                };
                let [p1, m1, p2, m2] = [at(h), at(-h), at(2.0 * h), at(-2.0 * h)];
                let slope: Vec<f64> =
                    (0..n * n).map(|i| (8.0 * (p1[i] - m1[i]) - p2[i] + m2[i]) / (12.0 * h)).collect();
                let all: Vec<&[f64]> = es[..k].iter().map(Vec::as_slice).collect();
                let got = apply(f, &a, n, &all);
                let size = got.iter().fold(1.0f64, |s, x| s.max(x.abs()));
                assert!(gap(&got, &slope) < 1e-6 * size, "{f:?} n {n} k {k}: {}", gap(&got, &slope) / size);
            }
        }
    }
}

#[test]
fn functions_invert_each_other() {
    let mut rng = rng(15);
    for n in [0, 1, 2, 4, 6, 20] {
        let a = spd::<f64>(&mut rng, n);
        let back = apply(SymFn::Exp, &apply(SymFn::Ln, &a, n, &[]), n, &[]);
        assert!(gap(&back, &a) < 1e-12 * (1 + n) as f64);
        let root = apply(SymFn::SQRT, &a, n, &[]);
        assert!(gap(&times(&root, &root, n, n, n), &a) < 1e-13 * (1 + n) as f64);
        let trace: f64 = (0..n).map(|i| root[i + i * n]).sum();
        assert!((f64::spectral_trace(SymFn::SQRT, &handle(&a, n), n) - trace).abs() < 1e-12);
        let narrow: Vec<f32> = a.iter().map(|&x| x as f32).collect();
        assert!(gap(&apply(SymFn::SQRT, &narrow, n, &[]), &root) < 1e-5 * (1 + n) as f64);
    }
}

#[test]
fn domains() {
    let check = |f, a: &[f64], n| f64::spectral_domain(f, a, &handle(a, n), n);
    assert!(check(SymFn::Ln, &[1.0, 0.0, 0.0, 1e-18], 2).is_ok());
    assert!(matches!(check(SymFn::SQRT, &[1.0, 0.0, 0.0, 0.0], 2), Err(Failure::NotPositiveDefinite { .. })));
    assert!(matches!(
        check(SymFn::Ln, &[1.0, 0.0, 0.0, -2.0], 2),
        Err(Failure::NotPositiveDefinite { index: 0, value: -2.0 })
    ));
    assert!(check(SymFn::Pow(2.0), &[0.0; 4], 2).is_ok());
    assert!(check(SymFn::Exp, &[-1.0], 1).is_ok());
    let mut rng = rng(16);
    for n in [2, 3, 8] {
        // Rank one: the small eigenvalues are rounding, of either sign.
        let u = random::<f64>(&mut rng, n);
        let a = times(&u, &u, n, 1, n);
        assert!(check(SymFn::Ln, &a, n).is_err());
    }
    let many = f64::spectral(SymFn::Exp, &[1.0, 2.0], 1, &[&[1.0][..]; 5], &mut [0.0], &mut Workspace::default());
    assert!(matches!(many, Err(Failure::Unsupported { .. })));
}

/// `e^x` and `ln x`, as a user would give them.
struct Mine(bool, u32);

impl ScalarFn for Mine {
    fn name(&self) -> &'static str {
        "mine"
    }
    fn orders(&self) -> u32 {
        self.1
    }
    fn derivative(&self, k: u32, x: f64) -> f64 {
        match (self.0, k) {
            (true, _) => x.exp(),
            (false, 0) => x.ln(),
            (false, k) => (1..k).fold(1.0 / x, |d, i| -d * f64::from(i) / x),
        }
    }
}

#[test]
fn a_function_of_your_own_is_as_good_as_ours() {
    static EXP: Mine = Mine(true, 4);
    static LN: Mine = Mine(false, 4);
    for (own, ours) in [(SymFn::own(&EXP), SymFn::Exp), (SymFn::own(&LN), SymFn::Ln)] {
        for gap in [0.0, 1e-15, 1e-12, 1e-9, 1e-6, 1e-3, 0.03, 0.3, 1.0, 10.0, 1e3] {
            for shape in [&[0.0, 1.0][..], &[0.0, 0.4, 1.0], &[0.0, 0.0, 1.0], &[0.0, 0.2, 1.0, 1.0]] {
                let x: Vec<f64> = shape.iter().map(|t| 0.7 + gap * t).collect();
                if x[x.len() - 1] < 700.0 || ours == SymFn::Ln {
                    close(own.divided(&x), ours.divided(&x), 2e-13, &format!("{own:?} {x:?}"));
                }
            }
        }
    }
    // What it does not supply is refused.
    static SHORT: Mine = Mine(true, 1);
    let (f, e) = (SymFn::own(&SHORT), [1.0]);
    let at =
        |f: SymFn, k: usize| f64::spectral(f, &[1.0, 2.0], 1, &[&e[..]; 3][..k], &mut [0.0], &mut Workspace::default());
    assert!(at(f, 1).is_ok() && matches!(at(f, 2), Err(Failure::Unsupported { .. })));
    let (scale, g) = f.derivative();
    assert!(scale == 1.0 && at(g, 0).is_ok() && matches!(at(g, 1), Err(Failure::Unsupported { .. })));
    assert!(f == SymFn::own(&SHORT) && f != g && f != SymFn::own(&EXP));
}

#[test]
fn modulus_and_sign_know_both_sides() {
    assert_eq!(SymFn::Abs.divided(&[-2.0, 3.0]), 0.2);
    assert_eq!(SymFn::Abs.divided(&[-2.0, -2.0]), -1.0);
    assert_eq!(SymFn::Sign.divided(&[-1.0, 3.0]), 0.5);
    assert_eq!(SymFn::Sign.divided(&[-1.0, 1.0, 3.0]), -0.25);
    assert_eq!(SymFn::Sign.divided(&[1.0, 3.0]), 0.0);
    let at = |f: SymFn, k: usize| {
        let (h, e) = (handle(&[0.0, 1.0, 1.0, 0.0], 2), [1.0; 4]);
        let zero = handle(&[1.0, 1.0, 1.0, 1.0], 2);
        let run = |h: &[f64]| f64::spectral(f, h, 2, &[&e[..]][..k], &mut [0.0; 4], &mut Workspace::default());
        (run(&h).is_ok(), run(&zero))
    };
    assert!(matches!(at(SymFn::Abs, 1), (true, Err(Failure::NotDifferentiable { .. }))));
    assert!(matches!(at(SymFn::Abs, 0), (true, Ok(()))));
    assert!(matches!(at(SymFn::Sign, 0), (true, Err(Failure::NotDifferentiable { .. }))));
}

#[test]
fn far_from_one_derivatives_scale() {
    // D^k f(c A)[c E] = c^p D^k f(A)[E], exactly for powers of two.
    let mut rng = rng(17);
    let a = spd::<f64>(&mut rng, 3);
    let es: Vec<Vec<f64>> = (0..3).map(|_| random(&mut rng, 9)).collect();
    for (f, p) in [(SymFn::RECIP, -1), (SymFn::Ln, 0), (SymFn::Pow(3.0), 3), (SymFn::Pow(-2.0), -2), (SymFn::XLogX, 1)]
    {
        for k in 1..=3 {
            for e in [-166, 166] {
                if f == SymFn::XLogX && k == 1 {
                    continue;
                }
                let c = 2f64.powi(e);
                let by = |x: &[f64]| x.iter().map(|x| x * c).collect::<Vec<_>>();
                let (far, near): (Vec<Vec<f64>>, Vec<&[f64]>) =
                    (es[..k].iter().map(|e| by(e)).collect(), es[..k].iter().map(Vec::as_slice).collect());
                let y = apply(f, &by(&a), 3, &far.iter().map(Vec::as_slice).collect::<Vec<_>>());
                let z: Vec<f64> = apply(f, &a, 3, &near).iter().map(|x| x * 2f64.powi(e * p)).collect();
                let size = z.iter().fold(0.0f64, |s, x| s.max(x.abs()));
                assert!(size > 0.0 && gap(&y, &z) <= 1e-13 * size, "{f:?} {k} {e}: {}", gap(&y, &z) / size);
            }
        }
    }
}
