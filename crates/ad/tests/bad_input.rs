//! Data without an answer: every verdict is a value or one typed error, with primitive, member, number and line.

mod common;
use common::*;
use faer::{Mat, mat};
use pullback::prelude::*;
use pullback::{Error, Failure, Group, Origin, Shape, Triangle, value};

type Program = Box<dyn for<'t> Fn(Var<'t>) -> Var<'t>>;

/// Every primitive that takes a square matrix apart, as a function to one number.
fn takes_apart(n: usize) -> Vec<(&'static str, Program)> {
    fn p(f: impl for<'t> Fn(Var<'t>) -> Var<'t> + 'static) -> Program {
        Box::new(f)
    }
    let (b, w) = (rnd(n, 2, 1), rnd(n, n, 2));
    let b3 = rnd(n, 1, 3);
    let (b2, w2, w3, w4) = (b.clone(), w.clone(), w.clone(), w.clone());
    vec![
        ("cholesky", p(|x| x.cholesky().sum())),
        ("spd", p(|x| x.spd().logdet() + x.spd().inverse().sum())),
        ("qr", p(move |x| x.qr().0.dot(&w))),
        ("qr r", p(move |x| x.qr().1.dot(&w2))),
        ("polar", p(move |x| x.polar().0.dot(&w3))),
        ("polar h", p(move |x| x.polar().1.dot(&w4))),
        ("solve", p(move |x| x.solve(&b).sum())),
        ("inverse", p(|x| x.inverse().sum())),
        ("logdet", p(|x| x.logdet())),
        ("cayley", p(|x| x.cayley(0.1).sum())),
        ("eig", p(|x| x.eig().2.sum())),
        ("lower solve", p(move |x| x.solve_triangular(Uplo::Lower, &b2).sum())),
        ("expm", p(|x| (x * 0.01).expm().sum())),
        ("lyapunov", p(|x| x.lyapunov(x.tape().eye(x.rows())).sum())),
        ("sylvester", p(move |x| x.sylvester(mat![[1.0]], &b3).sum())),
        ("sqrtm", p(|x| x.sqrtm().sum())),
        ("logm", p(|x| x.logm().sum())),
        ("expm_multiply", p(|x| (x * 0.01).expm_multiply(x.column_range(0, x.cols().min(1))).sum())),
        ("group_projector", p(|x| x.group_projector(Group::RealAbove(0.0)).0.sum())),
        ("expm_sym", p(|x| x.expm_sym().sum())),
        ("logm_spd", p(|x| x.logm_spd().sum())),
        ("sqrtm_spd", p(|x| x.sqrtm_spd().sum())),
        ("invsqrtm_spd", p(|x| x.invsqrtm_spd().sum())),
        ("powm_spd", p(|x| x.powm_spd(0.3).sum())),
        ("trace_fun", p(|x| x.trace_fun(SymFn::XLogX))),
    ]
}

#[test]
fn nan_and_infinity_never_enter_a_factorisation() {
    for n in [1, 3, 9, 20, 40] {
        for (name, f) in takes_apart(n) {
            let good = spd(n, 3);
            value(&f, &good).unwrap_or_else(|e| panic!("{name} of order {n}: {e}"));
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                for (i, j) in [(0, 0), (n - 1, 0), (n - 1, n - 1)] {
                    let mut a = good.clone();
                    a[(i, j)] = bad;
                    for e in [value(&f, &a).unwrap_err(), grad(&f, &a).unwrap_err(), hvp(&f, &a, &good).unwrap_err()] {
                        let Failure::NonFinite { index, value } = failure(&e) else {
                            panic!("{name} of order {n}: {e}")
                        };
                        assert_eq!(index, i + j * n, "{name} of order {n}");
                        assert!(value.is_nan() == bad.is_nan() && (value == bad || bad.is_nan()));
                        assert!(!data(&e).2, "{name}: the value itself has none");
                    }
                    // In the entries the tangent may hold, too.
                    if (2..10).contains(&n) {
                        let mut v = good.clone();
                        v[(i, j)] = bad;
                        jvp(&f, &good, &v).expect_err(name);
                        hvp(&f, &good, &v).expect_err(name);
                    }
                }
            }
        }
    }
}

#[test]
fn nan_in_a_right_hand_side() {
    let a = regular(3, 1);
    let b = mat![[1.0], [f64::NAN], [0.0]];
    let e = value(|b| a.transpose().to_owned() * b.tape().constant(&a).solve(b), &b).unwrap_err();
    assert!(matches!(failure(&e), Failure::NonFinite { index: 1, .. }), "{e}");
    let e = value(|b| b.tape().constant(&a).solve_triangular(Uplo::Upper, b), &b).unwrap_err();
    assert!(matches!(failure(&e), Failure::NonFinite { index: 1, .. }), "{e}");
}

#[test]
fn junk_in_the_other_triangle_is_not_looked_at() {
    let t = mat![[2.0, f64::NAN], [1.0, 4.0]];
    let x = value(|b| b.tape().constant(&t).solve_triangular(Uplo::Lower, b), &mat![[2.0], [5.0]]).unwrap();
    assert_eq!(x.data(), [1.0, 1.0]);
    let g = grad(|t: Var| t.solve_triangular(Uplo::Lower, &mat![[2.0], [5.0]]).sum(), &t).unwrap();
    assert_eq!(g[(0, 1)], 0.0);
    let unit = Triangle::LOWER.unit_diagonal();
    let t = mat![[f64::NAN, f64::INFINITY], [1.0, 0.0]];
    let g = grad(|t: Var| t.solve_triangular_with(unit, &mat![[2.0], [5.0]]).sum(), &t).unwrap();
    assert_eq!(g, mat![[0.0, 0.0], [-2.0, 0.0]]);
}

#[test]
fn every_verdict_says_what_where_and_how_far() {
    let at = |line: u32, column: u32| format!("{}:{line}:{column}", file!());
    let e = value(|x| x.qr().0, &mat![[1.0, 2.0], [2.0, 4.0], [0.0, 0.0]]).unwrap_err();
    let text = e.to_string();
    let start = format!("qr at {}: rank-deficient: column 1 is within ", at(line!() - 2, 25));
    assert!(text.starts_with(&start) && text.ends_with(" of the span of the columns taken before it"), "{text}");

    let e = value(|x| x.cholesky(), &mat![[1.0, 2.0], [2.0, 1.0]]).unwrap_err();
    let place = at(line!() - 1, 25);
    assert_eq!(e.to_string(), format!("cholesky at {place}: not positive definite: pivot or eigenvalue 1 is -3.000e0"));

    let e = value(|x| x.solve(&mat![[1.0], [1.0]]), &mat![[1.0, 2.0], [2.0, 4.0]]).unwrap_err();
    let place = at(line!() - 1, 25);
    assert_eq!(
        e.to_string(),
        format!(
            "solve at {place}: singular to working precision: pivot 1 is 0.0e0 times the terms that it is the difference of"
        )
    );

    let e = value(|x| x.polar().0, &mat![[f64::INFINITY, 2.0], [2.0, 4.0]]).unwrap_err();
    let place = at(line!() - 1, 25);
    assert_eq!(e.to_string(), format!("polar at {place}: input entry 0 (column-major) is inf, not a finite number"));

    let e = grad(|x| x.norm(), &mat![[0.0], [0.0]]).unwrap_err();
    let place = at(line!() - 1, 24);
    let why = "not differentiable: the norm of zero entries; its square, as `x.dot(x)`, is smooth";
    assert_eq!(e.to_string(), format!("norm at {place}, in its derivative: {why}"));

    let e = value(|x| x.qr().1, &mat![[1.0, 0.0], [2.0, 0.0]]).unwrap_err();
    let place = at(line!() - 1, 25);
    assert!(e.to_string().starts_with(&format!("qr at {place}: rank-deficient: column 1 is within 0.0e0")), "{e}");
}

#[test]
fn a_batch_names_its_member() {
    let mut b = batch_of(4, 3, 3, |k| spd(3, k));
    b.data_mut()[2 * 9] = -1.0;
    let line = line!() + 1;
    let e = value(|x| x.cholesky(), &b).unwrap_err();
    assert_eq!(data(&e), ("cholesky", Some(2), false, line));
    assert!(
        e.to_string().starts_with(&format!("cholesky at {}:{line}:25 (batch member 2): not positive def", file!()))
    );
    for (name, f) in takes_apart(3) {
        let mut b = batch_of(4, 3, 3, |k| spd(3, k));
        b.data_mut()[3 * 9 + 8] = f64::NAN;
        let e = value(&f, &b).map(|_| ()).unwrap_err();
        assert_eq!(data(&e).1, Some(3), "{name}: {e}");
    }
    // In a rule: the third vector is zero and has no direction.
    let v = Batch::from_fn(Shape::batch(3, 2, 1), |k, i, _| if k == 2 { 0.0 } else { (k + i + 1) as f64 });
    let e = grad(|x| x.norm().sum(), &v).unwrap_err();
    let (_, member, derivative, _) = data(&e);
    assert!(member == Some(2) && derivative, "{e}");
}

#[test]
fn the_first_failure_is_told_once_and_the_rest_is_skipped() {
    let tape = Tape::<f64>::new();
    let x = tape.input(&mat![[1.0, 2.0], [2.0, 4.0]]);
    let line = line!() + 1;
    let inverse = x.inverse();
    let later = (-x).cholesky();
    let fine = x.trace();
    let dependent = (inverse * x).trace();
    assert!(inverse.is_poisoned() && later.is_poisoned() && dependent.is_poisoned() && !fine.is_poisoned());
    assert!(inverse.value().data().iter().all(|x| x.is_nan()) && dependent.scalar().is_nan());
    assert_eq!(fine.scalar(), 5.0);
    let e = tape.check().unwrap_err();
    assert_eq!(data(&e), ("inverse", None, false, line));
    assert_eq!(tape.check().unwrap_err(), e, "asking does not forget");
    for r in [tape.gradient(fine, x), tape.gradient(dependent, x), tape.hvp(fine, x, &rnd(2, 2, 1))] {
        assert_eq!(r.unwrap_err(), e);
    }
    assert_eq!(tape.check_finite().unwrap_err(), e);
    // A new program on the same tape begins clean.
    let mut tape = tape;
    tape.clear();
    tape.check().unwrap();
    let (v, g) = tape.value_and_grad(|x| x.trace(), &mat![[1.0, 2.0], [2.0, 4.0]]).unwrap();
    assert_eq!((v, g), (5.0, Mat::identity(2, 2)));
    // So does one after a driver that failed, in the value or in a rule.
    tape.value_and_grad(|x| x.inverse().trace(), &Mat::zeros(2, 2)).unwrap_err();
    tape.value_and_grad(|x| x.norm(), &Mat::zeros(2, 2)).unwrap_err();
    assert_eq!(tape.hvp_of(|x| x.dot(x), &Mat::zeros(2, 2), &rnd(2, 2, 1)).unwrap(), 2.0 * rnd(2, 2, 1));
}

#[test]
fn a_program_may_have_another_way() {
    let bad = mat![[1.0, 2.0], [2.0, 1.0]];
    let shifted = func(|x: Var| match x.try_cholesky() {
        Ok(l) => l.sum(),
        Err(e) => {
            assert!(matches!(failure(&e), Failure::NotPositiveDefinite { .. }));
            (x + 2.0 * x.tape().eye(2)).cholesky().sum()
        }
    });
    let (f, g) = value_and_grad(shifted, &bad).unwrap();
    let (f2, g2) = value_and_grad(|x| (x + 2.0 * x.tape().eye(2)).cholesky().sum(), &bad).unwrap();
    assert_eq!((f, g), (f2, g2));
    assert_eq!(
        hvp(shifted, &bad, &bad).unwrap(),
        hvp(|x| (x + 2.0 * x.tape().eye(2)).cholesky().sum(), &bad, &bad).unwrap()
    );
    let (_, d) = jvp(shifted, &bad, &bad).unwrap();
    assert!(d.data()[0].is_finite());
    for tape in [Tape::new(), Tape::plain(), Tape::forward()] {
        let x = tape.input(&mat![[1.0, 2.0], [2.0, 4.0]]);
        let line = line!() + 1;
        let e = x.try_cholesky().unwrap_err();
        assert_eq!(data(&e), ("cholesky", None, false, line));
        let line = line!() + 1;
        let e = x.try_solve(&mat![[1.0], [0.0]]).unwrap_err();
        assert_eq!(data(&e), ("solve", None, false, line));
        let line = line!() + 1;
        let e = x.try_qr().unwrap_err();
        assert_eq!(data(&e), ("qr", None, false, line));
        tape.check().expect("what was handled is forgotten");
        // With a failure from before, the tape stays failed.
        let _ = x.inverse();
        let first = tape.check().unwrap_err();
        assert!(x.try_cholesky().is_err());
        assert_eq!(tape.check().unwrap_err(), first);
    }
}

#[test]
fn numbers_that_are_not_finite() {
    let line = line!() + 1;
    let e = value(|x| x.ln(), &mat![[1.0, 0.0]]).unwrap_err();
    let Error::NonFinite { what: "value", index: 1, value: f64::NEG_INFINITY, origin } = &e else { panic!("{e}") };
    assert!(matches!(origin, Origin::Value { line: at, .. } if at.line() == line), "{e}");
    assert!(e.to_string().starts_with("the value is not finite: entry 1 is -inf; it comes from "), "{e}");
    assert!(e.to_string().ends_with(", whose inputs are finite"), "{e}");
    let line = line!() + 1;
    let e = grad(|x| x.sqrt().sum(), &mat![[1.0, 0.0]]).unwrap_err();
    let Error::NonFinite { what: "gradient", index: 1, value: f64::INFINITY, origin } = &e else { panic!("{e}") };
    assert!(matches!(origin, Origin::Derivative { line: at, .. } if at.line() == line), "{e}");
    let e = jvp(|x| x.sqrt().sum(), &mat![[1.0, 0.0]], &mat![[0.0, 1.0]]).unwrap_err();
    assert!(matches!(e, Error::NonFinite { what: "derivative", .. }), "{e}");
    let e = hvp(|x| x.powf(1.5).sum(), &mat![[1.0, 0.0]], &mat![[0.0, 1.0]]).unwrap_err();
    assert!(matches!(e, Error::NonFinite { what: "Hessian-vector product", index: 1, .. }), "{e}");
    let e = hessian(|x| x.powf(1.5).sum(), &mat![[1.0, 0.0]]).unwrap_err();
    assert!(matches!(e, Error::NonFinite { .. }), "{e}");
    let e = jacobian(|x| x.sqrt(), &mat![[0.0]]).unwrap_err();
    assert!(matches!(e, Error::NonFinite { .. }), "{e}");
    assert!(matches!(vjp(|x: Var| x.ln(), &0.0).err(), Some(Error::NonFinite { what: "value", .. })));
    assert!(matches!(value_and_grad(|x: Var| x.elem_div(x), &0.0), Err(Error::NonFinite { what: "value", .. })));
}

/// The origin of a number that is not finite.
#[track_caller]
fn origin<R>(r: Result<R, Error>) -> Origin {
    match r {
        Err(Error::NonFinite { origin, .. }) => origin,
        Err(e) => panic!("another error: {e}"),
        Ok(_) => panic!("no error"),
    }
}

#[test]
fn what_is_not_finite_names_the_operation_and_its_line() {
    // The value is finite and a derivative is not; or an intermediate value overflows and nothing else shows it.
    let root = func(|x: Var| x.hadamard(x.sqrt()).sum());
    let (x0, v) = (mat![[0.0, 1.0]], mat![[1.0, 1.0]]);
    let at = |o: Origin| match o {
        Origin::Value { line, .. } | Origin::Derivative { line, .. } => line.line(),
        o => panic!("{o:?}"),
    };
    let line = line!() - 6;
    for found in [
        origin(grad(root, &x0)),
        origin(jvp(root, &x0, &v)),
        origin(hvp(root, &x0, &v)),
        origin(vjp(root, &x0).unwrap().1(&1.0)),
        origin(linearize(root, &x0).unwrap().1(&v)),
        origin(jacobian(root, &x0)),
    ] {
        assert_eq!(at(found), line);
    }
    let line = line!() + 1;
    let hidden = func(|x: Var| x.exp().recip().sum() + x.sum());
    for found in [origin(grad(hidden, &mat![[1000.0]])), origin(hvp(hidden, &mat![[1000.0]], &mat![[1.0]]))] {
        assert!(matches!(found, Origin::Value { .. }));
        assert_eq!(at(found), line);
    }
    // An input of the driver is named by its leaf, one of a held tape by its line.
    let bad = (mat![[1.0]], vec![mat![[2.0]], mat![[f64::NAN]]]);
    fn sum<'t>((x, y): (Var<'t>, Vec<Var<'t>>)) -> Var<'t> {
        (x * y[0] + y[1]).sum()
    }
    let named = Origin::Input { name: Some("1.1".into()), index: 0, value: f64::NAN, line: None };
    let same = |o: Origin| assert_eq!(format!("{o:?}"), format!("{named:?}"));
    same(origin(grad(sum, &bad)));
    same(origin(value(sum, &bad)));
    same(origin(jvp(sum, &bad, &bad)));
    same(origin(hvp(sum, &bad, &bad)));
    let tape = Tape::new();
    let line = line!() + 1;
    let x = tape.input(&mat![[1.0, f64::INFINITY]]);
    let found = origin(tape.gradient(x.sum(), x));
    assert!(
        matches!(found, Origin::Input { name: None, index: 1, line: Some(at), .. } if at.line() == line),
        "{found:?}"
    );
    // What the caller gives is the caller's.
    let one = mat![[1.0]];
    let (_, pull) = vjp(|x: Var| x.sin(), &one).unwrap();
    assert_eq!(origin(pull(&mat![[f64::NAN]])), Origin::Given);
}

/// Every driver names the leaf, and what derivatives record is not taken for the value.
#[test]
fn every_driver_says_where_what_is_not_finite_comes_from() {
    let leaf =
        |o: Origin, at: &str| assert!(matches!(&o, Origin::Input { name: Some(n), .. } if n == "1"), "{at}: {o:?}");
    let x0 = (mat![[1.0, 2.0]], mat![[1.0], [f64::NEG_INFINITY]]);
    let f = pullback::pin(&x0, |(a, b)| a * b);
    leaf(origin(value(f, &x0)), "value");
    leaf(origin(vjp(f, &x0).map(|_| ())), "vjp");
    leaf(origin(pullback::vjp_many(|(a, b)| [a * b].into(), &x0).map(|_| ())), "vjp_many");
    leaf(origin(linearize(f, &x0).map(|_| ())), "linearize");
    leaf(origin(pullback::jvps(f, &x0, std::slice::from_ref(&x0))), "jvps");
    leaf(origin(jacobian(f, &x0)), "jacobian");
    leaf(origin(hessian(f, &x0)), "hessian");
    // The value is finite here and so is that of the root.
    let root = func(|x: Var| x * x.sqrt());
    let derivative =
        |o: Origin, at: &str| assert!(matches!(o, Origin::Derivative { primitive: "sqrt", .. }), "{at}: {o:?}");
    derivative(origin(grad(root, &0.0)), "grad");
    derivative(origin(hessian(root, &0.0)), "hessian");
    derivative(origin(hessian_map(root, &0.0).map(|_| ())), "hessian_map");
    let tape = Tape::new();
    let x = tape.input(&0.0);
    let y = root(x);
    derivative(origin(tape.grad_on_tape(y, x).map(|_| ())), "grad_on_tape");
    derivative(origin(tape.hvp_operator(y, x).map(|_| ())), "hvp_operator of a tape");
}

/// Functions of entries are called by their own names.
#[test]
fn a_function_of_entries_is_named() {
    type Entrywise = for<'t> fn(Var<'t>) -> Var<'t>;
    let named: [(&str, Entrywise, f64); 6] = [
        ("acos", |x| x.acos(), 2.0),
        ("asin", |x| x.asin(), -2.0),
        ("ln_gamma", |x| x.ln_gamma(), 0.0),
        ("digamma", |x| x.digamma(), 0.0),
        ("log2", |x| x.log2(), -1.0),
        ("square", |x| x.square(), 1e200),
    ];
    for (name, f, x) in named {
        let found = origin(value(f, &mat![[x]]));
        assert!(matches!(found, Origin::Value { primitive, .. } if primitive == name), "{name}: {found:?}");
    }
    let e = grad(|x: Var| x.row_std(0).sum(), &mat![[1.0, 1.0]]).unwrap_err();
    assert_eq!(data(&e).0, "row_std", "{e}");
}

#[test]
fn check_finite_names_the_operation() {
    let tape = Tape::new();
    let x = tape.input(&mat![[2.0, 0.0], [1.0, 3.0]]);
    tape.check_finite().unwrap();
    let y = x.scale_by_two();
    let line = line!() + 1;
    let z = y.ln().sum();
    let e = tape.check_finite().unwrap_err();
    let Error::Overflow { primitive, index, value, line: at } = e else { panic!("{e}") };
    assert_eq!((primitive, index, value, at.line()), ("ln", 2, f64::NEG_INFINITY, line));
    assert_eq!(e.to_string(), format!("ln at {at} made entry 2 = -inf out of finite inputs"));
    assert!(tape.gradient(z, x).is_err());
}

trait ScaleByTwo {
    fn scale_by_two(self) -> Self;
}
impl ScaleByTwo for Var<'_> {
    fn scale_by_two(self) -> Self {
        2.0 * self
    }
}

#[test]
fn nothing_is_a_matrix_too() {
    let none = Mat::<f64>::zeros(0, 0);
    for (name, f) in takes_apart(0) {
        match value_and_grad(&f, &none) {
            Ok((v, g)) => assert!(v == 0.0 && g.nrows() == 0 && g.ncols() == 0, "{name}: {v}"),
            Err(e) => panic!("{name}: {e}"),
        }
        assert_eq!(hvp(&f, &none, &none).unwrap(), none, "{name}");
        assert_eq!(jvp(&f, &none, &none).unwrap().1.data(), [0.0], "{name}");
        assert_eq!(hessian(&f, &none).unwrap(), none, "{name}");
    }
    // Rectangles without rows or columns, and empty batches.
    for (m, n) in [(0, 3), (3, 0), (0, 0)] {
        let x = Mat::<f64>::zeros(m, n);
        let f = func(|x: Var| (x.t() * x).trace() + x.tanh().sum() + (x * x.t()).sum() + x.norm_squared());
        let (v, g) = value_and_grad(f, &x).unwrap();
        assert_eq!((v, g), (0.0, x.clone()));
        assert_eq!(hvp(f, &x, &x).unwrap(), x);
    }
    let (q, r) = (Mat::<f64>::zeros(3, 0), Mat::<f64>::zeros(0, 0));
    assert_eq!(value(|x| x.qr().0, &q).unwrap().into_mat(), q);
    assert_eq!(value(|x| x.qr().1, &q).unwrap().into_mat(), r);
    assert_eq!(grad(|x| x.polar().0.sum(), &q).unwrap(), q);
    let batch = Batch::<f64>::zeros(Shape::batch(0, 2, 2));
    let g = grad(|x| x.cholesky().sum() + x.qr().0.sum() + x.inverse().sum() + x.expm_sym().sum(), &batch).unwrap();
    assert_eq!(g, batch);
}

trait NormSquared {
    fn norm_squared(self) -> Self;
}
impl NormSquared for Var<'_> {
    fn norm_squared(self) -> Self {
        self.dot(self)
    }
}

#[test]
fn hard_but_regular_matrices_are_let_through() {
    // Condition 1e8, and gradings over many orders of magnitude: values and derivatives exist and are finite.
    for n in [2, 4, 8, 12, 20, 40] {
        let (q, _) = (value(|x| x.qr().0, &rnd(n, n, 1)).unwrap().into_mat(), ());
        let s = Mat::from_fn(n, n, |i, j| if i == j { 10f64.powf(-8.0 * i as f64 / (n - 1) as f64) } else { 0.0 });
        let hard = &q * &s * q.transpose();
        let skewed = &q * &s * rnd(n, n, 2).transpose();
        let plain = spd(n, 3);
        let graded = Mat::from_fn(n, n, |i, j| plain[(i, j)] * 10f64.powf(-5.0 * (i + j) as f64 / n as f64));
        for (name, f) in takes_apart(n) {
            for (what, a) in [("condition 1e8", &hard), ("graded", &graded)] {
                value_and_grad(&f, a).unwrap_or_else(|e| panic!("{name} of order {n}, {what}: {e}"));
                hvp(&f, a, &rnd(n, n, 4)).unwrap_or_else(|e| panic!("{name} of order {n}, {what}: {e}"));
            }
            // Of any spectrum.
            let of_some = ["cholesky", "trace_fun", "lower solve", "lyapunov", "sylvester", "sqrtm", "logm"];
            if !name.contains("spd") && !of_some.contains(&name) {
                value_and_grad(&f, &skewed).unwrap_or_else(|e| panic!("{name} of order {n}, skewed: {e}"));
            }
        }
    }
}

#[test]
fn wrong_lists_are_errors() {
    let (x0, v) = (rnd(2, 2, 1), rnd(3, 2, 2));
    let e = jvp(|x| x, &x0, &v).unwrap_err();
    assert_eq!(e.to_string(), "the direction has shape 3x2, expected 2x2");
    assert_eq!(hvp(|x| x.sum(), &x0, &v).unwrap_err().to_string(), "the direction has shape 3x2, expected 2x2");
    let (_, pull) = vjp(|x| x * &x0, &x0).unwrap();
    assert_eq!(pull(&v).unwrap_err().to_string(), "the cotangent has shape 3x2, expected 2x2");
    let two = vec![x0.clone(), x0.clone()];
    let e = hvp(|x: Vec<Var>| (x[0] * x[1]).sum(), &two, &vec![x0.clone()]).unwrap_err();
    assert_eq!(e.to_string(), "the direction has 1 leaves, expected 2");
    let e = grad(|x| x * x, &x0).unwrap_err();
    assert_eq!(e, Error::NotScalar { shape: Shape::mat(2, 2) });
    assert_eq!(
        e.to_string(),
        "a gradient needs a single number: expected a value of shape 1x1, got 2x2; use `vjp` with a cotangent of that shape, or reduce it with `sum` or `dot`"
    );
    let batch = batch_of(3, 2, 2, |k| rnd(2, 2, k));
    assert_eq!(grad(|x| x.trace(), &batch).unwrap_err(), Error::NotScalar { shape: Shape::batch(3, 1, 1) });
    let tape = Tape::new();
    let x = tape.input(&x0);
    let y = x.dot(x);
    let mut small = Batch::zeros(Shape::mat(1, 1));
    for e in [
        tape.gradient_into(y, &[x], &mut [&mut small]).unwrap_err(),
        tape.hvp_into(y, x, &x0, &mut small).unwrap_err(),
        tape.hvp_operator(y, x).unwrap().apply_into(&x0, &mut small).unwrap_err(),
    ] {
        assert_eq!(e.to_string(), "the result has shape 1x1, expected 2x2");
    }
    assert_eq!(
        tape.gradient_into(y, &[x], &mut []).unwrap_err().to_string(),
        "the list of results has 0 leaves, expected 1"
    );
    assert!(matches!(tape.hvp(y, x, &v), Err(Error::Shape { what: "the direction", .. })));
    let plain = Tape::plain();
    let x = plain.input(&x0);
    assert_eq!(plain.grad_on_tape(x.dot(x), x).map(|_| ()), Err(Error::NotRecording));
}

/// The method that was called stands in the error, whichever primitive failed, in every kind of evaluation and sweep.
#[test]
fn the_method_that_was_called_is_named() {
    let (singular, indefinite) = (mat![[1.0, 2.0], [2.0, 4.0]], mat![[1.0, 2.0], [2.0, 1.0]]);
    let deficient = mat![[1.0, 2.0], [2.0, 4.0], [0.0, 0.0]];
    let (zero, eye) = (Mat::<f64>::zeros(2, 2), Mat::<f64>::identity(2, 2));
    type Program = for<'t> fn(Var<'t>) -> Var<'t>;
    let cases: [(&str, Program, &Mat<f64>); 29] = [
        ("solve", |x| x.solve(&mat![[1.0], [1.0]]).sum(), &singular),
        ("solve", |x| x.try_solve(&mat![[1.0], [1.0]]).map_or(x.inverse().sum(), |y| y.sum()), &eye),
        ("inverse", |x| x.inverse().sum(), &singular),
        ("logdet", |x| x.logdet(), &singular),
        ("slogdet", |x| x.slogdet().1, &singular),
        ("matrix_power", |x| x.matrix_power(-2).sum(), &singular),
        ("lstsq", |x| x.lstsq(&mat![[1.0], [1.0], [1.0]]).sum(), &deficient),
        ("pinv", |x| x.pinv().sum(), &deficient),
        ("qr", |x| x.qr().0.sum(), &deficient),
        ("lq", |x| x.t().lq().0.sum(), &deficient),
        ("qr_pivoted", |x| x.qr_pivoted().1.sum(), &deficient),
        ("polar", |x| x.polar().0.sum(), &deficient),
        ("logm_spd", |x| x.logm_spd().sum(), &indefinite),
        ("powm_spd", |x| x.powm_spd(2.0).sum(), &indefinite),
        ("trace_fun", |x| x.trace_fun(SymFn::Ln), &indefinite),
        ("lyapunov", |x| x.lyapunov(&mat![[1.0, 0.0], [0.0, 2.0]]).sum(), &singular),
        ("sylvester", |x| x.sylvester(&mat![[0.0]], &mat![[1.0], [2.0]]).sum(), &singular),
        ("discrete_lyapunov", |x| (x * 0.2).discrete_lyapunov(&mat![[1.0, 0.0], [0.0, 2.0]]).sum(), &singular),
        ("stein", |x| (x * 0.2).stein(&mat![[1.0]], &mat![[1.0], [2.0]]).sum(), &singular),
        ("sqrtm", |x| x.sqrtm().sum(), &indefinite),
        ("logm", |x| x.logm().sum(), &singular),
        ("logm_frechet", |x| x.logm_frechet(x).1.sum(), &indefinite),
        ("powm", |x| x.powm(0.3).sum(), &indefinite),
        ("powm_by", |x| x.powm_by(0.3).sum(), &singular),
        ("group_projector", |x| x.group_projector(Group::RealAbove(0.0)).0.sum(), &singular),
        ("signm", |x| x.signm().sum(), &singular),
        ("norm", |x| x.norm(), &zero),
        ("column_norms", |x| x.column_norms().sum(), &zero),
        ("nuclear_norm", |x| x.nuclear_norm(), &zero),
    ];
    for &(method, f, at) in cases.iter().filter(|(_, _, at)| **at != eye) {
        for e in [
            grad(f, at).unwrap_err(),
            hvp(f, at, at).unwrap_err(),
            // Forward mode has the one-sided derivative of a norm of singular values at zero.
            jvp(f, at, at).map(|_| ()).err().unwrap_or_else(|| grad(f, at).unwrap_err()),
            hessian_map(f, at).map(|_| ()).unwrap_err(),
            grad(|x: Var| x.grad(f).sum(), at).unwrap_err(),
            grad(|x: Var| x.checkpoint(f), at).unwrap_err(),
        ] {
            assert_eq!(data(&e).0, method, "{e}");
        }
        // Found again at replay.
        let tape = Tape::new();
        let x = tape.input(&Mat::<f64>::from_fn(at.nrows(), at.ncols(), |i, j| if i == j { 2.0 } else { 0.5 }));
        let y = f(x);
        tape.check().unwrap();
        tape.set(x, at);
        let e = tape.replay().and_then(|()| tape.gradient(y, x)).unwrap_err();
        assert_eq!(data(&e).0, method, "{e}");
    }
    // Vectors and values of a tie, of which the rules are those of other primitives.
    let eye = Mat::<f64>::identity(3, 3);
    let weights = mat![[1.0], [2.0], [3.0]];
    let e = grad(|x: Var| x.eigvalsh().dot(&weights), &eye).unwrap_err();
    assert_eq!(data(&e).0, "eigvalsh", "{e}");
    let e = grad(|x: Var| x.svdvals().dot(&weights), &eye).unwrap_err();
    assert_eq!(data(&e).0, "svdvals", "{e}");
    let e = grad(|x: Var| (x.eigh().1 * &spd(3, 1)).dot(spd(3, 2)), &eye).unwrap_err();
    assert_eq!(data(&e).0, "eigh", "{e}");
}

#[test]
fn an_error_in_debug_is_the_sentence() {
    let e = grad(|x: Var| x.inverse().sum(), &Mat::zeros(2, 2)).unwrap_err();
    assert_eq!(format!("{e:?}"), e.to_string());
    assert!(format!("{e:#?}").starts_with("inverse at "));
}

/// A column is counted in the matrix that the user gave: not after pivoting, not in a transpose.
#[test]
fn columns_and_entries_are_those_of_the_users_matrix() {
    let index = |e: Error| match failure(&e) {
        Failure::RankDeficient { index, .. } | Failure::NonFinite { index, .. } => index,
        f => panic!("{f}"),
    };
    // Pivoting takes columns 3, 1, 0 and is left with column 2, which is the sum of 0 and 1.
    let a = mat![
        [1.0, 0.0, 1.0, 0.0],
        [0.0, 2.0, 2.0, 0.0],
        [0.0, 0.0, 0.0, 9.0],
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0]
    ];
    let left = index(value(|x| x.qr_pivoted().1, &a).unwrap_err());
    assert!(
        left == 0 || left == 1,
        "of the dependent columns 0, 1 and 2 pivoting takes 2 and the larger of the others"
    );
    let a = mat![[0.0, 0.0, 3.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]];
    assert_eq!(index(value(|x| x.qr_pivoted().1, &a).unwrap_err()), 0);
    // In a batch whose members take different columns.
    let b = Batch::stack(&[spd(3, 1), a.clone(), mat![[1.0, 0.0, 0.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]]]);
    let e = value(|x| x.qr_pivoted().1, &b).map(|_| ()).unwrap_err();
    assert_eq!((data(&e).1, index(e)), (Some(1), 0));
    let b = Batch::stack(&[spd(3, 1), spd(3, 2), mat![[1.0, 0.0, 0.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]]]);
    let e = value(|x| x.qr_pivoted().1, &b).map(|_| ()).unwrap_err();
    assert_eq!((data(&e).1, index(e)), (Some(2), 1));
    // Wide matrices, entry (1, 2) of 2 x 3: position 5.
    let mut wide = rnd(2, 3, 1);
    wide[(1, 2)] = f64::NAN;
    assert_eq!(index(value(|x| x.svd().1, &wide).unwrap_err()), 5);
    assert_eq!(index(value(|x| x.svdvals(), &wide).unwrap_err()), 5);
    // LQ, which is that of the transpose, of wide and of tall matrices.
    assert_eq!(index(value(|x| x.lq().0, &wide).unwrap_err()), 5);
    let mut tall = rnd(5, 3, 1);
    tall[(2, 1)] = f64::NAN;
    assert_eq!(index(value(|x| x.lq().0, &tall).unwrap_err()), 7);
    assert_eq!(index(value(|x| x.qr().0, &tall).unwrap_err()), 7);
    assert_eq!(index(value(|x| x.svd().1, &tall).unwrap_err()), 7);
    assert_eq!(index(value(|x| x.pinv(), &tall).unwrap_err()), 7);
    let mut wide = rnd(2, 5, 1);
    wide[(0, 3)] = f64::NAN;
    assert_eq!(index(value(|x| x.pinv(), &wide).unwrap_err()), 6);
    assert_eq!(index(value(|x| x.qr_pivoted().1, &wide).unwrap_err()), 6);
    assert_eq!(index(value(|x| x.nuclear_norm(), &wide).unwrap_err()), 6);
}

#[test]
fn an_operation_that_was_given_an_infinity_is_not_blamed() {
    let tape = Tape::new();
    let (given, large) = (tape.input(&f64::INFINITY), tape.input(&1000.0));
    let passed_on = given + 1.0;
    let line = line!() + 1;
    let _ = passed_on * large.exp();
    let Err(Error::Overflow { primitive, line: at, .. }) = tape.check_finite() else { panic!("exp overflows") };
    assert_eq!((primitive, at.line()), ("exp", line));
}

#[test]
fn a_direction_or_cotangent_that_is_no_number_is_said_to_be_given() {
    let tape = Tape::new();
    let x = tape.input(&2.0);
    let y = x.exp() * x;
    let mut out = Batch::zeros(Shape::SCALAR);
    assert_eq!(origin(tape.jvp_into(&[(x, &f64::NAN)], &[y], &mut [&mut out])), Origin::Given);
    assert_eq!(origin(tape.vjp_into(&[(y, &f64::INFINITY)], &[x], &mut [&mut out])), Origin::Given);
    assert_eq!(origin(tape.hvp_into(y, x, &f64::NAN, &mut out)), Origin::Given);
}
