//! Every tolerance that decides a verdict on data, from just above and just below, in both precisions. Each matrix is
//! chosen such that what is judged is known exactly, so a tolerance that is off by a factor 2 either way is found.

use pullback_kernels::list::*;
use pullback_kernels::{Failure, Least, SymFn, Triangle, Workspace, tolerances};

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
    // Of a large matrix: the last pivot is d, left of terms whose sum is zero and whose sizes add up to n / 2.
    let n = 161;
    let terms = (n - 1) as f64 / 2.0;
    let arrow = |d: f64| {
        let mut a = bordered::<T>(n, n, [[1.0, 1.0], [-0.5, d]]);
        for k in 0..n - 1 {
            a[k + (n - 1) * n] = T::one();
            a[n - 1 + k * n] = T::of(if k % 2 == 0 { 0.5 } else { -0.5 });
        }
        a
    };
    let mut handle = vec![T::zero(); n * (n + 1)];
    let run = |d: f64| T::lu(&arrow(d), n, &mut handle, &mut w);
    on_both_sides(terms * 32.0 * n as f64 * T::EPS.f64(), "lu of many terms", run, n - 1);
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
    // Above the threshold the eigenvalues decide, whatever the matrix; below it, its Cholesky pivots do, and their
    // product says whether the eigenvalues have digits.
    let threshold = 32.0 * 2.0 * T::EPS.f64();
    let [singular, regular] = [1.0, 0.5].map(|c| [1.0, c, c, 1.0].map(T::of));
    let run = |a: &[T], smallest: f64| T::spectral_domain(SymFn::Ln, a, &handle([smallest, 1.0]), 2);
    for (smallest, a, fine) in [
        (2.0 * threshold, singular, true),
        (0.5 * threshold, singular, false),
        (0.0, singular, false),
        (-0.5 * threshold, singular, false),
        (-1.0, regular, false),
    ] {
        match run(&a, smallest) {
            Ok(()) => assert!(fine, "{smallest}"),
            Err(e) => assert_eq!((e, fine), (Failure::NotPositiveDefinite { index: 0, value: smallest }, false)),
        }
    }
    // A graded matrix whose small eigenvalue is 3/4 of its entry.
    let small = threshold / 64.0;
    let graded = [1.0, 0.5 * small.sqrt(), 0.5 * small.sqrt(), small].map(T::of);
    for (log, fine) in [(0.0, true), (0.5, true), (-0.5, true), (2.0, false), (-2.0, false), (f64::NEG_INFINITY, false)]
    {
        let smallest = 0.75 * small * (log / 32.0_f64).exp();
        let told = run(&graded, smallest);
        assert!(
            if fine { told.is_ok() } else { matches!(told, Err(Failure::IllConditioned { .. })) },
            "{log}: {told:?}"
        );
    }
    assert!(matches!(run(&graded, -small), Err(Failure::IllConditioned { .. })));
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

/// `4` on the diagonal and `1` beside it, times `size` in all columns or in one.
fn band(n: usize, size: f64, one: Option<usize>) -> Vec<f64> {
    let scale = |j: usize| if one.is_none_or(|one| one == j) { size } else { 1.0 };
    let entry = |i: usize, j: usize| [4.0, 1.0, 0.0][i.abs_diff(j).min(2)];
    (0..n * n).map(|k| scale(k / n) * entry(k % n, k / n)).collect()
}

fn of<T: Kernels>(a: &[f64]) -> Vec<T> {
    a.iter().map(|x| T::of(*x)).collect()
}

/// Pivots whose reciprocals overflow are pivots: of LU at orders on both sides of faer's, of triangles and of
/// determinants.
fn below_normal<T: Kernels>() {
    let tiny = T::min_positive_value().f64() / 64.0;
    let (w, close) = (&mut Workspace::default(), |x: f64, y: f64| (x - y).abs() <= 1e-4 * y.abs().max(1.0));
    for n in [1, 3, 9, 16, 17, 20, 40, 130] {
        for one in [None, Some(n / 2)] {
            let (mut plain, mut handle) = (vec![T::nan(); n * (n + 1)], vec![T::nan(); n * (n + 1)]);
            T::lu(&of::<T>(&band(n, 1.0, None)), n, &mut plain, w).unwrap();
            let a = band(n, tiny, one);
            T::lu(&of::<T>(&a), n, &mut handle, w).unwrap();
            let scales = if one.is_some() { 1.0 } else { n as f64 };
            let (found, want) = (T::lu_logabsdet(&handle, n).f64(), T::lu_logabsdet(&plain, n).f64());
            assert!(close(found, want + scales * tiny.ln()), "order {n}: {found}, {want}");
            if one.is_some() {
                continue;
            }
            // The solution is a column of ones.
            let mut x: Vec<T> = (0..n).map(|i| T::of((0..n).map(|j| a[i + j * n]).sum())).collect();
            T::lu_solve(&handle, n, false, &mut x, 1, w);
            assert!(x.iter().all(|x| (x.f64() - 1.0).abs() < 1e-3), "order {n}: {x:?}");
        }
        let (a, lower) = (band(n, tiny, None), Triangle::LOWER);
        for tri in [lower, lower.transposed(), lower.from_right(), lower.transposed().from_right()] {
            // Two columns, or rows, of right-hand sides, for ones again.
            let along = |i: usize| if tri.transpose == tri.is_right() { (0..=i, i) } else { (i..=n - 1, i) };
            let sum = |i: usize| along(i).0.map(|j| a[i + j * n]).sum::<f64>();
            let (m, k) = if tri.is_right() { (2, n) } else { (n, 2) };
            let mut x: Vec<T> = (0..2 * n).map(|p| T::of(sum(if tri.is_right() { p / 2 } else { p % n }))).collect();
            T::trsm(&of::<T>(&a), tri, &mut x, m, k).unwrap();
            assert!(x.iter().all(|x| (x.f64() - 1.0).abs() < 1e-3), "order {n}, {tri:?}: {x:?}");
        }
    }
    let large = T::min_positive_value().recip();
    // Two large pivots, and two small ones, with elimination between these.
    let mut two = bordered::<T>(4, 4, [[tiny, 0.5 * tiny], [0.5 * tiny, tiny]]);
    (two[0], two[5]) = (large, large);
    for (a, want) in [
        (two, 0.75 / 4096.0),
        (vec![T::of(tiny)], tiny),
        (vec![large, T::zero(), T::zero(), T::of(tiny)], 1.0 / 64.0),
        (vec![T::of(tiny), T::of(tiny), T::one(), large], large.f64() * tiny - tiny),
    ] {
        let n = a.len().isqrt();
        let mut handle = vec![T::nan(); n * (n + 2)];
        T::lu_complete(&a, n, &mut handle).unwrap();
        assert_eq!(T::det(&handle, n).f64(), T::of(want).f64());
    }
}

/// Elimination that overflows is said to, and its infinities are not taken for numbers.
fn overflow<T: Kernels>() {
    let (most, w) = (T::max_value() * T::of(0.75), &mut Workspace::default());
    for n in [2, 4, 9, 30] {
        let mut a: Vec<T> = of(&band(n, 1.0, None));
        (a[0], a[1], a[n], a[n + 1]) = (most, -most, most, most);
        let told = T::lu(&a, n, &mut vec![T::nan(); n * (n + 1)], w);
        assert!(matches!(told, Err(Failure::Overflow { .. })), "order {n}: {told:?}");
        let told = T::lu_complete(&a, n, &mut vec![T::nan(); n * (n + 2)]);
        assert!(matches!(told, Err(Failure::Overflow { .. })), "order {n}: {told:?}");
    }
    // A function of an infinite value would be finite, as an inverse root is, and wrong.
    for n in [2, 12, 28, 40] {
        let mut handle = vec![T::nan(); n * (2 * n + 1)];
        let (h, rest) = (n * (n + 1), &mut vec![T::nan(); n * n]);
        let size = T::max_value() / T::of(n as f64);
        let mut a = |x: f64| {
            let mut a = vec![size * T::of(x); n * n];
            (0..n).for_each(|i| a[i + i * n] = size * T::of(x + 0.1));
            let mut told = vec![T::eigh(&a, n, &mut handle[..h], w)];
            if n >= tolerances::EIGH_CONQUER {
                told.push(T::eigh_values(&a, n, &mut handle[..h], w));
            }
            told.push(T::svd(&a, n, n, false, &mut handle, w));
            let (u, s) = handle.split_at_mut(n * n);
            told.push(T::polar(&a, n, n, u, rest, &mut s[..h], w));
            a[..n].fill(size * T::of(x * (n as f64).sqrt()));
            told.push(T::qr_thin(&a, n, n, u, rest, w));
            told
        };
        assert!(a(0.8).iter().all(Result::is_ok), "order {n}: {:?}", a(0.8));
        assert!(a(1.2).iter().all(|t| matches!(t, Err(Failure::Overflow { .. }))), "order {n}: {:?}", a(1.2));
    }
}

/// Columns for a rank, where all are zero and where the longest is longer than any number.
fn extreme_columns<T: Kernels>() {
    for (x, n, want) in [(T::zero(), 3, T::zero()), (T::max_value(), 1, T::max_value())] {
        let m = 300;
        let (mut p, mut d) = (vec![T::nan(); n], vec![T::nan(); n]);
        T::pivots(&vec![x; m * n], m, n, &mut p, &mut d, &mut Workspace::default()).unwrap();
        assert_eq!((p, d), ((0..n).map(|j| T::of(j as f64)).collect(), vec![want; n]));
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
    a_pivot_may_be_smaller_than_normal_numbers: below_normal;
    a_pivot_that_overflows_is_refused: overflow;
    columns_are_ordered_also_at_the_ends_of_the_range: extreme_columns;
    what_a_stated_rank_leaves_must_be_below_its_threshold: vanishing;
    an_equation_is_singular_below_its_thresholds: equations, growth;
    a_root_needs_eigenvalues_off_the_axis: axis;
}

#[test]
fn both_precisions_have_a_threshold_of_their_own() {
    assert_eq!(tolerances::tie::<f32>(3), 10.0 * f32::EPSILON);
    assert_eq!(tolerances::gauge::<f32>(), f32::EPSILON.powf(0.75));
}
