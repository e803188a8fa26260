//! A failure has its words: the primitive, the member, the entry or column as it is counted, the number, and the line,
//! for every kernel that looks at its data, and not only the failure that some later operation would have met.

use super::points::Rng;
use faer::{Mat, mat};
use pullback::{Batch, Error, Failure, Gauge, Group, Shape, SymFn, Uplo, Var, func, hvp, value};

type F = for<'t> fn(Var<'t>) -> Var<'t>;

/// Primitive, member, failure and line of what went wrong.
#[track_caller]
fn words<R: std::fmt::Debug>(what: &str, r: Result<R, Error>) -> (&'static str, Option<usize>, Failure) {
    match r {
        Err(Error::Data { primitive, member, failure, line, .. }) => {
            assert!(line.to_string().contains("words.rs"), "{what}: {line}");
            (primitive, member, failure)
        }
        other => panic!("{what}: a verdict on the data is expected, and this came: {other:?}"),
    }
}

/// What is asked, the method that was called, the shape.
const LOOKS: [(&str, &str, (usize, usize), F); 28] = [
    ("inverse", "inverse", (4, 4), |x| x.inverse()),
    ("logdet", "logdet", (7, 7), |x| x.logdet()),
    ("lu factors", "lu_factors", (5, 3), |x| x.lu_factors().0),
    ("cholesky", "cholesky", (3, 3), |x| x.cholesky()),
    ("large cholesky", "cholesky", (12, 12), |x| x.cholesky()),
    ("qr", "qr", (4, 2), |x| x.qr().0),
    ("large qr", "qr", (40, 30), |x| x.qr().1),
    ("polar", "polar", (5, 3), |x| x.polar().0),
    ("large polar", "polar", (9, 6), |x| x.polar().1),
    ("exponential", "expm_sym", (3, 3), |x| x.expm_sym()),
    ("eigenvalues", "eigvalsh", (6, 6), |x| x.eigvalsh()),
    ("singular values", "svdvals", (5, 3), |x| x.svdvals()),
    ("large singular values", "svdvals", (9, 6), |x| x.svdvals()),
    ("determinant", "det", (3, 3), |x| x.det()),
    ("order of columns", "qr_pivoted", (4, 3), |x| x.qr_pivoted().1),
    ("cayley", "cayley", (3, 3), |x| x.cayley(0.3)),
    ("exponential", "expm", (3, 3), |x| x.expm()),
    ("square root", "sqrtm", (3, 3), |x| x.sqrtm()),
    ("logarithm", "logm", (3, 3), |x| x.logm()),
    ("sylvester", "sylvester", (3, 3), |x| x.sylvester(mat![[1.0]], mat![[1.0], [2.0], [3.0]])),
    ("lyapunov", "lyapunov", (3, 3), |x| x.lyapunov(x.tape().eye(3))),
    ("general eigenvalues", "eigvals", (3, 3), |x| x.eigvals().0),
    ("large general eigenvalues", "eig", (40, 40), |x| x.eig().2),
    ("action", "expm_multiply", (3, 3), |x| x.expm_multiply(mat![[1.0], [2.0], [3.0]])),
    ("thin matrix", "expm_multiply", (3, 1), |x| x.tape().eye(3).expm_multiply(x)),
    ("projector", "group_projector", (3, 3), |x| x.group_projector(Group::RealAbove(0.0)).0),
    ("rotation", "so3_exp", (3, 1), |x| x.so3_exp()),
    ("Jacobian of a rotation", "so3_left_jacobian", (3, 1), |x| x.so3_left_jacobian()),
];

#[test]
fn every_kernel_names_the_entry_that_is_not_finite() {
    for (what, method, (m, n), f) in LOOKS {
        let good = Rng::new(3).normal(m, n);
        let good = if m == n { &good * good.transpose() + Mat::<f64>::identity(n, n) } else { good };
        value(func(f), &good).unwrap_or_else(|e| panic!("{what}: {e}"));
        for bad in [f64::NAN, f64::INFINITY] {
            for (i, j) in [(0, 0), (m - 1, 0), (1, n - 1), (m - 1, n - 1)] {
                let mut a = good.clone();
                a[(i, j)] = bad;
                let (by, member, failure) = words(what, value(func(f), &a));
                let Failure::NonFinite { index, value } = failure else { panic!("{what}: {failure}") };
                assert_eq!((index, member), (i + j * m, None), "{what}");
                assert_eq!(by, method, "{what}");
                assert!(value == bad || (value.is_nan() && bad.is_nan()), "{what}");
            }
        }
    }
}

#[test]
fn a_complement_names_the_entry_of_what_it_is_given() {
    // `null_basis` takes an orthonormal factor first, and that is what looks.
    let mut q = mat![[1.0], [0.0], [0.0]];
    q[(2, 0)] = f64::NAN;
    let (by, _, failure) = words("null basis", value(|x: Var| x.null_basis(Gauge::Error), &q));
    assert!(matches!(failure, Failure::NonFinite { index: 2, .. }), "{by}: {failure}");
}

#[test]
fn triangles_name_entries_of_the_triangle_and_of_the_right_hand_side() {
    let b = mat![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
    let t = mat![[2.0, 0.5, 0.1], [0.3, 1.5, 0.2], [0.4, 0.6, 1.2]];
    for uplo in [Uplo::Lower, Uplo::Upper] {
        for j in 0..3 {
            for i in 0..3 {
                let inside = if uplo == Uplo::Lower { i >= j } else { i <= j };
                let mut bad = t.clone();
                bad[(i, j)] = f64::NAN;
                let solved = value(|t: Var| t.solve_triangular(uplo, &b), &bad);
                if !inside {
                    assert!(solved.is_ok());
                    continue;
                }
                let (by, _, failure) = words("triangle", solved);
                assert!(matches!(failure, Failure::NonFinite { index, .. } if index == i + 3 * j), "{by}: {failure}");
            }
        }
        for (i, j) in [(0, 0), (2, 0), (1, 1)] {
            let mut bad = b.clone();
            bad[(i, j)] = f64::INFINITY;
            let (by, _, failure) = words("side", value(|b: Var| b.tape().constant(&t).solve_triangular(uplo, b), &bad));
            assert!(matches!(failure, Failure::NonFinite { index, .. } if index == i + 3 * j), "{by}: {failure}");
        }
        let mut singular = t.clone();
        singular[(1, 1)] = 0.0;
        let (_, _, failure) = words("zero", value(|t: Var| t.solve_triangular(uplo, &b), &singular));
        assert_eq!(failure, Failure::Singular { index: 1, ratio: 0.0 });
    }
}

#[test]
fn numbers_that_come_with_an_operation_are_looked_at_too() {
    let w = mat![[0.0, 1.0], [-1.0, 0.0]];
    for alpha in [f64::NAN, f64::INFINITY] {
        let (by, _, failure) = words("cayley", value(|x: Var| x.cayley(alpha), &w));
        let Failure::NonFinite { index, value } = failure else { panic!("{failure}") };
        // The number itself, and not what it makes of an entry.
        assert_eq!((by, index, value.to_bits()), ("cayley", 0, alpha.to_bits()));
    }
    // Directions of a derivative.
    let a = mat![[2.0, 0.5], [0.5, 1.0]];
    let e = mat![[1.0, f64::NAN], [0.0, 1.0]];
    let frechet = value(|e: Var| e.tape().constant(&a).symmetric().frechet(SymFn::Exp, &[e]), &e);
    let (by, _, failure) = words("direction", frechet);
    assert!(matches!(failure, Failure::NonFinite { index: 2, .. }), "{by}: {failure}");
    hvp(|x: Var| x.trace_fun(SymFn::XLogX), &a, &e).expect_err("a direction that is not a number");
}

#[test]
fn pivots_and_columns_are_named_with_their_numbers() {
    // Column 2 is the sum of the others, in a batch, in member 1.
    let dependent = mat![[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 2.0], [2.0, 0.0, 2.0]];
    let fine = mat![[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, -2.0], [2.0, 0.0, 2.0]];
    let both = Batch::from_fn(Shape::batch(2, 4, 3), |b, i, j| [&fine, &dependent][b][(i, j)]);
    let (by, member, failure) = words("qr", value(|x: Var| x.qr().0, &both));
    let Failure::RankDeficient { index, ratio } = failure else { panic!("{failure}") };
    assert_eq!((by, member, index), ("qr", Some(1), 2));
    assert!(ratio < 1e-14);
    // The pivot and its value, before and after faer takes over.
    for n in [3, 5, 12] {
        let mut a = Mat::<f64>::identity(n, n);
        (a[(n - 1, n - 1)], a[(n - 1, 0)], a[(0, n - 1)]) = (1.0, 2.0, 2.0);
        let (by, _, failure) = words("cholesky", value(|x: Var| x.cholesky(), &a));
        assert_eq!((by, failure), ("cholesky", Failure::NotPositiveDefinite { index: n - 1, value: -3.0 }));
    }
}

#[test]
fn a_positive_definite_solve_names_the_entry_of_its_right_hand_side() {
    let a = mat![[2.0, 0.5, 0.1], [0.5, 1.5, 0.2], [0.1, 0.2, 1.2]];
    for (i, j) in [(0, 0), (2, 0), (1, 1)] {
        let mut b = mat![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
        b[(i, j)] = f64::INFINITY;
        let (by, member, failure) = words("spd", value(|b: Var| b.tape().constant(&a).spd().solve(b), &b));
        assert!(matches!(failure, Failure::NonFinite { index, .. } if index == i + 3 * j), "{by}: {failure}");
        assert_eq!(member, None);
    }
    let mut both = Batch::from_fn(Shape::batch(2, 3, 1), |_, i, _| i as f64);
    both.data_mut()[4] = f64::NAN;
    let (_, member, failure) = words("spd", value(|b: Var| b.tape().constant(&a).spd().solve(b), &both));
    assert!(matches!(failure, Failure::NonFinite { index: 1, .. }) && member == Some(1), "{failure} in {member:?}");
}
