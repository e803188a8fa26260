//! Batches whose members differ in kind: in the sign of a determinant, the order of pivots, rank, convergence, scale,
//! verdict. Whatever is chosen by looking at numbers is chosen for each member, and a failure names its own.

use super::points::{Rng, batch, stack};
use super::verdicts::failure;
use faer::{Mat, mat};
use pullback::{
    Batch, Error, Failure, Gauge, Group, Scalar, Shape, SymFn, Tape, Threads, Uplo, Var, func, grad, hvp, jvp, value,
    vjp,
};

/// Members that have nothing in common but their order: other determinant signs, other orders of pivots, other scales.
fn square() -> Vec<Mat<f64>> {
    vec![
        mat![[2.0, 0.5, 0.1], [0.3, 1.5, -0.2], [0.1, 0.4, 1.0]],
        // Rows swapped: a negative determinant.
        mat![[0.1, 3.0, 0.2], [2.0, 0.3, 0.1], [0.2, -0.1, 1.0]],
        mat![[0.0, 0.0, 4.0], [3.0, 0.1, 0.2], [0.1, 2.0, 0.3]],
        mat![[-1e3, 2.0, 30.0], [40.0, -2e3, 1.0], [5.0, 60.0, -3e3]],
        mat![[1e-4, 3e-4, 0.0], [2e-4, -1e-4, 1e-4], [0.0, 1e-4, 5e-4]],
    ]
}

fn weights(count: usize, rows: usize, cols: usize, seed: u64) -> Vec<Mat<f64>> {
    let mut rng = Rng::new(seed);
    (0..count).map(|k| rng.normal(rows, cols) * 10f64.powi(2 * (k as i32 % 3) - 2)).collect()
}

fn all(members: &[Mat<f64>]) -> Batch {
    stack(&members.iter().map(batch).collect::<Vec<_>>())
}

#[track_caller]
fn near(a: &Mat<f64>, b: &Mat<f64>, what: &str) {
    let (d, size) = ((a - b).norm_max(), b.norm_max());
    assert!(d <= 1e-12 * size, "{what}: {d:e} of {size:e}\n{a:?}\n{b:?}");
}

/// Value, gradient and directional derivative of a batch are those of its members, each with a weight of its own.
fn as_alone(what: &str, members: &[Mat<f64>], f: impl for<'t> Fn(Var<'t>) -> Var<'t> + Copy) {
    let shape = value(func(f), &members[0]).unwrap().shape();
    let (w, v) = (
        weights(members.len(), shape.rows, shape.cols, 5),
        weights(members.len(), members[0].nrows(), members[0].ncols(), 6),
    );
    let v: Vec<Mat<f64>> = v.iter().zip(members).map(|(v, x)| v * (x.norm_max() / v.norm_max())).collect();
    let (x, w_all, v_all) = (all(members), all(&w), all(&v));
    let y = value(func(f), &x).unwrap();
    let g = grad(func(|x| f(x).dot(&w_all).sum()), &x).unwrap();
    let (_, dy) = jvp(func(f), &x, &v_all).unwrap();
    // On a held tape tangents go from buffer to buffer.
    let tape = Tape::new();
    let input = tape.input(&x);
    let output = f(input);
    let mut held = Batch::zeros(output.shape());
    tape.jvp_into(&[(input, &v_all)], &[output], &mut [&mut held]).unwrap();
    let hv = hvp(func(|x| f(x).dot(&w_all).sum()), &x, &v_all).unwrap();
    let shared = Threads::new(3).unwrap().always();
    let again = shared.run(|| {
        let g = grad(func(|x| f(x).dot(&w_all).sum()), &x).unwrap();
        let hv = hvp(func(|x| f(x).dot(&w_all).sum()), &x, &v_all).unwrap();
        (value(func(f), &x).unwrap(), g, jvp(func(f), &x, &v_all).unwrap().1, hv)
    });
    assert!(again == (y.clone(), g.clone(), dy.clone(), hv.clone()), "{what} on three threads");
    for b in 0..members.len() {
        near(&y.member(b), &value(func(f), &members[b]).unwrap().into_mat(), &format!("{what}, value of {b}"));
        near(&g.member(b), &grad(func(|x| f(x).dot(&w[b])), &members[b]).unwrap(), &format!("{what}, gradient of {b}"));
        let alone = jvp(func(f), &members[b], &v[b]).unwrap().1.into_mat();
        near(&dy.member(b), &alone, &format!("{what}, derivative of {b}"));
        near(&held.member(b), &alone, &format!("{what}, derivative of {b} on a held tape"));
        let alone = hvp(func(|x| f(x).dot(&w[b])), &members[b], &v[b]).unwrap();
        near(&hv.member(b), &alone, &format!("{what}, second derivative of {b}"));
    }
}

#[test]
fn every_member_has_its_own_sign_order_and_scale() {
    let square = square();
    as_alone("det", &square, |x| x.det());
    as_alone("slogdet", &square, |x| x.slogdet().1);
    as_alone("sign", &square, |x| x.slogdet().0 + x.trace() * 0.0);
    as_alone("inverse", &square, |x| x.inverse());
    as_alone("lower", &square, |x| x.lu_factors().0);
    as_alone("upper", &square, |x| x.lu_factors().1);
    as_alone("q", &square, |x| x.qr().0);
    as_alone("r", &square, |x| x.qr().1);
    as_alone("both", &square, |x| x.qr().0 + x.qr().1);
    as_alone("polar", &square, |x| x.polar().0);
    as_alone("singular values", &square, |x| x.svdvals());
    as_alone("largest", &square, |x| x.spectral_norm());
    // And the signs themselves, which alone and together could be wrong alike.
    let signs = value(|x: Var| x.slogdet().0, &all(&square)).unwrap();
    assert_eq!(signs.data(), [1.0, -1.0, 1.0, -1.0, -1.0]);
    let det = value(|x: Var| x.det(), &all(&square)).unwrap();
    assert!(signs.data().iter().zip(det.data()).all(|(s, d)| s * d > 0.0));
}

/// Real and complex spectra, defective, diagonal, symmetric, of other scales; all in the right half plane.
fn accretive() -> Vec<Mat<f64>> {
    vec![
        mat![[2.0, 0.5, 0.1], [0.3, 1.5, -0.2], [0.1, 0.4, 1.0]],
        mat![[1.0, 3.0, 0.2], [-2.0, 1.0, 0.1], [0.2, -0.1, 1.0]],
        mat![[2.0, 1.0, 0.0], [0.0, 2.0, 1.0], [0.0, 0.0, 2.0]],
        mat![[3.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 2.0]],
        mat![[2e3, 1e3, 0.0], [1e3, 3e3, 5e2], [0.0, 5e2, 1e3]],
        mat![[1e-4, 3e-4, 0.0], [-2e-4, 1e-4, 1e-4], [0.0, 1e-4, 5e-4]],
    ]
}

#[test]
fn every_member_has_its_own_blocks_and_symmetry() {
    let members = accretive();
    // Right-hand sides of which some are symmetric.
    let sides: Vec<Mat<f64>> = weights(6, 3, 3, 9)
        .iter()
        .enumerate()
        .map(|(k, c)| if k % 2 == 0 { c + c.transpose() } else { c.clone() })
        .collect();
    as_alone("sqrtm", &members, |x| x.sqrtm());
    as_alone(
        "logm",
        &[members.clone(), vec![mat![[1.0, 1e-9, 0.0], [0.0, 1.0, 2e-9], [1e-9, 0.0, 1.0]]]].concat(),
        |x| x.logm(),
    );
    as_alone("lyapunov", &members, |x| x.lyapunov(&members[1]));
    as_alone("lyapunov, symmetric", &members, |x| x.lyapunov(x.tape().eye(3)));
    as_alone("sylvester", &members, |x| x.sylvester(&members[4], &members[1]));
    let small: Vec<Mat<f64>> = members.iter().map(|m| m * (0.3 / m.norm_max())).collect();
    as_alone("discrete", &small, |x| x.discrete_lyapunov(&members[1]));
    as_alone("stein", &small, |x| x.stein(x.t(), x));
    // Right-hand sides that differ in symmetry, at one matrix.
    as_alone("by the side", &sides, |c| c.tape().constant(&members[1]).lyapunov(c));
    as_alone("discrete, by the side", &sides, |c| c.tape().constant(&small[1]).discrete_lyapunov(c));
}

#[test]
fn every_member_has_its_own_degree_and_squarings() {
    let rows = mat![[0.5, -1.0, 0.25], [1.0, 0.125, -0.5], [0.75, 0.5, -0.625]];
    let mut members: Vec<Mat<f64>> = [1e-7, 0.02, 0.2, 0.5, 1.5, 8.0, 40.0].iter().map(|s| &rows * *s).collect();
    // Shifted, nilpotent and far from normal, skew with many squarings.
    members.push(&rows - 50.0 * Mat::<f64>::identity(3, 3));
    members.push(mat![[0.0, 1e5, 3.0], [0.0, 0.0, -2e3], [0.0, 0.0, 0.0]]);
    members.push(mat![[0.0, -90.0, 20.0], [90.0, 0.0, 30.0], [-20.0, -30.0, 0.0]]);
    members.push(Mat::zeros(3, 3));
    as_alone("expm", &members, |x| x.expm());
    as_alone("expm along the rows", &members, |x| x.expm_frechet(x.tape().constant(&members[3])).1);
}

#[test]
fn every_member_has_its_own_segments_and_degree() {
    let rows = mat![[0.5, -1.0, 0.25], [1.0, 0.125, -0.5], [0.75, 0.5, -0.625]];
    let mut members: Vec<Mat<f64>> = [0.0, 1e-7, 0.2, 1.5, 8.0, 60.0].iter().map(|s| &rows * *s).collect();
    // A shift, powers that are small and are estimated, turns.
    members.push(&rows + 20.0 * Mat::<f64>::identity(3, 3));
    members.push(mat![[0.0, 1e5, 3.0], [0.0, 0.0, -2e3], [0.0, 0.0, 0.0]]);
    members.push(mat![[0.0, -90.0, 20.0], [90.0, 0.0, 30.0], [-20.0, -30.0, 0.0]]);
    let b = mat![[1.0, -0.5], [0.25, 2.0], [-1.0, 0.125]];
    as_alone("action", &members, |x| x.expm_multiply(&b));
    as_alone("action, thin", &weights(9, 3, 2, 4), |b| b.tape().constant(&members[4]).expm_multiply(b));
}

#[test]
fn every_member_has_its_own_group() {
    let members = [
        mat![[1.0, 0.3, 0.1], [0.2, -2.5, -0.2], [0.1, 0.4, 5.0]],
        // All, none, one, a pair, and one that is ordered already.
        mat![[1.0, 2.0, 0.1], [-0.5, 1.0, 0.2], [0.1, 0.3, 4.0]],
        mat![[-3.0, 0.2, 0.1], [0.3, -1.0, 2.0], [0.1, -0.5, -1.0]],
        mat![[-3.0, 0.2, 0.1], [0.3, 1.0, 2.0], [0.1, -0.5, 1.0]],
        mat![[2.0, 1.0, 3.0], [0.0, -1.0, 0.5], [0.0, 0.0, -1.0]],
        mat![[-2e3, 1e3, 0.0], [1e3, 3e3, 5e2], [0.0, 5e2, -1e3]],
    ];
    as_alone("right half plane", &members, |x| x.group_projector(Group::RealAbove(0.0)).0);
    as_alone("outside of a circle", &members, |x| x.group_projector(Group::ModulusAbove(1.7)).0);
    as_alone("signs", &members, |x| x.signm());
}

#[test]
fn every_member_has_its_own_real_and_complex_eigenvalues() {
    let members = [
        mat![[1.0, 0.3, 0.1], [0.2, 2.5, -0.2], [0.1, 0.4, 5.0]],
        // One pair, before and after the real one in their order.
        mat![[1.0, 2.0, 0.1], [-0.5, 1.0, 0.2], [0.1, 0.3, 4.0]],
        mat![[-3.0, 0.2, 0.1], [0.3, 1.0, 2.0], [0.1, -0.5, 1.0]],
        mat![[10.0, 300.0, 2.0], [-400.0, -20.0, 5.0], [30.0, 7.0, 2000.0]],
        // Triangular: nothing is iterated.
        mat![[1e-3, 2e-3, 1e-4], [0.0, 3e-3, 1e-3], [0.0, 0.0, 9e-3]],
    ];
    as_alone("real parts", &members, |x| x.eigvals().0);
    as_alone("imaginary parts", &members, |x| x.eigvals().1);
    as_alone("eigenvectors", &members, |x| {
        let (_, _, v, w) = x.eig();
        v + w * 0.5
    });
    as_alone("spectral radius", &members, |x| x.spectral_radius());
    as_alone("characteristic polynomial", &members, |x| x.charpoly());
    as_alone("trace of a power", &members, |x| x.trace_power(4));
}

#[test]
fn coinciding_eigenvalues_are_those_of_their_member() {
    let simple = mat![[1.0, 0.3, 0.1], [0.2, 2.5, -0.2], [0.1, 0.4, 5.0]];
    let jordan = mat![[2.0, 1.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 5.0]];
    let first = func(|x: Var| x.eigvals().0.row_range(0, 1).sum());
    for (at, odd, defective) in [(1, Mat::identity(3, 3), false), (2, jordan, true), (0, Mat::identity(3, 3), false)] {
        let mut members = vec![simple.clone(); 3];
        members[at] = odd;
        match grad(first, &all(&members)) {
            Err(Error::Data { member, failure, .. }) => {
                assert_eq!(member, Some(at));
                let fits = match failure {
                    Failure::Defective { .. } => defective,
                    Failure::NotDifferentiable { .. } => !defective,
                    _ => false,
                };
                assert!(fits, "{failure}");
            }
            other => panic!("a verdict is expected, and this came: {other:?}"),
        }
    }
}

#[test]
fn some_members_are_singular_and_others_are_not() {
    let mut members = square();
    members.insert(1, mat![[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]]);
    members.insert(3, mat![[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [3.0, 6.0, 9.0]]);
    let g = grad(|x: Var| x.det().sum(), &all(&members)).unwrap();
    for (b, x) in members.iter().enumerate() {
        // Cofactors, written out.
        let minor = |i: usize, j: usize| {
            let [r, c] = [i, j].map(|k| [(k + 1) % 3, (k + 2) % 3]);
            x[(r[0], c[0])] * x[(r[1], c[1])] - x[(r[0], c[1])] * x[(r[1], c[0])]
        };
        let size = x.norm_max().powi(2);
        for i in 0..3 {
            for j in 0..3 {
                assert!((g.member(b)[(i, j)] - minor(i, j)).abs() < 1e-14 * size, "member {b}");
            }
        }
    }
}

#[test]
fn dot_products_of_members_have_their_own_cotangents() {
    // Equal shapes, and a batch of numbers as the result: replayed and swept from buffer to buffer.
    let (a, b) = (weights(4, 3, 2, 7), weights(4, 3, 2, 8));
    let c = Batch::from_fn(Shape::batch(4, 1, 1), |k, _, _| 10f64.powi(k as i32) * [1.0, -2.0, 0.5, -1.0][k]);
    let b_all = all(&b);
    let g = grad(|x: Var| x.dot(&b_all).hadamard(&c).sum(), &all(&a)).unwrap();
    let squares = grad(|x: Var| x.dot(x).hadamard(&c).sum(), &all(&a)).unwrap();
    for k in 0..4 {
        near(&g.member(k), &(&b[k] * c.data()[k]), "dot");
        near(&squares.member(k), &(&a[k] * (2.0 * c.data()[k])), "squares");
    }
}

/// The member that a failure names.
#[track_caller]
fn member<R: std::fmt::Debug>(r: Result<R, Error>) -> Option<usize> {
    match r {
        Err(Error::Data { member, .. }) => member,
        other => panic!("a verdict on the data is expected, and this came: {other:?}"),
    }
}

#[test]
fn the_member_that_is_not_definite_is_named() {
    type F = for<'t> fn(Var<'t>) -> Var<'t>;
    let fs: [(&str, F); 9] = [
        ("ln", |x| x.logm_spd()),
        ("sqrt", |x| x.sqrtm_spd()),
        ("one over sqrt", |x| x.invsqrtm_spd()),
        ("power", |x| x.powm_spd(0.3)),
        // Squares exist for every matrix; the verdict is a promise of the method.
        ("square", |x| x.powm_spd(2.0)),
        ("trace of ln", |x| x.trace_fun(SymFn::Ln)),
        ("trace of x ln x", |x| x.trace_fun(SymFn::XLogX)),
        ("cholesky", |x| x.cholesky()),
        ("ln of a handle", |x| x.symmetric().map(SymFn::Ln)),
    ];
    let good = |k: usize| mat![[2.0 + k as f64, 0.5], [0.5, 1.0]];
    for (name, f) in fs {
        for bad in 0..3 {
            let members: Vec<Mat<f64>> =
                (0..3).map(|k| if k == bad { mat![[1.0, 2.0], [2.0, 1.0]] } else { good(k) }).collect();
            let all = all(&members);
            assert_eq!(member(value(func(f), &all)), Some(bad), "{name}");
            assert_eq!(member(grad(func(|x| f(x).sum()), &all).map(|_| ())), Some(bad), "{name}");
        }
        assert!(value(func(f), &all(&[good(0), good(1), good(2)])).is_ok(), "{name}");
    }
}

#[test]
fn the_member_with_a_number_that_is_none_is_named() {
    let a = mat![[2.0, 0.1], [0.3, 1.0], [0.2, 0.4]];
    let (tall, square) = (all(&[a.clone(), a.clone(), a.clone()]), all(&[0, 3, 4].map(|k| square()[k].clone())));
    for bad in 0..3 {
        let b =
            |rows| Batch::from_fn(Shape::batch(3, rows, 1), |k, i, _| if k == bad && i == 1 { f64::NAN } else { 1.0 });
        let solves = [
            value(|b: Var| b.tape().constant(&tall).lstsq(b), &b(3)),
            value(|b: Var| b.tape().constant(&square).solve(b), &b(3)),
            value(|b: Var| b.tape().constant(&square).solve_triangular(Uplo::Lower, b), &b(3)),
        ];
        for (k, y) in solves.into_iter().enumerate() {
            match y {
                Err(Error::Data { member, failure: Failure::NonFinite { index: 1, value }, .. }) => {
                    assert!(value.is_nan(), "solve {k}: {value}");
                    assert_eq!(member, Some(bad), "solve {k}")
                }
                other => panic!("solve {k}: {other:?}"),
            }
        }
    }
}

/// A cotangent of `null_basis` whose part along the gauge is `share` of it: `q a'` is free of it, `Z` times a skew
/// matrix is all of it.
fn cotangent<T: Scalar>(q: &Batch<T>, z: &Batch<T>, share: f64, size: f64) -> Batch<T> {
    let s = z.shape();
    let (q, z) = (q.data(), z.data());
    let c = size / (1.0 + share * share).sqrt();
    let turned = |b: usize, i: usize, j: usize| {
        let at = b * s.each() + i;
        // Z [0 1; -1 0] / sqrt 2.
        if j == 0 { -z[at + s.rows].f64() } else { z[at].f64() }
    };
    Batch::from_fn(s, |b, i, j| T::of(c * (q[b * s.rows + i].f64() + share * turned(b, i, j)) / 2f64.sqrt()))
}

#[test]
fn every_member_of_a_cotangent_is_judged_by_its_own_size() {
    let q: Vec<Mat<f64>> = (0..3).map(|k| Rng::new(30 + k).orthonormal(4, 1)).collect();
    let q = stack(&q.iter().map(batch).collect::<Vec<_>>());
    let tape = Tape::plain();
    let z = tape.constant(&q).null_basis(Gauge::Error).value();
    for bad in 0..3 {
        for sizes in [[1.0, 1.0, 1.0], [1e9, 1e-3, 1e-9], [1e-9, 1.0, 1e9]] {
            let g = Batch::from_fn(z.shape(), |b, i, j| {
                let s = z.shape();
                let zed = |j: usize| z.data()[b * s.each() + j * s.rows + i];
                let clean = q.data()[b * 4 + i] * (1.0 + j as f64);
                let along = [-zed(1), zed(0), 0.0][j];
                sizes[b] * (clean + if b == bad { 1e-3 * along } else { 0.0 })
            });
            let (_, pull) = vjp(|x: Var| x.null_basis(Gauge::Error), &q).unwrap();
            assert_eq!(member(pull(&g)), Some(bad), "{sizes:?}");
            let (_, pull) = vjp(|x: Var| x.null_basis(Gauge::Project), &q).unwrap();
            assert!(pull(&g).is_ok());
        }
    }
}

#[test]
fn a_gauge_is_judged_just_above_and_below_its_tolerance() {
    fn run<T: Scalar>() {
        let q: Batch<T> = Batch::from_fn(Shape::mat(3, 1), |_, i, _| T::of([0.6, 0.0, 0.8][i]));
        let (z, pull) = vjp(|x: Var<'_, T>| x.null_basis(Gauge::Error), &q).unwrap();
        let tolerance = T::EPS.f64().powf(0.75);
        for share in [0.0, 0.1, 0.5] {
            pull(&cotangent(&q, &z, share * tolerance, 1.0)).unwrap_or_else(|e| panic!("{share}: {e}"));
        }
        for share in [2.0, 10.0, 1e4] {
            let Failure::GaugeDependent { defect } = failure(pull(&cotangent(&q, &z, share * tolerance, 1.0))) else {
                panic!("{share}: another verdict")
            };
            assert!((defect / (share * tolerance) - 1.0).abs() < 0.3, "{share}: {defect:e}");
        }
    }
    run::<f64>();
    run::<f32>();
}

#[test]
fn what_is_not_a_number_is_no_matter_of_the_gauge() {
    let q = mat![[0.6], [0.0], [0.8]];
    let (z, pull) = vjp(|x: Var| x.null_basis(Gauge::Error), &q).unwrap();
    let g = Batch::from_fn(z.shape(), |_, i, j| if (i, j) == (1, 1) { f64::NAN } else { 1.0 });
    assert!(matches!(pull(&g), Err(Error::NonFinite { .. })));
}

/// Diagonal, `4 x 3`.
fn tall(d: [f64; 3]) -> Mat<f64> {
    Mat::from_fn(4, 3, |i, j| if i == j { d[i] } else { 0.0 })
}

#[test]
fn every_member_has_its_own_rank() {
    let rounding = 32.0 * 4.0 * f64::EPSILON;
    // Beside a first member of other size and rank; the last two are just above and below what rounding explains.
    let members = [
        tall([1e6, 1e6, 1e6]),
        tall([1e-6, 0.0, 0.0]),
        tall([3.0, 0.0, 2.0]),
        tall([0.0; 3]),
        tall([1.0, 2.0 * rounding, 0.0]),
        tall([1.0, 0.5 * rounding, 0.0]),
    ];
    let tape = Tape::plain();
    assert_eq!(tape.constant(&all(&members)).rank(None), [3, 1, 2, 0, 2, 1]);
    assert_eq!(tape.constant(&all(&members)).rank(Some(0.7)), [3, 1, 1, 0, 1, 1]);
}

#[test]
fn a_stated_rank_is_judged_for_every_member_just_above_and_below_its_tolerance() {
    let rounding = 32.0 * 4.0 * f64::EPSILON;
    for left in [0.0, 0.5, -0.5] {
        let members = [1.0, 1e8, 1e-8].map(|c| tall([c, c, left * c * rounding]));
        value(|x: Var| x.qr_of_rank(2).1, &all(&members)).unwrap_or_else(|e| panic!("{left}: {e}"));
    }
    for bad in 0..3 {
        for left in [2.0, 10.0, 1e6] {
            let sizes = [[1.0, 1e8, 1e-8], [1.0; 3]];
            for sizes in sizes {
                let members: Vec<Mat<f64>> = (0..3)
                    .map(|b| tall([sizes[b], sizes[b], if b == bad { left * sizes[b] * rounding } else { 0.0 }]))
                    .collect();
                assert_eq!(member(value(|x: Var| x.qr_of_rank(2).1, &all(&members))), Some(bad), "{left} {sizes:?}");
            }
        }
    }
}

#[test]
fn every_member_has_its_own_order() {
    let orders = [[0.0, 1.0, 2.0], [2.0, 0.0, 1.0], [1.0, 0.0, 2.0], [1.0, 2.0, 0.0]];
    let p = Batch::from_fn(Shape::batch(4, 3, 1), |b, i, _| orders[b][i]);
    let x: Vec<Mat<f64>> = weights(4, 3, 3, 11);
    let w = weights(4, 3, 3, 12);
    for axis in [pullback::Axis::Rows, pullback::Axis::Cols] {
        let run = |x: Var<'_>| x.permuted(axis, x.tape().constant(&p)).value();
        let y = run(Tape::plain().constant(&all(&x)));
        let g = grad(|x: Var| x.permuted(axis, x.tape().constant(&p)).dot(all(&w)).sum(), &all(&x)).unwrap();
        for b in 0..4 {
            let of = |k: usize| orders[b][k] as usize;
            for i in 0..3 {
                for j in 0..3 {
                    let from = if axis == pullback::Axis::Rows { (of(i), j) } else { (i, of(j)) };
                    assert_eq!(y.member(b)[(i, j)], x[b][from]);
                    assert_eq!(g.member(b)[from], w[b][(i, j)]);
                }
            }
        }
    }
    // And found: columns of decreasing length, in another order in each member.
    let members = [[1.0, 2.0, 4.0], [4.0, 1.0, 2.0], [1.0, 4.0, 2.0]].map(tall);
    let p = value(|x: Var| x.qr_pivoted().2, &all(&members)).unwrap();
    assert_eq!(p.data(), [2.0, 1.0, 0.0, 0.0, 2.0, 1.0, 1.0, 2.0, 0.0]);
}
