//! The engine on held, warm tapes: gradients and Hessian-vector products against their primal, in one interleaved run.
//!
//! `cargo bench -p pullback-benches --bench engine -- --race` prints every ratio that the README quotes; a number is
//! the budget of a row in seconds, and `brockett`, `product` or `node` select a table. Without `--race` Criterion
//! measures the same cases, one after the other: `-- --save-baseline NAME`, `-- --baseline NAME`, `-- brockett/4x2`.

mod harness;

use harness::Harness;
use pullback::{Batch, Shape, Tape, Var};
use pullback_benches::{Measured, Race, against, entries, pretty};
use pullback_kernels::Workspace;
use pullback_kernels::list::*;

fn main() {
    let (mut harness, names) = Harness::from_args(1.0);
    let tables: [(&str, fn(&mut Harness)); 3] = [("brockett", brockett), ("product", product), ("node", node)];
    for (name, table) in tables {
        if names.is_empty() || names.iter().any(|n| *n == name) {
            table(&mut harness);
        }
    }
    harness.finish();
}

fn batch(m: usize, n: usize, seed: u64) -> Batch<f64> {
    Batch::from_slice(Shape::mat(m, n), &entries(m * n, seed))
}

/// `<N, Q'AQ>` with `Q R = X`, as bare kernels on buffers made once.
fn bare_brockett(x: &Batch<f64>, a: &Batch<f64>, n: &Batch<f64>) -> impl FnMut() -> f64 {
    let (x, a, n) = (x.clone(), a.clone(), n.clone());
    let (m, p) = (x.shape().rows, x.shape().cols);
    let mut w = Workspace::default();
    let (mut q, mut r, mut b, mut c) = (vec![0.0; m * p], vec![0.0; p * p], vec![0.0; m * p], vec![0.0; p * p]);
    move || {
        f64::qr_thin(x.data(), m, p, &mut q, &mut r, &mut w).expect("full rank");
        f64::gemm(&mut b, m, p, m, 1.0, a.data(), false, &q, false, false);
        f64::gemm(&mut c, p, p, m, 1.0, &q, true, &b, false, false);
        f64::dot(n.data(), &c)
    }
}

fn record<'t>(tape: &'t Tape, x: &Batch<f64>, a: &Batch<f64>, n: &Batch<f64>) -> (Var<'t>, Var<'t>) {
    let x = tape.input(x);
    let (q, _r) = x.qr();
    (x, q.t_mul(a * q).dot(n))
}

fn brockett(harness: &mut Harness) {
    harness.heading("Brockett cost <N, Q'AQ>, Q = qr(X); replay on a held tape");
    harness.heading(&format!(
        "{:<8} {:>10} {:>10} {:>10} {:>10}   gradient/primal    HVP/gradient      direction/gradient",
        "X", "primal", "gradient", "HVP", "direction"
    ));
    for (m, p) in [(4, 2), (16, 8), (64, 16), (256, 64)] {
        let (x0, a, n, v) = (batch(m, p, 1), batch(m, m, 2), batch(p, p, 3), batch(m, p, 4));
        // One tape for value, gradient and product: the same buffers, so that only the work differs.
        let (first, second) = (Tape::new(), Tape::new());
        let (x2, y2) = record(&first, &x0, &a, &n);
        let (x3, y3) = record(&second, &x0, &a, &n);
        let h = second.hvp_operator(y3, x3).expect("smooth");
        let (mut g1, mut h1, mut h2) = (Batch::zeros(x0.shape()), Batch::zeros(x0.shape()), Batch::zeros(x0.shape()));
        let race = Race::new()
            .with("bare", bare_brockett(&x0, &a, &n))
            .with("evaluate", || {
                first.set(x2, &x0);
                first.replay().expect("full rank");
            })
            .with("gradient", || {
                first.set(x2, &x0);
                first.replay().expect("full rank");
                first.gradient_into(y2, &[x2], &mut [&mut g1]).expect("smooth");
            })
            .with("hvp", || {
                first.set(x2, &x0);
                first.replay().expect("full rank");
                first.hvp_into(y2, x2, &v, &mut h1).expect("smooth");
            })
            .with("direction", || h.apply_into(&v, &mut h2).expect("smooth"));
        if let Some(measured) = harness.measure(&format!("brockett/{m}x{p}"), race) {
            print_brockett(m, p, &measured);
        }
    }
}

fn print_brockett(m: usize, p: usize, measured: &Measured) {
    let primal = measured.faster("bare", "evaluate");
    println!(
        "{:<8} {:>10} {:>10} {:>10} {:>10}   {}  {}  {}",
        format!("{m}x{p}"),
        pretty(measured.time(primal)),
        pretty(measured.time("gradient")),
        pretty(measured.time("hvp")),
        pretty(measured.time("direction")),
        against(measured.ratio("gradient", primal), 2.6),
        against(measured.ratio("hvp", "gradient"), 3.3),
        against(measured.ratio("direction", "gradient"), 2.2),
    );
}

fn product(harness: &mut Harness) {
    harness.heading("\nOne product C = AB: value and both cotangents from a given one, against raw products");
    for n in [4, 8, 16, 32, 64, 128, 256] {
        let (a0, b0, w) = (batch(n, n, 1), batch(n, n, 2), batch(n, n, 3));
        let tape = Tape::new();
        let (a, b) = (tape.input(&a0), tape.input(&b0));
        let c = a * b;
        let mut raw = vec![0.0; n * n];
        let race = Race::new()
            .with("raw", || f64::gemm(&mut raw, n, n, n, 1.0, a0.data(), false, b0.data(), false, false))
            .with("vjp", || {
                tape.replay().expect("finite");
                let mut sum = 0.0;
                tape.vjp_visit(&[(c, &w)], &[a, b], |_, g| sum += g.data()[0]).expect("smooth");
                sum
            });
        let Some(measured) = harness.measure(&format!("product/{n}x{n}"), race) else { continue };
        let (raw, vjp) = (measured.time("raw"), measured.time("vjp"));
        let verdict = match n {
            4 => format!("{:.0} ns (<= 350){}", vjp * 1e9, if vjp <= 350e-9 { "" } else { "  MISSED" }),
            n if n >= 32 => against(measured.ratio("vjp", "raw"), 3.45),
            _ => format!("{:>6.2}", measured.ratio("vjp", "raw")),
        };
        println!("{:<8} raw {:>10}   value+gradient {:>10}   {verdict}", format!("{n}x{n}"), pretty(raw), pretty(vjp));
    }
}

/// A chain of additions, products with a constant and `tanh`: what a node costs beyond its kernels.
fn node(harness: &mut Harness) {
    harness.heading(
        "\nA chain of 300 nodes (scale, product with a constant, tanh): replay and gradient, beyond the raw kernels",
    );
    for n in [1, 2, 4, 8] {
        let (x0, a0) = (batch(n, n, 1), batch(n, n, 2));
        let tape = Tape::new();
        let x = tape.input(&x0);
        let a = tape.constant(&a0);
        let mut y = x;
        for _ in 0..100 {
            y = (a * y * 0.9).tanh();
        }
        let f = y.sum();
        let mut g = Batch::zeros(x0.shape());
        let mut raw = RawChain::new(&x0, &a0);
        tape.gradient_into(f, &[x], &mut [&mut g]).expect("smooth");
        let (mine, own) = (raw.gradient(), g.data());
        assert!(mine.iter().zip(own).all(|(a, b)| (a - b).abs() <= 1e-12 * b.abs()), "{mine:?} {own:?}");
        let race = Race::new().with("raw", || raw.gradient()[0]).with("tape", || {
            tape.replay().expect("finite");
            tape.gradient_into(f, &[x], &mut [&mut g]).expect("smooth");
        });
        let Some(measured) = harness.measure(&format!("node/{n}x{n}"), race) else { continue };
        let extra = (measured.time("tape") - measured.time("raw")) / 300.0 * 1e9;
        let mark = if extra <= 40.0 { "" } else { "  MISSED" };
        println!(
            "{:<8} raw {:>10}   tape {:>10}   beyond the kernels {extra:>6.1} ns a node (<= 40){mark}",
            format!("{n}x{n}"),
            pretty(measured.time("raw")),
            pretty(measured.time("tape")),
        );
    }
}

/// Value and gradient of the chain by bare kernels, which keep what the way back needs: argument and output of each
/// `tanh`.
struct RawChain {
    n: usize,
    a: Vec<f64>,
    /// `x`, then the outputs of the hundred steps.
    states: Vec<Vec<f64>>,
    /// What `tanh` was taken of in each step.
    arguments: Vec<Vec<f64>>,
    y: Vec<f64>,
    g: Vec<f64>,
}

impl RawChain {
    fn new(x: &Batch<f64>, a: &Batch<f64>) -> Self {
        let n = x.shape().rows;
        let states = (0..101).map(|_| x.data().to_vec()).collect();
        let arguments = (0..100).map(|_| x.data().to_vec()).collect();
        RawChain { n, a: a.data().to_vec(), states, arguments, y: vec![0.0; n * n], g: vec![0.0; n * n] }
    }

    /// A product with the constant, or with its transpose; of numbers, as the tape does it.
    fn product(n: usize, a: &[f64], transposed: bool, x: &[f64], y: &mut [f64]) {
        match n {
            1 => f64::hadamard(a, x, y),
            n => f64::gemm(y, n, n, n, 1.0, a, transposed, x, false, false),
        }
    }

    fn gradient(&mut self) -> &[f64] {
        let RawChain { n, a, states, arguments, y, g } = self;
        for k in 0..100 {
            let (before, after) = states.split_at_mut(k + 1);
            Self::product(*n, a, false, &before[k], y);
            f64::scale(0.9, y, &mut arguments[k]);
            f64::unary(pullback::Unary::Tanh, &arguments[k], &mut after[0]);
        }
        std::hint::black_box(f64::sum(&states[100]));
        g.fill(1.0);
        for (x, z) in arguments.iter().zip(&states[1..]).rev() {
            f64::unary_derivative_assign(pullback::Unary::Tanh, 1, x, z, g).expect("order one");
            g.iter_mut().for_each(|g| *g *= 0.9);
            Self::product(*n, a, true, g, y);
            std::mem::swap(g, y);
        }
        g
    }
}
