//! Functions of entries and their derivatives in nanoseconds an entry, flat loops, and products by which factor is
//! transposed, beside the standard library's functions and plain loops, in one interleaved run.
//!
//! `cargo bench -p pullback-benches --bench entries` prints the tables; arguments select rows by name, and a number is
//! the budget of a row in seconds.

use pullback_benches::{Measured, Race, entries};
use pullback_kernels::Unary;
use pullback_kernels::list::*;
use std::time::Duration;

/// Lengths of slices.
const LENGTHS: [usize; 9] = [1, 2, 3, 4, 8, 16, 64, 256, 4096];
/// Orders of products: powers of two, and others.
const ORDERS: [usize; 12] = [8, 16, 24, 32, 48, 64, 100, 128, 200, 256, 384, 512];

/// The function, the centre of the arguments, the standard library's function and its derivative.
type Row<T> = (&'static str, Unary, f64, fn(T) -> T, fn(T) -> T);

macro_rules! rows {
    ($rows:ident, $T:ty) => {
        fn $rows() -> Vec<Row<$T>> {
            fn sigmoid(x: $T) -> $T {
                let e = (-x.abs()).exp();
                (if x < 0.0 { e } else { 1.0 }) / (1.0 + e)
            }
            vec![
                ("exp", Unary::Exp, 0.0, |x| x.exp(), |x| x.exp()),
                ("exp_m1", Unary::ExpM1, 0.0, |x| x.exp_m1(), |x| x.exp()),
                ("tanh", Unary::Tanh, 0.0, |x| x.tanh(), |x| 1.0 - x.tanh().powi(2)),
                ("sigmoid", Unary::Sigmoid, 0.0, sigmoid, |x| sigmoid(x) * (1.0 - sigmoid(x))),
                ("softplus", Unary::Softplus, 0.0, |x| x.max(0.0) + (-x.abs()).exp().ln_1p(), sigmoid),
                ("ln", Unary::Ln, 3.0, |x| x.ln(), |x| 1.0 / x),
                ("ln_1p", Unary::Ln1p, 3.0, |x| x.ln_1p(), |x| 1.0 / (1.0 + x)),
                ("sin", Unary::Sin, 0.0, |x| x.sin(), |x| x.cos()),
                ("cos", Unary::Cos, 0.0, |x| x.cos(), |x| -x.sin()),
                ("erf", Unary::Erf, 0.0, |x| libm(x.into()) as $T, |x| (-x * x).exp()),
                ("sqrt", Unary::Sqrt, 3.0, |x| x.sqrt(), |x| 0.5 / x.sqrt()),
                ("recip", Unary::Recip, 3.0, |x| 1.0 / x, |x| -1.0 / (x * x)),
                ("square", Unary::Pow(2.0), 3.0, |x| x * x, |x| 2.0 * x),
                ("pow 1.7", Unary::Pow(1.7), 3.0, |x| x.powf(1.7), |x| 1.7 * x.powf(0.7)),
            ]
        }
    };
}
rows!(doubles, f64);
rows!(singles, f32);

/// There is no error function in the standard library.
fn libm(x: f64) -> f64 {
    let mut y = [0.0];
    f64::unary(Unary::Erf, &[x], &mut y);
    y[0]
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let seconds = args.iter().find_map(|a| a.parse().ok()).unwrap_or(0.2);
    let names: Vec<&String> = args.iter().filter(|a| a.parse::<f64>().is_err()).collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|n| name.contains(n.as_str()));
    let budget = Duration::from_secs_f64(seconds);
    functions("f64", &doubles(), &wanted, budget);
    functions("f32", &singles(), &wanted, budget);
    flat(&wanted, budget);
    products::<f64>(&wanted, budget);
    products::<f32>(&wanted, budget);
    thin::<f64>(&wanted, budget);
    thin::<f32>(&wanted, budget);
}

/// Arguments around a centre, within 2.5 of it.
fn arguments<T: Kernels>(n: usize, centre: f64) -> Vec<T> {
    entries(n, 7).into_iter().map(|x| T::of(5.0 * x + centre)).collect()
}

fn functions<T: Kernels>(scalar: &str, rows: &[Row<T>], wanted: &impl Fn(&str) -> bool, budget: Duration) {
    for what in ["value", "derivative", "second derivative"] {
        let lengths: String = LENGTHS.iter().map(|n| format!("{n:>14}")).collect();
        println!("{:<10}{lengths}", format!("{scalar} {what}, ns an entry: ours / one by one"));
        for (name, f, centre, value, slope) in rows.iter().filter(|r| wanted(r.0)) {
            print!("{name:<10}");
            for n in LENGTHS {
                let x = arguments::<T>(n, *centre);
                let (mut y, mut old, v) = (x.clone(), x.clone(), arguments::<T>(n, 0.0));
                let mut out = v.clone();
                T::unary(*f, &x, &mut y);
                let (y_of, x_of) = (y.clone(), x.clone());
                let k = if what == "second derivative" { 2 } else { 1 };
                let race = Race::new().with("ours", || match what {
                    "value" => T::unary(*f, &x, &mut y),
                    _ => T::unary_derivative(*f, k, &x, &y_of, &v, &mut out).expect("smooth"),
                });
                let m = race
                    .with("plain", || match what {
                        "value" => old.iter_mut().zip(&x_of).for_each(|(y, &x)| *y = value(x)),
                        _ => old.iter_mut().zip(&x_of).for_each(|(y, &x)| *y = slope(x)),
                    })
                    .run(budget / LENGTHS.len() as u32);
                let each = |name| m.time(name) * 1e9 / n as f64;
                print!("{:>14}", format!("{:.2} / {:.2}", each("ours"), each("plain")));
            }
            println!();
        }
    }
}

/// Loops of a few operations an entry, beside the same loop as the compiler makes it here.
fn flat(wanted: &impl Fn(&str) -> bool, budget: Duration) {
    println!("flat loops, f64, ns a call: ours / plain loop");
    for n in [1, 4, 16, 64, 256, 1024, 4096, 65536] {
        let (a, b) = (arguments::<f64>(n, 0.0), arguments::<f64>(n, 3.0));
        let (mut c, mut d) = (a.clone(), a.clone());
        let line = |name: &str, m: Measured| {
            print!("  {name} {:.1} / {:.1}", m.time("ours") * 1e9, m.time("plain") * 1e9);
        };
        print!("{n:>6}");
        let budget = budget / 4;
        if wanted("dot") {
            let plain = || a.iter().zip(&b).fold(0.0, |s, (a, b)| s + a * b);
            line("dot", Race::new().with("ours", || f64::dot(&a, &b)).with("plain", plain).run(budget));
        }
        if wanted("sum") {
            let plain = || a.iter().sum::<f64>();
            line("sum", Race::new().with("ours", || f64::sum(&a)).with("plain", plain).run(budget));
        }
        if wanted("axpy") {
            let plain = || d.iter_mut().zip(&a).for_each(|(d, a)| *d += 1e-9 * a);
            line("axpy", Race::new().with("ours", || f64::axpy(1e-9, &a, &mut c)).with("plain", plain).run(budget));
        }
        if wanted("hadamard") {
            let plain = || d.iter_mut().zip(a.iter().zip(&b)).for_each(|(d, (a, b))| *d = a * b);
            line(
                "hadamard",
                Race::new().with("ours", || f64::hadamard(&a, &b, &mut c)).with("plain", plain).run(budget),
            );
        }
        if wanted("extreme") {
            let plain = || a.iter().fold(f64::MIN, |t, a| t.max(*a));
            line(
                "extreme",
                Race::new().with("ours", || f64::extreme(true, f64::MIN, &a)).with("plain", plain).run(budget),
            );
        }
        println!();
    }
}

/// Square products: what a transposed factor costs.
fn products<T: Kernels>(wanted: &impl Fn(&str) -> bool, budget: Duration) {
    if !wanted("product") {
        return;
    }
    println!("products, {}: A B in ns, and A B^T, A^T B, A^T B^T, (B^T as it is made) A B over A B", T::NAME);
    for n in ORDERS {
        let (a, b) = (arguments::<T>(n * n, 0.0), arguments::<T>(n * n, 0.0));
        let mut c = [(); 5].map(|()| vec![T::zero(); n * n]);
        let mut turned = b.clone();
        let [c0, c1, c2, c3, c4] = &mut c;
        let product = |c: &mut [T], ta, tb| T::gemm(c, n, n, n, T::one(), &a, ta, &b, tb, false);
        let m = Race::new()
            .with("AB", || product(c0, false, false))
            .with("ABt", || product(c1, false, true))
            .with("AtB", || product(c2, true, false))
            .with("AtBt", || product(c3, true, true))
            .with("copied", || {
                T::transpose(&b, n, n, &mut turned);
                T::gemm(c4, n, n, n, T::one(), &a, false, &turned, false, false);
            })
            .run(4 * budget);
        let ratio = |name| m.ratio(name, "AB");
        println!(
            "{n:>6} {:>12.0} {:>8.2} {:>8.2} {:>8.2} {:>8.2}",
            m.time("AB") * 1e9,
            ratio("ABt"),
            ratio("AtB"),
            ratio("AtBt"),
            ratio("copied")
        );
    }
}

/// Products of a square matrix with few columns, beside those of the matrix with all columns, an entry of `A` at a
/// time.
fn thin<T: Kernels>(wanted: &impl Fn(&str) -> bool, budget: Duration) {
    if !wanted("thin") {
        return;
    }
    println!("thin products, {}: A X and A^T X in ns, for X of 1, 2, 3, 4, 5, 8 columns", T::NAME);
    for n in ORDERS.into_iter().chain([1000, 2000]) {
        let a = arguments::<T>(n * n, 0.0);
        print!("{n:>6}");
        for ta in [false, true] {
            for p in [1, 2, 3, 4, 5, 8] {
                let (x, mut y) = (arguments::<T>(n * p, 0.0), vec![T::zero(); n * p]);
                let m = Race::new()
                    .with("AX", || T::gemm(&mut y, n, p, n, T::one(), &a, ta, &x, false, false))
                    .run(budget / 4);
                print!("{:>10.0}", m.time("AX") * 1e9);
            }
        }
        println!();
    }
}
