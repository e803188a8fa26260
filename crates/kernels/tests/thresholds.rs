//! Every tolerance that decides a verdict on data, from just above and just below, in both precisions. Each matrix is
//! chosen such that what is judged is known exactly, so a tolerance that is off by a factor 2 either way is found.

use pullback_kernels::list::*;
use pullback_kernels::{Failure, Least, SymFn, Workspace, tolerances};

/// The identity of order `n`, scaled, whose last two rows and columns are `b`.
fn bordered<T: Kernels>(m: usize, n: usize, b: [[f64; 2]; 2]) -> Vec<T> {
    let mut a = vec![T::zero(); m * n];
    (0..n).for_each(|i| a[i + i * m] = T::one());
    for i in 0..2 {
        for j in 0..2 {
            a[n - 2 + i + (n - 2 + j) * m] = T::of(b[i][j]);
        }
    }
    a
}

/// Just above the threshold there is an answer, just below there is not.
fn on_both_sides(threshold: f64, what: &str, mut answers: impl FnMut(f64) -> Result<(), Failure>, last: usize) {
    for above in [2.0, 10.0] {
        assert_eq!(answers(above * threshold), Ok(()), "{what}: {above} times the threshold");
    }
    for below in [0.5, 0.01, 0.0] {
        let index = match answers(below * threshold) {
            Err(Failure::RankDeficient { index, .. } | Failure::Singular { index, .. }) => index,
            Err(Failure::NotPositiveDefinite { index, .. }) => index,
            other => panic!("{what}: {below} times the threshold: {other:?}"),
        };
        assert_eq!(index, last, "{what}");
    }
}

fn qr<T: Kernels>() {
    let mut w = Workspace::default();
    // The second column is the first and a part of the given size beside it. Large matrices are faer's.
    for (m, n) in [(2, 2), (4, 2), (9, 5), (64, 20)] {
        let (mut q, mut r) = (vec![T::zero(); m * n], vec![T::zero(); n * n]);
        let threshold = 32.0 * (m - (n - 1)) as f64 * T::EPS.f64();
        assert_eq!(tolerances::qr_rank::<T>(m, n - 1).f64(), threshold);
        let run = |d: f64| T::qr_thin(&bordered::<T>(m, n, [[1.0, 1.0], [0.0, d]]), m, n, &mut q, &mut r, &mut w);
        on_both_sides(threshold, &format!("qr of {m} x {n}"), run, n - 1);
    }
}

fn lu<T: Kernels>() {
    let mut w = Workspace::default();
    for n in [2, 4, 7, 20] {
        // The last pivot is d, left of terms 1 + d and 1.
        let threshold = 2.0 * 32.0 * n as f64 * T::EPS.f64();
        let block = |d: f64| bordered::<T>(n, n, [[1.0, 1.0], [1.0, 1.0 + d]]);
        let mut handle = vec![T::zero(); n * (n + 1)];
        on_both_sides(threshold, &format!("lu of order {n}"), |d| T::lu(&block(d), n, &mut handle, &mut w), n - 1);
        let [mut l, mut u, mut p] = [n * n, n * n, n].map(|k| vec![T::zero(); k]);
        let factors = |d: f64| T::lu_factors(&block(d), n, n, &mut l, &mut u, &mut p, &mut w);
        on_both_sides(threshold, &format!("lu factors of order {n}"), factors, n - 1);
        // Rows change places, and the terms of a pivot are those of the row that stands there then.
        T::lu(&bordered::<T>(n, n, [[0.0, 1.0], [1.0, 1e20]]), n, &mut handle, &mut w).unwrap();
        // The ratio that is told is the pivot over its terms, 2.
        let told = T::lu(&block(0.25 * threshold), n, &mut handle, &mut w);
        let Err(Failure::Singular { ratio, .. }) = told else { panic!("{told:?}") };
        assert!((ratio / (0.125 * threshold) - 1.0).abs() < 1e-4, "{ratio}");
    }
}

fn cholesky<T: Kernels>() {
    let mut w = Workspace::default();
    for n in [2, 4, 7, 20] {
        let threshold = 32.0 * n as f64 * T::EPS.f64();
        let mut l = vec![T::zero(); n * n];
        let run = |d: f64| T::cholesky(&bordered::<T>(n, n, [[1.0, 1.0], [1.0, 1.0 + d]]), n, &mut l, &mut w);
        on_both_sides(threshold, &format!("cholesky of order {n}"), run, n - 1);
    }
}

fn polar<T: Kernels>() {
    let mut w = Workspace::default();
    for (m, n) in [(3, 2), (8, 5)] {
        let [mut wf, mut h, mut handle] = [m * n, n * n, n * (n + 1)].map(|k| vec![T::zero(); k]);
        let threshold = m as f64 * T::EPS.f64();
        let mut run =
            |d: f64| T::polar(&bordered::<T>(m, n, [[1.0, 0.0], [0.0, d]]), m, n, &mut wf, &mut h, &mut handle, &mut w);
        assert_eq!(run(2.0 * threshold), Ok(()));
        for below in [0.7, 0.01, 0.0] {
            assert!(matches!(run(below * threshold), Err(Failure::RankDeficient { .. })), "{m} x {n}, {below}");
        }
    }
}

/// Eigenvalues that are given, in the basis of the coordinates.
fn handle<T: Kernels>(values: [f64; 2]) -> Vec<T> {
    [1.0, 0.0, 0.0, 1.0, values[0], values[1]].map(T::of).to_vec()
}

fn positive<T: Kernels>() {
    // Above the threshold the eigenvalues decide, whatever the matrix; below it, its Cholesky pivots do.
    let threshold = 32.0 * 2.0 * T::EPS.f64();
    let [singular, regular] = [1.0, 0.5].map(|c| [1.0, c, c, 1.0].map(T::of));
    let run = |a: &[T], smallest: f64| T::spectral_domain(SymFn::Ln, a, &handle([smallest, 1.0]), 2);
    for (smallest, a, fine) in [
        (2.0 * threshold, singular, true),
        (0.5 * threshold, singular, false),
        (0.5 * threshold, regular, true),
        (0.0, regular, false),
        (-1.0, regular, false),
    ] {
        match run(&a, smallest) {
            Ok(()) => assert!(fine, "{smallest}"),
            Err(e) => assert_eq!((e, fine), (Failure::NotPositiveDefinite { index: 0, value: smallest }, false)),
        }
    }
}

fn kink<T: Kernels>() {
    // Zero is a kink of |x|, and an eigenvalue counts as zero up to what a tie may be: 2n + 4 units of the largest.
    let threshold = 8.0 * T::EPS.f64();
    let (e, mut w) = ([1.0, 2.0, 2.0, 3.0].map(T::of), Workspace::default());
    for (zero, fine) in [(2.0, true), (-2.0, true), (0.5, false), (-0.5, false), (0.0, false)] {
        let mut out = [T::zero(); 4];
        let done = T::spectral(SymFn::Abs, &handle([zero * threshold, 1.0]), 2, &[&e], &mut out, &mut w);
        assert_eq!(done.is_ok(), fine, "{zero} times the threshold: {done:?}");
        assert!(fine || matches!(done, Err(Failure::NotDifferentiable { .. })));
    }
}

fn vanishing<T: Kernels>() {
    // Of rank one but for an entry of the given size.
    let s = Least { m: 4, n: 3, r: 1 };
    let threshold = 32.0 * 4.0 * T::EPS.f64();
    let (mut handle, mut w) = (vec![T::zero(); s.len()], Workspace::default());
    for (rest, fine) in [(0.0, true), (0.5, true), (2.0, false), (100.0, false)] {
        let mut a = vec![T::zero(); 12];
        (a[0], a[5]) = (T::one(), T::of(rest * threshold));
        let done = T::least_factor(&a, s, &mut handle, &mut w);
        assert_eq!(done.is_ok(), fine, "{rest} times the threshold: {done:?}");
    }
}

fn determinant<T: Kernels>() {
    // A determinant is zero where a pivot is, and not where all are small.
    for size in [1.0, 1e-3 * T::EPS.f64(), 1e-7 * T::EPS.f64()] {
        let c = T::of(size);
        for (last, expected) in [(c + c, c), (c, T::zero())] {
            let a = [c, c, c, last];
            let mut handle = [T::zero(); 8];
            T::lu_complete(&a, 2, &mut handle).unwrap();
            let unit = T::det(&handle, 2) / c;
            assert!((unit - expected).f64().abs() <= 4.0 * T::EPS.f64() * size, "{size}: {unit} {expected}");
        }
    }
}

/// A handle of `-I` and a diagonal matrix, or of `I`: one that has known rounding, and one that has not.
fn schur_of<T: Kernels>(diagonal: &[f64], rounded: bool) -> Vec<T> {
    let n = diagonal.len();
    let mut h = vec![T::zero(); 2 * n * n];
    for (i, &x) in diagonal.iter().enumerate() {
        h[i + i * n] = if rounded { -T::one() } else { T::one() };
        h[n * n + i + i * n] = T::of(x);
    }
    h
}

fn equations<T: Kernels>() {
    let mut w = Workspace::default();
    // From order 14 on the pivots' threshold is above that of growth.
    for n in [30, 50] {
        // The last pivots are d, in an operator of size 2; the right-hand side does not see them.
        let mut b = vec![1.0; n];
        let (ones, zero, mut x) = (vec![1.0; n], vec![T::zero(); n * n], vec![T::zero(); n * n]);
        let size = tolerances::equation_pivot::<T>(n).f64();
        assert_eq!(size, T::EPS.f64() * (2 * n + 4) as f64);
        let mut sum = |d: f64, rounded: bool| {
            b[n - 1] = -1.0 + d;
            T::sylvester(&schur_of(&ones, rounded), n, false, &schur_of(&b, rounded), n, false, &zero, &mut x, &mut w)
        };
        on_both_sides(2.0 * size, "sylvester", |d| sum(d, true), n - 1);
        // Without rounding in the factors it is the pivot's own that counts.
        on_both_sides(8.0 * T::EPS.f64(), "sylvester, exact", |d| sum(d, false), n - 1);
        let mut difference = |d: f64| {
            let (a, mut b) = (schur_of::<T>(&ones, true), vec![1.0; n]);
            b[n - 1] = 1.0 + d;
            // The other pivots are those of opposite eigenvalues.
            b[..n - 1].fill(-1.0);
            T::stein(&a, n, false, &schur_of(&b, true), n, false, &zero, &mut x, &mut w)
        };
        on_both_sides(2.0 * size, "stein", &mut difference, n - 1);
    }
}

fn growth<T: Kernels>() {
    // The pivot is large enough, but the solution is so large that rounding in the residual reaches the right-hand
    // side.
    let (mut w, mut x) = (Workspace::default(), [T::zero()]);
    let threshold = 2.0 * 32.0 * T::EPS.f64();
    let mut run = |d: f64| {
        let (a, b) = (schur_of::<T>(&[1.0], true), schur_of::<T>(&[-1.0 + d], true));
        T::sylvester(&a, 1, false, &b, 1, false, &[T::one()], &mut x, &mut w)
    };
    on_both_sides(threshold, "growth", &mut run, 0);
}

fn axis<T: Kernels>() {
    // Symmetric with eigenvalues 1 and d, turned by half a right angle, where d is known to rounding of 1 only. The
    // order is one at which this threshold is above that of a singular matrix.
    let (mut w, n) = (Workspace::default(), 30);
    let near = tolerances::equation_pivot::<T>(n).f64();
    let (mut x, mut h) = (vec![T::zero(); n * n], vec![T::zero(); 2 * n * n]);
    let mut run = |d: f64| {
        let a = bordered::<T>(n, n, [[0.5 + 0.5 * d, 0.5 - 0.5 * d], [0.5 - 0.5 * d, 0.5 + 0.5 * d]]);
        T::sqrtm(&a, n, &mut x, &mut h, &mut w)
    };
    for d in [1.5 * near, 3.0 * near, 1.0] {
        assert_eq!(run(d), Ok(()), "{d:.1e}");
    }
    for d in [0.5 * near, 0.0, -near, -1.0] {
        assert!(matches!(run(d), Err(Failure::NoPrincipalValue { .. })), "{d:.1e}: {:?}", run(d));
    }
    // The root of e on the diagonal and ones above has couplings whose squares, 1 / 4 e, leave rounding of that size in
    // a zero.
    let mut run = |e: f64| {
        let (o, z) = (T::one(), T::zero());
        let a = [T::of(e), z, z, o, T::of(e), z, z, o, T::of(e)];
        T::sqrtm(&a, 3, &mut [z; 9], &mut [z; 18], &mut w)
    };
    assert_eq!(run(1.0), Ok(()));
    assert!(matches!(run(0.007 * T::EPS.f64().sqrt()), Err(Failure::IllConditioned { .. })));
}

macro_rules! in_both_precisions {
    ($($name:ident: $($f:ident),+;)+) => { $(
        #[test]
        fn $name() {
            $( $f::<f64>(); $f::<f32>(); )+
        }
    )+ };
}

in_both_precisions! {
    a_column_is_dependent_below_its_threshold: qr;
    a_pivot_is_zero_below_its_threshold: lu;
    a_matrix_is_definite_above_the_threshold_of_its_pivots: cholesky;
    a_singular_value_is_zero_below_its_threshold: polar;
    eigenvalues_prove_definiteness_above_their_threshold: positive;
    an_eigenvalue_is_at_a_kink_below_the_threshold_of_ties: kink;
    a_determinant_of_small_entries_is_small: determinant;
    what_a_stated_rank_leaves_must_be_below_its_threshold: vanishing;
    an_equation_is_singular_below_its_thresholds: equations, growth;
    a_root_needs_eigenvalues_off_the_axis: axis;
}

#[test]
fn both_precisions_have_a_threshold_of_their_own() {
    assert_eq!(tolerances::tie::<f32>(3), 10.0 * f32::EPSILON);
    assert_eq!(tolerances::gauge::<f32>(), f32::EPSILON.powf(0.75));
}
