//! Functions of entries on wide registers: errors in units of the last place against values of twice the precision,
//! IEEE's special values, and the same bits whatever the length and the place of a slice.

use pullback_kernels::Unary;
use pullback_kernels::list::*;

/// Functions and the largest error in units of the last place that is granted: as documented, in both precisions.
const FUNCTIONS: [(&str, Unary, [f64; 2]); 10] = [
    ("exp", Unary::Exp, [0.65, 0.85]),
    ("exp_m1", Unary::ExpM1, [1.8, 2.3]),
    ("tanh", Unary::Tanh, [2.2, 2.4]),
    ("sigmoid", Unary::Sigmoid, [2.3, 2.3]),
    ("softplus", Unary::Softplus, [1.9, 1.9]),
    ("ln", Unary::Ln, [0.8, 0.8]),
    ("ln_1p", Unary::Ln1p, [0.85, 0.85]),
    ("sin", Unary::Sin, [0.85, 0.57]),
    ("cos", Unary::Cos, [0.85, 0.57]),
    ("erf", Unary::Erf, [1.2, 0.51]),
];

fn values<T: Kernels>(f: Unary, x: &[T]) -> Vec<T> {
    let mut y = vec![T::nan(); x.len()];
    T::unary(f, x, &mut y);
    y
}

/// The distance of a number from the next one, at a value.
fn unit(value: f64, digits: i32, least: i32) -> f64 {
    let exponent = if value == 0.0 { least } else { value.abs().log2().floor() as i32 - digits + 1 };
    // Two factors, since the result may be subnormal.
    let exponent = exponent.max(least);
    2f64.powi(exponent / 2) * 2f64.powi(exponent - exponent / 2)
}

/// The largest error that was seen of each function, and where.
#[derive(Default)]
struct Worst(Vec<String>);

impl Worst {
    fn judge(&mut self, name: &str, granted: f64, errors: impl Iterator<Item = (f64, f64)>) {
        let (x, off) = errors.fold((0.0, 0.0), |w, e| if e.1 <= w.1 { w } else { e });
        println!("{name}: {off:.3} units at {x:e}");
        if off > granted || off.is_nan() {
            self.0.push(format!("{name} at {x:e}: {off:.3} units, where {granted} are granted"));
        }
    }

    fn none(self) {
        assert!(self.0.is_empty(), "{}", self.0.join("\n"));
    }
}

#[test]
fn errors_in_double_precision_are_as_documented() {
    let (mut worst, mut points) = (Worst::default(), 0);
    for (name, f, [granted, _]) in FUNCTIONS {
        let lines = include_str!("data/ulps.txt").lines().filter(|l| l.split(' ').next() == Some(name));
        let numbers: Vec<(f64, f64, f64)> = lines
            .map(|l| {
                let w: Vec<&str> = l.split(' ').collect();
                let number = |w: &str| f64::from_bits(u64::from_str_radix(w, 16).unwrap());
                (number(w[1]), number(w[2]), w[3].parse().unwrap())
            })
            .collect();
        let got = values(f, &numbers.iter().map(|n| n.0).collect::<Vec<f64>>());
        points += numbers.len();
        // A subnormal value has no digits for the rest, and rounds once more.
        let (normal, small): (Vec<_>, Vec<_>) =
            numbers.into_iter().zip(got).partition(|(n, _)| n.1.abs() >= f64::MIN_POSITIVE || n.1 == 0.0);
        let errors = |all: Vec<((f64, f64, f64), f64)>| {
            all.into_iter().map(|((x, value, rest), got)| (x, ((got - value) - rest).abs() / unit(value, 53, -1074)))
        };
        worst.judge(name, granted, errors(normal));
        worst.judge(&format!("{name}, subnormal"), 1.0, errors(small));
    }
    worst.none();
    assert!(points > 3000, "{points} points");
}

/// Single precision against functions of the standard library in double, which err by far less.
#[test]
fn errors_in_single_precision_are_as_documented() {
    let wide = |f: Unary, x: f64| match f {
        Unary::Exp => x.exp(),
        Unary::ExpM1 => x.exp_m1(),
        Unary::Tanh => x.tanh(),
        Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Unary::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        Unary::Ln => x.ln(),
        Unary::Ln1p => x.ln_1p(),
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        _ => values(f, &[x])[0],
    };
    // Every 2999th number of single precision, of both signs, up to infinity.
    let x: Vec<f32> = (0..=0x7f80_0000u32).step_by(2999).flat_map(|b| [b, b | 1 << 31]).map(f32::from_bits).collect();
    let mut worst = Worst::default();
    for (name, f, [_, granted]) in FUNCTIONS {
        let errors = x.iter().zip(values(f, &x)).map(|(&x, got)| {
            let value = wide(f, x.into());
            // Where one is no number or infinite, so is the other.
            if value.is_nan() || got.is_infinite() || value.abs() > f32::MAX.into() {
                let same = (value.is_nan() && got.is_nan()) || f64::from(got) == f64::from(value as f32);
                return (x.into(), if same { 0.0 } else { f64::INFINITY });
            }
            // A result below the smallest normal number rounds twice.
            let extra = if value.abs() < f32::MIN_POSITIVE.into() { 0.4 } else { 0.0 };
            (x.into(), (f64::from(got) - value).abs() / unit(value, 24, -149) - extra)
        });
        worst.judge(name, granted, errors);
    }
    worst.none();
}

fn specials<T: Kernels>(cases: &[(Unary, f64, f64)]) {
    for &(f, x, want) in cases {
        let got = values(f, &[T::of(x)])[0];
        let same = got == T::of(want) && got.is_sign_negative() == want.is_sign_negative();
        assert!(same || (got.is_nan() && want.is_nan()), "{f:?} at {x:e}: expected {want:e}, got {got}");
    }
}

#[test]
fn special_values_follow_ieee() {
    use Unary::*;
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let half_pi = std::f64::consts::FRAC_PI_2;
    let odd = [ExpM1, Tanh, Ln1p, Sin, Erf];
    // Odd functions, and those that begin like x, keep the sign of 0.
    let zeros: Vec<(Unary, f64, f64)> = odd.iter().flat_map(|&f| [(f, 0.0, 0.0), (f, -0.0, -0.0)]).collect();
    let ends = [
        (Exp, 0.0, 1.0),
        (Exp, inf, inf),
        (Exp, -inf, 0.0),
        (ExpM1, inf, inf),
        (ExpM1, -inf, -1.0),
        (ExpM1, -100.0, -1.0),
        (Tanh, inf, 1.0),
        (Tanh, -inf, -1.0),
        (Sigmoid, inf, 1.0),
        (Sigmoid, -inf, 0.0),
        (Sigmoid, 0.0, 0.5),
        (Softplus, inf, inf),
        (Softplus, -inf, 0.0),
        (Ln, 1.0, 0.0),
        (Ln, 0.0, -inf),
        (Ln, -0.0, -inf),
        (Ln, -1.0, nan),
        (Ln, -1e-40, nan),
        (Ln, inf, inf),
        (Ln, -inf, nan),
        (Ln1p, -1.0, -inf),
        (Ln1p, -1.5, nan),
        (Ln1p, inf, inf),
        (Ln1p, -inf, nan),
        (Sin, inf, nan),
        (Sin, -inf, nan),
        (Cos, 0.0, 1.0),
        (Cos, inf, nan),
        (Erf, inf, 1.0),
        (Erf, -inf, -1.0),
    ];
    let nans: Vec<(Unary, f64, f64)> = FUNCTIONS.iter().map(|f| (f.1, nan, nan)).collect();
    let all = [&zeros[..], &ends, &nans].concat();
    specials::<f64>(&all);
    specials::<f32>(&all);
    // The ends of the range, and results below it.
    specials::<f64>(&[
        (Exp, 709.782712893384, 709.782712893384f64.exp()),
        (Exp, 709.7827128933841, inf),
        (Exp, -745.1332191019411, f64::from_bits(1)),
        (Exp, -745.1332191019412, 0.0),
        (ExpM1, 709.7827128933841, inf),
        (Tanh, f64::from_bits(3), f64::from_bits(3)),
        (Erf, 1e-310, 1.1283791670955e-310),
        (Ln, f64::from_bits(1), -744.4400719213812),
        (Ln, f64::MAX, 709.782712893384),
        (Sin, half_pi, 1.0),
        (Cos, f64::MAX, f64::MAX.cos()),
    ]);
    specials::<f32>(&[
        (Exp, 88.8, inf),
        (Exp, -104.5, 0.0),
        (Tanh, f64::from(f32::from_bits(3)), f64::from(f32::from_bits(3))),
    ]);
}

/// Arguments of every kind, so that registers hold mixed ones.
fn mixture<T: Kernels>(n: usize, seed: usize) -> Vec<T> {
    let special = [0.0, -0.0, f64::INFINITY, f64::NAN, 1e-42, 3e4, -2e5, f64::NEG_INFINITY, -1.0, 1.0, 5e-324];
    // Where a function becomes its argument.
    let border = [0.12, -0.24, 0.2499, 0.25, 0.2501, -0.49, 0.4999, 0.5, 0.5001, 0.9].map(|k| k * T::EPS.f64());
    let special = [&special[..], &border].concat();
    (0..n)
        .map(|i| {
            let k = (i * 7919 + seed * 104_729) % 1009;
            T::of(if k.is_multiple_of(11) {
                special[k % special.len()]
            } else {
                (k as f64 - 504.0) * [0.001, 0.01, 0.2][k % 3]
            })
        })
        .collect()
}

fn bits<T: Kernels>(x: T) -> u64 {
    if x.is_nan() { u64::MAX } else { x.f64().to_bits() }
}

fn same_bits_at_every_length<T: Kernels>() {
    let others = [Unary::Sqrt, Unary::Recip, Unary::Pow(2.0), Unary::Pow(2.5), Unary::Pow(1.5)];
    for f in FUNCTIONS.iter().map(|f| f.1).chain(others) {
        for n in (0..40).chain([63, 64, 65, 100, 129]) {
            // The place in memory, in entries.
            let at = n % 9;
            let (x, v) = (mixture::<T>(n + at, n), mixture::<T>(n + at, n + 1));
            let (x, v) = (&x[at..], &v[at..]);
            let y = values(f, x);
            for i in 0..n {
                assert_eq!(bits(y[i]), bits(values(f, &x[i..=i])[0]), "{f:?} at {}, {i} of {n}", x[i]);
            }
            for k in 1..=6 {
                let (mut all, mut one) = (vec![T::zero(); n], [T::zero()]);
                T::unary_derivative(f, k, x, &y, v, &mut all).unwrap();
                for i in 0..n {
                    T::unary_derivative(f, k, &x[i..=i], &y[i..=i], &v[i..=i], &mut one).unwrap();
                    assert_eq!(bits(all[i]), bits(one[0]), "{f:?}, order {k}, at {}, {i} of {n}", x[i]);
                }
            }
        }
    }
}

#[test]
fn an_entry_decides_its_result_alone() {
    same_bits_at_every_length::<f64>();
    same_bits_at_every_length::<f32>();
}

/// Half-integer powers are made of roots; the library's power is the measure.
#[test]
fn half_powers_are_powers() {
    let mut x = mixture::<f64>(2000, 3);
    x.extend([f64::from_bits(7), 1e-300, 1e300, f64::MAX, 1e-220, 1e210]);
    for p in [0.5, -0.5, 1.5] {
        for (x, got) in x.iter().zip(values(Unary::Pow(p), &x)) {
            let want = x.powf(p);
            let same = bits(got) == bits(want) || (got - want).abs() <= 1.01 * unit(want, 53, -1074);
            assert!(same, "{x:e}^{p}: expected {want:e}, got {got:e}");
        }
    }
}

fn same_sums_everywhere<T: Kernels>() {
    for n in [1, 7, 8, 15, 16, 17, 31, 100, 511, 512, 513, 3000] {
        let finite = |seed| mixture::<T>(n, seed).into_iter().map(|x| if x.abs() < T::of(1e3) { x } else { T::one() });
        let (a, b): (Vec<T>, Vec<T>) = (finite(1).collect(), finite(2).collect());
        let (dot, sum) = (T::dot(&a, &b), T::sum(&a));
        let exact: f64 = a.iter().zip(&b).map(|(a, b)| a.f64() * b.f64()).sum();
        let size: f64 = a.iter().zip(&b).map(|(a, b)| (a.f64() * b.f64()).abs()).sum();
        assert!((dot.f64() - exact).abs() <= 40.0 * T::EPS.f64() * size, "{n}: {dot} {exact}");
        for at in 1..9 {
            let moved = |x: &[T]| [&vec![T::nan(); at][..], x].concat();
            let (a, b) = (moved(&a), moved(&b));
            assert_eq!(T::dot(&a[at..], &b[at..]), dot, "{n} at {at}");
            assert_eq!(T::sum(&a[at..]), sum, "{n} at {at}");
        }
    }
}

#[test]
fn sums_do_not_depend_on_their_place() {
    same_sums_everywhere::<f64>();
    same_sums_everywhere::<f32>();
}
