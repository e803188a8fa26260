//! Arithmetic as it is written: division, assignment, sums of iterators, faer's vectors as operands, at both
//! precisions.

mod common;
use common::*;
use pullback::faer::{Col, Mat, Row, mat};
use pullback::prelude::*;
use pullback::{Batch, Scalar, Shape, value};

#[test]
fn division_by_a_number_of_each_member() {
    let x0: Mat<f64> = mat![[1.0, 2.0], [3.0, 6.0]];
    assert_eq!(value(|x| x / x.sum(), &x0).unwrap().into_mat(), &x0 / 12.0);
    // d/dx of sum(w o x)/sum(x): (w - f)/sum(x).
    let w = mat![[1.0, 0.0], [0.0, 2.0]];
    let (f, g) = value_and_grad(|x| x.dot(&w) / x.sum(), &x0).unwrap();
    assert!((f - 13.0 / 12.0).abs() < 1e-15);
    close_mat(&g, &Mat::from_fn(2, 2, |i, j| (w[(i, j)] - f) / 12.0), 1e-15);
    let b = batch_of(3, 2, 2, |k| spd(2, k));
    let y = value(|x| x / x.sum_each(), &b).unwrap();
    for k in 0..3 {
        let a = b.member(k);
        let sum: f64 = (0..4).map(|e| a[(e % 2, e / 2)]).sum();
        close_mat(&y.member(k), &(&a / sum), 1e-15);
    }
    // A number over a number, a row and a column; second derivatives too.
    assert_eq!(hvp(|x: Var| 1.0 / x, &2.0, &1.0).unwrap(), 0.25);
    assert_eq!(grad(|x: Var| 3.0 / x, &2.0).unwrap(), -0.75);
    assert_eq!(grad(|x: Var| x / 4.0, &2.0).unwrap(), 0.25);
    assert_eq!(grad(|x: Var| mat![[6.0]] / x, &2.0).unwrap(), -1.5);
    assert_eq!(value(|x: Var| 2.0 / x, &mat![[1.0, 4.0]]).unwrap().data(), [2.0, 0.5]);
    assert_eq!(value(|x: Var| x.sum() / x, &mat![[1.0], [3.0]]).unwrap().data(), [4.0, 4.0 / 3.0]);
}

#[test]
fn assignment_is_the_operator() {
    fn program<'t>(x: Var<'t>) -> Var<'t> {
        let mut y = x;
        y += x;
        y *= &mat![[1.0, 2.0], [0.0, 1.0]];
        y -= 1.0;
        y /= x.sum();
        y *= 3.0;
        y.sum()
    }
    let plain = func(|x: Var| (((x + x) * &mat![[1.0, 2.0], [0.0, 1.0]] - 1.0) / x.sum() * 3.0).sum());
    let x0 = spd(2, 1);
    assert_eq!(value_and_grad(program, &x0).unwrap(), value_and_grad(plain, &x0).unwrap());
    assert_eq!(hvp(program, &x0, &spd(2, 2)).unwrap(), hvp(plain, &x0, &spd(2, 2)).unwrap());
}

#[test]
fn sums_of_iterators() {
    let g = grad(|x: Var| (1..=4).map(|k| x.powf(f64::from(k))).sum(), &2.0).unwrap();
    assert_eq!(g, 1.0 + 4.0 + 12.0 + 32.0);
    let g = grad(|x| x.iter().sum(), &vec![2.0_f64, 3.0]).unwrap();
    assert_eq!(g, [1.0, 1.0]);
    let (y, g) = value_and_grad(|x| x.iter().map(|x| *x * *x).sum::<Var>().sqrt(), &[3.0_f64, 4.0]).unwrap();
    assert!(y == 5.0 && (g[0] - 0.6).abs() < 1e-15 && (g[1] - 0.8).abs() < 1e-15, "{y} {g:?}");
}

#[test]
fn vectors_of_faer_are_columns_and_rows() {
    let (c, r) = (Col::from_fn(2, |i| 1.0 + i as f64), Row::from_fn(2, |j| 3.0 + j as f64));
    let a = mat![[2.0, 1.0], [0.0, 1.0]];
    let on = |f: for<'t> fn(Var<'t>, &Col<f64>, &Row<f64>) -> Var<'t>| value(|x| f(x, &c, &r), &a).unwrap();
    assert_eq!(on(|a, c, _| a * c).data(), [4.0, 2.0]);
    assert_eq!(on(|a, _, r| r * a).data(), [6.0, 7.0]);
    assert_eq!(on(|a, c, r| r * a * c).data(), [20.0]);
    assert_eq!(on(|a, c, _| a + c).data(), on(|a, c, _| a + c.as_ref()).data());
    assert_eq!(on(|a, c, _| a - c.clone()).data(), [1.0, -2.0, 0.0, -1.0]);
    assert_eq!(on(|a, _, r| r.as_ref() - a).data(), [1.0, 3.0, 3.0, 3.0]);
    assert_eq!(on(|a, c, _| a.solve(c)).data(), [-0.5, 2.0]);
    assert_eq!(on(|a, c, r| c * r - a).data(), [1.0, 6.0, 3.0, 7.0]);
    assert_eq!(on(|a, _, r| r.clone() / a.sum()).data(), [0.75, 1.0]);
    // Points of a driver, too: the gradient is of the same type.
    let (gc, gr): (Col<f64>, Row<f64>) = grad(|(c, r)| r * &a * c, &(c.clone(), r.clone())).unwrap();
    assert_eq!(gc, Col::from_fn(2, |j| [6.0, 7.0][j]));
    assert_eq!(gr, Row::from_fn(2, |i| [4.0, 2.0][i]));
    let tape = Tape::new();
    assert_eq!(tape.input(&c.as_ref()).shape(), Shape::mat(2, 1));
    assert_eq!(tape.input(&r.as_ref()).shape(), Shape::mat(1, 2));
}

#[test]
fn matmul_of_single_numbers_and_of_matrices() {
    let (a, b) = (rnd(2, 3, 1), rnd(3, 2, 2));
    assert_eq!(value(|x| x.matmul(&b), &a).unwrap(), value(|x| x * &b, &a).unwrap());
    // `*` scales by a 1x1 value; `matmul` is the product, of which the inner sizes are 1.
    let (one, row) = (mat![[2.0]], mat![[3.0, 4.0]]);
    assert_eq!(value(|x| x.matmul(&row), &one).unwrap().data(), [6.0, 8.0]);
    let p = panic_of(|| value(|x| x.matmul(rnd(2, 2, 1)), &one));
    assert!(p.text.starts_with("matmul: expected inner sizes that agree"), "{}", p.text);
}

#[test]
fn numbers_are_operands() {
    assert_eq!(value(|x| x.max(0.0), &mat![[1.0, -1.0]]).unwrap().data(), [1.0, 0.0]);
    assert_eq!(value(|x| x.elem_div(2.0), &mat![[1.0, -1.0]]).unwrap().data(), [0.5, -0.5]);
    assert_eq!(value(|x: Var<f32>| x.max(0.5), &0.25f32).unwrap().scalar(), 0.5f32);
}

#[test]
fn every_operator_at_both_precisions() {
    fn program<'t, T: Scalar>(x: Var<'t, T>, m: &Mat<T>, c: &Col<T>) -> Var<'t, T> {
        let mut y = (x * m + c) / x.sum() - m;
        y += x;
        y -= c;
        y *= m;
        y /= x.dot(x);
        [y.sum(), (c * y.column_sums()).sum()].into_iter().sum()
    }
    let (x, m, c) = (spd(2, 1), spd(2, 2), Col::from_fn(2, |i| 0.5 - i as f64));
    let single = |a: &Mat<f64>| Mat::from_fn(2, 2, |i, j| a[(i, j)] as f32);
    let c32 = Col::from_fn(2, |i| c[i] as f32);
    let (y, g) = value_and_grad(|x| program(x, &m, &c), &x).unwrap();
    let m32 = single(&m);
    let (y32, g32) = value_and_grad(|x| program(x, &m32, &c32), &single(&x)).unwrap();
    assert!((f64::from(y32) - y).abs() < 1e-5 * y.abs(), "{y32} {y}");
    close_mat(&Mat::from_fn(2, 2, |i, j| f64::from(g32[(i, j)])), &g, 1e-5);
    assert_eq!(grad(|x: Var<f32>| 1.0 / x + x / 2.0, &2.0f32).unwrap(), 0.25f32);
    // The gradient against a difference.
    let step = 1e-6;
    let mut at = x.clone();
    at[(0, 1)] += step;
    let up = value(|x| program(x, &m, &c), &at).unwrap().scalar();
    assert!(((up - y) / step - g[(0, 1)]).abs() < 1e-5 * g[(0, 1)].abs().max(1.0));
}

#[test]
fn rows_as_they_are_written() {
    let b = Batch::from_rows(&[[1.0, 2.0], [3.0, 4.0]]);
    assert_eq!(b, Batch::of(&mat![[1.0, 2.0], [3.0, 4.0]]));
    assert_eq!(Batch::from_rows(&[vec![1.0f32], vec![2.0]]).shape(), Shape::mat(2, 1));
    let b = Batch::from_row_major(Shape::batch(2, 2, 2), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    assert_eq!(b.member(1), mat![[5.0, 6.0], [7.0, 8.0]]);
    assert_eq!(Batch::<f64>::from_rows::<[f64; 0]>(&[]).shape(), Shape::mat(0, 0));
}
