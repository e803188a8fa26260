//! Functions of entries and their derivatives against high-precision constants, over the whole range: tiny arguments,
//! both sides of poles and ends of the domain, tails, huge arguments.
//!
//! The constants are made by `data/entries.py` with mpmath and rounded once. Every point is an exact double; those that
//! are exact in single precision too are tested there as well. Points stay away from zeros of derivatives, where no
//! formula in working precision has relative accuracy, but not from zeros of the functions.

use pullback_kernels::Unary;
use pullback_kernels::list::*;

const ORDERS: [u32; 6] = [0, 1, 2, 3, 4, 12];

/// The function, and how many units of rounding are granted to orders 0 to 3, to order 4 and to order 12.
fn function(name: &str) -> (Unary, [f64; 3]) {
    match name {
        "tan" => (Unary::Tan, [4.0, 6.0, 16.0]),
        "sinh" => (Unary::Sinh, [2.0, 2.0, 2.0]),
        "cosh" => (Unary::Cosh, [2.0, 2.0, 2.0]),
        "asin" => (Unary::Asin, [6.0, 8.0, 24.0]),
        "acos" => (Unary::Acos, [6.0, 8.0, 24.0]),
        "atan" => (Unary::Atan, [6.0, 8.0, 48.0]),
        "asinh" => (Unary::Asinh, [6.0, 12.0, 48.0]),
        "acosh" => (Unary::Acosh, [6.0, 12.0, 48.0]),
        "atanh" => (Unary::Atanh, [6.0, 8.0, 24.0]),
        "erf" => (Unary::Erf, [6.0, 8.0, 24.0]),
        "erfc" => (Unary::Erfc, [6.0, 8.0, 24.0]),
        "ln_gamma" => (Unary::LnGamma, [8.0, 8.0, 24.0]),
        "digamma" => (Unary::Digamma, [8.0, 8.0, 24.0]),
        "log2" => (Unary::Log2, [4.0, 4.0, 12.0]),
        "log10" => (Unary::Log10, [4.0, 4.0, 12.0]),
        "ln" => (Unary::Ln, [4.0, 4.0, 12.0]),
        "recip" => (Unary::Recip, [4.0, 4.0, 12.0]),
        "sqrt" => (Unary::Sqrt, [4.0, 4.0, 12.0]),
        "ln_1p" => (Unary::Ln1p, [4.0, 6.0, 16.0]),
        "exp_m1" => (Unary::ExpM1, [2.0, 2.0, 2.0]),
        "tanh" => (Unary::Tanh, [8.0, 12.0, 32.0]),
        "sigmoid" => (Unary::Sigmoid, [16.0, 16.0, 32.0]),
        "softplus" => (Unary::Softplus, [8.0, 16.0, 32.0]),
        _ => panic!("no function is called {name}"),
    }
}

fn derivative<T: Kernels>(f: Unary, k: u32, x: T) -> T {
    let (mut y, mut out) = ([x], [x]);
    T::unary(f, &[x], &mut y);
    if k == 0 {
        return y[0];
    }
    T::unary_derivative(f, k, &[x], &y, &[T::one()], &mut out).unwrap();
    out[0]
}

/// Compares every order at one point.
fn compare<T: Kernels>(name: &str, x: f64, wants: &[f64], largest: f64, tiny: f64, wrong: &mut Vec<String>) {
    let (f, limits) = function(name);
    for (&k, &want) in ORDERS.iter().zip(wants) {
        let got = derivative(f, k, T::of(x)).f64();
        let units = match k {
            0..=3 => limits[0],
            4 => limits[1],
            _ => limits[2],
        };
        // A true value that is not a number of this precision rounds to infinity, or to a multiple of the smallest
        // number.
        let right = match want.abs() > largest {
            true => got.abs() >= largest * (1.0 - units * T::EPS.f64()) && got.signum() == want.signum(),
            false => (got - want).abs() <= units * (T::EPS.f64() * want.abs() + tiny),
        };
        if !right {
            let off = (got - want).abs() / (T::EPS.f64() * want.abs());
            wrong.push(format!(
                "{} {name}, order {k}, at {x:e}: expected {want:e}, got {got:e}: {off:.1} units",
                T::NAME
            ));
        }
    }
}

#[test]
fn functions_and_derivatives_are_accurate_over_the_whole_range() {
    let mut wrong = Vec::new();
    let (mut double, mut single) = (0, 0);
    for line in include_str!("data/entries.txt").lines().filter(|l| !l.starts_with('#')) {
        let mut words = line.split(' ');
        let name = words.next().unwrap();
        let numbers: Vec<f64> = words.map(|w| w.parse().unwrap()).collect();
        let (x, wants) = (numbers[0], &numbers[1..]);
        assert_eq!(wants.len(), ORDERS.len(), "{line}");
        compare::<f64>(name, x, wants, f64::MAX, f64::from_bits(1), &mut wrong);
        double += 1;
        if f64::from(x as f32) == x {
            compare::<f32>(name, x, wants, f64::from(f32::MAX), f64::from(f32::from_bits(1)), &mut wrong);
            single += 1;
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(double > 500 && single > 400, "{double} points in double precision, {single} in single");
}

#[test]
fn ends_of_domains_and_infinities_follow_ieee() {
    use Unary::*;
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    // Function, argument, value, first and second derivative.
    let cases = [
        (Asin, 1.0, std::f64::consts::FRAC_PI_2, inf, inf),
        (Asin, -1.0, -std::f64::consts::FRAC_PI_2, inf, -inf),
        (Acos, 1.0, 0.0, -inf, -inf),
        (Acosh, 1.0, 0.0, inf, -inf),
        (Atanh, 1.0, inf, inf, inf),
        (Atanh, -1.0, -inf, inf, -inf),
        (Atan, inf, std::f64::consts::FRAC_PI_2, 0.0, 0.0),
        (Asinh, -inf, -inf, 0.0, 0.0),
        (Acosh, inf, inf, 0.0, 0.0),
        (Erf, inf, 1.0, 0.0, 0.0),
        (Erfc, -inf, 2.0, 0.0, 0.0),
        (Erfc, inf, 0.0, 0.0, 0.0),
        (LnGamma, 0.0, inf, -inf, inf),
        (LnGamma, -3.0, inf, nan, nan),
        (LnGamma, inf, inf, inf, 0.0),
        (Digamma, 0.0, -inf, inf, -inf),
        (Digamma, -2.0, nan, nan, nan),
        (Digamma, inf, inf, 0.0, 0.0),
        (Sinh, inf, inf, inf, inf),
        (Log2, 0.0, -inf, inf, -inf),
        (Tanh, -inf, -1.0, 0.0, 0.0),
        (Sigmoid, inf, 1.0, 0.0, 0.0),
        (Softplus, -inf, 0.0, 0.0, 0.0),
    ];
    for (f, x, y, first, second) in cases {
        for (k, want) in [y, first, second].into_iter().enumerate() {
            let got = derivative(f, k as u32, x);
            assert!(
                got == want || (got.is_nan() && want.is_nan()),
                "{f:?}, order {k}, at {x}: expected {want}, got {got}"
            );
        }
    }
    let outside = [(Asin, 1.5), (Acos, -1.5), (Acosh, 0.5), (Atanh, 2.0), (Log10, -1.0)];
    let all = [Tan, Sinh, Cosh, Asin, Acos, Atan, Asinh, Acosh, Atanh, Erf, Erfc, LnGamma, Digamma, Log2, Log10];
    for (f, x) in outside.into_iter().chain(all.map(|f| (f, nan))) {
        // The derivative of a logarithm is a power, which has values where the logarithm has none.
        for k in 0..=if f == Log10 && x < 0.0 { 0 } else { 12 } {
            assert!(derivative(f, k, x).is_nan(), "{f:?}, order {k}, at {x}");
        }
    }
}

#[test]
fn recurrences_hold_in_the_middle_of_every_interval() {
    // psi^(k)(x + 1) - psi^(k)(x) = (-1)^k k! x^(-k-1), on both sides of the last tabulated root and of the asymptotic
    // series.
    for i in -1500..2600 {
        let x = f64::from(i) / 64.0 + 1.0 / 256.0;
        for k in 0..=3 {
            let (a, b) = (derivative(Unary::Digamma, k, x), derivative(Unary::Digamma, k, x + 1.0));
            let factorial = [1.0, -1.0, 2.0, -6.0][k as usize];
            let want = factorial * x.powi(-1 - k as i32);
            // The argument x + 1 is exact. Where x is negative, what cancels at the zeros is of the size of powers of
            // pi.
            let size = if x < 0.0 { std::f64::consts::PI.powi(k as i32 + 1) } else { 0.0 };
            let error = (b - a - want).abs() / (size + a.abs() + b.abs() + want.abs());
            assert!(error < 16.0 * f64::EPSILON, "order {k} at {x}: {error:e}");
        }
        let (a, b) = (derivative(Unary::LnGamma, 0, x), derivative(Unary::LnGamma, 0, x + 1.0));
        let error = (b - a - x.abs().ln()).abs() / (a.abs() + b.abs() + 1.0);
        assert!(error < 16.0 * f64::EPSILON, "ln_gamma at {x}: {error:e}");
    }
}
