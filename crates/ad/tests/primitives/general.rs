//! What rests on the Schur form of a general matrix, beside other ways to the same: Kronecker systems, functions of
//! symmetric matrices, inverse functions; and that no derivative takes a Schur form.

use super::points::{Kind, Rng};
use faer::{Mat, mat};
use pullback::{Axis, Error, Failure, Tape, Var, func, grad, hvp, jvp, value};

#[track_caller]
pub(super) fn near(a: &Mat<f64>, b: &Mat<f64>, tol: f64, what: &str) {
    let (d, size) = ((a - b).norm_max(), 1.0 + b.norm_max());
    assert!(d <= tol * size, "{what}: {d:e} of {size:e}\n{a:?}\n{b:?}");
}

/// `vec(P X R)` of `X` as a column: `(R^T kron P) vec(X)`.
fn kron<'t>(p: Var<'t>, r: Var<'t>) -> Var<'t> {
    r.t().kron(p)
}

/// The equation as one linear system: nothing of a Schur form is in it.
fn by_kron<'t>(stein: bool, a: Var<'t>, b: Var<'t>, c: Var<'t>) -> Var<'t> {
    let (m, n, tape) = (a.rows(), b.rows(), a.tape());
    let (em, en) = (tape.eye(m), tape.eye(n));
    let system = if stein { tape.eye(m * n) - kron(a, b) } else { kron(a, en) + kron(em, b) };
    system.solve(c.reshape(m * n, 1)).reshape(m, n)
}

/// Value, gradient and Hessian-vector product of one program beside another.
pub(super) fn same(
    what: &str,
    x: &Mat<f64>,
    f: impl for<'t> Fn(Var<'t>) -> Var<'t> + Copy,
    g: impl for<'t> Fn(Var<'t>) -> Var<'t> + Copy,
) {
    let (y, z) = (value(func(f), x).unwrap().into_mat(), value(func(g), x).unwrap().into_mat());
    near(&y, &z, 1e-13, what);
    let (w, v) = (Rng::new(8).normal(y.nrows(), y.ncols()), Rng::new(9).normal(x.nrows(), x.ncols()));
    let of_f = func(|x: Var| f(x).hadamard(f(x)).dot(&w));
    let of_g = func(|x: Var| g(x).hadamard(g(x)).dot(&w));
    near(&grad(of_f, x).unwrap(), &grad(of_g, x).unwrap(), 1e-12, what);
    near(&hvp(of_f, x, &v).unwrap(), &hvp(of_g, x, &v).unwrap(), 1e-11, what);
}

fn solved<'t>(stein: bool, a: Var<'t>, b: Var<'t>, c: Var<'t>) -> Var<'t> {
    if stein { a.stein(b, c) } else { a.sylvester(b, c) }
}

/// Three matrices that are parts of one: `A` regular with itself, `B` of half the size, `C`.
fn parts<'t>(stein: bool, x: Var<'t>, (m, n): (usize, usize)) -> [Var<'t>; 3] {
    let a = x.slice(0, 0, m, m);
    let a = if stein { a } else { a + 2.0 * x.tape().eye(m) };
    [a, x.slice(0, 0, n, n).t() * 0.5, x.slice(0, 0, m, n)]
}

#[test]
fn equations_are_linear_systems() {
    for (m, n) in [(3, 2), (2, 4), (1, 1), (3, 3)] {
        for stein in [false, true] {
            let of = |k: usize, seed| if stein { Kind::Small(k) } else { Kind::Accretive(k) }.generic(seed);
            let (a, b, c) = (of(m, 1), of(n, 2), Kind::Any(m, n).generic(3));
            same(
                "by A",
                &a,
                |x| solved(stein, x, x.tape().constant(&b), x.tape().constant(&c)),
                |x| by_kron(stein, x, x.tape().constant(&b), x.tape().constant(&c)),
            );
            same(
                "by B",
                &b,
                |x| solved(stein, x.tape().constant(&a), x, x.tape().constant(&c)),
                |x| by_kron(stein, x.tape().constant(&a), x, x.tape().constant(&c)),
            );
            let all = of(m.max(n), 4);
            same(
                "by all",
                &all,
                |x| {
                    let [a, b, c] = parts(stein, x, (m, n));
                    solved(stein, a, b, c)
                },
                |x| {
                    let [a, b, c] = parts(stein, x, (m, n));
                    by_kron(stein, a, b, c)
                },
            );
        }
    }
}

#[test]
fn lyapunov_equations_are_linear_systems_and_keep_symmetry() {
    for n in [1, 2, 4] {
        let (a, small, c) = (Kind::Accretive(n).generic(1), Kind::Small(n).generic(2), Kind::Any(n, n).generic(3));
        for c in [&c, &(&c + c.transpose())] {
            same("continuous", &a, |x| x.lyapunov(c), |x| by_kron(false, x, x.t(), x.tape().constant(c)));
            same("discrete", &small, |x| x.discrete_lyapunov(c), |x| by_kron(true, x, x.t(), x.tape().constant(c)));
            same("transposed", &a, |x| x.schur().lyapunov_transpose(c), |x| x.t().lyapunov(c));
            same(
                "discrete, transposed",
                &small,
                |x| x.schur().discrete_lyapunov_transpose(c),
                |x| x.t().discrete_lyapunov(c),
            );
        }
        let symmetric = &c + c.transpose();
        for x in [value(|x: Var| x.lyapunov(&symmetric), &a), value(|x: Var| x.discrete_lyapunov(&symmetric), &small)] {
            let x = x.unwrap().into_mat();
            assert_eq!(x, x.transpose().to_owned());
        }
    }
}

#[test]
fn no_derivative_takes_a_schur_form() {
    type F = for<'t> fn(Var<'t>) -> Var<'t>;
    let programs: [(&str, &str, F); 4] = [
        ("lyapunov", "schur", |x| x.lyapunov(mat![[1.0, 2.0], [3.0, 4.0]])),
        ("sylvester", "schur", |x| {
            let a = x.schur();
            a.sylvester(a, mat![[1.0, 2.0], [3.0, 4.0]])
        }),
        ("sqrtm", "sqrtm", |x| x.sqrtm()),
        ("logm", "logm", |x| x.logm()),
    ];
    for (name, factor, f) in programs {
        let tape = Tape::new();
        let x = tape.input(&mat![[2.0, 1.0], [-0.5, 1.0]]);
        let y = f(x);
        let g = tape.grad_on_tape(y.dot(y), x).unwrap();
        let h = tape.grad_on_tape(g.dot(g), x).unwrap();
        tape.gradient(h.sum(), x).unwrap();
        let count = |p: &str| tape.dump().rows.iter().filter(|r| r.primitive == p).count();
        assert_eq!(count(factor), 1, "{name}: one factorisation");
        assert!(factor == "schur" || count("schur") == 0, "{name}");
    }
}

#[test]
fn roots_and_logarithms_of_symmetric_matrices_are_those_of_symmetric_matrices() {
    for n in [1, 2, 3, 5] {
        let a = Kind::Spd(n).generic(4);
        same("root", &a, |x| x.sym().sqrtm(), |x| x.sqrtm_spd());
        same("logarithm", &a, |x| x.sym().logm(), |x| x.logm_spd());
    }
    // At the identity all eigenvalues are tied.
    let eye = Mat::<f64>::identity(3, 3);
    same("root at the identity", &eye, |x| x.sym().sqrtm(), |x| x.sqrtm_spd());
    same("logarithm at the identity", &eye, |x| x.sym().logm(), |x| x.logm_spd());
}

/// `A`, by way of its root.
fn square(x: Var<'_>) -> Var<'_> {
    let r = x.sqrtm();
    r * r
}

/// 0, since `log(A B) = log A + log B` where they commute.
fn nothing(x: Var<'_>) -> Var<'_> {
    x.sqrtm().logm() * 2.0 - x.logm()
}

#[test]
fn powers_undo_roots_to_third_order() {
    let mut rng = Rng::new(6);
    let jordan = mat![[2.0, 1.0, 0.0], [0.0, 2.0, 1.0], [0.0, 0.0, 2.0]];
    type F = for<'t> fn(Var<'t>) -> Var<'t>;
    for a in [Kind::Accretive(3).generic(5), jordan, Mat::identity(3, 3)] {
        let (n, u, v, zero) = (rng.normal(3, 3), rng.normal(3, 3), rng.normal(3, 3), Mat::<f64>::zeros(3, 3));
        for (f, y, dy, g) in [(square as F, &a, &v, &n), (nothing as F, &zero, &zero, &zero)] {
            near(&value(f, &a).unwrap().into_mat(), y, 1e-14, "value");
            near(&jvp(f, &a, &v).unwrap().1.into_mat(), dy, 1e-13, "first");
            near(&grad(|x: Var| f(x).dot(&n), &a).unwrap(), g, 1e-13, "gradient");
            near(&hvp(|x: Var| f(x).dot(&n), &a, &v).unwrap(), &zero, 1e-12, "second");
            let third = grad(|x: Var| x.hvp(|x| f(x).dot(&n), &v).dot(&u), &a).unwrap();
            near(&third, &zero, 1e-11, "third");
        }
    }
}

#[test]
fn mixed_derivatives_of_the_logarithm_are_those_of_the_engine() {
    let (a, e, f) = (Kind::Accretive(3).generic(1), Kind::Any(3, 3).generic(2), Kind::Any(3, 3).generic(3));
    let first = value(|x: Var| x.logm_frechet(&e).1, &a).unwrap().into_mat();
    near(&first, &jvp(|x: Var| x.logm(), &a, &e).unwrap().1.into_mat(), 1e-14, "first");
    let second = value(|x: Var| x.logm_along(&[x.tape().constant(&e), x.tape().constant(&f)]), &a).unwrap().into_mat();
    near(&second, &jvp(|x: Var| x.logm_frechet(&e).1, &a, &f).unwrap().1.into_mat(), 1e-14, "second");
    let none = value(|x: Var| x.logm_along(&[]), &a).unwrap();
    assert_eq!(none, value(|x: Var| x.logm(), &a).unwrap());
}

#[test]
fn a_fifth_derivative_of_the_logarithm_is_refused() {
    let a = Kind::Accretive(2).generic(1);
    let four = func(|x: Var| x.logm_along(&[x.stop_gradient(); 4]).sum());
    value(four, &a).unwrap();
    let e = grad(four, &a).unwrap_err();
    assert!(matches!(e, Error::Data { failure: Failure::Unsupported { .. }, derivative: true, .. }), "{e}");
}

#[test]
fn what_is_tied_or_defective_needs_no_gap() {
    // d/dA of <W, log A> at 2 I is W / 2, and of <W, sqrt(A)> at 4 I is W / 4.
    let w = mat![[1.0, 2.0], [3.0, 4.0]];
    let two = Mat::<f64>::identity(2, 2) * 2.0;
    near(&grad(|x: Var| x.logm().dot(&w), &two).unwrap(), &(&w * 0.5), 1e-15, "logarithm");
    near(&grad(|x: Var| x.sqrtm().dot(&w), &(&two * 2.0)).unwrap(), &(&w * 0.25), 1e-15, "root");
    // A batch of equations in one node.
    let stack = pullback::Batch::stack(&[two.clone(), w.clone() * 0.1 + &two]);
    let x = value(|x: Var| x.lyapunov(&w), &stack).unwrap();
    near(&x.member(0), &(&w * 0.25), 1e-15, "member");
    let columns = value(|x: Var| Var::concat(&[x.lyapunov(&w), x.sqrtm()], Axis::Cols), &stack).unwrap();
    assert_eq!((columns.shape().batch, columns.shape().cols), (2, 4));
}
