//! Functions of entries and of positive definite matrices at the places where rules go wrong: tails, branch cuts,
//! signed zeros, sizes whose squares are out of range, members of a batch that differ in kind.

use super::points::{Kind, Rng, batch};
use super::verdicts::{close, failure};
use faer::{Mat, mat};
use pullback::{Batch, Error, Failure, Shape, Uplo, Var, func, grad, hessian, hvp, jvp, value, value_and_grad};
use std::f64::consts::PI;

/// Relative distance.
fn off(a: f64, b: f64) -> f64 {
    if a == b { 0.0 } else { (a - b).abs() / b.abs() }
}

/// `atan2` and its gradient `(d/dy, d/dx)`.
fn angle(y: f64, x: f64) -> (f64, (f64, f64)) {
    value_and_grad(|(y, x): (Var, Var)| y.atan2(x).sum(), &(y, x)).unwrap()
}

#[test]
fn tails_of_saturating_functions_are_not_lost() {
    // tanh' = 4 e^-2x (1 - 2 e^-2x + ..) where tanh rounds to 1, and every further derivative is -2 times the one
    // before.
    for x in [20.0f64, 100.0, 300.0] {
        let want = 4.0 * (-2.0 * x).exp();
        assert!(off(grad(|x: Var| x.tanh().sum(), &x).unwrap(), want) < 1e-14, "{x}");
        assert!(off(hvp(|x: Var| x.tanh().sum(), &x, &1.0).unwrap(), -2.0 * want) < 1e-14, "{x}");
        let s = (-x).exp();
        assert!(off(grad(|x: Var| x.sigmoid().sum(), &x).unwrap(), s / (1.0 + s).powi(2)) < 1e-14, "{x}");
        assert!(off(hvp(|x: Var| x.softplus().sum(), &x, &1.0).unwrap(), s) < 1e-8, "{x}");
        let third = func(|x: Var| x.hvp(|x| x.sigmoid().sum(), x.tape().filled(Shape::SCALAR, 1.0)).sum());
        assert!(off(grad(third, &x).unwrap(), s) < 1e-7, "{x}");
    }
    // A slope that is lost in double precision would be lost in single precision from 9 on.
    let g: f32 = grad(|x: Var<f32>| x.tanh().sum(), &20.0f32).unwrap();
    assert!((g / (4.0 * (-40.0f32).exp()) - 1.0).abs() < 1e-6, "{g}");
    // The Gaussian of 26, whose square has no room for its rounding error: -2 / sqrt(pi) e^-676.
    assert!(off(grad(|x: Var| x.erfc().sum(), &26.0).unwrap(), -2.9470349932662697e-294) < 1e-15);
}

#[test]
fn angles_in_every_quadrant_on_the_axes_and_on_the_cut() {
    for (y, x) in [(3.0, 4.0), (3.0, -4.0), (-3.0, -4.0), (-3.0, 4.0), (0.0, 2.0), (2.0, 0.0), (-2.0, 0.0)] {
        let (theta, (gy, gx)) = angle(y, x);
        assert_eq!(theta, f64::atan2(y, x));
        let r = x * x + y * y;
        assert!((gy - x / r).abs() < 1e-16 && (gx + y / r).abs() < 1e-16, "({y}, {x}): {gy} {gx}");
    }
    // On the cut the sign of the zero tells the side; the derivatives are those of both sides.
    assert_eq!(angle(0.0, -2.0), (PI, (-0.5, 0.0)));
    assert_eq!(angle(-0.0, -2.0), (-PI, (-0.5, 0.0)));
    assert_eq!(angle(-0.0, 2.0).0.to_bits(), (-0.0f64).to_bits());
}

#[test]
fn angles_of_points_whose_squares_are_out_of_range() {
    for s in [1e-306, 1e-300, 1e-170, 1e170, 1e300] {
        let (theta, (gy, gx)) = angle(3.0 * s, 4.0 * s);
        assert!(off(theta, f64::atan2(3.0, 4.0)) < 1e-13, "{s:e}");
        let (y, x) = (4.0 / 25.0 / s, -3.0 / 25.0 / s);
        assert!(off(gy, y) < 1e-14 && off(gx, x) < 1e-14, "{s:e}: {gy:e} {gx:e}");
    }
    // Here the derivative itself is out of range.
    let e = value_and_grad(|(y, x): (Var, Var)| y.atan2(x).sum(), &(3e-310f64, 4e-310f64));
    assert!(matches!(e, Err(Error::NonFinite { .. })), "{e:?}");
    // One large, one small.
    let (_, (gy, gx)) = angle(1e-200, 1e200);
    assert_eq!((gy, gx), (1e-200, 0.0));
    let (theta, (gy, gx)): (f32, (f32, f32)) =
        value_and_grad(|(y, x): (Var<f32>, Var<f32>)| y.atan2(x).sum(), &(3e30f32, 4e30f32)).unwrap();
    assert!((theta - 0.643_501_1).abs() < 1e-7);
    assert!((gy / 4e-32 * 0.25 - 1.0).abs() < 1e-6 && (gx / -3e-32 * 0.25 - 1.0).abs() < 1e-6, "{gy:e} {gx:e}");
}

#[test]
fn the_hessian_of_an_angle_is_that_of_the_logarithm() {
    // d2 theta = Im(-(dz / z)^2): with z = 1 + 2i, 1/z^2 = (-3 - 4i)/25.
    let h = hessian(|p: Var| p.row_range(0, 1).atan2(p.row_range(1, 1)).sum(), &mat![[2.0], [1.0]]).unwrap();
    // In (y, x): theta_yy = -2xy/r^4, theta_yx = (y^2 - x^2)/r^4, theta_xx = 2xy/r^4.
    let want = mat![[-4.0 / 25.0, 3.0 / 25.0], [3.0 / 25.0, 4.0 / 25.0]];
    close(&h, &want, 1e-15);
}

#[test]
fn an_angle_of_nothing_has_a_value_and_no_derivative() {
    let point = func(|p: Var| p.row_range(0, 1).atan2(p.row_range(1, 1)).sum());
    assert_eq!(value(point, &mat![[0.0], [-0.0]]).unwrap().data(), [PI]);
    let (y, x) = (
        Batch::from_slice(Shape::batch(3, 1, 1), &[1.0, 0.0, 2.0]),
        Batch::from_slice(Shape::batch(3, 1, 1), &[0.0; 3]),
    );
    let e = value_and_grad(|(y, x): (Var, Var)| y.atan2(x).sum(), &(y, x)).unwrap_err();
    match e {
        Error::Data { failure: Failure::NotDifferentiable { what }, member, derivative, .. } => {
            assert!(what.contains("atan2") && member == Some(1) && derivative, "{what} {member:?} {derivative}");
        }
        other => panic!("{other}"),
    }
    let e = jvp(point, &mat![[0.0], [0.0]], &mat![[1.0], [1.0]]);
    assert!(matches!(failure(e.map(|_| ())), Failure::NotDifferentiable { .. }));
}

/// `hypot` and its gradient.
fn length(x: f64, y: f64) -> Result<(f64, (f64, f64)), Error> {
    value_and_grad(|(x, y): (Var, Var)| x.hypot(y).sum(), &(x, y))
}

#[test]
fn a_length_is_right_where_its_square_is_not_a_number() {
    for s in [1e-320, 1e-200, 1.0, 1e200, 3e307] {
        let (r, (gx, gy)) = length(3.0 * s, -4.0 * s).unwrap();
        // Subnormal numbers have few digits of their own.
        let tolerance = 1e-15 + 2.0 * f64::from_bits(1) / s;
        assert!((r / (5.0 * s) - 1.0).abs() < tolerance, "{s:e}: {r:e}");
        assert!((gx - 0.6).abs() < tolerance && (gy + 0.8).abs() < tolerance, "{s:e}: {gx} {gy}");
    }
    let (r, g) = length(1e-200, 1e200).unwrap();
    assert_eq!((r, g), (1e200, (0.0, 1.0)));
    // Along an axis it is the modulus.
    assert_eq!(length(-2.0, 0.0).unwrap(), (2.0, (-1.0, 0.0)));
}

#[test]
fn the_hessian_of_a_length_is_the_curvature_of_a_circle() {
    let h = hessian(|p: Var| p.row_range(0, 1).hypot(p.row_range(1, 1)).sum(), &mat![[3.0], [4.0]]).unwrap();
    // (y^2, -x y; -x y, x^2) / r^3.
    close(&h, &mat![[16.0 / 125.0, -12.0 / 125.0], [-12.0 / 125.0, 9.0 / 125.0]], 1e-15);
}

#[test]
fn a_length_of_zero_has_a_value_and_no_derivative() {
    let (x, y) = (
        Batch::from_slice(Shape::batch(3, 1, 1), &[1.0, 2.0, 0.0]),
        Batch::from_slice(Shape::batch(3, 1, 1), &[0.0; 3]),
    );
    let lengths = value(|(x, y): (Var, Var)| x.hypot(y).sum(), &(x.clone(), y.clone())).unwrap();
    assert_eq!(lengths.scalar(), 3.0);
    match value_and_grad(|(x, y): (Var, Var)| x.hypot(y).sum(), &(x, y)).unwrap_err() {
        Error::Data { failure: Failure::NotDifferentiable { what }, member, derivative, .. } => {
            assert!(what.contains("hypot") && member == Some(2) && derivative, "{what} {member:?} {derivative}");
        }
        other => panic!("{other}"),
    }
    assert!(matches!(length(f64::NAN, 1.0), Err(Error::NonFinite { .. })));
}

/// Sizes of the three operands, all of which broadcast to a batch of 3 of 5x4.
const SPREADS: [[(usize, usize, usize); 3]; 7] = [
    [(3, 5, 4), (3, 5, 4), (3, 5, 4)],
    [(3, 5, 4), (1, 5, 4), (1, 1, 1)],
    [(1, 1, 1), (3, 5, 4), (3, 1, 4)],
    [(3, 5, 1), (1, 1, 4), (1, 5, 1)],
    [(1, 1, 1), (1, 1, 1), (3, 5, 4)],
    [(1, 5, 1), (3, 1, 1), (1, 1, 4)],
    [(3, 1, 4), (3, 5, 4), (1, 5, 4)],
];

type Operands<'t> = (Var<'t>, Var<'t>, Var<'t>);

fn one<'t>((a, b, c): Operands<'t>) -> Var<'t> {
    a.hadamard_add(b, c)
}

fn two<'t>((a, b, c): Operands<'t>) -> Var<'t> {
    a.hadamard(b) + c
}

#[test]
fn a_product_and_a_sum_in_one_have_the_bits_of_the_two() {
    for (k, spread) in SPREADS.into_iter().enumerate() {
        let any = |i: usize| {
            let (batch, m, n) = spread[i];
            let mut rng = Rng::new((10 * k + i) as u64);
            Batch::stack(&(0..batch).map(|_| rng.normal(m, n)).collect::<Vec<_>>())
        };
        let x = (any(0), any(1), any(2));
        let weights = Batch::stack(&(0..3).map(|_| Rng::new(99).normal(5, 4)).collect::<Vec<_>>());
        let bits = |y: &Batch<f64>| y.data().iter().map(|y| y.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&value(one, &x).unwrap()), bits(&value(two, &x).unwrap()), "{spread:?}");
        let g = grad(|x: Operands| one(x).hadamard(&weights).sum(), &x).unwrap();
        let h = grad(|x: Operands| two(x).hadamard(&weights).sum(), &x).unwrap();
        for (g, h) in [(g.0, h.0), (g.1, h.1), (g.2, h.2)] {
            assert_eq!(g.shape(), h.shape(), "{spread:?}");
            let off = g.data().iter().zip(h.data()).map(|(g, h)| (g - h).abs()).fold(0.0, f64::max);
            assert!(off < 1e-13, "{spread:?}: {off:e}");
        }
        // The three terms of a tangent are added in another order.
        let (d, e) = (jvp(one, &x, &x).unwrap().1, jvp(two, &x, &x).unwrap().1);
        let off = d.data().iter().zip(e.data()).map(|(d, e)| (d - e).abs()).fold(0.0, f64::max);
        assert!(off < 1e-13, "{spread:?}: {off:e}");
    }
}

#[test]
fn a_positive_definite_handle_agrees_with_lu_on_the_symmetric_part() {
    for n in [1, 2, 5, 12, 40] {
        let a = Kind::Spd(n).generic(3) + 0.1 / n as f64 * Rng::new(5).normal(n, n);
        let (b, w) = (Rng::new(6).normal(n, 3), Rng::new(7).normal(n, 3));
        let v = Rng::new(8).normal(n, n);
        let mine = func(|x: Var| {
            let s = x.spd();
            s.solve(&b).dot(&w) + s.logdet() + s.inverse().dot(&v)
        });
        let lu = func(|x: Var| {
            let s = x.sym().lu();
            s.solve(&b).dot(&w) + s.logdet() + s.inverse().dot(&v)
        });
        assert!(off(value(mine, &a).unwrap().data()[0], value(lu, &a).unwrap().data()[0]) < 1e-11, "{n}");
        let g: Mat<f64> = grad(mine, &a).unwrap();
        close(&g, &grad(lu, &a).unwrap(), 1e-12);
        assert_eq!(g, g.transpose().to_owned(), "a cotangent of A is symmetric");
        close(&hvp(mine, &a, &v).unwrap(), &hvp(lu, &a, &v).unwrap(), 1e-11);
        let f = value(|x: Var| x.spd().factor(), &a).unwrap();
        assert_eq!(f, value(|x: Var| x.cholesky(), &a).unwrap());
        close(
            &grad(|x: Var| x.spd().factor().dot(&v), &a).unwrap(),
            &grad(|x: Var| x.cholesky().dot(&v), &a).unwrap(),
            1e-14,
        );
        // |L^-1 B|^2 = <B, A^-1 B>, and its derivatives.
        let white = func(|x: Var| {
            let h = x.spd().half_solve(&b);
            h.dot(h)
        });
        let quadratic = func(|x: Var| x.spd().solve(&b).dot(&b));
        close(&grad(white, &a).unwrap(), &grad(quadratic, &a).unwrap(), 1e-12);
        close(&hvp(white, &a, &v).unwrap(), &hvp(quadratic, &a, &v).unwrap(), 1e-11);
        // A = U' U.
        let s = 0.5 * (&a + a.transpose());
        let u: Mat<f64> = value(|x: Var| x.cholesky_upper(), &a).unwrap().into_mat();
        close(&(u.transpose() * &u), &s, 1e-14);
        close(
            &value(|x: Var| x.cholesky_upper().solve_triangular(Uplo::Upper, x), &a).unwrap().into_mat(),
            &{
                let l = u.transpose().to_owned();
                value(|(l, x): (Var, Var)| l.t().solve_triangular(Uplo::Upper, x), &(l, a.clone())).unwrap().into_mat()
            },
            1e-13,
        );
    }
}

#[test]
fn the_log_determinant_of_a_graded_matrix_does_not_leave_the_range() {
    let a = Mat::from_fn(8, 8, |i, j| if i == j { 1e-200 } else { 0.0 });
    let (l, g) = value_and_grad(|x: Var| x.spd().logdet(), &a).unwrap();
    assert!(off(l, 8.0 * (1e-200f64).ln()) < 1e-14);
    assert!(off(g[(3, 3)], 1e200) < 1e-14 && g[(3, 4)] == 0.0);
}

#[test]
fn the_member_that_is_not_positive_definite_is_named_at_the_line_of_its_factorisation() {
    let good = Kind::Spd(3).generic(1);
    let mut all = Batch::zeros(Shape::batch(3, 3, 3));
    for (k, s) in [1.0, 2.0, -1.0].into_iter().enumerate() {
        let m = batch(&(s * &good));
        all.data_mut()[9 * k..9 * k + 9].copy_from_slice(m.data());
    }
    let place = std::cell::Cell::new(0);
    let e = value(
        |x: Var| {
            place.set(line!() + 1);
            let s = x.spd();
            s.logdet() + s.inverse().sum_each()
        },
        &all,
    )
    .unwrap_err();
    match e {
        Error::Data { primitive, member, failure: Failure::NotPositiveDefinite { index, value }, line, derivative } => {
            assert_eq!((primitive, member, index, derivative), ("spd", Some(2), 0, false));
            assert!(value < 0.0 && line.line() == place.get());
        }
        other => panic!("{other}"),
    }
}
