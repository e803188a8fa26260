//! Every primitive against reference vectors that were made without derivative formulas (150 digits, differenced
//! there).
//!
//! Reads `tests/known_answers/*.json` and, when it is set, the folder in `PULLBACK_KNOWN_ANSWERS`. Every derivative is
//! taken in all the ways the engine has and each way is compared. Allowed: 1e-11 of the largest entry, plus 8 times
//! what one-ulp changes of the input do to our own result (at exact ties the former alone). What the engine does not
//! have is listed.
//!
//! A main of its own, so that the table shows in a plain `cargo test`. Arguments that are no flags select cases by
//! name.

#[path = "known_answers/case.rs"]
mod case;
#[path = "known_answers/ops.rs"]
mod ops;
#[path = "known_answers/verdicts.rs"]
mod verdicts;

use case::{Case, size};
use faer::Mat;
use pullback::{Batch, Error, Failure, Many, MatLike, Shape, Tape, Var, jvp_many, vjp_many};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

const RELATIVE: f64 = 1e-11;
const ULPS: f64 = 8.0;
/// Random one-ulp changes of which the worst counts.
const TRIALS: u64 = 8;

type List = Vec<Mat<f64>>;
/// What one way computes at a point.
type Way<'w> = &'w dyn Fn(&[Mat<f64>]) -> Result<List, Error>;

/// How a case ended.
enum End {
    Passed,
    Unsupported,
    Failed(Vec<String>),
}

// ---- what we compute ------------------------------------------------------------------------------------------------

fn mats(b: Vec<Batch>) -> List {
    b.into_iter().map(Batch::into_mat).collect()
}

/// Runs `f` on a held tape with the inputs.
fn held<R>(at: &[Mat<f64>], f: impl for<'t> FnOnce(&'t Tape, &[Var<'t>]) -> R) -> R {
    let tape = Tape::new();
    let x: Vec<Var<'_>> = at.iter().map(|m| tape.input(m)).collect();
    f(&tape, &x)
}

fn zeros(x: &[Var<'_>]) -> Vec<Batch> {
    x.iter().map(|x| Batch::zeros(x.shape())).collect()
}

fn seeds<'t, 'm>(x: &[Var<'t>], v: &'m [Mat<f64>]) -> Vec<(Var<'t>, &'m dyn MatLike<f64>)> {
    x.iter().zip(v).map(|(x, v)| (*x, v as &dyn MatLike<f64>)).collect()
}

fn outputs(c: &Case, at: &[Mat<f64>]) -> Result<List, Error> {
    let tape = Tape::plain();
    let x: Vec<Var<'_>> = at.iter().map(|m| tape.input(m)).collect();
    let y = ops::apply(&c.op, &c.params, &x);
    tape.check()?;
    Ok(y.iter().map(|y| y.value().into_mat()).collect())
}

fn program(c: &Case) -> impl for<'t> Fn(Vec<Var<'t>>) -> Many<'t> {
    |x| Many(ops::apply(&c.op, &c.params, &x))
}

/// Forward mode on the way, and a forward sweep over a recording.
fn jvp(c: &Case, at: &[Mat<f64>]) -> Vec<(&'static str, Result<List, Error>)> {
    let program = program(c);
    let travelling =
        jvp_many(program, &at.to_vec(), &c.tangents).map(|l| l.into_iter().map(|(_, d)| d.into_mat()).collect());
    let swept = held(at, |tape, x| {
        let y = ops::apply(&c.op, &c.params, x);
        let mut out = zeros(&y);
        tape.jvp_into(&seeds(x, &c.tangents), &y, &mut out.iter_mut().collect::<Vec<_>>())?;
        Ok(mats(out))
    });
    vec![("jvp, travelling", travelling), ("jvp, swept", swept)]
}

/// Cotangents of the outputs pulled back, and gradients inside a program that is not recorded.
fn vjp(c: &Case, at: &[Mat<f64>]) -> Vec<(&'static str, Result<List, Error>)> {
    let program = program(c);
    let at = at.to_vec();
    let w: Vec<Batch> = c.cotangents.iter().map(Batch::of).collect();
    let pulled = vjp_many(program, &at).and_then(|(_, pull)| pull(&w));
    let inside = (|| {
        let tape = Tape::plain();
        let x: Vec<Var<'_>> = at.iter().map(|m| tape.input(m)).collect();
        let g = gradients_inside(c, &x);
        tape.check()?;
        Ok(g.iter().map(|g| g.value().into_mat()).collect())
    })();
    vec![("vjp, pulled", pulled), ("vjp, inside", inside)]
}

fn gradients_inside<'t>(c: &Case, x: &[Var<'t>]) -> Vec<Var<'t>> {
    let by = |i: usize| {
        x[i].grad(|xi| {
            let mut x = x.to_vec();
            x[i] = xi;
            ops::weighed(&c.op, &c.params, &x, &c.cotangents)
        })
    };
    (0..x.len()).map(by).collect()
}

/// Reverse over reverse: the gradient is recorded, and its product with the direction differentiated again.
fn reverse_over_reverse(c: &Case, at: &[Mat<f64>]) -> Result<List, Error> {
    held(at, |tape, x| {
        let y = ops::weighed(&c.op, &c.params, x, &c.cotangents);
        let g: Vec<Var<'_>> = x.iter().map(|x| tape.grad_on_tape(y, *x)).collect::<Result<_, _>>()?;
        let along = g.iter().zip(&c.tangents).map(|(g, v)| g.dot(v)).reduce(|a, b| a + b).expect("an input");
        let mut out = zeros(x);
        tape.gradient_into(along, x, &mut out.iter_mut().collect::<Vec<_>>())?;
        Ok(mats(out))
    })
}

fn hvp(c: &Case, at: &[Mat<f64>]) -> Vec<(&'static str, Result<List, Error>)> {
    let mut ways = vec![("hvp, reverse over reverse", reverse_over_reverse(c, at))];
    if c.is_tied() {
        // A forward rule cannot see the cotangents.
        return ways;
    }
    let pairs = held(at, |tape, x| {
        let y = ops::weighed(&c.op, &c.params, x, &c.cotangents);
        let mut out = zeros(x);
        tape.hvps_into(y, &seeds(x, &c.tangents), &mut out.iter_mut().collect::<Vec<_>>())?;
        Ok(mats(out))
    });
    let operator = held(at, |tape, x| {
        let y = ops::weighed(&c.op, &c.params, x, &c.cotangents);
        let g: Vec<Var<'_>> = x.iter().map(|x| tape.grad_on_tape(y, *x)).collect::<Result<_, _>>()?;
        let mut out = zeros(x);
        tape.jvp_into(&seeds(x, &c.tangents), &g, &mut out.iter_mut().collect::<Vec<_>>())?;
        Ok(mats(out))
    });
    let inside = (|| {
        let tape = Tape::forward();
        let x: Vec<Var<'_>> = at.iter().zip(&c.tangents).map(|(m, v)| tape.input_along(m, v)).collect();
        let g = gradients_inside(c, &x);
        tape.check()?;
        Ok(g.iter().map(|g| g.tangent().into_mat()).collect())
    })();
    ways.push(("hvp, pairs", pairs));
    ways.push(("hvp, recorded gradient pushed forward", operator));
    ways.push(("hvp, gradient inside a program with tangents", inside));
    ways
}

// ---- the comparison
// ----------------------------------------------------------------------------------------------------

/// The change of our own result under one-ulp changes of the input, for each matrix of the list.
fn sensitivity(c: &Case, ours: &List, f: Way<'_>) -> Vec<f64> {
    let mut worst = vec![0.0_f64; ours.len()];
    if c.is_tied() || c.id.contains("-tie-") {
        return worst;
    }
    for seed in 1..=TRIALS {
        if let Ok(near) = f(&c.one_ulp_away(seed)) {
            for ((w, a), b) in worst.iter_mut().zip(ours).zip(&near) {
                *w = w.max(size(&(a - b)));
            }
        }
    }
    worst
}

fn compare(c: &Case, what: &str, ours: Result<List, Error>, known: &List, again: Way<'_>, bad: &mut Vec<String>) {
    let ours = match ours {
        Ok(ours) => ours,
        Err(e) => return bad.push(format!("{what}: {e}")),
    };
    let shape = |m: &Mat<f64>| Shape::mat(m.nrows(), m.ncols());
    if ours.len() != known.len() || ours.iter().zip(known).any(|(a, b)| shape(a) != shape(b)) {
        return bad.push(format!("{what}: shapes differ"));
    }
    let slack = sensitivity(c, &ours, again);
    for (k, ((a, b), slack)) in ours.iter().zip(known).zip(slack).enumerate() {
        let (error, allowed) = (size(&(a - b)), RELATIVE * size(b) + ULPS * slack);
        // A NaN is no agreement.
        if error.is_nan() || error > allowed {
            bad.push(format!("{what}, matrix {k}: off by {error:.2e}, allowed {allowed:.2e} (size {:.2e})", size(b)));
        }
    }
}

/// The failure behind an error, by the name of its variant.
fn verdict(e: &Error) -> String {
    match e {
        Error::Data { failure, .. } => {
            let name = format!("{failure:?}");
            name.split([' ', '{', '(']).next().unwrap_or_default().to_string()
        }
        e => format!("{e:?}"),
    }
}

/// Verdicts that say what a case expects.
fn fits(expect: &str, verdict: &str) -> bool {
    match expect {
        "singular" => verdict == "Singular",
        "not-positive-definite" => verdict == "NotPositiveDefinite",
        "not-differentiable" => {
            ["NotDifferentiable", "RankDeficient", "NoPrincipalValue", "Defective"].contains(&verdict)
        }
        // Forward mode says that it cannot judge.
        "gauge-dependent" => ["GaugeDependent", "TiedVectors"].contains(&verdict),
        other => panic!("an unknown verdict `{other}`"),
    }
}

fn expected(c: &Case, expect: &str, bad: &mut Vec<String>) {
    let value = outputs(c, &c.inputs);
    match (&c.outputs, value) {
        (Some(known), value) => compare(c, "value", value, known, &|x| outputs(c, x), bad),
        (None, Err(e)) if fits(expect, &verdict(&e)) => {}
        (None, Err(e)) => bad.push(format!("the value reports `{e}` instead of {expect}")),
        (None, Ok(_)) => {}
    }
    // Of values at a tie, or at zero, forward mode gives the one-sided derivative, which does exist.
    let one_sided = ["eigvalsh", "svdvals"].contains(&c.op.as_str());
    for (way, found) in jvp(c, &c.inputs).into_iter().chain(vjp(c, &c.inputs)) {
        match found {
            Err(e) if fits(expect, &verdict(&e)) => {}
            Ok(d) if one_sided && way.starts_with("jvp") => {
                let limit = by_differences(c);
                let off = d.iter().zip(&limit).map(|(a, b)| size(&(a - b))).fold(0.0, f64::max);
                if off > 1e-5 * limit.iter().map(size).fold(1.0, f64::max) {
                    bad.push(format!("{way}: off by {off:.1e} from the one-sided derivative"));
                }
            }
            Err(e) => bad.push(format!("{way} reports `{e}` instead of {expect}")),
            Ok(_) => bad.push(format!("{way} reports nothing instead of {expect}")),
        }
    }
}

/// The one-sided derivative of the outputs along the tangents, by two differences extrapolated.
fn by_differences(c: &Case) -> List {
    let at = |t: f64| {
        let x: List = c.inputs.iter().zip(&c.tangents).map(|(x, v)| x + faer::Scale(t) * v).collect();
        outputs(c, &x).expect("a value")
    };
    let (here, near, far) = (at(0.0), at(1e-6), at(2e-6));
    let slope = |y: &Mat<f64>, k: usize, t: f64| faer::Scale(1.0 / t) * (y - &here[k]);
    (0..here.len()).map(|k| faer::Scale(2.0) * slope(&near[k], k, 1e-6) - slope(&far[k], k, 2e-6)).collect()
}

fn judge(c: &Case) -> End {
    if !ops::has(&c.op) {
        return End::Unsupported;
    }
    if let Err(Error::Data { failure: Failure::Unsupported { .. }, .. }) = outputs(c, &c.inputs) {
        return End::Unsupported;
    }
    let mut bad = vec![];
    if let Some(expect) = &c.expect {
        expected(c, expect, &mut bad);
    } else {
        if let Some(known) = &c.outputs {
            compare(c, "value", outputs(c, &c.inputs), known, &|x| outputs(c, x), &mut bad);
        }
        type Ways = fn(&Case, &[Mat<f64>]) -> Vec<(&'static str, Result<List, Error>)>;
        for (known, ways) in [(&c.jvp, jvp as Ways), (&c.vjp, vjp), (&c.hvp, hvp)] {
            let Some(known) = known else { continue };
            for (k, (way, ours)) in ways(c, &c.inputs).into_iter().enumerate() {
                compare(c, way, ours, known, &|x| ways(c, x).swap_remove(k).1, &mut bad);
            }
        }
    }
    if bad.is_empty() { End::Passed } else { End::Failed(bad) }
}

// ---- the run
// -------------------------------------------------------------------------------------------------------------

#[derive(Default)]
struct Row {
    passed: usize,
    failed: usize,
    unsupported: Vec<String>,
}

fn main() -> ExitCode {
    let start = Instant::now();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let wanted: Vec<&String> = args.iter().filter(|a| !a.starts_with('-')).collect();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/known_answers");
    let mut cases = Case::folder(&own);
    assert!(!cases.is_empty(), "the repository's own known answers are there");
    if let Some(more) = std::env::var_os("PULLBACK_KNOWN_ANSWERS") {
        cases.extend(Case::folder(Path::new(&more)));
    }
    cases.extend(verdicts::all());
    let all = cases.len();
    cases.retain(|c| wanted.is_empty() || wanted.iter().any(|w| c.id.contains(*w) || "known_answers".contains(*w)));
    if args.iter().any(|a| a == "--list") {
        cases.iter().for_each(|c| println!("{}: test", c.id));
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", cases.len());
    let mut table: BTreeMap<&str, Row> = BTreeMap::new();
    let mut failures = vec![];
    std::panic::set_hook(Box::new(|_| {}));
    for c in &cases {
        let end = catch_unwind(AssertUnwindSafe(|| judge(c))).unwrap_or_else(|p| {
            let text = p.downcast_ref::<String>().cloned();
            let text = text.or_else(|| p.downcast_ref::<&str>().map(|s| (*s).to_string())).unwrap_or_default();
            End::Failed(vec![format!("panicked: {text}")])
        });
        let row = table.entry(&c.op).or_default();
        match end {
            End::Passed => row.passed += 1,
            End::Unsupported => row.unsupported.push(c.id.clone()),
            End::Failed(why) => {
                row.failed += 1;
                failures.push((&c.id, why));
            }
        }
    }
    let _ = std::panic::take_hook();
    println!("{:<20} {:>6} {:>6} {:>11}", "operation", "passed", "failed", "unsupported");
    for (op, r) in &table {
        let some = if ops::has(op) { r.unsupported.join(" ") } else { String::new() };
        println!("{op:<20} {:>6} {:>6} {:>11}  {some}", r.passed, r.failed, r.unsupported.len());
    }
    for (id, why) in &failures {
        println!("\ntest {id} ... FAILED");
        why.iter().for_each(|w| println!("    {w}"));
    }
    let (passed, unsupported) = table.values().fold((0, 0), |(p, u), r| (p + r.passed, u + r.unsupported.len()));
    println!(
        "\ntest result: {}. {passed} passed; {} failed; {unsupported} ignored (unsupported); 0 measured; {} filtered out; finished in {:.2}s\n",
        if failures.is_empty() { "ok" } else { "FAILED" },
        failures.len(),
        all - cases.len(),
        start.elapsed().as_secs_f64()
    );
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(101) }
}
