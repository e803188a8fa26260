//! What the table cannot say of QR, LU and their relatives: verdicts, policies, orders of pivots, and closed forms.

use super::points::{Kind, Rng, diagonal};
use faer::{Mat, Scale};
use pullback::{Axis, Batch, Error, Failure, Gauge, Tape, Var};

fn failure<R: std::fmt::Debug>(r: Result<R, Error>) -> Failure {
    match r {
        Err(Error::Data { failure, .. }) => failure,
        other => panic!("a verdict on the data is expected, and this came: {other:?}"),
    }
}

#[track_caller]
fn close(a: &Mat<f64>, b: &Mat<f64>, tolerance: f64) {
    let (d, size) = ((a - b).norm_max(), a.norm_max().max(b.norm_max()));
    assert!(d <= tolerance * size, "{d:e} of {size:e}\n{a:?}\n{b:?}");
}

// ---- gauge ------------------------------------------------------------------------------------------------------

#[test]
fn a_cotangent_that_sees_the_basis_is_reported_or_projected() {
    let (x, w) = (Kind::Tall(5, 2).generic(1), Rng::new(2).normal(5, 3));
    let f = |gauge| pullback::func(move |x: Var| x.null_basis(gauge).dot(w.clone()));
    let Failure::GaugeDependent { defect } = failure(pullback::grad(f.clone()(Gauge::Error), &x)) else {
        panic!("another verdict")
    };
    assert!(defect > 0.1 && defect <= 1.0);
    // Projected, the gradient is that of the horizontal lift: the transpose of the forward rule.
    let g = pullback::grad(f.clone()(Gauge::Project), &x).unwrap();
    let v = Rng::new(3).normal(5, 2);
    let (_, d) = pullback::jvp(f.clone()(Gauge::Error), &x, &v).unwrap();
    let along: f64 = (0..2).map(|j| (0..5).map(|i| g[(i, j)] * v[(i, j)]).sum::<f64>()).sum();
    assert!((along - d.data()[0]).abs() < 1e-13 * d.data()[0].abs().max(1.0));
    // A warning leaves its trace on the tape, and the same gradient.
    let tape = Tape::new();
    let x1 = tape.input(&x);
    let y = f(Gauge::Warn)(x1);
    assert_eq!(tape.gauge_defect(), 0.0);
    close(&tape.gradient(y, x1).unwrap().into_mat(), &g, 0.0);
    assert!((tape.gauge_defect() - defect).abs() < 1e-12);
}

#[test]
fn a_recorded_gauge_verdict_is_given_anew_at_replay() {
    // <Z Z', W> + c <Z, W2>: invariant for c = 0 only.
    let (x0, w, w2) = (Kind::Tall(4, 2).generic(1), Rng::new(2).normal(4, 4), Rng::new(3).normal(4, 2));
    let tape = Tape::new();
    let (x, c) = (tape.input(&x0), tape.input(&0.0));
    let z = x.null_basis(Gauge::Error);
    let g = tape.grad_on_tape(z.mul_t(z).dot(&w) + c * z.dot(&w2), x).unwrap();
    let y = g.dot(g);
    assert!(tape.gradient(y, x).is_ok());
    tape.set(c, &1.0);
    assert!(matches!(failure(tape.replay()), Failure::GaugeDependent { .. }));
    tape.set(c, &0.0);
    tape.replay().unwrap();
    assert!(tape.gradient(y, x).is_ok());
}

#[test]
fn the_complement_is_the_other_projector_to_second_order() {
    let (x, w, v) = (Kind::Tall(5, 3).generic(1), Kind::Symmetric(5).generic(2), Rng::new(3).normal(5, 3));
    let by_complement = pullback::func(|x: Var| {
        let z = x.null_basis(Gauge::Error);
        let y = z.mul_t(z);
        (y * &w * y).dot(y.sin())
    });
    let by_range = pullback::func(|x: Var| {
        let q = x.qr().0;
        let y = x.tape().eye(5) - q.mul_t(q);
        (y * &w * y).dot(y.sin())
    });
    close(&pullback::grad(by_complement, &x).unwrap(), &pullback::grad(by_range, &x).unwrap(), 1e-13);
    close(&pullback::hvp(by_complement, &x, &v).unwrap(), &pullback::hvp(by_range, &x, &v).unwrap(), 1e-12);
}

// ---- rank --------------------------------------------------------------------------------------------------------

#[test]
fn pivots_order_columns_and_count_the_rank() {
    let tape = Tape::plain();
    for (m, n, r) in [(5, 3, 3), (3, 5, 3), (6, 6, 4), (4, 7, 2), (40, 30, 17), (3, 3, 0)] {
        let mut rng = Rng::new(7);
        let a = rng.normal(m, r) * rng.normal(r, n) * Scale(1e150);
        let x = tape.input(&a);
        assert_eq!(x.rank(None), [r], "{m}x{n}");
        if r == m.min(n) {
            let (q, rr, p) = x.qr_pivoted();
            let (q, rr, p) = (q.value().into_mat(), rr.value().into_mat(), p.value().into_mat());
            let ordered = Mat::from_fn(m, n, |i, j| a[(i, p[(j, 0)] as usize)]);
            close(&(q * &rr), &ordered, 1e-14);
            assert!((1..r).all(|j| rr[(j, j)] <= rr[(j - 1, j - 1)] * (1.0 + 1e-12)));
        }
    }
    assert!(tape.check().is_ok());
}

#[test]
fn pivots_are_found_anew_at_replay() {
    let (a, b) = (diagonal(&[1.0, 3.0, 2.0]), diagonal(&[2.0, 1.0, 3.0]));
    let tape = Tape::new();
    let x = tape.input(&a);
    let (_, r, p) = x.qr_pivoted();
    let y = r.slice(0, 0, 1, 1);
    let unit = |k: usize| Mat::from_fn(3, 3, |i, j| if i == k && j == k { 1.0 } else { 0.0 });
    assert_eq!(tape.gradient(y, x).unwrap().into_mat(), unit(1));
    tape.set(x, &b);
    tape.replay().unwrap();
    assert_eq!(tape.gradient(y, x).unwrap().into_mat(), unit(2));
    assert_eq!(p.value().into_mat()[(0, 0)], 2.0);
}

#[test]
fn a_rank_that_is_not_the_stated_one_is_reported() {
    let mut rng = Rng::new(3);
    let a = rng.normal(5, 2) * rng.normal(2, 4);
    let of = |r: usize| pullback::grad(|x: Var| x.qr_of_rank(r).1.sum(), &a);
    assert!(of(2).is_ok());
    assert!(matches!(failure(of(1)), Failure::NotDifferentiable { .. }));
    assert!(matches!(failure(of(3)), Failure::RankDeficient { index: 2, .. }));
    assert!(matches!(failure(pullback::grad(|x: Var| x.qr().1.sum(), &a)), Failure::RankDeficient { index: 2, .. }));
}

// ---- entries ---------------------------------------------------------------------------------------------------------

#[test]
fn moves_of_entries_are_what_their_names_say() {
    let mut rng = Rng::new(5);
    let (a, b, x) = (rng.normal(2, 3), rng.normal(4, 2), rng.normal(2, 3));
    let tape = Tape::plain();
    let value = |v: Var| v.value().into_mat();
    let [ta, tb, tx] = [&a, &b, &x].map(|m| tape.input(m));
    close(&value(ta.kron(tb) * tx.vec()), &value((tb * tx * ta.t()).vec()), 1e-14);
    assert_eq!(value(ta.kron(tb)).submatrix(4, 2, 4, 2).to_owned(), Scale(a[(1, 1)]) * &b);
    let (v, w) = (Mat::from_fn(3, 1, |i, _| 1.0 + i as f64), Mat::from_fn(3, 1, |i, _| (5 * i) as f64 - 2.0));
    let cross = Mat::from_fn(3, 1, |i, _| {
        let (j, k) = ((i + 1) % 3, (i + 2) % 3);
        v[(j, 0)] * w[(k, 0)] - v[(k, 0)] * w[(j, 0)]
    });
    let tv = tape.input(&v);
    assert_eq!(value(tv.hat() * &w), cross);
    assert_eq!(value(tv.hat().vee()), v);
    assert_eq!(value(tape.input(&0.5).hat()), faer::mat![[0.0, -0.5], [0.5, 0.0]]);
    assert_eq!(value(tape.input(&0.5).hat().vee()), faer::mat![[0.5]]);
    let s = Kind::Regular(3).generic(1);
    let ts = tape.input(&s);
    close(&value(ts.powi(5)), &(&s * &s * &s * &s * &s), 1e-14);
    close(&value(ts.powi(-3) * ts.powi(3)), &Mat::identity(3, 3), 1e-13);
    assert_eq!(value(ts.powi(0)), Mat::identity(3, 3));
    let y = tx.scatter(Axis::Cols, &[1, 1, 0], 2).value().into_mat();
    assert_eq!(y, Mat::from_fn(2, 2, |i, j| if j == 0 { x[(i, 2)] } else { x[(i, 0)] + x[(i, 1)] }));
}

#[test]
fn entries_far_from_one_neither_overflow_nor_cancel() {
    let big = faer::mat![[3e200, 0.0], [4e200, 1e-200]];
    let (y, pull) = pullback::vjp(|x: Var| x.column_norms(), &big).unwrap();
    close(&y.into_mat(), &faer::mat![[5e200, 1e-200]], 1e-15);
    close(&pull(&faer::mat![[1.0, 1.0]]).unwrap(), &faer::mat![[0.6, 0.0], [0.8, 1.0]], 1e-15);
    let rows = pullback::value(|x: Var| x.row_norms(), &(faer::mat![[3.0, 4.0]] * Scale(1e-200))).unwrap();
    close(&rows.into_mat(), &faer::mat![[5e-200]], 1e-15);
    // A zero row among others has no derivative.
    let zero = pullback::grad(|x: Var| x.row_norms().sum(), &faer::mat![[1.0], [0.0]]);
    assert!(matches!(failure(zero), Failure::NotDifferentiable { .. }));
    let l = pullback::value_and_grad(|x: Var| x.log_sum_exp(), &faer::mat![[1e4, 1e4]]).unwrap();
    assert_eq!(l, (1e4 + 2f64.ln(), faer::mat![[0.5, 0.5]]));
    let l = pullback::value_and_grad(|x: Var| x.log_sum_exp_cols().sum(), &faer::mat![[-1e4, -2e4]]).unwrap();
    assert_eq!(l, (-1e4, faer::mat![[1.0, 0.0]]));
    assert_eq!(pullback::grad(|x: Var| x.exp_m1(), &-40.0).unwrap(), (-40f64).exp());
    assert_eq!(pullback::value(|x: Var| x.ln_1p(), &1e-20).unwrap().data(), [1e-20]);
    let edge = Batch::of(&faer::mat![[-1.0, 1.0, 0.0, 2.0]]);
    let g = pullback::grad(|x: Var| x.clamp(-1.0, 1.0).sum(), &edge.into_mat()).unwrap();
    assert_eq!(g, faer::mat![[0.5, 0.5, 1.0, 0.0]]);
}
