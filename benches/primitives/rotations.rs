//! Rotations and rigid motions of a batch: nanoseconds a member beside the plain loop that nobody differentiates.

use crate::harness::Harness;
use pullback::{Batch, Shape, Tape, Var};
use pullback_benches::{Race, entries};
use std::hint::black_box;

/// Members of the batch.
const MEMBERS: usize = 1000;

/// What value and gradient of `so3_exp` may cost, in seconds a member.
const LIMIT: f64 = 100e-9;

type Program = for<'t> fn(Var<'t>) -> Var<'t>;

/// A name, the numbers of a member, the program, and what value and gradient may cost.
type Row = (&'static str, usize, Program, f64);

const ROWS: &[Row] = &[
    ("so3_exp", 3, |w| w.so3_exp(), LIMIT),
    ("so3_exp, by expm", 3, |w| w.hat().expm(), f64::INFINITY),
    ("so3_left_jacobian", 3, |w| w.so3_left_jacobian(), f64::INFINITY),
    ("so3_exp, so3_log", 3, |w| w.so3_exp().so3_log(), f64::INFINITY),
    ("se3_exp", 6, |x| x.se3_exp(), f64::INFINITY),
    ("se3_exp, se3_log", 6, |x| x.se3_exp().se3_log(), f64::INFINITY),
];

/// Rodrigues' formula of every member, as a loop.
fn plain(w: &[f64], r: &mut [f64]) {
    for (w, r) in w.chunks_exact(3).take(MEMBERS).zip(r.chunks_exact_mut(9)) {
        let t = w.iter().map(|x| x * x).sum::<f64>();
        let (a, b) = ((t.sqrt()).sin() / t.sqrt(), (1.0 - t.sqrt().cos()) / t);
        for j in 0..3 {
            for i in 0..3 {
                let diagonal = if i == j { 1.0 - b * t } else { 0.0 };
                let skew = if i == j { 0.0 } else { (if (i + 1) % 3 == j { -1.0 } else { 1.0 }) * a * w[3 - i - j] };
                r[3 * j + i] = diagonal + skew + b * w[i] * w[j];
            }
        }
    }
}

/// Measures the rows whose names contain one of `names`, or all.
pub(crate) fn run(names: &[&String], harness: &mut Harness) {
    harness.heading(&format!(
        "\n{:<18} {:>10} {:>10} {:>10} {:>10}   ns a member, batch of {MEMBERS}",
        "f = <W, op>", "loop", "value", "gradient", "HVP"
    ));
    for row in ROWS.iter().filter(|row| names.is_empty() || names.iter().any(|n| row.0.contains(n.as_str()))) {
        one(row, harness);
    }
}

fn one(&(name, rows, program, limit): &Row, harness: &mut Harness) {
    let of = |rows: usize, cols: usize, seed: u64| {
        let shape = Shape::batch(MEMBERS, rows, cols);
        Batch::from_slice(shape, &entries(shape.len(), seed))
    };
    let (x0, v) = (of(rows, 1, 1), of(rows, 1, 2));
    let (first, second) = (Tape::new(), Tape::new());
    let record = |tape| {
        let x = Tape::input(tape, &x0);
        let y = program(x);
        (x, y.dot(of(y.rows(), y.cols(), 3)).sum_batch())
    };
    let ((x2, y2), (x3, y3)) = (record(&first), record(&second));
    let (mut g, mut h, mut r) = (v.clone(), v.clone(), vec![0.0; 9 * MEMBERS]);
    let race = Race::new()
        .with("loop", || plain(black_box(x0.data()), black_box(&mut r)))
        .with("value", || first.replay().expect("regular"))
        .with("gradient", || {
            first.replay().expect("regular");
            first.gradient_into(y2, &[x2], &mut [&mut g]).expect("smooth");
        })
        .with("hvp", || {
            second.replay().expect("regular");
            second.hvps_into(y3, &[(x3, &v)], &mut [&mut h]).expect("smooth");
        });
    let Some(m) = harness.measure(&format!("{name}/batch={MEMBERS}"), race) else { return };
    let each = |what: &str| 1e9 * m.time(what) / MEMBERS as f64;
    let mark = if m.time("gradient") <= limit * MEMBERS as f64 { "" } else { "  MISSED" };
    println!(
        "{name:<18} {:>10.1} {:>10.1} {:>10.1} {:>10.1} {mark}",
        each("loop"),
        each("value"),
        each("gradient"),
        each("hvp")
    );
}
