//! What the documentation says about memory, counted: warm sweeps allocate nothing, loops peak at equal bytes.

mod common;
use allocation_counter::measure;
use common::*;
use faer::Mat;
use pullback::Axis;
use pullback::Gauge;
use pullback::Group;
use pullback::prelude::*;

type Program = Box<dyn for<'t> Fn(Var<'t>) -> Var<'t>>;

/// Programs of order `n`, each with a point for it.
fn programs(n: usize) -> Vec<(&'static str, Mat<f64>, Program)> {
    fn p(f: impl for<'t> Fn(Var<'t>) -> Var<'t> + 'static) -> Program {
        Box::new(f)
    }
    let half = n / 2;
    let (a, w, u, b) = (sym(&rnd(n, n, 1)), rnd(half, half, 2), rnd(n, half, 3), rnd(n, 2, 4));
    let (w2, u2, a2, a3) = (rnd(n, n, 5), u.clone(), a.clone(), a.clone());
    let (w3, b2) = (w2.clone(), b.clone());
    vec![
        ("product", rnd(n, n, 6), p(move |x| (x * &a2 * x).dot(x.t()))),
        (
            "Brockett on QR",
            rnd(n, half, 7),
            p(move |x| {
                let q = x.qr().0;
                q.t_mul(&a * q).dot(&w)
            }),
        ),
        ("polar", rnd(n, half, 8), p(move |x| x.polar().0.dot(&u))),
        (
            "polar, both",
            rnd(n, half, 8),
            p(move |x| {
                let (w, h) = x.polar();
                w.dot(&u2) + h.dot(h)
            }),
        ),
        ("spectral", spd(n, 9), p(move |x| x.logm_spd().dot(&w2) + x.trace_fun(SymFn::SQRT))),
        ("powers", spd(n, 9), p(move |x| x.powm_spd(0.3).dot(x.invsqrtm_spd()))),
        ("cholesky", spd(n, 10), p(move |x| x.cholesky().dot(&w3))),
        ("solve", regular(n, 11), p(move |x| x.solve(&b).dot(&b) + x.logdet())),
        ("inverse", regular(n, 11), p(|x| x.inverse().trace())),
        ("determinant", regular(n, 11), p(|x| (x * 0.1).det())),
        ("least squares", rnd(n, half, 16), p(move |x| x.lstsq(&b2).dot(x.lstsq(&b2)) + x.t().pinv().sum())),
        (
            "factors of LU",
            rnd(n, half, 17),
            p(|x| {
                let (l, u, _) = x.lu_factors();
                l.sum() + u.dot(u)
            }),
        ),
        (
            "full QR",
            rnd(n, half, 18),
            p(|x| {
                let z = x.qr_full(Gauge::Error).0.column_range(x.cols(), x.rows() - x.cols());
                z.mul_t(z).diag().tanh().sum()
            }),
        ),
        ("cayley", skew(n, 12), p(move |x| x.cayley(0.4).dot(&a3))),
        ("exponential", rnd(n, n, 21), p(|x| x.expm().trace())),
        (
            "equations",
            spd(n, 9),
            p(|x| x.lyapunov(x).trace() + x.sylvester(x, x).sum() + x.schur().lyapunov(x.t()).sum()),
        ),
        ("root", spd(n, 9), p(|x| x.sqrtm().sum())),
        ("general logarithm", spd(n, 9), p(|x| x.logm().sum())),
        ("action", rnd(n, n, 22), p(|x| x.expm_multiply(x.column_range(0, 2)).sum())),
        ("projector", spd(n, 9), p(|x| x.group_projector(Group::LargestReal(1)).0.sum() + x.signm().trace())),
        (
            "elementwise",
            rnd(n, n, 13),
            p(|x| (x.tanh() + x.exp().hadamard(x).elem_div(2.0 + x)).relu().row_sums().norm()),
        ),
        (
            "layout",
            rnd(n, n, 14),
            p(move |x| x.slice(0, 1, n - 1, n - 1).t().tril().trace() + x.diag().to_diag().sum()),
        ),
        (
            "selections",
            rnd(n, n, 19),
            p(|x| {
                let root = x.gt(0.0).select(x.sqrt().hadamard(x), x.hadamard(x));
                (root + x.lt(0.5).select(x.recip(), root)).sum()
            }),
        ),
        (
            "reductions",
            rnd(n, n, 20),
            p(|x| {
                let weights = x.row_softmax().hadamard(x.column_log_softmax());
                let extrema = x.row_max().dot(x.hadamard(x).row_min()) + x.column_prods().sum() + x.std(1);
                extrema + weights.sum() + x.pairwise_dist2(x, Axis::Rows).cumsum(Axis::Rows).tanh().sum()
            }),
        ),
        ("the same thrice", rnd(n, n, 15), p(|x| (x * x).hadamard(x).sum())),
    ]
}

#[test]
fn a_warm_replay_and_its_sweeps_allocate_nothing() {
    for n in [4, 16, 64, 200] {
        for (name, x0, f) in programs(n) {
            if n == 200 && ["powers", "polar, both", "determinant", "full QR"].contains(&name) {
                continue; // one of each family is enough at this size
            }
            let x1 = Mat::from_fn(x0.nrows(), x0.ncols(), |i, j| 1.001 * x0[(i, j)]);
            let tape = Tape::new();
            let x = tape.input(&x0);
            let y = f(x);
            let (mut g, mut hv) = (Batch::of(&x0), Batch::of(&x0));
            let turn = |at: &Mat<f64>, g: &mut Batch, hv: &mut Batch| {
                tape.set(x, at);
                tape.replay().unwrap();
                tape.gradient_into(y, &[x], &mut [g]).unwrap();
                tape.hvp_into(y, x, &x0, hv).unwrap();
            };
            turn(&x1, &mut g, &mut hv);
            turn(&x0, &mut g, &mut hv);
            let bytes = tape.bytes();
            let count = |f: &mut dyn FnMut()| measure(f).count_total;
            let replay = count(&mut || {
                tape.set(x, &x1);
                tape.replay().unwrap();
            });
            let gradient = count(&mut || tape.gradient_into(y, &[x], &mut [&mut g]).unwrap());
            let hvp = count(&mut || tape.hvp_into(y, x, &x0, &mut hv).unwrap());
            assert_eq!((replay, gradient, hvp), (0, 0, 0), "{name} of order {n}: replay, gradient, hvp");
            assert_eq!(tape.bytes(), bytes, "{name} of order {n}: sweeps give back what they take");
            if n == 200 {
                continue; // the recorded gradient is another program of the same operations
            }
            let h = tape.hvp_operator(y, x).unwrap();
            let mut fresh = Batch::of(&x0);
            h.apply_into(&x0, &mut fresh).unwrap();
            h.apply_into(&x1, &mut fresh).unwrap();
            tape.replay().unwrap();
            let apply = count(&mut || {
                tape.replay().unwrap();
                h.apply_into(&x0, &mut fresh).unwrap();
            });
            assert_eq!(apply, 0, "{name} of order {n}: operator");
            close(&fresh, &hv, 1e-9);
        }
    }
}

/// `n` steps of a subspace iteration with momentum on a small matrix.
fn descend<'t>(tape: &'t Tape, x: Var<'t>, n: usize) -> (Var<'t>, Var<'t>) {
    let a = tape.constant(&regular(x.rows(), 5));
    tape.iterate((x, 0.0 * x), n, |(x, v)| {
        let v = 0.5 * v + a * x.tanh();
        ((x + v).qr().0, v)
    })
}

#[test]
fn loops_peak_at_equal_bytes() {
    let x0 = regular(2, 1);
    let peak = |tape: Tape, n: usize| {
        let (x, _) = descend(&tape, tape.input(&x0), n);
        tape.check().unwrap();
        assert!(x.value().max_abs().is_finite());
        tape.peak_bytes()
    };
    assert_eq!(peak(Tape::plain(), 1_000), peak(Tape::plain(), 1_000_000));
    let forward = |n: usize| {
        let tape = Tape::forward();
        let (x, _) = descend(&tape, tape.input_along(&x0, &x0), n);
        tape.check().unwrap();
        assert!(x.tangent().max_abs() > 0.0);
        tape.peak_bytes()
    };
    assert_eq!(forward(1_000), forward(1_000_000));
    // Gradients inside the program leave nothing behind.
    let inner = |n: usize| {
        let tape = Tape::plain();
        let x = tape.iterate(tape.input(&x0), n, |x| 0.9 * x - 0.1 * x.grad(|x| x.tanh().dot(x)));
        assert!(x.value().max_abs().is_finite());
        tape.peak_bytes()
    };
    assert_eq!(inner(100), inner(10_000));
    // The comparison would see a leak: on a recording tape the bytes grow with the steps.
    assert!(peak(Tape::new(), 1_000) > 50 * peak(Tape::plain(), 1_000));
}

#[test]
fn a_warm_loop_allocates_nothing_more() {
    let tape = Tape::plain();
    let x0 = regular(3, 1);
    let (short, long) = (
        measure(|| {
            let _ = descend(&tape, tape.input(&x0), 10);
        })
        .count_total,
        measure(|| {
            let _ = descend(&tape, tape.input(&x0), 10_000);
        })
        .count_total,
    );
    let per_step = (long as f64 - short as f64) / 1e4;
    assert!(per_step <= 1.0, "{per_step} allocations a step"); // the tree of handles of a state is one list
}

#[test]
fn a_scope_frees_what_it_made() {
    let tape = Tape::plain();
    let x = tape.input(&rnd(50, 50, 1));
    let before = tape.bytes();
    let y = tape.scope(|| {
        let y = (x * x).tanh() * x;
        assert!(tape.bytes() >= before + 3 * 8 * 2500);
        (y.sum(), y.column_range(0, 1))
    });
    assert!(tape.bytes() <= before + 8 * 64 + 8 * 8, "{} {before}", tape.bytes());
    let expected = {
        let y = (x * x).tanh() * x;
        (y.sum().scalar(), y.column_range(0, 1).value())
    };
    assert_eq!((y.0.scalar(), y.1.value()), expected);
    // On a recording tape it must keep what the sweep will need.
    let tape = Tape::new();
    let x = tape.input(&rnd(5, 5, 1));
    let y = tape.scope(|| (x * x).tanh().sum());
    assert_eq!(tape.operations(), 3);
    assert_eq!(tape.gradient(y, x).unwrap().into_mat(), grad(|x| (x * x).tanh().sum(), &rnd(5, 5, 1)).unwrap());
}

/// Twenty layers, each of which makes several values; at the end a number.
fn layers<'t>(x: Var<'t>, w: &Mat<f64>, checkpointed: bool) -> Var<'t> {
    let layer = |x: Var<'t>| {
        let y = (x * w).tanh();
        let z = (y * w).sin() + y.exp();
        (z * w).tanh()
    };
    let end = (0..20).fold(x, |x, _| if checkpointed { x.checkpoint(layer) } else { layer(x) });
    end.dot(end)
}

#[test]
fn checkpoints_trade_memory_for_time() {
    let (x0, w) = (rnd(40, 40, 1), 0.2 * rnd(40, 40, 2));
    let run = |checkpointed: bool| {
        let tape = Tape::new();
        let x = tape.input(&x0);
        let y = layers(x, &w, checkpointed);
        let g = tape.gradient(y, x).unwrap();
        let gradient = tape.peak_bytes();
        let v = rnd(40, 40, 3);
        let hv = tape.hvp(y, x, &v).unwrap();
        (g, hv, gradient, tape.peak_bytes())
    };
    let (g, hv, bytes, bytes2) = run(false);
    let (gc, hvc, bytes_c, bytes2_c) = run(true);
    close(&g, &gc, 1e-14);
    close(&hv, &hvc, 1e-14);
    assert!(2 * bytes_c < bytes, "gradient: {bytes_c} with checkpoints, {bytes} without");
    // A checkpoint keeps the constants of its piece: here three matrices as large as a value.
    assert!(5 * bytes2_c < 2 * bytes2, "hvp: {bytes2_c} with checkpoints, {bytes2} without");
}

/// The jet of the gradient, seven matrices, beside the cotangent and the result.
#[test]
fn the_gradient_of_an_exponential_takes_ten_matrices_more_than_its_value() {
    for (n, size, squarings) in [(16, 0.3, 0), (40, 4.0, 0), (40, 30.0, 3), (100, 60.0, 4)] {
        let x0 = rnd(n, n, 1);
        let x0 = &x0 * (size / (0..n).map(|j| x0.col(j).norm_l1()).fold(0.0, f64::max));
        let w = rnd(n, n, 2);
        let tape = Tape::new();
        let x = tape.input(&x0);
        let y = x.expm().dot(&w);
        let value = tape.peak_bytes();
        tape.gradient(y, x).unwrap();
        let more = tape.peak_bytes() - value;
        assert!(more <= (10 + squarings) * n * n * 8, "n = {n}: {} matrices", more as f64 / (n * n * 8) as f64);
    }
}

#[test]
fn clearing_keeps_the_buffers() {
    let mut tape = Tape::new();
    let x0 = rnd(30, 10, 1);
    let run = |tape: &Tape| {
        let x = tape.input(&x0);
        let q = x.qr().0;
        let y = q.t_mul(q.tanh()).sum();
        let mut g = Batch::of(&x0);
        tape.gradient_into(y, &[x], &mut [&mut g]).unwrap();
    };
    let first = measure(|| run(&tape));
    tape.clear();
    assert_eq!((tape.bytes(), tape.operations()), (0, 0));
    let second = measure(|| run(&tape));
    let x_bytes = 8 * 300;
    assert!(first.bytes_total > 5 * x_bytes, "{first:?}");
    // What is left is the copy of the result.
    assert!(second.count_total <= 3 && second.bytes_total <= 2 * x_bytes, "{second:?}");
    // Peaks start anew on request.
    let peak = tape.peak_bytes();
    tape.clear();
    tape.reset_peak();
    assert!(tape.peak_bytes() == 0 && peak > 0);
}

#[test]
fn a_driver_that_is_called_again_reuses_its_tape() {
    let mut tape = Tape::new();
    let x0 = rnd(30, 10, 1);
    let f = func(|x: Var| x.qr().0.tanh().sum());
    let first = measure(|| drop(tape.value_and_grad(f, &x0).unwrap()));
    let peak = tape.peak_bytes();
    let later = measure(|| (0..10).for_each(|_| drop(tape.value_and_grad(f, &x0).unwrap())));
    assert_eq!(tape.peak_bytes(), peak);
    // What is left are the copies of the point and of the result.
    assert!(later.bytes_total / 10 < 4 * 2400 && later.bytes_total / 10 < first.bytes_total / 2, "{first:?} {later:?}");
    // Failures give back what they took.
    tape.value_and_grad(|x| x.t_mul(x).hadamard(Mat::zeros(10, 10)).inverse().sum(), &x0).unwrap_err();
    tape.clear();
    assert_eq!(tape.bytes(), 0);
}

#[test]
fn records_of_operations_are_counted() {
    let bytes = |tape: Tape| {
        let x = tape.input(&2.0);
        let _ = (0..100).fold(x, |y, _| y + x);
        tape.bytes()
    };
    let (recorded, plain) = (bytes(Tape::new()), bytes(Tape::plain()));
    // Each record holds an operation, a line and the places of its inputs.
    assert!(recorded >= plain + 100 * 48, "{recorded} {plain}");
}

#[test]
fn a_new_peak_starts_from_what_is_in_use() {
    let tape = Tape::plain();
    let x = tape.input(&rnd(50, 50, 1));
    let _ = tape.scope(|| (x * x).tanh().sum());
    assert!(tape.peak_bytes() > tape.bytes() + 2 * 8 * 2500);
    tape.reset_peak();
    assert_eq!(tape.peak_bytes(), tape.bytes());
}

#[test]
fn the_records_of_checkpoints_are_counted() {
    let tape = Tape::<f64>::new();
    let x = tape.input(&1.0);
    let before = tape.bytes();
    let process = measure(|| {
        let mut y = x;
        for _ in 0..1000 {
            y = y.checkpoint(|y| (y.sin() + x * 0.5).tanh());
        }
    });
    let counted = tape.bytes() - before;
    let held = process.bytes_current as usize;
    assert!(counted < held && 3 * counted > held, "{counted} of {held} bytes");
    let mut tape = tape;
    tape.clear();
    assert_eq!(tape.bytes(), 0);
}
