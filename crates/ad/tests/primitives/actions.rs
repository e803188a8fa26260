//! Actions of exponentials, projectors of groups of eigenvalues, signs, powers and Jacobians of rigid motions, beside
//! other ways to the same; and their verdicts.

use super::general::{near, same};
use super::points::{Kind, Rng};
use faer::{Mat, mat};
use pullback::{
    Batch, Error, Failure, Group, Shape, Tape, Var, func, grad, hvp, jvp, separation, stein_separation, value,
};

#[test]
fn the_action_is_that_of_the_exponential() {
    let mut rng = Rng::new(3);
    let w = rng.normal(4, 4);
    let shift = Mat::from_fn(4, 4, |i, j| f64::from(i + 1 == j));
    let points = [
        Mat::zeros(4, 4),
        1e-7 * &w,
        w.clone(),
        4.0 * &w,
        &w - 12.0 * Mat::<f64>::identity(4, 4),
        2.0 * (&w - w.transpose()),
        300.0 * &shift,
        &shift - 1.5 * Mat::<f64>::identity(4, 4),
    ];
    for a in points {
        for p in [1, 2, 6] {
            let b = rng.normal(4, p);
            same("by A", &a, |x| x.expm_multiply(&b), |x| x.expm() * &b);
            same("by B", &b, |x| x.tape().constant(&a).expm_multiply(x), |x| x.tape().constant(&a).expm() * x);
            same("by both", &a, |x| x.expm_multiply(x * &b), |x| x.expm() * x * &b);
        }
    }
}

#[test]
fn the_action_of_turns_keeps_lengths() {
    // 60 turns: many segments, none of which may lose digits.
    let w = Mat::from_fn(6, 6, |i, j| (i as f64 - j as f64) * (1.0 + (i * j) as f64 / 10.0) * 8.0);
    let w = &w - w.transpose();
    let b = Rng::new(4).normal(6, 2);
    let y = value(|x: Var| x.expm_multiply(&b), &w).unwrap().into_mat();
    near(&(y.transpose() * &y), &(b.transpose() * &b), 1e-12, "lengths");
    near(&y, &value(|x: Var| x.expm() * &b, &w).unwrap().into_mat(), 1e-11, "exponential");
}

#[test]
fn orders_beyond_the_fifth_are_refused() {
    let (a, b) = (mat![[0.5, 1.0], [-0.25, 0.125]], mat![[1.0], [2.0]]);
    let tape = Tape::new();
    let x = tape.input(&a);
    let mut y = x.expm_multiply(&b).sum();
    for order in 1..=5 {
        y = tape.grad_on_tape(y, x).unwrap().sum();
        assert!(tape.check().is_ok(), "order {order}");
    }
    // The fifth derivative along ones is that of the exponential.
    let ones = Mat::from_fn(2, 2, |_, _| 1.0);
    let of_exp = func(|x: Var| (x.expm_along(&[x.tape().constant(&ones); 5]) * &b).sum());
    let fifth: f64 = value(of_exp, &a).unwrap().scalar();
    assert!((y.value().scalar() - fifth).abs() < 1e-12 * fifth.abs(), "{} {fifth}", y.value().scalar());
    // Reverse mode has one order more.
    y = tape.grad_on_tape(y, x).unwrap().sum();
    tape.check().unwrap();
    let e = tape.grad_on_tape(y, x).and_then(|g| tape.check().map(|()| g)).map(|_| ()).unwrap_err();
    assert!(matches!(e, Error::Data { failure: Failure::Unsupported { .. }, .. }), "{e}");
}

#[test]
fn an_action_that_does_not_fit_says_so() {
    let b = mat![[1.0], [1.0]];
    let at = |a: Mat<f64>| value(|x: Var| x.expm_multiply(&b), &a);
    let e = at(Mat::<f64>::identity(2, 2) * 800.0).unwrap_err();
    assert!(matches!(e, Error::Data { failure: Failure::Overflow { .. }, .. }), "{e}");
    let e = at(mat![[0.0, -1e9], [1e9, 0.0]]).unwrap_err();
    assert!(matches!(e, Error::Data { failure: Failure::Unsupported { .. }, .. }), "{e}");
    // Powers decide where the norm does not: [0 c; 0 0] B = [c b_2; 0].
    let y = at(mat![[0.0, 1e9], [0.0, 0.0]]).unwrap().into_mat();
    assert_eq!(y, mat![[1e9 + 1.0], [1.0]]);
    assert_eq!(at(Mat::<f64>::identity(2, 2) * -1e6).unwrap().into_mat(), Mat::<f64>::zeros(2, 1));
}

#[test]
fn signs_and_projectors_are_functions_of_the_matrix() {
    let spread = mat![[1.0, 0.3, -0.2, 0.5], [0.1, -2.5, 0.4, 0.2], [0.2, -0.3, 2.0, 3.0], [0.1, 0.4, -1.0, 2.0]];
    // A (A A)^{-1/2}
    same("sign", &spread, |x| x.signm(), |x| x * (x * x).sqrtm().inverse());
    let symmetric = Kind::Gapped(4).generic(3);
    same(
        "symmetric",
        &symmetric,
        |x| x.sym().group_projector(Group::LargestReal(2)).0,
        |x| x.sym().spectral_projector(2),
    );
    // Ties and a Jordan block within the group: of [1 1 .; 0 1 .; 0 0 -1] by the formula with powers, (A + I)^2 (5 I -
    // ..) being replaced by the sign's own.
    let jordan = mat![[1.0, 1.0, 2.0], [0.0, 1.0, -1.0], [0.0, 0.0, -1.0]];
    same("defective", &jordan, |x| x.signm(), |x| x * (x * x).sqrtm().inverse());
    // Complements and other names of the same group.
    let of = |g: Group| value(move |x: Var| x.group_projector(g).0, &spread).unwrap().into_mat();
    let right = of(Group::RealAbove(0.0));
    near(&(&right + of(Group::RealBelow(0.0))), &Mat::identity(4, 4), 1e-14, "complement");
    near(&right, &of(Group::LargestReal(3)), 1e-14, "counted");
    near(&of(Group::ModulusAbove(1.5)), &(Mat::<f64>::identity(4, 4) - of(Group::ModulusBelow(1.5))), 1e-14, "moduli");
    near(&of(Group::LargestModulus(3)), &of(Group::ModulusAbove(1.5)), 1e-14, "largest moduli");
    assert_eq!(of(Group::LargestReal(9)), Mat::<f64>::identity(4, 4));
    near(&of(Group::RealAbove(99.0)), &Mat::zeros(4, 4), 0.0, "none");
}

/// The failure of a projector and its separation.
#[track_caller]
fn separated(a: &Mat<f64>, group: Group) -> Result<f64, Failure> {
    match value(move |x: Var| x.group_projector(group).1, a) {
        Ok(s) => Ok(s.scalar()),
        Err(Error::Data { failure, .. }) => Err(failure),
        Err(e) => panic!("{e}"),
    }
}

#[test]
fn groups_that_are_not_separated_say_so() {
    let unseparated = |a: &Mat<f64>, g| match separated(a, g) {
        Err(Failure::Unseparated { separation }) => separation,
        other => panic!("{other:?}"),
    };
    // On the imaginary axis, exactly and to rounding.
    let turn = mat![[0.0, -1.0], [1.0, 0.0]];
    assert_eq!(unseparated(&turn, Group::RealAbove(0.0)), 0.0);
    let nearly = mat![[1e-17, -1.0, 0.5], [1.0, 1e-17, 0.2], [0.1, 0.3, 2.0]];
    let shifted = &nearly - mat![[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.1, 0.3, 0.0]];
    // Not triangular as given, so that eigenvalues are known to rounding.
    let turned = Mat::from_fn(3, 3, |i, j| f64::from(i == j) - 2.0 / 3.0);
    let shifted = &turned * shifted * &turned;
    assert!(unseparated(&shifted, Group::RealAbove(0.0)).abs() < 1e-15);
    // A pair that a count would part, and ties.
    assert_eq!(unseparated(&turn, Group::LargestModulus(1)), 0.0);
    assert_eq!(unseparated(&Mat::identity(3, 3), Group::LargestReal(2)), 0.0);
    // A gap and a coupling: |t1 - t2| / (1 + (c / gap)) at most.
    let coupled = |gap: f64, c: f64| mat![[1.0 + gap, c], [0.0, 1.0]];
    assert!((separated(&coupled(1e-3, 5.0), Group::LargestReal(1)).unwrap() - 1e-3 / 5.0).abs() < 1e-12);
    assert!(separated(&coupled(1e-15, 5.0), Group::LargestReal(1)).is_err());
    // The gap of eigenvalues says less than the separation: blocks that are far from normal.
    let far = mat![[1.0, 1e3, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0], [0.0, 0.0, -1.0, 1e3], [0.0, 0.0, 0.0, -1.0]];
    let sep = separated(&far, Group::RealAbove(0.0)).unwrap();
    assert!(sep > 1e-12 && sep < 1e-7, "{sep:e}");
    let farther = Mat::from_fn(4, 4, |i, j| if (i, j) == (0, 1) || (i, j) == (2, 3) { 1e8 } else { far[(i, j)] });
    assert!(matches!(separated(&farther, Group::RealAbove(0.0)), Err(Failure::Unseparated { .. })));
    // Empty, and all of them.
    assert_eq!(value(|x: Var| x.signm(), &Mat::<f64>::zeros(0, 0)).unwrap().shape(), Shape::mat(0, 0));
    assert_eq!(value(|x: Var| x.signm(), &mat![[-3.0]]).unwrap().scalar(), -1.0);
}

#[test]
fn a_fifth_derivative_of_a_projector_is_refused() {
    let a = mat![[1.0, 0.5], [0.25, -1.0]];
    let tape = Tape::new();
    let x = tape.input(&a);
    let mut y = x.group_projector(Group::RealAbove(0.0)).0.sum();
    for _ in 0..4 {
        y = tape.grad_on_tape(y, x).unwrap().sum();
        tape.check().unwrap();
    }
    let e = tape.grad_on_tape(y, x).and_then(|g| tape.check().map(|()| g)).map(|_| ()).unwrap_err();
    assert!(matches!(e, Error::Data { failure: Failure::Unsupported { .. }, .. }), "{e}");
}

#[test]
fn powers_add_their_exponents() {
    let a = Kind::Accretive(4).generic(2);
    same("product", &a, |x| x.powm(0.3) * x.powm(-1.7), |x| x.powm(-1.4));
    same("integer", &a, |x| x.powm(-2.0), |x| x.inverse() * x.inverse());
    same("halves", &a, |x| x.powm(0.5), |x| (x.logm() * 0.5).expm());
    same("by a value", &a, |x| x.powm_by(1.25), |x| x.powm(1.25));
    let spd = Kind::Spd(4).generic(3);
    same("symmetric", &spd, |x| x.sym().powm(0.3), |x| x.powm_spd(0.3));
    // By the exponent: log A A^t.
    let t = mat![[0.4]];
    same(
        "exponent",
        &t,
        |t| t.tape().constant(&a).powm_by(t),
        |t| (t.tape().constant(&a).logm() * (t - 0.4)).expm() * t.tape().constant(&a).powm(0.4),
    );
    // An exponent for each member.
    let ts = Batch::from_slice(Shape::batch(2, 1, 1), &[0.5, 3.0]);
    let y = value(|t: Var| t.tape().constant(&a).powm_by(t), &ts).unwrap();
    near(&y.member(1), &(&a * &a * &a), 1e-14, "cube");
    near(&(y.member(0) * y.member(0)), &a, 1e-14, "root");
    // Integers need no logarithm.
    let singular = mat![[1.0, -1.0], [2.0, -2.0]];
    assert_eq!(value(|x: Var| x.powm(2.0), &singular).unwrap().into_mat(), &singular * &singular);
}

#[test]
fn separations_are_least_singular_values_up_to_a_factor() {
    let (a, b) = (Kind::Accretive(3).generic(1), Kind::Accretive(2).generic(2));
    let eye = |n| Mat::<f64>::identity(n, n);
    let kron = |p: &Mat<f64>, r: &Mat<f64>| Mat::from_fn(6, 6, |i, j| r[(i / 3, j / 3)] * p[(i % 3, j % 3)]);
    let least = |m: Mat<f64>| *m.singular_values().unwrap().last().unwrap();
    let sum = least(kron(&a, &eye(2)) + kron(&eye(3), &b.transpose().to_owned()));
    let found = separation(&a, &b).unwrap();
    // The 1-norm and the 2-norm differ by up to the root of the number of unknowns.
    assert!(found > 0.3 * sum && found < 3.0 * 6f64.sqrt() * sum, "{found} {sum}");
    let stein = least(eye(6) - kron(&a, &b.transpose().to_owned()));
    let found = stein_separation(&a, &b).unwrap();
    assert!(found > 0.3 * stein && found < 3.0 * 6f64.sqrt() * stein, "{found} {stein}");
    assert!(separation(&a, &(-&a)).unwrap() < 1e-14);
    assert!(matches!(separation(&(&a * f64::NAN), &b), Err(Failure::NonFinite { .. })));
    assert_eq!(separation(&Mat::<f64>::zeros(0, 0), &b).unwrap(), f64::INFINITY);
    assert!((separation::<f32>(&mat![[2.0f32]], &mat![[1.0f32]]).unwrap() - 3.0).abs() < 1e-6);
}

/// The matrix of a twist: `[hat(w) v; 0 0]`.
fn twist<'t>(x: Var<'t>) -> Var<'t> {
    let (v, w) = (x.slice(0, 0, 3, 1), x.slice(3, 0, 3, 1));
    let upper = Var::concat(&[w.hat(), v], pullback::Axis::Cols);
    Var::concat(&[upper, x.tape().filled(Shape::mat(1, 4), 0.0)], pullback::Axis::Rows)
}

/// The action of a twist on others: `[hat(w) hat(v); 0 hat(w)]`.
fn ad(x: Var<'_>) -> Var<'_> {
    let (v, w) = (x.slice(0, 0, 3, 1).hat(), x.slice(3, 0, 3, 1).hat());
    let zeros = x.tape().filled(Shape::mat(3, 3), 0.0);
    let rows = [[w, v], [zeros, w]].map(|r| Var::concat(&r, pullback::Axis::Cols));
    Var::concat(&rows, pullback::Axis::Rows)
}

/// The corner of the exponential of `[ad I; 0 0]`.
fn by_exp(x: Var<'_>) -> Var<'_> {
    let upper = Var::concat(&[ad(x), x.tape().eye(6)], pullback::Axis::Cols);
    let lower = x.tape().filled(Shape::mat(6, 12), 0.0);
    Var::concat(&[upper, lower], pullback::Axis::Rows).expm().slice(0, 6, 6, 6)
}

#[test]
fn jacobians_of_rigid_motions_are_what_they_say() {
    for angle in [0.0, 1e-9, 1e-3, 1.0, 3.0, std::f64::consts::PI - 1e-6, 5.0] {
        let x = mat![[1.0], [-2.0], [0.5], [0.6 * angle], [-0.8 * angle], [0.0]];
        let dx = mat![[0.3], [1.0], [-0.7], [0.2], [0.9], [-0.4]];
        let what = format!("angle {angle}");
        // dM = hat(J dx) M
        let (m, dm) = jvp(|x: Var| x.se3_exp(), &x, &dx).unwrap();
        let moved = value(|x: Var| twist(x.se3_left_jacobian() * &dx), &x).unwrap().into_mat();
        near(&dm.into_mat(), &(moved * m.into_mat()), 1e-13, &what);
        let one = value(|x: Var| x.se3_left_jacobian_inverse() * x.se3_left_jacobian(), &x).unwrap().into_mat();
        near(&one, &Mat::identity(6, 6), 1e-13, &what);
        // exp(ad) is the adjoint of the exponential, and J is (exp(ad) - I) / ad.
        same(&what, &x, |x| x.se3_exp().se3_adjoint(), |x| ad(x).expm());
        let product = value(|x: Var| ad(x) * x.se3_left_jacobian(), &x).unwrap().into_mat();
        let exp = value(|x: Var| x.se3_exp().se3_adjoint(), &x).unwrap().into_mat();
        near(&product, &(exp - Mat::<f64>::identity(6, 6)), 1e-13, &what);
        // By the corner of the exponential of [ad I; 0 0].
        let w = Rng::new(7).normal(6, 6);
        let (f, g) = (func(|x: Var| x.se3_left_jacobian().dot(&w)), func(|x: Var| by_exp(x).dot(&w)));
        near(&grad(f, &x).unwrap(), &grad(g, &x).unwrap(), 1e-12, &what);
        near(&hvp(f, &x, &dx).unwrap(), &hvp(g, &x, &dx).unwrap(), 1e-11, &what);
    }
}
