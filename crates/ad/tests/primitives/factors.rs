//! What the table cannot say of QR, LU and their relatives: verdicts, policies, orders of pivots, and closed forms.

use super::points::{Kind, Rng, diagonal};
use super::verdicts::{close, failure};
use faer::{Mat, MatMut, MatRef, Scale};
use pullback::{Axis, Batch, Failure, Gauge, LinearMap, Scalar, Tape, Var};

/// Differences of neighbours in a circle, as an operator.
pub(crate) struct Neighbours(pub(crate) usize);

impl<T: Scalar> LinearMap<T> for Neighbours {
    fn size(&self) -> (usize, usize) {
        (self.0, self.0)
    }
    fn apply(&self, x: MatRef<'_, T>, mut y: MatMut<'_, T>) {
        (0..x.ncols()).for_each(|j| (0..self.0).for_each(|i| y[(i, j)] = x[((i + 1) % self.0, j)] - x[(i, j)]));
    }
    fn apply_transpose(&self, x: MatRef<'_, T>, mut y: MatMut<'_, T>) {
        (0..x.ncols()).for_each(|j| (0..self.0).for_each(|i| y[((i + 1) % self.0, j)] = x[(i, j)]));
        (0..x.ncols()).for_each(|j| (0..self.0).for_each(|i| y[(i, j)] -= x[(i, j)]));
    }
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

// ---- LU and determinants ----------------------------------------------------------------------------------------

#[test]
fn factors_of_lu_multiply_back_and_pivot() {
    let tape = Tape::plain();
    for (m, n) in [(3, 3), (5, 2), (2, 5), (17, 17), (40, 25), (25, 40)] {
        let a = Rng::new(2).normal(m, n);
        let x = tape.input(&a);
        let (l, u, p) = x.lu_factors();
        close(&(l * u).value().into_mat(), &x.permuted(Axis::Rows, p).value().into_mat(), 1e-14);
        let (l, u) = (l.value().into_mat(), u.value().into_mat());
        let r = m.min(n);
        assert!((0..r).all(|j| (0..m).all(|i| l[(i, j)].abs() <= 1.0 && (i > j || l[(i, j)] == f64::from(i == j)))));
        assert!((0..r).all(|j| (j + 1..r).all(|i| u[(i, j)] == 0.0)));
    }
    let singular = faer::mat![[1.0, 2.0], [2.0, 4.0]];
    assert!(matches!(failure(pullback::grad(|x: Var| x.lu_factors().1.sum(), &singular)), Failure::Singular { .. }));
}

#[test]
fn a_recorded_derivative_of_lu_is_right_across_a_change_of_pivots() {
    let (a, b) = (Kind::Regular(3).generic(1), Kind::Regular(3).generic(2).transpose().to_owned());
    let f = pullback::func(|x: Var| {
        let (l, u, _) = x.lu_factors();
        l.sin().sum() + u.dot(u.sin())
    });
    let (h, v) = (pullback::hvp(f, &b, &a).unwrap(), a.clone());
    let tape = Tape::new();
    let x = tape.input(&a);
    let y = f(x);
    let g = tape.grad_on_tape(y, x).unwrap();
    let along = g.dot(&v);
    tape.set(x, &b);
    tape.replay().unwrap();
    close(&g.value().into_mat(), &pullback::grad(f, &b).unwrap(), 1e-14);
    close(&tape.gradient(along, x).unwrap().into_mat(), &h, 1e-12);
}

/// The determinant of a matrix of integers by expansion: exact.
fn leibniz(a: &Mat<f64>) -> f64 {
    let n = a.nrows();
    let minor = |j: usize| Mat::from_fn(n - 1, n - 1, |r, c| a[(r + 1, if c < j { c } else { c + 1 })]);
    match n {
        0 => 1.0,
        _ => (0..n).map(|j| if j % 2 == 0 { 1.0 } else { -1.0 } * a[(0, j)] * leibniz(&minor(j))).sum(),
    }
}

/// The gradient of the determinant of a matrix of integers: exact.
fn cofactors(a: &Mat<f64>) -> Mat<f64> {
    let n = a.nrows();
    let skip = |k: usize, i: usize| if i < k { i } else { i + 1 };
    Mat::from_fn(n, n, |i, j| {
        let minor = Mat::from_fn(n - 1, n - 1, |r, c| a[(skip(i, r), skip(j, c))]);
        if (i + j) % 2 == 0 { leibniz(&minor) } else { -leibniz(&minor) }
    })
}

#[test]
fn the_determinant_is_exact_at_every_rank_to_third_order() {
    let integers = |m: usize, n: usize, seed: u64| {
        let a = Rng::new(seed).normal(m, n);
        Mat::from_fn(m, n, |i, j| (2.0 * a[(i, j)]).round())
    };
    for n in 1..=5usize {
        for r in n.saturating_sub(3)..=n {
            let (a, v) = (integers(n, r, 1) * integers(r, n, 2), integers(n, n, 3));
            let at = |t: f64| &a + Scale(t) * &v;
            let size = (1.0 + a.norm_max() + v.norm_max()).powi(n as i32);
            let near = |found: &Mat<f64>, exact: &Mat<f64>, what: &str| {
                let d = (found - exact).norm_max();
                assert!(d <= 1e-13 * exact.norm_max().max(1e-3 * size), "{what} at rank {r} of {n}: {d:e}\n{exact:?}");
            };
            let (y, g) = pullback::value_and_grad(|x: Var| x.det(), &a).unwrap();
            assert!((y - leibniz(&a)).abs() <= 1e-13 * y.abs().max(1e-3 * size), "{y}");
            near(&g, &cofactors(&a), "gradient");
            // Stencils that are exact for polynomials of degree four: cofactors have degree n - 1.
            let [p2, p1, m1, m2] = [2.0, 1.0, -1.0, -2.0].map(|t| cofactors(&at(t)));
            let first = Scale(1.0 / 12.0) * (&m2 - Scale(8.0) * &m1 + Scale(8.0) * &p1 - &p2);
            near(&pullback::hvp(|x: Var| x.det(), &a, &v).unwrap(), &first, "Hessian");
            let second = Scale(1.0 / 12.0)
                * (Scale(-1.0) * &m2 + Scale(16.0) * &m1 - Scale(30.0) * cofactors(&a) + Scale(16.0) * &p1 - &p2);
            let third = pullback::hvp(|x: Var| x.grad(|x| x.det()).dot(&v), &a, &v).unwrap();
            near(&third, &second, "third derivative");
        }
    }
    let fourth = pullback::hvp(
        |x: Var| x.hvp(|x| x.det(), Mat::identity(5, 5)).sum(),
        &Mat::identity(5, 5),
        &Mat::identity(5, 5),
    );
    assert!(matches!(failure(fourth), Failure::Unsupported { .. }));
}

#[test]
fn graded_determinants_keep_their_digits() {
    let mut rng = Rng::new(4);
    for n in [2, 3, 5, 20] {
        let a = rng.normal(n, n);
        let grade = |i: usize| [1e120, 1.0, 1e-120][i % 3];
        // Rows and columns of scales that cancel in the determinant.
        let b = Mat::from_fn(n, n, |i, j| a[(i, j)] * grade(i) / grade(j));
        let (y, g) = pullback::value_and_grad(|x: Var| x.det(), &a).unwrap();
        let (z, h) = pullback::value_and_grad(|x: Var| x.det(), &b).unwrap();
        assert!((y - z).abs() <= 1e-12 * y.abs(), "{n}: {y} {z}");
        let back = Mat::from_fn(n, n, |i, j| h[(i, j)] * grade(i) / grade(j));
        close(&back, &g, 1e-11);
        let tape = Tape::plain();
        let (s, l) = tape.input(&a).slogdet();
        assert!((s.scalar() * l.scalar().exp() - y).abs() <= 1e-12 * y.abs());
    }
}

// ---- least squares ------------------------------------------------------------------------------------------------

#[test]
fn the_pseudo_inverse_has_its_four_properties_at_every_rank() {
    let tape = Tape::plain();
    for (m, n, r) in [(4, 3, 3), (3, 4, 3), (3, 3, 3), (6, 5, 3), (5, 6, 1), (40, 30, 17), (3, 2, 0)] {
        let mut rng = Rng::new(6);
        let a0 = rng.normal(m, r) * rng.normal(r, n);
        let a = tape.input(&a0);
        let y = a.pinv_of_rank(r);
        let value = |v: Var| v.value().into_mat();
        let (ya, ay) = (value(y * a), value(a * y));
        close(&(&ay * &a0), &a0, 1e-13);
        close(&(&ya * value(y)), &value(y), 1e-13);
        close(&ay.transpose().to_owned(), &ay, 1e-12);
        close(&ya.transpose().to_owned(), &ya, 1e-12);
        let b = rng.normal(m, 2);
        close(&value(a.lstsq_of_rank(r, &b)), &(value(y) * &b), 1e-12);
        tape.check().unwrap();
        // The gradient has no part normal to the matrices of this rank.
        if r > 0 && r < m.min(n) {
            let g = pullback::grad(|x: Var| x.pinv_of_rank(r).sin().sum(), &a0).unwrap();
            let normal = (Mat::<f64>::identity(m, m) - &ay) * &g * (Mat::<f64>::identity(n, n) - &ya);
            assert!(normal.norm_max() <= 1e-12 * g.norm_max(), "{m}x{n} of rank {r}");
        }
    }
    let mut rng = Rng::new(7);
    let a = rng.normal(5, 2) * rng.normal(2, 4);
    let of = |r: usize| pullback::grad(|x: Var| x.pinv_of_rank(r).sum(), &a);
    assert!(of(2).is_ok());
    assert!(matches!(failure(of(1)), Failure::NotDifferentiable { .. }));
    assert!(matches!(failure(of(3)), Failure::RankDeficient { .. }));
    assert!(matches!(failure(of(4)), Failure::RankDeficient { .. }));
}

#[test]
fn a_pseudo_inverse_of_a_square_matrix_is_its_inverse_to_second_order() {
    let (a, v, w) = (Kind::Regular(4).generic(1), Rng::new(2).normal(4, 4), Rng::new(3).normal(4, 4));
    let pinv = pullback::hvp(|x: Var| x.pinv().dot(&w), &a, &v).unwrap();
    close(&pinv, &pullback::hvp(|x: Var| x.inverse().dot(&w), &a, &v).unwrap(), 1e-12);
    // And in general that of the normal equations.
    let (a, v, w) = (Kind::Tall(5, 3).generic(1), Rng::new(2).normal(5, 3), Rng::new(3).normal(3, 5));
    let pinv = pullback::hvp(|x: Var| x.pinv().dot(&w), &a, &v).unwrap();
    let normal = pullback::hvp(|x: Var| x.t_mul(x).solve(x.t()).dot(&w), &a, &v).unwrap();
    close(&pinv, &normal, 1e-12);
}

// ---- entries
// ---------------------------------------------------------------------------------------------------------

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
    close(&value(ts.matrix_power(5)), &(&s * &s * &s * &s * &s), 1e-14);
    close(&value(ts.matrix_power(-3) * ts.matrix_power(3)), &Mat::identity(3, 3), 1e-13);
    assert_eq!(value(ts.matrix_power(0)), Mat::identity(3, 3));
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
    let l = pullback::value_and_grad(|x: Var| x.row_log_sum_exp().sum(), &faer::mat![[-1e4, -2e4]]).unwrap();
    assert_eq!(l, (-1e4, faer::mat![[1.0, 0.0]]));
    assert_eq!(pullback::grad(|x: Var| x.exp_m1(), &-40.0).unwrap(), (-40f64).exp());
    assert_eq!(pullback::value(|x: Var| x.ln_1p(), &1e-20).unwrap().data(), [1e-20]);
    let edge = Batch::of(&faer::mat![[-1.0, 1.0, 0.0, 2.0]]);
    let g = pullback::grad(|x: Var| x.clamp(-1.0, 1.0).sum(), &edge.into_mat()).unwrap();
    assert_eq!(g, faer::mat![[0.5, 0.5, 1.0, 0.0]]);
}
