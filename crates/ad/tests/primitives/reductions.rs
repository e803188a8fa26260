//! Reductions, distances and moves of entries where the table does not lead: ties, zeros, infinities, batches whose
//! members differ in kind, replay across a change of winner, single precision at its limits. The right values are
//! closed forms.

use faer::{Mat, mat};
use pullback::prelude::*;
use pullback::{AtZero, Axis, Error, Failure, Shape, jvp, value};

const INF: f64 = f64::INFINITY;

fn number(x: f64) -> Mat<f64> {
    mat![[x]]
}

/// The gradient, the Hessian times `v`, and the same Hessian product by a recorded gradient: all modes of the second
/// order.
fn derivatives(f: impl for<'t> Fn(Var<'t>) -> Var<'t> + Copy, x: &Mat<f64>, v: &Mat<f64>) -> (Mat<f64>, Mat<f64>) {
    let g = grad(f, x).unwrap();
    let h = hvp(f, x, v).unwrap();
    let recorded = grad(|x: Var| x.grad(f).dot(v), x).unwrap();
    let forward = jvp(|x: Var| x.grad(f), x, v).unwrap().1.into_mat();
    let twice = jvp(|x: Var| x.jvp(f, x.tape().constant(v)).1, x, v).unwrap().1.into_mat();
    let along = (v.transpose() * &h).diagonal().column_vector().iter().sum::<f64>();
    for other in [&recorded, &forward] {
        assert!((&h - other).norm_max() <= 1e-12 * (1.0 + h.norm_max()), "{h:?} {other:?}");
    }
    assert!((twice[(0, 0)] - along).abs() <= 1e-12 * (1.0 + along.abs()), "{twice:?} {along}");
    (g, h)
}

// ---- extrema ----------------------------------------------------------------------------------------------------

#[test]
fn winners_that_are_equal_share_evenly() {
    let x = mat![[3.0, 1.0, 3.0], [0.0, 3.0, -1.0]];
    let g = grad(func(|x| x.max_all()), &x).unwrap();
    let t = 1.0 / 3.0;
    assert_eq!(g, mat![[t, 0.0, t], [0.0, t, 0.0]]);
    // And the derivative along v is the mean over the winners.
    let v = mat![[1.0, 9.0, 2.0], [9.0, 6.0, 9.0]];
    assert_eq!(jvp(func(|x| x.max_all()), &x, &v).unwrap().1.into_mat(), number(3.0));
    let rows = grad(func(|x| x.row_max().sum()), &x).unwrap();
    assert_eq!(rows, mat![[0.5, 0.0, 0.5], [0.0, 1.0, 0.0]]);
    let y = mat![[2.0, 2.0], [2.0, 5.0], [7.0, 2.0]];
    assert_eq!(grad(func(|x| x.column_min().sum()), &y).unwrap(), mat![[0.5, 0.5], [0.5, 0.0], [0.0, 0.5]]);
}

#[test]
fn places_of_winners() {
    let x = mat![[3.0, 1.0, 3.0], [0.0, 3.0, -1.0]];
    let at = |f: for<'t> fn(Var<'t>) -> Var<'t>| value(f, &x).unwrap().into_mat();
    assert_eq!(at(|x| x.argmax_all()), number(0.0));
    assert_eq!(at(|x| x.argmin_all()), number(5.0));
    assert_eq!(at(|x| x.column_argmax()), mat![[0.0, 1.0, 0.0]]);
    assert_eq!(at(|x| x.column_argmin()), mat![[1.0, 0.0, 1.0]]);
    assert_eq!(at(|x| x.row_argmax()), mat![[0.0], [1.0]]);
    assert_eq!(at(|x| x.row_argmin()), mat![[1.0], [2.0]]);
    // Longer than the lanes of the loop, the winner in the lanes and in the rest.
    for (n, w) in [(8, 7), (9, 8), (37, 20), (37, 36), (16, 0)] {
        let long = Mat::from_fn(n, 1, |i, _| if i == w { 2.0 } else { -(i as f64) });
        assert_eq!(value(func(|x| x.max_all()), &long).unwrap().data(), [2.0]);
        assert_eq!(value(func(|x| x.column_argmax()), &long).unwrap().data(), [w as f64]);
        let g = grad(func(|x| (-x).column_min().sum()), &long).unwrap();
        assert_eq!(g, Mat::from_fn(n, 1, |i, _| if i == w { -1.0 } else { 0.0 }));
    }
}

#[test]
fn nan_wins_and_stays() {
    let tape = Tape::plain();
    let x = tape.input(&mat![[1.0, f64::NAN], [2.0, 5.0]]);
    for (y, nan) in [(x.column_max(), [false, true]), (x.row_min(), [true, false])] {
        assert_eq!(y.value().data().iter().map(|x| x.is_nan()).collect::<Vec<_>>(), nan);
    }
    assert_eq!(x.argmax_all().value().data(), [2.0]);
    // It has no derivative, and the error names the input.
    let e = grad(func(|x| x.max_all()), &mat![[1.0, f64::NAN]]).unwrap_err();
    assert!(matches!(e, Error::NonFinite { what: "value", .. }) && e.to_string().contains("input `x`"), "{e}");
}

#[test]
fn infinite_entries_do_not_spoil_extrema() {
    let x = mat![[-INF, 2.0, -INF]];
    assert_eq!(grad(func(|x| x.max_all()), &x).unwrap(), mat![[0.0, 1.0, 0.0]]);
    // Where all are infinite, what comes after may be finite again: each is a winner, and the derivative is that of the
    // rest.
    let f = func(|x: Var| x.max_all().exp() + x.column_max().exp().sum());
    assert_eq!(grad(f, &mat![[-INF, -INF]]).unwrap(), mat![[0.0, 0.0]]);
}

#[test]
fn members_have_winners_of_their_own_and_replay_finds_new_ones() {
    let shape = Shape::batch(2, 1, 3);
    let tape = Tape::new();
    let x = tape.input(&Batch::from_slice(shape, &[1.0, 2.0, 3.0, 9.0, 2.0, 3.0]));
    let y = x.max_all();
    let f = y.hadamard(y).sum();
    let g = |tape: &Tape| {
        let mut g = Batch::zeros(shape);
        tape.gradient_into(f, &[x], &mut [&mut g]).unwrap();
        g.data().to_vec()
    };
    assert_eq!(g(&tape), [0.0, 0.0, 6.0, 18.0, 0.0, 0.0]);
    tape.set(x, &Batch::from_slice(shape, &[5.0, 2.0, 3.0, 4.0, 4.0, 3.0]));
    tape.replay().unwrap();
    assert_eq!(g(&tape), [10.0, 0.0, 0.0, 4.0, 4.0, 0.0]);
}

#[test]
fn second_derivatives_of_extrema() {
    // f = (max_i x_i)^3 has the Hessian 6 x_w at (w, w).
    let (x, v) = (mat![[1.0], [-2.0], [4.0]], mat![[1.0], [1.0], [2.0]]);
    let (g, h) = derivatives(func(|x| x.column_max().powf(3.0)), &x, &v);
    assert_eq!((g, h), (mat![[0.0], [0.0], [48.0]], mat![[0.0], [0.0], [48.0]]));
    // Tied twice: y = (x_1 + x_2)/2 as far as derivatives go.
    let (g, h) = derivatives(func(|x| x.column_min().powf(2.0)), &mat![[3.0], [3.0], [4.0]], &v);
    assert_eq!((g, h), (mat![[3.0], [3.0], [0.0]], mat![[1.0], [1.0], [0.0]]));
}

// ---- softmax ----------------------------------------------------------------------------------------------------

#[test]
fn a_group_of_minus_infinity_has_weight_zero() {
    let x = mat![[-INF, -INF], [0.0, 2f64.ln()], [-INF, 0.0]];
    // The first row is -inf, so its sum is -inf, and the product with e^y = 0 ends it.
    let f = func(|x: Var| x.row_log_sum_exp().exp().sum());
    assert!((value(f, &x).unwrap().data()[0] - 4.0).abs() < 1e-15);
    let g = grad(f, &x).unwrap();
    assert!((g - mat![[0.0, 0.0], [1.0, 2.0], [0.0, 1.0]]).norm_max() < 1e-15);
    let all = mat![[-INF], [-INF]];
    let tape = Tape::new();
    let z = tape.input(&all);
    for y in [z.log_sum_exp(), z.column_log_sum_exp()] {
        assert_eq!(tape.gradient(y.exp() + y.sigmoid(), z).unwrap().data(), [0.0, 0.0]);
        assert!(matches!(tape.gradient(y, z), Err(Error::NonFinite { what: "value", .. })));
        assert_eq!(y.scalar(), -INF);
    }
    assert_eq!(z.softmax().value().data(), [0.0, 0.0]);
    assert_eq!(z.log_softmax().value().data(), [-INF, -INF]);
    // IEEE for +inf: the value says so.
    let y = tape.input(&mat![[INF], [0.0]]);
    assert_eq!(y.log_sum_exp().scalar(), INF);
    assert!(y.softmax().value().data()[0].is_nan());
    assert!(matches!(grad(func(|x| x.log_sum_exp()), &mat![[INF], [0.0]]), Err(Error::NonFinite { .. })));
}

#[test]
fn a_mask_of_minus_infinity_works_to_the_second_order() {
    // Masked attention: what is masked is as if it were not there.
    let mask = mat![[0.0, -INF, 0.0], [-INF, -INF, -INF], [0.0, 0.0, -INF]];
    let (x, w) = (mat![[0.3, 5.0, -1.0], [1.0, 2.0, 3.0], [0.2, 0.7, 9.0]], mat![[1.0], [2.0], [-3.0]]);
    let v = mat![[1.0, 1.0, -2.0], [0.5, 1.0, 1.0], [-1.0, 2.0, 3.0]];
    let f = func(|x| {
        let y = (x + &mask).row_softmax() * &w;
        y.dot(y)
    });
    let (g, h) = derivatives(f, &x, &v);
    // By hand, from the two entries of the first row: y = p w_1 + (1 - p) w_3 with p = sigmoid(x_1 - x_3).
    let row = |a: f64, b: f64, wa: f64, wb: f64, d: f64| {
        let p = 1.0 / (1.0 + (b - a).exp());
        let (y, q) = (p * wa + (1.0 - p) * wb, p * (1.0 - p));
        let (y1, y2) = (q * (wa - wb), q * (1.0 - 2.0 * p) * (wa - wb));
        (2.0 * y * y1, 2.0 * (y1 * y1 + y * y2) * d)
    };
    let (g1, h1) = row(0.3, -1.0, 1.0, -3.0, 1.0 + 2.0);
    let (g3, h3) = row(0.2, 0.7, 1.0, 2.0, -1.0 - 2.0);
    let expected = |a: f64, b: f64| mat![[a, 0.0, -a], [0.0, 0.0, 0.0], [b, -b, 0.0]];
    assert!((&g - expected(g1, g3)).norm_max() < 1e-14, "{g:?}");
    assert!((&h - expected(h1, h3)).norm_max() < 1e-14, "{h:?}");
}

#[test]
fn members_with_and_without_infinite_entries() {
    // Of the first member everything is -inf, of the second one entry, of the third nothing.
    let shape = Shape::batch(3, 2, 1);
    let x = Batch::from_slice(shape, &[-INF, -INF, -INF, 5.0, 0.0, 3f64.ln()]);
    let tape = Tape::new();
    let v = tape.input(&x);
    assert_eq!(v.softmax().value().data()[..4], [0.0, 0.0, 0.0, 1.0]);
    let y = v.log_sum_exp();
    let g = tape.gradient(y.exp().ln_1p().sum(), v).unwrap();
    assert_eq!(y.value().data()[..2], [-INF, 5.0]);
    // The derivative of ln(1 + e^y) is the sigmoid of y, times the weights.
    let s = |y: f64| 1.0 / (1.0 + (-y).exp());
    assert_eq!(g.data()[..3], [0.0, 0.0, 0.0]);
    assert!((g.data()[3] - s(5.0)).abs() < 1e-15);
    assert!((g.data()[4] - 0.25 * s(4f64.ln())).abs() < 1e-15 && (g.data()[5] - 0.75 * s(4f64.ln())).abs() < 1e-15);
    // Single precision, beyond the range of its exponential.
    let x = Batch::from_slice(Shape::mat(1, 3), &[-3e38f32, 3e38, f32::NEG_INFINITY]);
    let p = pullback::value(|x: Var<f32>| x.row_softmax(), &x).unwrap();
    assert_eq!(p.data(), [0.0, 1.0, 0.0]);
    let l = pullback::value(|x: Var<f32>| x.row_log_sum_exp(), &x).unwrap();
    assert_eq!(l.data(), [3e38]);
}

#[test]
fn log_softmax_keeps_its_digits() {
    // ln p of the smaller is -100 exactly to rounding, though the offset is 1e10; that of the larger is -e^{-100}.
    let x: Mat<f64> = mat![[1e10 + 100.0], [1e10]];
    let y = value(func(|x| x.log_softmax()), &x).unwrap();
    assert_eq!(y.data()[1], -100.0);
    assert!(y.data()[0].abs() < 1e-40);
    // ln p where p underflows.
    let y = value(func(|x| x.column_log_softmax()), &mat![[0.0], [-2000.0]]).unwrap();
    assert_eq!(y.data(), [0.0, -2000.0]);
    // Three equal entries: -ln 3 at any height; the derivative by each is (1 - 1/3, -1/3, -1/3).
    let x = mat![[700.0, 700.0, 700.0]];
    assert!((value(func(|x| x.row_log_softmax()), &x).unwrap().data()[2] + 3f64.ln()).abs() < 4e-16);
    let g = grad(func(|x| x.row_log_softmax().column(0)), &x).unwrap();
    assert!((g - mat![[2.0 / 3.0, -1.0 / 3.0, -1.0 / 3.0]]).norm_max() < 4e-16);
}

#[test]
fn weights_are_never_subnormal() {
    let x: Mat<f64> = mat![[0.0], [-708.0], [-710.0], [-744.0]];
    let y = value(func(|x| x.softmax()), &x).unwrap();
    assert!(y.data()[1] > 0.0 && y.data()[1].is_normal());
    assert_eq!(&y.data()[2..], [0.0, 0.0]);
    let single = Batch::from_slice(Shape::mat(1, 3), &[0.0f32, -87.0, -90.0]);
    let y = pullback::value(|x: Var<f32>| x.row_softmax(), &single).unwrap();
    assert!(y.data()[1] > 0.0 && y.data()[1].is_normal());
    assert_eq!(y.data()[2], 0.0);
}

// ---- products and moments ---------------------------------------------------------------------------------------

#[test]
fn products_with_zeros_have_every_derivative() {
    for n in 1..10usize {
        for zeros in 0..=3usize.min(n) {
            let x = Mat::from_fn(n, 1, |i, _| if i < zeros { 0.0 } else { 1.5 + i as f64 });
            let v = Mat::from_fn(n, 1, |i, _| 1.0 - 0.5 * i as f64);
            let (g, h) = derivatives(func(|x| x.prod()), &x, &v);
            let without =
                |a: usize, b: usize| -> f64 { (0..n).filter(|&i| i != a && i != b).map(|i| x[(i, 0)]).product() };
            for i in 0..n {
                let hi: f64 = (0..n).filter(|&j| j != i).map(|j| without(i, j) * v[(j, 0)]).sum();
                assert!((g[(i, 0)] - without(i, i)).abs() <= 1e-14 * without(i, i).abs(), "{n} {zeros}");
                assert!((h[(i, 0)] - hi).abs() <= 1e-11 * (1.0 + hi.abs()), "{n} {zeros}: {} {hi}", h[(i, 0)]);
            }
        }
    }
    let x = mat![[2.0, 3.0, 5.0], [7.0, 11.0, 13.0]];
    let at = |f: for<'t> fn(Var<'t>) -> Var<'t>| value(f, &x).unwrap().into_mat();
    assert_eq!(at(|x| x.prod()), number(30030.0));
    assert_eq!(at(|x| x.column_prods()), mat![[14.0, 33.0, 65.0]]);
    assert_eq!(at(|x| x.row_prods()), mat![[30.0], [1001.0]]);
    let empty = |f: for<'t> fn(Var<'t>) -> Var<'t>| value(f, &Mat::<f64>::zeros(0, 2)).unwrap().into_mat();
    assert_eq!(empty(|x| x.prod()), number(1.0));
    assert_eq!(empty(|x| x.column_prods()), mat![[1.0, 1.0]]);
}

#[test]
fn moments_by_their_definition() {
    let x = mat![[1.0, 2.0, 6.0], [4.0, 4.0, 1.0]];
    let at = |f: for<'t> fn(Var<'t>) -> Var<'t>| value(f, &x).unwrap().into_mat();
    // The mean of all is 3, and the squared deviations are 4 1 9 1 1 4.
    assert!((at(|x| x.var(0)) - number(20.0 / 6.0)).norm_max() < 1e-15);
    assert!((at(|x| x.var(1)) - number(4.0)).norm_max() < 1e-15);
    assert!((at(|x| x.std(1)) - number(2.0)).norm_max() < 1e-15);
    assert!((at(|x| x.row_var(1)) - mat![[7.0], [3.0]]).norm_max() < 1e-15);
    assert!((at(|x| x.column_var(0)) - mat![[2.25, 1.0, 6.25]]).norm_max() < 1e-15);
    assert!((at(|x| x.column_std(0)) - mat![[1.5, 1.0, 2.5]]).norm_max() < 1e-15);
    // The gradient is 2 (x - mean) / (n - 1), and the Hessian 2 (I - 1/n) / (n - 1).
    let c = mat![[-2.0, -1.0, 3.0], [1.0, 1.0, -2.0]];
    let v = mat![[6.0, 0.0, 0.0], [0.0, 0.0, 0.0]];
    let (g, h) = derivatives(func(|x| x.var(1)), &x, &v);
    assert!((g - &c * 0.4).norm_max() < 1e-15);
    assert!((h - mat![[5.0, -1.0, -1.0], [-1.0, -1.0, -1.0]] * 0.4).norm_max() < 1e-14);
    let (g, _) = derivatives(func(|x| x.std(1)), &x, &v);
    assert!((g - &c * 0.1).norm_max() < 1e-15);
}

#[test]
fn equal_entries_vary_by_exactly_zero() {
    // The mean of three 0.1 is not 0.1.
    let x = Mat::from_fn(3, 1, |_, _| 0.1);
    assert_eq!(value(func(|x| x.var(1)), &x).unwrap().data(), [0.0]);
    assert_eq!(grad(func(|x| x.column_var(0)), &x).unwrap(), Mat::zeros(3, 1));
    for f in [func(|x: Var| x.std(0)), |x: Var| x.column_std(1).sum()] as [for<'t> fn(Var<'t>) -> Var<'t>; 2] {
        assert_eq!(value(f, &x).unwrap().data(), [0.0]);
        let found = grad(f, &x);
        let verdict =
            matches!(found, Err(Error::Data { failure: Failure::NotDifferentiable { .. }, derivative: true, .. }));
        assert!(verdict, "{found:?}");
    }
    // A large mean costs no digits: deviations 1, 0, -1 around 1e9.
    let x = mat![[1e9 + 1.0], [1e9], [1e9 - 1.0]];
    assert_eq!(value(func(|x| x.var(1)), &x).unwrap().data(), [1.0]);
    assert!((grad(func(|x| x.var(1)), &x).unwrap() - mat![[1.0], [0.0], [-1.0]]).norm_max() < 1e-15);
}

// ---- norms and distances ----------------------------------------------------------------------------------------

#[test]
fn norms_with_derivative_zero_at_zero() {
    let x = mat![[3.0, 4.0], [0.0, 0.0]];
    let v = mat![[0.0, 1.0], [1.0, 7.0]];
    let f = func(|x: Var| x.row_norms_with(AtZero::Zero).sum());
    let (g, h) = derivatives(f, &x, &v);
    assert!((g - mat![[0.6, 0.8], [0.0, 0.0]]).norm_max() < 1e-16);
    // (v - u <u, v>) / |x| in the first row.
    assert!((h - mat![[-0.096, 0.072], [0.0, 0.0]]).norm_max() < 1e-15);
    assert_eq!(jvp(f, &x, &v).unwrap().1.into_mat()[(0, 0)], 0.8);
    let zero = Mat::<f64>::zeros(2, 2);
    for f in [
        |x: Var| x.norm_with(AtZero::Zero),
        |x: Var| x.row_norms_with(AtZero::Zero).sum(),
        |x: Var| x.column_norms_with(AtZero::Zero).sum(),
    ] as [for<'t> fn(Var<'t>) -> Var<'t>; 3]
    {
        assert_eq!(derivatives(f, &zero, &v), (zero.clone(), zero.clone()));
    }
    // The norm of nothing is 0, too.
    let none = Mat::<f64>::zeros(0, 2);
    assert_eq!(grad(func(|x: Var| x.column_norms_with(AtZero::Zero).sum()), &none).unwrap(), none);
    // The other choice is the verdict of `norm`.
    assert!(grad(func(|x: Var| x.row_norms_with(AtZero::Error).sum()), &x).is_err());
    // A batch with one member at 0, and the range of the numbers: neither overflows nor vanishes.
    let x = Batch::from_slice(Shape::batch(3, 2, 1), &[0.0, 0.0, 3e200, 4e200, 3e-200, 4e-200]);
    let g = grad(|x: Var| x.norm_with(AtZero::Zero).sum(), &x).unwrap();
    let expected = [0.0, 0.0, 0.6, 0.8, 0.6, 0.8];
    assert!(g.data().iter().zip(expected).all(|(g, e)| (g - e).abs() < 1e-15), "{g:?}");
}

#[test]
fn distances_are_exact_where_points_meet() {
    let x = Mat::from_fn(5, 3, |i, j| (1.0 + i as f64).ln() * 1e8 + (j as f64).sin());
    let d = value(func(|x| x.pairwise_dist2(x, Axis::Rows)), &x).unwrap().into_mat();
    assert_eq!(d, d.transpose().to_owned());
    assert!((0..5).all(|i| d[(i, i)] == 0.0) && (0..5).all(|i| (0..5).all(|j| d[(i, j)] >= 0.0)));
    // Near points far from the origin: (2^-20)² three times, exactly; a matrix product would give 0 or noise.
    let step = 2f64.powi(-20);
    let (a, b) = (mat![[1e6, 1e6, -1e6]], mat![[1e6 + step, 1e6 - step, -1e6 + step]]);
    let f = func(|x: Var| x.pairwise_dist2(&b, Axis::Rows));
    assert_eq!(value(f, &a).unwrap().data(), [3.0 * step * step]);
    assert_eq!(grad(f, &a).unwrap(), mat![[-2.0 * step, 2.0 * step, -2.0 * step]]);
    // Columns as points, and second derivatives: |x_1 - x_2|² counted twice has the Hessian 4 [I -I; -I I].
    let (x, v) = (mat![[1.0, 1.0], [2.0, 5.0]], mat![[1.0, 3.0], [0.0, 2.0]]);
    let (g, h) = derivatives(func(|x| x.pairwise_dist2(x, Axis::Cols).sum()), &x, &v);
    assert_eq!(g, mat![[0.0, 0.0], [-12.0, 12.0]]);
    assert_eq!(h, mat![[-8.0, 8.0], [-8.0, 8.0]]);
    // The batch of one side serves all of the other.
    let y = Batch::from_slice(Shape::batch(2, 1, 2), &[0.0, 0.0, 1.0, 1.0]);
    let (a, d) = (mat![[3.0, 4.0]], value(|y: Var| y.pairwise_dist2(&mat![[3.0, 4.0]], Axis::Rows), &y).unwrap());
    assert_eq!(d.data(), [25.0, 13.0]);
    let g = grad(|x: Var| x.pairwise_dist2(&y, Axis::Rows).sum(), &a).unwrap();
    assert_eq!(g, mat![[10.0, 14.0]]);
}

#[test]
fn single_precision_of_near_points() {
    let (a, b) = (Batch::from_slice(Shape::mat(1, 2), &[1000.0f32, 1000.0]), [1000.25f32, 999.75]);
    let b = Batch::from_slice(Shape::mat(1, 2), &b);
    assert_eq!(pullback::value(|x: Var<f32>| x.pairwise_dist2(&b, Axis::Rows), &a).unwrap().data(), [0.125]);
    assert_eq!(grad(|x: Var<f32>| x.pairwise_dist2(&b, Axis::Rows).sum(), &a).unwrap().data(), [-0.5, 0.5]);
}

// ---- moves ------------------------------------------------------------------------------------------------------

#[test]
fn moves_of_entries() {
    let x = mat![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
    let at = |f: for<'t> fn(Var<'t>) -> Var<'t>| value(f, &x).unwrap().into_mat();
    assert_eq!(at(|x| x.flip(Axis::Rows)), mat![[4.0, 5.0, 6.0], [1.0, 2.0, 3.0]]);
    assert_eq!(at(|x| x.flip(Axis::Cols)), mat![[3.0, 2.0, 1.0], [6.0, 5.0, 4.0]]);
    assert_eq!(at(|x| x.roll(Axis::Cols, 1)), mat![[3.0, 1.0, 2.0], [6.0, 4.0, 5.0]]);
    assert_eq!(at(|x| x.roll(Axis::Cols, -4)), mat![[2.0, 3.0, 1.0], [5.0, 6.0, 4.0]]);
    assert_eq!(at(|x| x.roll(Axis::Cols, 3)), x);
    assert_eq!(at(|x| x.shift(Axis::Cols, 1)), mat![[0.0, 1.0, 2.0], [0.0, 4.0, 5.0]]);
    assert_eq!(at(|x| x.shift(Axis::Cols, -2)), mat![[3.0, 0.0, 0.0], [6.0, 0.0, 0.0]]);
    assert_eq!(at(|x| x.shift(Axis::Rows, 9)), Mat::zeros(2, 3));
    assert_eq!(at(|x| x.shift(Axis::Rows, isize::MIN)), Mat::zeros(2, 3));
    assert_eq!(at(|x| x.cumsum(Axis::Cols)), mat![[1.0, 3.0, 6.0], [4.0, 9.0, 15.0]]);
    assert_eq!(at(|x| x.cumsum(Axis::Rows)), mat![[1.0, 2.0, 3.0], [5.0, 7.0, 9.0]]);
    assert_eq!(at(|x| x.row(1)), mat![[4.0, 5.0, 6.0]]);
    assert_eq!(at(|x| x.column(2)), mat![[3.0], [6.0]]);
    assert_eq!(at(|x| x.block(.., 1..)), mat![[2.0, 3.0], [5.0, 6.0]]);
    assert_eq!(at(|x| x.block(1..=1, ..2)), mat![[4.0, 5.0]]);
    assert_eq!(at(|x| x.block(2.., ..)), Mat::zeros(0, 3));
    assert_eq!(at(|x| x.column(0).outer(x.column(1))), mat![[2.0, 5.0], [8.0, 20.0]]);
    // Members of a batch move too.
    let three = Batch::from_slice(Shape::batch(3, 1, 1), &[1.0, 2.0, 3.0]);
    let at = |f: for<'t> fn(Var<'t>) -> Var<'t>| value(f, &three).unwrap().data().to_vec();
    assert_eq!(at(|x| x.flip(Axis::Batch)), [3.0, 2.0, 1.0]);
    assert_eq!(at(|x| x.roll(Axis::Batch, 1)), [3.0, 1.0, 2.0]);
    assert_eq!(at(|x| x.shift(Axis::Batch, -1)), [2.0, 3.0, 0.0]);
    let empty = value(func(|x| x.roll(Axis::Cols, 5).flip(Axis::Cols)), &Mat::<f64>::zeros(2, 0)).unwrap();
    assert_eq!(empty.shape(), Shape::mat(2, 0));
    // The transpose of a sum down is a sum up.
    let w = mat![[1.0, 10.0, 100.0], [2.0, 20.0, 200.0]];
    let g = |f: for<'t> fn(Var<'t>) -> Var<'t>| grad(|x: Var| f(x).dot(&w), &x).unwrap();
    assert_eq!(g(|x| x.cumsum(Axis::Rows)), mat![[3.0, 30.0, 300.0], [2.0, 20.0, 200.0]]);
    assert_eq!(g(|x| x.cumsum(Axis::Cols)), mat![[111.0, 110.0, 100.0], [222.0, 220.0, 200.0]]);
    assert_eq!(g(|x| x.shift(Axis::Cols, 1)), mat![[10.0, 100.0, 0.0], [20.0, 200.0, 0.0]]);
}

/// The words of the panic of a misuse.
fn words(f: impl for<'t> Fn(Var<'t>) -> Var<'t> + std::panic::RefUnwindSafe) -> String {
    let x = Mat::<f64>::zeros(2, 3);
    let panic = std::panic::catch_unwind(|| value(&f, &x)).expect_err("a misuse");
    panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string())).unwrap()
}

#[test]
fn misuse_names_the_method_and_the_shapes() {
    type Misuse = for<'t> fn(Var<'t>) -> Var<'t>;
    let all: [(Misuse, &str, &str); 15] = [
        (|x| x.gt(x.t()), "gt", "2x3, 3x2"),
        (|x| x.select(x.t(), 0.0), "select", "2x3, 3x2"),
        (|x| x.select_with(x.t(), 1.0, |x| x, |x| x), "select_with", "3x2, 2x3"),
        (|x| x.block(0..0, ..).column_max(), "column_max", "0x3"),
        (|x| x.block(.., 3..).row_argmin(), "row_argmin", "2x0"),
        (|x| x.row(0).var(3), "var", "ddof = 3"),
        (|x| x.column_std(2), "column_std", "ddof = 2"),
        (|x| x.row_dots(x.t()), "row_dots", "2x3 and 3x2"),
        (|x| x.pairwise_dist2(x.t(), Axis::Rows), "pairwise_dist2", "2x3 and 3x2"),
        (|x| x.block(1..4, ..), "block", "0..2, got 1..4"),
        (|x| x.row(2), "row", "below 2, got 2"),
        (|x| x.column(5), "column", "below 3, got 5"),
        (|x| x.outer(x), "outer", "2x3 and 2x3"),
        (|x| Var::stack(&[x, x.t()], Axis::Rows), "stack", "2x3, 3x2"),
        (|x| x.cumsum(Axis::Batch), "cumsum", "got Batch"),
    ];
    for (f, method, shapes) in all {
        let words = words(f);
        assert!(words.starts_with(&format!("{method}: expected")) && words.contains(shapes), "{method}: {words}");
    }
}

#[test]
fn moments_subtract_an_entry_before_the_mean() {
    // For most numbers of entries the mean of equal ones is not quite one of them.
    for n in 2..60 {
        for x in [0.1, 0.7, 1e17 / 3.0] {
            let x = Mat::from_fn(n, 1, |_, _| x);
            assert_eq!(value(func(|x| x.var(0)), &x).unwrap().data(), [0.0], "{n} entries {}", x[(0, 0)]);
            assert_eq!(value(func(|x| x.column_std(1)), &x).unwrap().data(), [0.0], "{n} entries {}", x[(0, 0)]);
        }
    }
}

#[test]
fn sums_up_to_an_infinite_entry_are_infinite_from_there_on() {
    let x = mat![[1.0], [INF], [2.0], [-3.0]];
    let sums = |x: &Mat<f64>, axis| value(func(|x: Var| x.cumsum(axis)), x).unwrap_err();
    // The value is not finite, and the entry is the first infinite one; none after it is NaN.
    for (x, axis) in [(x.clone(), Axis::Rows), (x.transpose().to_owned(), Axis::Cols)] {
        let e = sums(&x, axis);
        assert!(matches!(e, Error::NonFinite { index: 1, value: INF, .. }), "{e}");
        let tape = Tape::plain();
        assert_eq!(tape.input(&x).cumsum(axis).value().data(), [1.0, INF, INF, INF]);
    }
}

#[test]
fn nan_on_either_side_of_a_maximum_stays() {
    let tape = Tape::plain();
    let (a, b) = (tape.input(&mat![[f64::NAN, 1.0, 2.0]]), tape.input(&mat![[1.0, f64::NAN, 3.0]]));
    for (y, last) in [(a.max(b), 3.0), (b.max(a), 3.0), (a.min(b), 2.0), (b.min(a), 2.0)] {
        let y = y.value();
        assert!(y.data()[0].is_nan() && y.data()[1].is_nan() && y.data()[2] == last, "{y:?}");
    }
}
