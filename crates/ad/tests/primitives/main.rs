//! Everything that is asked of every primitive: run over the lines of `table.rs`, at the points of `points.rs`.
//!
//! `controls.rs` breaks the rules on purpose; `oracles.rs` knows some derivatives independently; `registry.rs` makes
//! sure that no primitive is forgotten.

mod actions;
mod choices;
mod controls;
mod differing_members;
mod direct;
mod eigen;
mod factors;
#[path = "../../../../fuzz/src/families/mod.rs"]
#[allow(unreachable_pub)] // It is a public module of the fuzz crate.
mod families;
mod fast_path;
mod finite;
mod functions;
mod fuzzed;
mod general;
mod in_place;
mod long;
#[path = "../../../check/tests/check/masked.rs"]
mod masked;
mod masks;
mod oracles;
mod points;
mod reductions;
mod registry;
mod rotations;
mod spectra;
mod table;
mod threads;
mod ties;
mod unread;
mod verdicts;
mod whole;
mod words;

use faer::Mat;
use points::{Point, batch, double, single, stack};
use pullback::{Batch, Error, Leaves, Many, Shape, Tape, Var};
use pullback_check::{Report, check_many};
use table::{Line, table};

/// One ulp of `f32` times this is what a well-conditioned program of a few steps may lose.
const SINGLE: f64 = 256.0 * f32::EPSILON as f64;

type List = Vec<Batch<f64>>;

/// Pins the signature of a closure kept in a variable.
fn program<F: for<'t> Fn(Vec<Var<'t>>) -> Many<'t>>(f: F) -> F {
    f
}

fn generic(line: &Line, size: (usize, usize), seed: u64) -> List {
    line.kinds(size).iter().enumerate().map(|(i, k)| batch(&k.generic(seed + 10 * i as u64))).collect()
}

fn run(line: &Line, x0: &List, scale: &Option<List>, last: usize, condition: f64) -> Report {
    let check = check_many(|x: Vec<Var>| Many((line.f)(&x)), x0).seed(7).orders(1..=last).condition(condition);
    match scale {
        Some(s) => check.scale(s).run(),
        None => check.run(),
    }
}

/// What went wrong on all lines, told at the end.
#[derive(Default)]
struct Found(Vec<String>);

impl Found {
    fn unless(&mut self, ok: bool, what: impl FnOnce() -> String) {
        if !ok {
            self.0.push(what());
        }
    }
    fn right(&mut self, report: &Report, line: &Line, at: impl std::fmt::Display) {
        self.unless(report.is_ok(), || format!("{} at {at}:\n{report}", line.name));
    }
    #[track_caller]
    fn nothing(self) {
        assert!(self.0.is_empty(), "{} failures:\n{}", self.0.len(), self.0.join("\n"));
    }
}

#[test]
fn generic_points_to_third_order() {
    let mut found = Found::default();
    for line in table() {
        for &size in line.sizes {
            found.right(&run(&line, &generic(&line, size, 1), &None, 3, 1.0), &line, format_args!("{size:?}"));
        }
    }
    found.nothing();
}

#[test]
fn batches_to_third_order() {
    let mut found = Found::default();
    for line in table() {
        let members: Vec<List> = (0..3).map(|k| generic(&line, line.sizes[0], 100 + k)).collect();
        let n = members[0].len();
        let all: List =
            (0..n).map(|i| stack(&[members[0][i].clone(), members[1][i].clone(), members[2][i].clone()])).collect();
        found.right(&run(&line, &all, &None, 3, 1.0), &line, "a batch of 3");
        // A batch of one serves all members.
        for i in (0..n).filter(|_| n > 1 && !line.name.contains("concat") && !line.name.contains("hvp")) {
            let mut mixed = all.clone();
            mixed[i] = members[0][i].clone();
            found.right(&run(&line, &mixed, &None, 2, 1.0), &line, format_args!("a batch of 3 with one {i}"));
        }
    }
    found.nothing();
}

#[test]
fn a_batch_of_three_is_three_singles() {
    for line in table().iter().filter(|l| l.by_member) {
        let members: Vec<List> = (0..3).map(|k| generic(line, line.sizes[0], 100 + k)).collect();
        let all: List = (0..members[0].len())
            .map(|i| stack(&[members[0][i].clone(), members[1][i].clone(), members[2][i].clone()]))
            .collect();
        let (y, g) = value_and_pull(line, &all);
        for (k, member) in members.iter().enumerate() {
            let (yk, gk) = value_and_pull(line, member);
            // Sums over a batch and of a single may be formed in another order, and may cancel; everything else is the
            // same to the bit.
            let size = yk.iter().chain(&gk).map(Batch::max_abs).fold(0.0, f64::max);
            for (whole, part) in y.iter().zip(&yk).chain(g.iter().zip(&gk)) {
                let d = (whole.member(k) - part.member(0)).norm_max();
                assert!(d <= 8.0 * f64::EPSILON * size, "{}, member {k}: {d:e} of {size:e}", line.name);
            }
        }
    }
}

/// Outputs, and cotangents of the inputs for a cotangent of ones.
fn value_and_pull(line: &Line, x0: &List) -> (List, List) {
    let (y, pull) = pullback::vjp_many(|x: Vec<Var>| Many((line.f)(&x)), x0).unwrap();
    let w: List = y.iter().map(|y| Batch::from_fn(y.shape(), |_, i, j| 1.0 + (i + 2 * j) as f64)).collect();
    let g = pull(&w).unwrap();
    (y, g)
}

#[test]
fn the_degenerate_corpus() {
    let mut found = Found::default();
    for line in table() {
        for &size in line.sizes {
            for (i, kind) in line.kinds(size).iter().enumerate() {
                for Point { label, x, scale, condition } in kind.corpus() {
                    let mut x0 = generic(&line, size, 1);
                    x0[i] = batch(&x);
                    let scale = scale.map(|s| scales(&x0, i, &s));
                    // Second derivatives at 1e150 would need cubes of it.
                    let last = if label.ends_with("150") { 1 } else { 2 };
                    let report = run(&line, &x0, &scale, last, condition.powi(line.depth));
                    let at = format!("input {i} = {label}, {size:?}");
                    // Far from 1 a value may overflow; then that is said, and nothing is wrong.
                    let far = label.starts_with("times") && report.error.is_some() && !report.is_wrong();
                    // At a kink there is no derivative to check.
                    let kink = line.chooses() && label == "identity";
                    // And a permutation jumps where pivots tie.
                    let jump = line.name == "permuted" && report.error.is_some() && !report.is_wrong();
                    if !far && !kink && !jump {
                        found.right(&report, &line, at);
                    }
                }
            }
        }
    }
    found.nothing();
}

/// The sizes of the points themselves, and the given one for input `i`.
fn scales(x0: &List, i: usize, s: &Mat<f64>) -> List {
    let own = |b: &Batch<f64>| Batch::from_fn(b.shape(), |_, _, _| if b.max_abs() > 0.0 { b.max_abs() } else { 1.0 });
    let mut all: List = x0.iter().map(own).collect();
    all[i] = batch(s);
    all
}

#[test]
fn graded_matrices_have_derivatives_or_say_why_not() {
    let (mut checked, mut found) = (vec![], Found::default());
    for line in table() {
        let Some(point) = line.kinds(line.sizes[0])[0].graded() else { continue };
        let mut x0 = generic(&line, line.sizes[0], 1);
        x0[0] = batch(&point.x);
        let scale = scales(&x0, 0, &point.scale.unwrap_or_else(|| point.x.clone()));
        let outputs = pullback::vjp_many(|x: Vec<Var>| Many((line.f)(&x)), &x0).map_or(0, |(y, _)| y.len());
        // One output at a time: the largest would hide the others.
        for k in 0..outputs {
            let report = check_many(|x: Vec<Var>| Many(vec![(line.f)(&x)[k]]), &x0).scale(&scale).orders(1..=1).run();
            found.unless(!report.is_wrong(), || format!("{}, output {k}, {}:\n{report}", line.name, point.label));
            if report.is_ok() {
                checked.push(line.name);
            }
        }
    }
    found.nothing();
    // Those whose derivatives are representable, and must come out.
    for name in ["qr", "cholesky", "a + b", "t"] {
        assert!(
            checked.contains(&name),
            "{name} has no derivative at a graded matrix; those that have are {checked:?}"
        );
    }
}

#[test]
fn aliased_inputs_sum_their_cotangents() {
    let mut found = Found::default();
    for line in table() {
        let size = (3, 3);
        let kinds = line.kinds(size);
        if kinds.len() != 2 || kinds[0] != kinds[1] {
            continue;
        }
        let x0 = generic(&line, size, 1)[..1].to_vec();
        let f = program(|x| Many((line.f)(&[x[0], x[0]])));
        if line.name != "max, min" {
            found.right(&check_many(&f, &x0).orders(1..=3).run(), &line, "the same input twice");
        }
        let w = |y: &List| -> List {
            y.iter().map(|y| Batch::from_fn(y.shape(), |_, i, j| 1.0 + (i + 2 * j) as f64)).collect()
        };
        let (y, pull) = pullback::vjp_many(&f, &x0).unwrap();
        let once = pull(&w(&y)).unwrap();
        let twice = value_and_pull(&line, &vec![x0[0].clone(), x0[0].clone()]).1;
        let sum = once[0].member(0) - (twice[0].member(0) + twice[1].member(0));
        assert!(sum.norm_max() <= 1e-14 * (1.0 + once[0].max_abs()), "{}: {sum:?}", line.name);
    }
    found.nothing();
}

#[test]
fn unused_outputs_and_unused_inputs_are_zeros() {
    let mut found = Found::default();
    for line in table() {
        let x0 = generic(&line, line.sizes[0], 1);
        let (y, pull) = pullback::vjp_many(|x: Vec<Var>| Many((line.f)(&x)), &x0).unwrap();
        for k in (0..y.len()).filter(|_| y.len() > 1) {
            found.right(
                &check_many(|x: Vec<Var>| Many(vec![(line.f)(&x)[k]]), &x0).orders(1..=3).run(),
                &line,
                format_args!("output {k} alone"),
            );
            let ones = |s: Shape| Batch::from_fn(s, |_, _, _| 1.0);
            let w: List = y
                .iter()
                .enumerate()
                .map(|(j, y)| if j == k { ones(y.shape()) } else { Batch::zeros(y.shape()) })
                .collect();
            let with_zeros = pull(&w).unwrap();
            let (_, alone) = pullback::vjp_many(|x: Vec<Var>| Many(vec![(line.f)(&x)[k]]), &x0).unwrap();
            let alone = alone(&w[k..=k]).unwrap();
            for (a, b) in with_zeros.iter().zip(&alone) {
                let d = (0..a.shape().batch).map(|m| (a.member(m) - b.member(m)).norm_max()).fold(0.0, f64::max);
                assert!(d <= 1e-14 * (1.0 + b.max_abs()), "{}: output {k} alone differs by {d:e}", line.name);
            }
        }
        // One input at a time varies: the others have no tangent and want no cotangent.
        for i in (0..x0.len()).filter(|_| x0.len() > 1) {
            let one = vec![x0[i].clone()];
            let f = program(|x| {
                let tape = x[0].tape();
                let all: Vec<Var> =
                    x0.iter().enumerate().map(|(j, b)| if j == i { x[0] } else { tape.constant(b) }).collect();
                Many((line.f)(&all))
            });
            found.right(&check_many(f, &one).orders(1..=3).run(), &line, format_args!("input {i} alone"));
        }
    }
    found.nothing();
}

#[test]
fn single_precision_is_double_precision_rounded() {
    let mut found = Found::default();
    for line in table() {
        let x32: Vec<Batch<f32>> = generic(&line, line.sizes[0], 1).iter().map(single).collect();
        let x64: List = x32.iter().map(double).collect();
        let (y32, pull32) = pullback::vjp_many(|x: Vec<Var<f32>>| Many((line.f32)(&x)), &x32).unwrap();
        let (y64, g64) = value_and_pull(&line, &x64);
        let w: Vec<Batch<f32>> =
            y32.iter().map(|y| Batch::from_fn(y.shape(), |_, i, j| 1.0 + (i + 2 * j) as f32)).collect();
        let g32 = pull32(&w).unwrap();
        for (a, b) in y32.iter().zip(&y64).chain(g32.iter().zip(&g64)) {
            let d = a.data().iter().zip(b.data()).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
            let size = g64.iter().chain(&y64).map(Batch::max_abs).fold(1.0, f64::max);
            assert!(d <= SINGLE * size, "{}: single precision is {d:e} away of {size:e}", line.name);
        }
        let report = check_many(|x: Vec<Var<f32>>| Many((line.f32)(&x)), &x32).run();
        found.right(&report, &line, "single precision");
    }
    found.nothing();
}

#[test]
fn what_is_not_finite_is_refused_by_name() {
    for line in table().iter().filter(|l| l.verdict) {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for (i, x) in generic(line, line.sizes[0], 1).iter().enumerate() {
                let n = x.data().len();
                for at in [0, n / 2, n - 1] {
                    let mut x0 = generic(line, line.sizes[0], 1);
                    x0[i].data_mut()[at] = bad;
                    let found = pullback::vjp_many(|x: Vec<Var>| Many((line.f)(&x)), &x0).map(|_| ());
                    let typed = matches!(found, Err(Error::Data { .. } | Error::NonFinite { .. }));
                    // A triangular solve does not read the other triangle.
                    let unread = line.name.starts_with("solve_triangular") && i == 0 && found.is_ok();
                    assert!(typed || unread, "{}, input {i}, entry {at} = {bad}: {found:?}", line.name);
                }
            }
        }
    }
}

#[test]
fn stop_gradient_stops() {
    let x0 = points::Kind::Any(3, 2).generic(1);
    let g = pullback::grad(|x: Var| x.dot(x.stop_gradient()), &x0).unwrap();
    assert_eq!(g, x0);
    let (_, d) = pullback::jvp(|x: Var| x.stop_gradient(), &x0, &x0).unwrap();
    assert_eq!(d.into_mat(), Mat::zeros(3, 2));
    let h = pullback::hvp(|x: Var| x.dot(x.stop_gradient()), &x0, &x0).unwrap();
    assert_eq!(h, Mat::zeros(3, 2));
}

#[test]
fn points_without_a_derivative_say_so() {
    let zero = Mat::<f64>::zeros(2, 2);
    let at = |r: Result<Mat<f64>, Error>| matches!(r, Err(Error::Data { derivative: true, .. }));
    assert!(at(pullback::grad(|x: Var| x.norm(), &zero)));
    let ties = Mat::from_fn(2, 2, |_, _| 1.0);
    // A tie halves, by convention, and is the same from either side.
    let g = pullback::grad(|x: Var| x.max(&ties).sum(), &ties).unwrap();
    assert_eq!(g, Mat::from_fn(2, 2, |_, _| 0.5));
}

#[test]
fn functions_of_a_span_do_not_see_the_gauge() {
    // f depends on the columns of Q up to rotation only.
    let mut rng = points::Rng::new(5);
    let (x, a, s) = (points::Kind::Tall(5, 3).generic(1), points::Kind::Symmetric(5).generic(2), rng.normal(3, 3));
    let f = pullback::func(|x: Var| {
        let q = x.qr().0;
        q.t_mul(&a * q).trace()
    });
    let (y, g) = pullback::value_and_grad(f, &x).unwrap();
    // Moving within the span changes nothing: the gradient is normal to X S.
    let along = (&x * &s).transpose() * &g;
    let along: f64 = (0..3).map(|i| along[(i, i)]).sum();
    assert!(along.abs() < 1e-14 * g.norm_l2() * x.norm_l2() * s.norm_l2(), "{along:e}");
    // Signs of columns, and any other basis, give the same value.
    for basis in [points::diagonal(&[-1.0, 1.0, -1.0]), s.clone(), points::Kind::Regular(3).generic(4)] {
        let moved = pullback::value(f, &(&x * &basis)).unwrap().data()[0];
        assert!((moved - y).abs() < 1e-12 * y.abs().max(1.0), "{moved} {y}");
    }
    // And the sign convention itself: diag(R) > 0 whatever the signs of the columns.
    let tape = Tape::plain();
    let r = tape.input(&(&x * points::diagonal(&[-1.0, 1.0, -1.0]))).qr().1.value().into_mat();
    assert!((0..3).all(|i| r[(i, i)] > 0.0));
    assert_eq!(x.shapes(), [Shape::mat(5, 3)]);
}
