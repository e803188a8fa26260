//! Programs of tied eigenvalues and singular values, mode by mode: what `Var::eigvalsh` documents, cell by cell.
//! Against smooth expressions of the same functions, which never see an eigenvalue of their own.

use super::points::{Rng, diagonal};
use super::verdicts::{close, failure};
use faer::{Mat, Scale};
use pullback::{Failure, SymFn, Tape, Var};

type Program = for<'t> fn(Var<'t>) -> Var<'t>;

/// A function of eigenvalues or singular values, the same without them, and whether its cotangents are constant.
struct Function {
    name: &'static str,
    through: Program,
    smooth: Program,
    constant: bool,
}

fn of_eigenvalues() -> Vec<Function> {
    let f = |name, through, smooth, constant| Function { name, through, smooth, constant };
    vec![
        f("sum", |a| a.eigvalsh().sum(), |a| a.sym().trace(), true),
        f("sum through eigh", |a| a.eigh().0.sum(), |a| a.sym().trace(), true),
        f("logarithms", |a| a.eigvalsh().ln().sum(), |a| a.trace_fun(SymFn::Ln), false),
        f("logarithms through eigh", |a| a.eigh().0.ln().sum(), |a| a.trace_fun(SymFn::Ln), false),
        f("squares", |a| a.eigvalsh().powf(2.0).sum(), |a| a.trace_fun(SymFn::Pow(2.0)), false),
        f("cubes", |a| a.eigvalsh().powf(3.0).sum(), |a| a.trace_fun(SymFn::Pow(3.0)), false),
        f(
            "a product of sums",
            |a| {
                let l = a.eigvalsh();
                l.dot(l) * l.exp().sum()
            },
            |a| a.trace_fun(SymFn::Pow(2.0)) * a.trace_fun(SymFn::Exp),
            false,
        ),
        f("a norm", |a| a.eigvalsh().powf(4.0).sum().powf(0.25), |a| a.trace_fun(SymFn::Pow(4.0)).powf(0.25), false),
    ]
}

fn of_singular_values() -> Vec<Function> {
    let f = |name, through, smooth, constant| Function { name, through, smooth, constant };
    vec![
        f("nuclear norm", |a| a.nuclear_norm(), |a| a.polar().1.trace(), true),
        f("sum through svd", |a| a.svd().1.sum(), |a| a.polar().1.trace(), true),
        f("squares", |a| a.svdvals().powf(2.0).sum(), |a| a.dot(a), false),
        f("cubes", |a| a.svdvals().powf(3.0).sum(), |a| a.t_mul(a).trace_fun(SymFn::Pow(1.5)), false),
        f("logarithms", |a| a.svdvals().ln().sum(), |a| a.t_mul(a).trace_fun(SymFn::Ln) * 0.5, false),
    ]
}

const GAPS: [f64; 6] = [1e-14, 1e-13, 1e-12, 1e-10, 1e-8, 1e-6];

/// Spectra with double and triple ties, all tied, none tied, and near ties; with the least relative gap that is not a
/// tie.
fn spectra() -> Vec<(Vec<f64>, f64)> {
    let mut all = vec![
        (vec![1.0; 4], 1.0),
        (vec![2.0, 2.0, 3.0, 4.5], 1.0),
        (vec![1.0, 2.0, 2.0, 2.0], 1.0),
        (vec![1.0, 1.0, 3.0, 3.0], 1.0),
        (vec![1.0, 2.0, 3.0, 4.0], 1.0),
        (vec![1.0], 1.0),
        (vec![0.5; 2], 1.0),
    ];
    for gap in GAPS {
        all.push((vec![1.0, 2.0, 2.0 * (1.0 + gap), 4.0], gap));
        all.push((vec![1.0, 1.0 + gap, 1.0 + 2.0 * gap, 4.0], gap));
    }
    all
}

/// What a difference quotient of a program may lose at a gap (relative to the largest value), where the direction turns
/// it: it keeps `eps / gap`, and no less than `gap` where the slope along the direction helps.
fn loss(gap: f64) -> f64 {
    1e-12 + 200.0 * (f64::EPSILON / gap).min(gap)
}

fn check(f: &Function, a: &Mat<f64>, v: &Mat<f64>, gap: f64) {
    let loss = if gap == 1.0 { 1e-11 } else { loss(gap) };
    let at = |mode: &str| format!("{}, {mode} at\n{a:?}", f.name);
    let near = |x: &Mat<f64>, y: &Mat<f64>, tol: f64, mode: &str| {
        let d = (x - y).norm_max();
        assert!(d <= tol * y.norm_max().max(1.0), "{}: {d:e}, allowed {tol:e}\n{x:?}\n{y:?}", at(mode));
    };
    let g = pullback::grad(f.smooth, a).unwrap();
    near(&pullback::grad(f.through, a).unwrap_or_else(|e| panic!("{}: {e}", at("grad"))), &g, 1e-12, "grad");
    let d = |p: Program| pullback::jvp(p, a, v).unwrap_or_else(|e| panic!("{}: {e}", at("jvp"))).1.into_mat();
    near(&d(f.through), &d(f.smooth), 1e-12, "jvp");
    let h = pullback::hvp(f.smooth, a, v).unwrap();
    let hvp = pullback::hvp(f.through, a, v).unwrap_or_else(|e| panic!("{}: {e}", at("hvp")));
    near(&hvp, &h, loss, "hvp");
    let operator = pullback::hessian_map(f.through, a).and_then(|h| h(v));
    near(&operator.unwrap_or_else(|e| panic!("{}: {e}", at("hessian_map"))), &h, loss, "hessian_map");
    // The columns of a Hessian are along unit matrices. In the eigenbasis of a diagonal matrix some have no slope along
    // the tied values.
    let diagonal = (0..a.ncols()).all(|j| (0..a.nrows()).all(|i| i == j || a[(i, j)] == 0.0));
    let hessian = pullback::hessian(f.through, a).unwrap_or_else(|e| panic!("{}: {e}", at("hessian")));
    let (m, n) = (a.nrows(), a.ncols());
    let along = &hessian * Mat::from_fn(m * n, 1, |k, _| v[(k % m, k / m)]);
    let columns = if diagonal { 1e-12 + 200.0 * f64::EPSILON / gap } else { 100.0 * loss };
    near(&Mat::from_fn(m, n, |i, j| along[(i + j * m, 0)]), &h, columns, "hessian");
    let inside = pullback::value(|x: Var| x.hvp(f.through, v), a).unwrap().into_mat();
    near(&inside, &h, loss, "hvp inside a program");
    // A recorded gradient, differentiated again in reverse, knows no direction.
    let again = pullback::grad(|x: Var| x.grad(f.through).dot(v), a);
    match again {
        Ok(again) => near(&again, &h, 1e-12 + 1e-14 / loss, "reverse over reverse"),
        Err(_) if f.constant => panic!("{}: refused", at("reverse over reverse")),
        Err(e) => {
            let said = failure::<()>(Err(e));
            let Failure::NotDifferentiable { what } = said else { panic!("{said}") };
            assert!(what.contains("`hvp`") && what.contains("`trace_fun`"), "{what}");
        }
    }
}

#[test]
fn symmetric_programs_of_eigenvalues_are_right_in_every_mode_that_knows_its_direction() {
    for (spectrum, gap) in spectra() {
        let n = spectrum.len();
        let v = Rng::new(3).normal(n, n);
        for a in [Rng::new(2).with_spectrum(&spectrum), diagonal(&spectrum)] {
            for f in of_eigenvalues() {
                check(&f, &a, &v, gap);
            }
        }
    }
}

#[test]
fn symmetric_programs_of_singular_values_are_right_in_every_mode_that_knows_its_direction() {
    for (spectrum, gap) in spectra() {
        let n = spectrum.len();
        for m in [n, n + 2] {
            let v = Rng::new(3).normal(m, n);
            let a = Rng::new(4).orthonormal(m, n) * diagonal(&spectrum) * Rng::new(5).orthonormal(n, n).transpose();
            let plain = Mat::from_fn(m, n, |i, j| if i == j { spectrum[j] } else { 0.0 });
            for a in [a, plain] {
                for f in of_singular_values() {
                    check(&f, &a, &v, gap);
                }
            }
        }
    }
    // Wide matrices are transposed, and orthogonal ones have all values tied.
    let (q, v) = (Rng::new(6).orthonormal(4, 4), Rng::new(7).normal(4, 4));
    of_singular_values().iter().for_each(|f| check(f, &q, &v, 1.0));
}

#[test]
fn a_likelihood_with_a_tied_rest_has_its_hessian() {
    // Probabilistic PCA: the logarithms of the top values, and k times the logarithm of the mean of the others.
    let likelihood = pullback::func(|a: Var| {
        let (l, n) = (a.eigvalsh(), a.rows());
        let k = n - 2;
        l.row_range(k, 2).ln().sum() + l.row_range(0, k).mean().ln() * k as f64
    });
    let smooth = pullback::func(|a: Var| {
        let (top, k) = (a.spectral_projector(2), a.rows() - 2);
        let rest = a.sym().trace() - (a.sym() * top).trace();
        (a.logm_spd() * top).trace() + (rest / k as f64).ln() * k as f64
    });
    for rest in [[1.0, 1.0, 1.0], [1.0, 1.0 + 1e-9, 1.0 + 3e-9], [1.0, 1.2, 1.5]] {
        let a = Rng::new(1).with_spectrum(&[rest[0], rest[1], rest[2], 3.0, 5.0]);
        let v = Rng::new(2).normal(5, 5);
        close(&pullback::grad(likelihood, &a).unwrap(), &pullback::grad(smooth, &a).unwrap(), 1e-12);
        let h = pullback::hvp(smooth, &a, &v).unwrap();
        close(&pullback::hvp(likelihood, &a, &v).unwrap(), &h, 1e-6);
        close(&pullback::hessian_map(likelihood, &a).unwrap()(&v).unwrap(), &h, 1e-6);
    }
}

/// `lim (f(x + t v) - f(x)) / t` for `t -> 0+`, by two steps extrapolated.
fn one_sided(f: impl for<'t> Fn(Var<'t>) -> Var<'t> + Copy, x: &Mat<f64>, v: &Mat<f64>) -> Mat<f64> {
    let at = |t: f64| pullback::value(f, &(x + Scale(t) * v)).unwrap().into_mat();
    let slope = |t: f64| Scale(1.0 / t) * (at(t) - at(0.0));
    Scale(2.0) * slope(1e-6) - slope(2e-6)
}

#[test]
fn each_tied_value_has_its_one_sided_derivative() {
    for (seed, spectrum) in [[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 2.0, 3.0], [1.0, 2.0, 2.0, 2.0], [-1.0, -1.0, 3.0, 3.0]]
        .into_iter()
        .enumerate()
    {
        let (a, v) = (Rng::new(2).with_spectrum(&spectrum), Rng::new(10 + seed as u64).normal(4, 4));
        let found = pullback::jvp(|a: Var| a.eigvalsh(), &a, &v).unwrap().1.into_mat();
        let limit = one_sided(|a: Var| a.eigvalsh(), &a, &v);
        assert!((&found - &limit).norm_max() < 1e-6, "{found:?}\n{limit:?}");
        // Also of a window that cuts through a tie, and of the modulus, which has a kink of its own elsewhere.
        let window = pullback::jvp(|a: Var| a.symmetric().values(1..3), &a, &v).unwrap().1.into_mat();
        assert!((0..2).all(|i| (window[(i, 0)] - found[(i + 1, 0)]).abs() < 1e-13));
        let linearized = pullback::linearize(|a: Var| a.eigvalsh(), &a).unwrap().1(&v).unwrap().into_mat();
        assert!((linearized - found).norm_max() < 1e-14);
        // Along a multiple of the identity, where the direction leaves every tie.
        let same = pullback::jvp(|a: Var| a.eigvalsh(), &a, &Mat::identity(4, 4)).unwrap().1.into_mat();
        assert!((same - Mat::from_fn(4, 1, |_, _| 1.0)).norm_max() < 1e-14);
    }
}

#[test]
fn singular_values_at_zero_have_one_sided_derivatives() {
    for (m, n, spectrum) in [
        (3, 3, vec![2.0, 0.0, 0.0]),
        (5, 3, vec![2.0, 2.0, 0.0]),
        (4, 2, vec![0.0, 0.0]),
        (3, 1, vec![0.0]),
        (1, 3, vec![0.0]),
    ] {
        let k = spectrum.len();
        let a = Rng::new(4).orthonormal(m, k) * diagonal(&spectrum) * Rng::new(5).orthonormal(n, k).transpose();
        let v = Rng::new(6).normal(m, n);
        let found = pullback::jvp(|a: Var| a.svdvals(), &a, &v).unwrap().1.into_mat();
        let limit = one_sided(|a: Var| a.svdvals(), &a, &v);
        assert!((&found - &limit).norm_max() < 1e-6, "{m}x{n}: {found:?}\n{limit:?}");
        // What is smooth there has its Hessian: the sum of squares is |A|².
        let squares = pullback::func(|a: Var| a.svdvals().powf(2.0).sum());
        close(&pullback::grad(squares, &a).unwrap(), &(Scale(2.0) * &a), if spectrum[0] > 0.0 { 1e-13 } else { 1.0 });
        close(&pullback::hvp(squares, &a, &v).unwrap(), &(Scale(2.0) * &v), 1e-13);
        close(&pullback::hessian_map(squares, &a).unwrap()(&v).unwrap(), &(Scale(2.0) * &v), 1e-13);
        // What is not says so.
        let kink = failure(pullback::grad(|a: Var| a.nuclear_norm(), &a));
        assert!(matches!(kink, Failure::NotDifferentiable { what } if what.contains("kink")), "{kink}");
    }
}

#[test]
fn what_tells_tied_values_apart_is_refused_by_whatever_needs_a_derivative_of_it() {
    let (a, v) = (Rng::new(2).with_spectrum(&[1.0, 2.0, 2.0]), Rng::new(3).normal(3, 3));
    let largest = pullback::func(|a: Var| a.symmetric().values(2..3));
    // Equal in value, and not in derivative: the gradient exists at the tie and the Hessian does not.
    let uneven = pullback::func(|a: Var| {
        let l = a.eigvalsh();
        let (low, high) = (l.slice(1, 0, 1, 1), l.slice(2, 0, 1, 1));
        low * low + (high * high - high * 2.0) * 2.0
    });
    let refused = |f| matches!(f, Failure::NotDifferentiable { .. });
    assert!(refused(failure(pullback::grad(largest, &a))));
    assert!(refused(failure(pullback::hvp(largest, &a, &v))));
    assert!(pullback::grad(uneven, &a).is_ok());
    // Along a direction that leaves the tie it has a second derivative along the line; without one, it has none.
    assert!(pullback::hvp(uneven, &a, &v).is_ok());
    assert!(refused(failure(pullback::hvp(uneven, &a, &Mat::identity(3, 3)))));
    // A mixed derivative whose weights move apart while the matrix stands still.
    fn weighted<'t>((a, c): (Var<'t>, Var<'t>)) -> Var<'t> {
        a.eigvalsh().dot(c)
    }
    let c = Mat::from_fn(3, 1, |_, _| 1.0);
    let dc = Rng::new(5).normal(3, 1);
    assert!(pullback::grad(weighted, &(a.clone(), c.clone())).is_ok());
    let still = pullback::hvp(weighted, &(a.clone(), c), &(Mat::zeros(3, 3), dc));
    assert!(refused(failure(still)));
}

#[test]
fn members_of_a_batch_are_tied_each_in_its_own_way() {
    let members =
        [[1.0, 1.0, 1.0], [1.0, 2.0, 2.0], [1.0, 2.0, 3.0], [2.0, 2.0, 5.0]].map(|s| Rng::new(2).with_spectrum(&s));
    let directions: Vec<Mat<f64>> = (0..4).map(|k| Rng::new(20 + k).normal(3, 3)).collect();
    let (x, v) = (pullback::Batch::stack(&members), pullback::Batch::stack(&directions));
    let f = pullback::func(|a: Var| a.eigvalsh().ln().sin().sum());
    let (h, d) = (pullback::hvp(f, &x, &v).unwrap(), pullback::jvp(|a: Var| a.eigvalsh(), &x, &v).unwrap().1);
    for k in 0..4 {
        close(&h.member(k), &pullback::hvp(f, &members[k], &directions[k]).unwrap(), 1e-12);
        close(
            &d.member(k),
            &pullback::jvp(|a: Var| a.eigvalsh(), &members[k], &directions[k]).unwrap().1.into_mat(),
            1e-13,
        );
    }
}

#[test]
fn a_held_operator_follows_a_replay_into_a_tie_and_out_of_it() {
    let tape = Tape::new();
    let v = Rng::new(3).normal(3, 3);
    let at = |s: [f64; 3]| Rng::new(2).with_spectrum(&s);
    let x = tape.input(&at([1.0, 2.0, 3.0]));
    let h = tape.hvp_operator(x.eigvalsh().ln().sum(), x).unwrap();
    for spectrum in [[1.0, 1.0, 1.0], [1.0, 2.0, 2.0], [1.0, 2.0, 3.0]] {
        tape.set(x, &at(spectrum));
        let smooth = pullback::hvp(|a: Var| a.trace_fun(SymFn::Ln), &at(spectrum), &v).unwrap();
        close(&h.apply(&v).unwrap().into_mat(), &smooth, 1e-12);
    }
}

#[test]
fn a_direction_is_judged_by_its_own_size() {
    let (a, v) = (Rng::new(2).with_spectrum(&[1.0, 2.0, 2.0]), Rng::new(3).normal(3, 3));
    let uneven = pullback::func(|a: Var| {
        let l = a.eigvalsh();
        let (low, high) = (l.slice(1, 0, 1, 1), l.slice(2, 0, 1, 1));
        low * low + (high * high - high * 2.0) * 2.0
    });
    let whole = pullback::hvp(uneven, &a, &v).unwrap();
    for scale in [1e-20, 1e20] {
        close(&(Scale(1.0 / scale) * pullback::hvp(uneven, &a, &(Scale(scale) * &v)).unwrap()), &whole, 1e-12);
        let along = pullback::hvp(uneven, &a, &(Scale(scale) * Mat::<f64>::identity(3, 3)));
        assert!(matches!(failure(along), Failure::NotDifferentiable { .. }), "a tie that lasts, at {scale:e}");
    }
}

#[test]
fn weights_do_not_leave_a_singular_value_that_stays_at_zero() {
    fn weighted<'t>((a, c): (Var<'t>, Var<'t>)) -> Var<'t> {
        a.svdvals().dot(c)
    }
    let (a, c) = (diagonal(&[2.0, 0.0]), faer::mat![[1.0], [0.0]]);
    let dc = faer::mat![[0.0], [1.0]];
    let still = failure(pullback::hvp(weighted, &(a.clone(), c.clone()), &(Mat::zeros(2, 2), dc.clone())));
    assert!(matches!(still, Failure::NotDifferentiable { what } if what.contains("kink")), "{still}");
    // Where it leaves 0, to t |v|, the weight turns on with its derivative.
    let v = faer::mat![[0.0, 0.0], [0.0, -3.0]];
    let (h, _) = pullback::hvp(weighted, &(a, c), &(v, dc)).unwrap();
    close(&h, &faer::mat![[0.0, 0.0], [0.0, -1.0]], 1e-15);
}

#[test]
fn near_ties_are_relative_to_the_largest_value() {
    let gap = 1e-10;
    for scale in [1e-6, 1e6] {
        let a = Rng::new(2).with_spectrum(&[1.0, 2.0, 2.0 * (1.0 + gap), 4.0].map(|x| x * scale));
        let v = Rng::new(3).normal(4, 4);
        let h = pullback::hvp(|a: Var| a.eigvalsh().ln().sum(), &a, &v).unwrap();
        close(&h, &pullback::hvp(|a: Var| a.trace_fun(SymFn::Ln), &a, &v).unwrap(), loss(gap));
    }
}

#[test]
fn weights_that_are_no_function_of_the_values_keep_their_difference_quotient() {
    // diag(w) at fixed w moves along E by (w_i - w_j) / (x_i - x_j) e_ij, in the eigenbasis I. Its own slopes say 0.
    let (x, w) = ([1.0, 1.0 + 2f64.powi(-33), 3.0], [1.0, 2.0, 4.0]);
    let v = Rng::new(3).normal(3, 3);
    let v = &v + v.transpose();
    let c = Mat::from_fn(3, 1, |i, _| w[i]);
    let expected = |i: usize, j: usize| if i == j { 0.0 } else { (w[i] - w[j]) / (x[i] - x[j]) * v[(i, j)] };
    let expected = Mat::from_fn(3, 3, expected);
    close(&pullback::hvp(|a: Var| a.eigvalsh().dot(&c), &diagonal(&x), &v).unwrap(), &expected, 1e-14);
    // The weights as a leaf, which could move and does not.
    let still = (v.clone(), Mat::zeros(3, 1));
    let (h, _) = pullback::hvp(|(a, c): (Var, Var)| a.eigvalsh().dot(c), &(diagonal(&x), c), &still).unwrap();
    close(&h, &expected, 1e-14);
}

#[test]
fn a_recorded_gradient_refuses_directions_that_split_or_couple_a_tie() {
    fn inner<'t>((a, c): (Var<'t>, Var<'t>), v: &Mat<f64>) -> Var<'t> {
        a.grad(|a| a.eigvalsh().dot(c)).dot(v)
    }
    let (a, c) = (diagonal(&[1.0, 1.0, 3.0]), Mat::from_fn(3, 1, |_, _| 1.0));
    let splits = diagonal(&[1.0, 2.0, 0.0]);
    let couples = faer::mat![[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 5.0]];
    for v in [splits, couples] {
        let said = failure(pullback::grad(|x: (Var, Var)| inner(x, &v), &(a.clone(), c.clone())));
        assert!(matches!(said, Failure::NotDifferentiable { what } if what.contains("coincide")), "{said}");
    }
    // One that moves the tied values together has its derivative: that of each weight is the slope of its value.
    let together = diagonal(&[2.0, 2.0, -1.0]);
    let (_, gc) = pullback::grad(|x: (Var, Var)| inner(x, &together), &(a, c)).unwrap();
    close(&gc, &faer::mat![[2.0], [2.0], [-1.0]], 1e-15);
}

/// A tangent of the orthogonal matrices moves no singular value of one to first order, and a turn of the eigenvectors
/// no eigenvalue: the derivatives of the weights are rounding alone there.
#[test]
fn along_directions_that_move_no_value_there_is_a_hessian_too() {
    let skew = Mat::from_fn(5, 5, |i, j| ((i + 2 * j) as f64).sin() - ((j + 2 * i) as f64).sin());
    let near = |got: pullback::Result<Mat<f64>>, right: &Mat<f64>, what: &str| {
        let got = got.unwrap_or_else(|e| panic!("{what}: {e}"));
        assert!((got - right).norm_max() < 1e-12 * (1.0 + right.norm_max()), "{what}");
    };
    for seed in 0..20 {
        let q = Rng::new(100 + seed).orthonormal(5, 5);
        let e = &q * &skew;
        // At an orthogonal matrix Q along Q S: the gradient of sum s^p is p A (A^T A)^(p/2 - 1), and A^T A stands
        // still.
        near(pullback::hvp(|x: Var| x.svdvals().square().sum(), &q, &e), &(Scale(2.0) * &e), "sum s^2");
        near(pullback::hvp(|x: Var| x.svdvals().powf(3.0).sum(), &q, &e), &(Scale(3.0) * &e), "sum s^3");
        near(pullback::hvp(|x: Var| x.nuclear_norm(), &q, &e), &e, "nuclear norm");
        let a = &q * diagonal(&[1.0, 1.0, 1.0, 2.0, 2.0]) * q.transpose();
        let e = &a * &skew - &skew * &a;
        let right = pullback::hvp(|x: Var| x.trace_fun(SymFn::Pow(3.0)), &a, &e).unwrap();
        near(pullback::hvp(|x: Var| x.eigvalsh().powf(3.0).sum(), &a, &e), &right, "sum l^3");
        near(pullback::hessian_map(|x: Var| x.eigvalsh().powf(3.0).sum(), &a).and_then(|h| h(&e)), &right, "operator");
    }
}

#[test]
fn a_second_derivative_inside_a_program_is_differentiated_again() {
    // Weights and matrix move together: fourth powers of eigenvalues and of singular values, against products of the
    // matrix.
    let (v, u) = (Rng::new(3).normal(3, 3), Rng::new(4).normal(3, 3));
    let a = Rng::new(2).with_spectrum(&[1.0, 2.0, 3.5]);
    let eigen = pullback::func(|a: Var| a.eigvalsh().powf(4.0).sum());
    let smooth = pullback::func(|a: Var| (a.sym() * a.sym() * a.sym() * a.sym()).trace());
    let singular = pullback::func(|a: Var| a.svdvals().powf(4.0).sum());
    let again = pullback::func(|a: Var| (a.t_mul(a) * a.t_mul(a)).trace());
    for (through, plain) in [(eigen as Program, smooth as Program), (singular, again)] {
        fn at<F: for<'t> Fn(Var<'t>) -> Var<'t>>(f: F, a: &Mat<f64>, u: &Mat<f64>) -> [Mat<f64>; 3] {
            let along = pullback::linearize(&f, a).unwrap().1(u).unwrap().into_mat();
            [pullback::grad(&f, a).unwrap(), along, pullback::hvp(&f, a, u).unwrap()]
        }
        let all = |f: Program| at(|x: Var| x.hvp(f, &v).dot(&u), &a, &u);
        for (x, y) in all(through).iter().zip(all(plain)) {
            close(x, &y, 1e-11);
        }
    }
}
