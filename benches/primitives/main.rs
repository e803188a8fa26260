//! Every factorisation beside faer's own low-level call, and reductions beside plain loops, in one interleaved run:
//! value, gradient, Hessian-vector product.
//!
//! `cargo bench -p pullback-benches --bench primitives -- --race` prints the table and marks what misses its target;
//! arguments select rows by name, `n=16` selects an order, and a number is the budget of a row in seconds. Without
//! `--race` Criterion measures the same cases, one after the other: `-- --save-baseline NAME`, `-- --baseline NAME`,
//! and `-- 'qr/n=16'` for some. The rows live in the files beside this one.

mod eigen;
mod factor;
mod general;
#[path = "../harness.rs"]
mod harness;
mod reductions;
mod rotations;
mod spectral;

use harness::Harness;
use pullback::{Batch, Shape, Tape, Var};
use pullback_benches::{Measured, Race, against, entries, pretty};

/// One line of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The inputs at order `n`; the derivative is taken by all of them.
    pub(crate) inputs: fn(usize) -> Vec<Batch<f64>>,
    pub(crate) program: for<'t> fn(&[Var<'t>]) -> Vec<Var<'t>>,
    /// faer's low-level call on its own buffers, made once.
    pub(crate) faer: fn(usize, &[Batch<f64>]) -> Box<dyn FnMut()>,
    /// What (value + gradient) / value may cost at order 256; infinite where no target is set.
    pub(crate) limit: f64,
}

/// (Hessian-vector product) / (value + gradient), at every order from 64 on.
const HVP: f64 = 3.3;
/// At order 4: value and gradient against faer's call, and what a call of ours may cost beyond.
const SMALL: (f64, f64) = (1.5, 0.6e-6);

fn main() {
    let (mut harness, args) = Harness::from_args(0.5);
    let orders: Vec<usize> = args.iter().filter_map(|a| a.strip_prefix("n=")?.parse().ok()).collect();
    let names: Vec<&String> = args.iter().filter(|a| !a.starts_with("n=")).collect();
    harness.heading(&format!(
        "{:<12} {:>4} {:>10} {:>10} {:>10} {:>10}   value+gradient to primal   HVP to value+gradient",
        "f = <W, op>", "n", "faer", "value", "gradient", "HVP"
    ));
    let rows = factor::rows().into_iter().chain(spectral::rows()).chain(eigen::rows()).chain(reductions::rows());
    for row in rows.chain(general::rows()) {
        if names.is_empty() || names.iter().any(|n| row.name.contains(n.as_str())) {
            for n in [4, 16, 64, 256].into_iter().filter(|n| orders.is_empty() || orders.contains(n)) {
                if let Some(measured) = measure(&row, n, &mut harness) {
                    print(&row, n, &measured);
                }
            }
        }
    }
    rotations::run(&names, &mut harness);
    harness.finish();
}

/// A seeded batch of one.
pub(crate) fn batch(m: usize, n: usize, seed: u64) -> Batch<f64> {
    Batch::from_slice(Shape::mat(m, n), &entries(m * n, seed))
}

/// A symmetric positive definite matrix of condition below ten.
pub(crate) fn definite(n: usize) -> Batch<f64> {
    let b = batch(n, n, 3).into_mat();
    let a = &b * b.transpose();
    Batch::from_fn(Shape::mat(n, n), |_, i, j| a[(i, j)] / n as f64 + if i == j { 0.2 } else { 0.0 })
}

fn record<'t>(tape: &'t Tape, row: &Row, x0: &[Batch<f64>]) -> (Vec<Var<'t>>, Var<'t>) {
    let x: Vec<Var<'t>> = x0.iter().map(|x| tape.input(x)).collect();
    let terms = (row.program)(&x).into_iter().enumerate().map(|(k, y)| y.dot(batch(y.rows(), y.cols(), 50 + k as u64)));
    let y = terms.reduce(|a, b| a + b).expect("an output");
    (x, y)
}

fn measure(row: &Row, n: usize, harness: &mut Harness) -> Option<Measured> {
    let x0 = (row.inputs)(n);
    let v: Vec<Batch<f64>> = x0.iter().map(|x| batch(x.shape().rows, x.shape().cols, 77)).collect();
    let (first, second) = (Tape::new(), Tape::new());
    let ((x2, y2), (x3, y3)) = (record(&first, row, &x0), record(&second, row, &x0));
    let mut g: Vec<Batch<f64>> = x0.iter().map(|x| Batch::zeros(x.shape())).collect();
    let mut h = g.clone();
    let seeds: Vec<(Var<'_>, &dyn pullback::MatLike<f64>)> = x3.iter().zip(&v).map(|(x, v)| (*x, v as _)).collect();
    let race = Race::new()
        .with("faer", (row.faer)(n, &x0))
        .with("value", || first.replay().expect("regular"))
        .with("gradient", || {
            first.replay().expect("regular");
            first.gradient_into(y2, &x2, &mut g.iter_mut().collect::<Vec<_>>()).expect("smooth");
        })
        .with("hvp", || {
            second.replay().expect("regular");
            second.hvps_into(y3, &seeds, &mut h.iter_mut().collect::<Vec<_>>()).expect("smooth");
        });
    harness.measure(&format!("{}/n={n}", row.name), race)
}

fn print(row: &Row, n: usize, m: &Measured) {
    let primal = m.faster("faer", "value");
    let (gradient, ratio) = (m.time("gradient"), m.ratio("gradient", primal));
    let first = match n {
        4 => {
            let limit = SMALL.0 * m.time("faer") + SMALL.1;
            let mark = if gradient <= limit { "" } else { "  MISSED" };
            format!("{ratio:>6.2} ({} <= {}){mark}", pretty(gradient), pretty(limit))
        }
        256 if row.limit.is_finite() => against(ratio, row.limit),
        _ => format!("{ratio:>6.2}"),
    };
    let second = match n {
        n if n >= 64 => against(m.ratio("hvp", "gradient"), HVP),
        _ => format!("{:>6.2}", m.ratio("hvp", "gradient")),
    };
    println!(
        "{:<12} {n:>4} {:>10} {:>10} {:>10} {:>10}   {first:<24}   {second}",
        row.name,
        pretty(m.time("faer")),
        pretty(m.time("value")),
        pretty(gradient),
        pretty(m.time("hvp")),
    );
}
