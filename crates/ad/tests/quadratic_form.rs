//! `quadratic_form` where the table of primitives does not lead: plain matrices that are not symmetric, members that
//! differ in kind, states of a tape, and what a derivative costs.

mod common;
use common::*;
use faer::Mat;
use pullback::prelude::*;
use pullback::{Batch, hvp, value, value_and_grad};

/// Of one size, and of different kinds: indefinite and not symmetric, zero, skew, definite, of rank one.
fn kinds() -> Batch {
    let column = rnd(4, 1, 3);
    Batch::stack(&[rnd(4, 4, 1), Mat::zeros(4, 4), skew(4, 2), spd(4, 3), &column * column.transpose()])
}

/// Value, gradient and Hessian-vector product agree with those of `<X, A X>` at every kind of `A`.
#[test]
fn only_the_symmetric_part_counts() {
    let (a, many) = (kinds(), Batch::of(&rnd(4, 3, 5)));
    let single = Batch::stack(&(0..5).map(|k| rnd(4, 2, 10 + k)).collect::<Vec<_>>());
    for x in [many, single] {
        let direction = Batch::from_fn(x.shape(), |b, i, j| ((b + 2 * i + 3 * j) as f64).sin());
        let form = func(|x: Var| x.quadratic_form(&a).sum());
        let plain = func(|x: Var| x.dot(&a * x).sum());
        let ((y, g), (z, h)) = (value_and_grad(form, &x).unwrap(), value_and_grad(plain, &x).unwrap());
        assert!((y - z).abs() < 1e-14, "{y} {z}");
        close(&g, &h, 1e-14);
        close(&hvp(form, &x, &direction).unwrap(), &hvp(plain, &x, &direction).unwrap(), 1e-14);
    }
    let of_skew = value(func(|x: Var| x.quadratic_form(&a)), &Batch::of(&rnd(4, 1, 7))).unwrap();
    assert!(of_skew.data()[1] == 0.0 && of_skew.data()[2].abs() < 1e-16, "{of_skew:?}");
}

/// With a plain `A` a gradient adds no product, and the derivative of a gradient one.
#[test]
fn a_gradient_takes_no_product_and_its_derivative_one() {
    let (a, x0) = (rnd(5, 5, 1), rnd(5, 2, 2));
    let tape = Tape::new();
    let products = || tape.dump().rows.iter().filter(|r| r.primitive.starts_with("matmul")).count();
    let x = tape.input(&x0);
    let g = tape.grad_on_tape(x.quadratic_form(&a), x).unwrap();
    assert_eq!(products(), 0);
    let h = tape.grad_on_tape(g.dot(&x0), x).unwrap();
    assert_eq!(products(), 1);
    close_mat(&h.value().into_mat(), &(&(&a + a.transpose()) * &x0), 1e-14);
    let before = products();
    tape.grad_on_tape(x.dot(&a * x), x).unwrap();
    assert!(products() >= before + 2, "as a program it takes more");
}

/// A recorded matrix is another one after `set`; a plain one stays what it was.
#[test]
fn a_replay_sees_the_matrix_that_is_set() {
    let (a0, a1, x0, x1) = (rnd(3, 3, 1), rnd(3, 3, 2), rnd(3, 1, 3), rnd(3, 1, 4));
    let tape = Tape::new();
    let (a, x) = (tape.constant(&a0), tape.input(&x0));
    let y = x.quadratic_form(a) + x.quadratic_form(&a0);
    tape.set(a, &a1);
    tape.set(x, &x1);
    let g = tape.gradient(y, x).unwrap();
    let s = &a0 + &a1;
    close_mat(&g.into_mat(), &(&(&s + s.transpose()) * &x1), 1e-14);
}

#[test]
fn nothing_and_what_is_no_number() {
    let none = Mat::<f64>::zeros(0, 0);
    let (y, g) = value_and_grad(func(|x: Var| x.quadratic_form(&none).sum()), &Mat::<f64>::zeros(0, 2)).unwrap();
    assert_eq!((y, g.ncols()), (0.0, 2));
    let mut a = spd(3, 1);
    a[(0, 1)] = f64::NAN;
    assert!(value_and_grad(func(|x: Var| x.quadratic_form(&a).sum()), &rnd(3, 1, 2)).is_err());
    assert!(Tape::plain().constant(&rnd(3, 1, 2)).quadratic_form(&a).value().data()[0].is_nan());
}

/// In single precision sums of squares keep within its range and lose no more than its rounding.
#[test]
fn single_precision_at_its_limits() {
    for scale in [1e-15_f32, 1.0, 1e15] {
        let a = Mat::from_fn(60, 60, |i, j| ((3 * i + j) as f32).sin());
        let x = Mat::from_fn(60, 1, |i, _| scale * (i as f32).cos());
        let found = value(|x: Var<'_, f32>| x.quadratic_form(&a), &x).unwrap().data()[0];
        let wide = |m: &Mat<f32>| Mat::from_fn(m.nrows(), m.ncols(), |i, j| f64::from(m[(i, j)]));
        let want = (wide(&x).transpose() * wide(&a) * wide(&x))[(0, 0)];
        let size: f64 = wide(&x).as_ref().squared_norm_l2() * 60.0;
        assert!((f64::from(found) - want).abs() < 4.0 * f64::from(f32::EPSILON) * size, "{scale}: {found} {want}");
    }
}
