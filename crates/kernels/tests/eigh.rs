//! Eigendecompositions around and above the size where divide and conquer begins: a corpus of tridiagonal matrices that
//! are hard for it, full matrices with known spectra, faer as a second opinion, both precisions.

mod common;
use common::*;
use faer::{MatRef, Side};
use pullback_kernels::list::*;
use pullback_kernels::tolerances::{CONQUER_LEAF, EIGH_CONQUER};
use pullback_kernels::{Failure, Workspace};

/// Orders with one to four levels of merges, odd and even halves, and leaves of unequal sizes.
const ORDERS: [usize; 9] =
    [EIGH_CONQUER, EIGH_CONQUER + 1, CONQUER_LEAF + 1, 48, 2 * CONQUER_LEAF + 1, 100, 129, 200, 261];

/// A symmetric tridiagonal matrix in full.
fn tridiagonal(d: impl Fn(usize) -> f64, e: impl Fn(usize) -> f64, n: usize) -> Vec<f64> {
    let mut a = vec![0.0; n * n];
    for i in 0..n {
        a[i + i * n] = d(i);
        if i + 1 < n {
            (a[i + 1 + i * n], a[i + (i + 1) * n]) = (e(i), e(i));
        }
    }
    a
}

/// The values, and how far vectors are from orthogonal ones and all from a decomposition, in units of rounding (of the
/// largest entry).
fn decompose<T: Kernels>(a: &[T], n: usize) -> (Vec<T>, f64, f64) {
    let mut handle = vec![T::nan(); n * (n + 1)];
    T::eigh(a, n, &mut handle, &mut Workspace::default()).unwrap();
    let x = handle.split_off(n * n);
    assert!(x.windows(2).all(|p| p[0] <= p[1]), "not ascending");
    let v = wide(&handle);
    let size = a.iter().fold(0.0f64, |s, x| s.max(x.f64().abs())).max(f64::MIN_POSITIVE);
    // Of a scaled matrix, so that nothing overflows.
    let a: Vec<f64> = a.iter().map(|x| x.f64() / size).collect();
    let mut residual = vec![0.0; n * n];
    f64::gemm(&mut residual, n, n, n, 1.0, &a, false, &v, false, false);
    for j in 0..n {
        for i in 0..n {
            residual[i + j * n] -= v[i + j * n] * (x[j].f64() / size);
        }
    }
    let unit = T::EPS.f64();
    let residual = gap(&residual, &vec![0.0; n * n]) / unit;
    let mut gram = vec![0.0; n * n];
    f64::gemm(&mut gram, n, n, n, 1.0, &v, true, &v, false, false);
    (x, gap(&gram, &eye(n)) / unit, residual)
}

/// Orthogonality and residual alone.
fn errors<T: Kernels>(a: &[T], n: usize) -> (f64, f64) {
    let (_, orthogonality, residual) = decompose(a, n);
    (orthogonality, residual)
}

/// The values, if vectors and values are within the order's share of rounding.
fn judge<T: Kernels>(a: &[T], n: usize, what: &str) -> Vec<T> {
    let (x, orthogonality, residual) = decompose(a, n);
    let limit = 10.0 + 2.0 * (n as f64).sqrt();
    assert!(orthogonality <= limit, "{what}, order {n}, {}: |V'V - I| is {orthogonality:.1} units", T::NAME);
    assert!(residual <= limit, "{what}, order {n}, {}: |AV - VX| is {residual:.1} units", T::NAME);
    x
}

/// Matrices that deflate wholly, hardly or not at all, that are graded, glued, clustered or torn apart.
fn corpus(n: usize) -> Vec<(&'static str, Vec<f64>)> {
    let mut rng = rng(n as u64);
    let mut list = |scale: f64| -> Vec<f64> { random::<f64>(&mut rng, n).iter().map(|x| x * scale).collect() };
    let (r, s) = (list(1.0), list(1.0));
    let wilkinson = |i: usize, m: usize| ((i % m) as f64 - (m / 2) as f64).abs();
    let glued = |glue: f64| tridiagonal(|i| wilkinson(i, 21), |i| if i % 21 == 20 { glue } else { 1.0 }, n);
    let power = |k: i32| 10f64.powi(k.max(-300));
    vec![
        ("the identity", tridiagonal(|_| 1.0, |_| 0.0, n)),
        ("zero", tridiagonal(|_| 0.0, |_| 0.0, n)),
        ("diagonal", tridiagonal(|i| r[i], |_| 0.0, n)),
        ("two values", tridiagonal(|i| (i % 2) as f64, |_| 0.0, n)),
        ("second differences", tridiagonal(|_| 2.0, |_| -1.0, n)),
        ("random", tridiagonal(|i| r[i], |i| s[i], n)),
        ("random couplings only", tridiagonal(|_| 0.0, |i| s[i], n)),
        ("Wilkinson's", tridiagonal(|i| (i as f64 - 0.5 * (n as f64 - 1.0)).abs(), |_| 1.0, n)),
        ("glued by rounding", glued(1e-14)),
        ("glued", glued(1e-8)),
        ("glued by nothing", glued(0.0)),
        ("clustered at rounding", tridiagonal(|_| 1.0, |i| 2e-16 * s[i], n)),
        ("graded down", tridiagonal(|i| power(-(i as i32)), |i| power(-(i as i32) - 1), n)),
        ("graded up", tridiagonal(|i| power(i as i32 - n as i32), |i| power(i as i32 - n as i32), n)),
        ("steep", tridiagonal(|i| power(-4 * i as i32), |i| power(-4 * i as i32 - 2), n)),
        ("of all sizes", tridiagonal(|i| 10f64.powf(15.0 * r[i]), |i| 10f64.powf(15.0 * s[i]), n)),
        ("torn", tridiagonal(|i| (i % 3) as f64, |i| if i % 4 == 0 { 0.0 } else { -1.0 }, n)),
        ("a tiny half", {
            let share = |i: usize| if 2 * i < n { 1.0 } else { 1e-200 };
            tridiagonal(|i| r[i] * share(i), |i| s[i] * share(i), n)
        }),
        ("a tiny coupling", tridiagonal(|i| r[i], |i| if i == n / 2 - 1 { 1e-18 } else { s[i] }, n)),
        ("a huge coupling", tridiagonal(|i| r[i], |i| if i == n / 2 - 1 { 1e12 } else { s[i] }, n)),
    ]
}

#[test]
fn hard_tridiagonal_matrices_are_as_good_as_any() {
    for n in ORDERS {
        for (what, a) in corpus(n) {
            let scales = if n <= 100 { &[1.0, 1e-300, 1e290][..] } else { &[1.0] };
            for scale in scales {
                let scaled: Vec<f64> = a.iter().map(|x| x * scale).collect();
                judge(&scaled, n, what);
            }
            let narrow: Vec<f32> = a.iter().map(|&x| x as f32).collect();
            judge(&narrow, n, what);
        }
    }
}

/// The squares of tiny couplings underflow, and rotations must stay rotations: below the order of divide and conquer
/// too.
#[test]
fn small_orders_survive_the_same_matrices() {
    for n in [4, 9, 16, 24] {
        for (what, a) in corpus(n) {
            let narrow: Vec<f32> = a.iter().map(|&x| x as f32).collect();
            for (o, r) in [errors(&a, n), errors(&narrow, n)] {
                assert!(o < 40.0 && r < 40.0, "{what}, order {n}: {o:.1} and {r:.1} units");
            }
        }
    }
}

/// How many eigenvalues of a tridiagonal matrix are below `x`: negative pivots of `T - x` (Sylvester's law of inertia).
fn below(a: &[f64], n: usize, x: f64) -> usize {
    let (mut pivot, mut count) = (1.0, 0);
    for i in 0..n {
        let e = if i == 0 { 0.0 } else { a[i + (i - 1) * n] };
        pivot = a[i + i * n] - x - e * (e / pivot);
        if pivot == 0.0 {
            pivot = -f64::MIN_POSITIVE;
        }
        count += usize::from(pivot < 0.0);
    }
    count
}

#[test]
fn every_value_is_where_the_signs_of_pivots_say() {
    for n in ORDERS {
        for (what, a) in corpus(n) {
            let size = a.iter().fold(f64::MIN_POSITIVE, |s, x| s.max(x.abs()));
            let near = f64::EPSILON * size * (10.0 + (n as f64).sqrt());
            for (k, x) in judge(&a, n, what).into_iter().enumerate() {
                let (fewer, more) = (below(&a, n, x - near), below(&a, n, x + near));
                assert!(fewer <= k && k < more, "{what}, order {n}, value {k}, {x:e}: {fewer} to {more}");
            }
        }
    }
}

#[test]
fn values_are_those_of_another_algorithm() {
    let mut rng = rng(5);
    for n in ORDERS {
        let b = random::<f64>(&mut rng, n * n);
        let a: Vec<f64> = (0..n * n).map(|i| b[i] + b[i / n + i % n * n]).collect();
        let theirs = MatRef::from_column_major_slice(&a, n, n).self_adjoint_eigenvalues(Side::Lower).unwrap();
        let far = gap(&judge(&a, n, "full"), &theirs);
        // faer's own values are known to a few hundred units of the largest, which is about the root of 8/3 n.
        assert!(far <= 1e-13 * (n as f64).sqrt(), "order {n}: {far:e}");
    }
}

#[test]
fn known_spectra_come_back() {
    let mut rng = rng(3);
    for n in ORDERS {
        // Two reflections of a diagonal matrix with ties, an exact cluster, and both ends far away.
        let mut values: Vec<f64> = (0..n).map(|i| [1.0, 1.0, 2.0, 2.0 + 1e-13][i % 4]).collect();
        (values[0], values[n - 1]) = (-50.0, 100.0);
        let mut a = vec![0.0; n * n];
        (0..n).for_each(|i| a[i + i * n] = values[i]);
        for _ in 0..2 {
            let u = random::<f64>(&mut rng, n);
            let twice = 2.0 / u.iter().map(|x| x * x).sum::<f64>();
            let h: Vec<f64> =
                (0..n * n).map(|p| f64::from(u8::from(p % n == p / n)) - twice * u[p % n] * u[p / n]).collect();
            a = times(&times(&h, &a, n, n, n), &h, n, n, n);
        }
        values.sort_by(f64::total_cmp);
        let x = judge(&a, n, "a known spectrum");
        assert!(gap(&x, &values) < 1e-12, "order {n}: {:e}", gap(&x, &values));
    }
}

#[test]
fn the_second_differences_have_their_cosines() {
    for n in [64, 200, 500] {
        let x = judge(&tridiagonal(|_| 2.0, |_| -1.0, n), n, "second differences");
        for (k, x) in x.iter().enumerate() {
            let half = std::f64::consts::FRAC_PI_2 * (k + 1) as f64 / (n + 1) as f64;
            assert!((x - 4.0 * half.sin().powi(2)).abs() < 3e-15, "order {n}, value {k}");
        }
    }
}

#[test]
fn what_is_not_finite_is_refused() {
    for n in ORDERS {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut a = tridiagonal(|i| i as f64, |_| 1.0, n);
            let index = n + n / 2;
            a[index] = bad;
            for run in [f64::eigh, f64::eigh_values] {
                let told = run(&a, n, &mut vec![0.0; n * (n + 1)], &mut Workspace::default());
                assert!(matches!(told, Err(Failure::NonFinite { index: i, .. }) if i == index), "{told:?}");
            }
        }
    }
}

#[test]
fn values_alone_are_the_values_and_can_be_completed() {
    fn agree<T: Kernels>(a: &[T], n: usize, what: &str, w: &mut Workspace<T>) {
        let [mut half, mut late, mut whole] = [(); 3].map(|()| vec![T::nan(); n * (n + 1)]);
        T::eigh_values(a, n, &mut half, w).unwrap();
        T::eigh_complete(&half, n, &mut late, w).unwrap();
        T::eigh(a, n, &mut whole, w).unwrap();
        assert!(late == whole, "{what}, order {n}: the same steps in two calls give other bits");
        // Of the largest value, which is the norm of the matrix.
        let size = whole[n * n..].iter().fold(f64::MIN_POSITIVE, |s, x| s.max(x.f64().abs()));
        let far = gap(&half[n * n..], &whole[n * n..]) / (size * T::EPS.f64());
        assert!(far <= 20.0 + 2.0 * (n as f64).sqrt(), "{what}, order {n}, {}: {far:.1} units", T::NAME);
        assert!(half[n * n..].windows(2).all(|p| p[0] <= p[1]), "{what}: not ascending");
    }
    let (mut w, mut narrow) = (Workspace::default(), Workspace::default());
    for n in ORDERS {
        let b = random::<f64>(&mut rng(n as u64 + 1), n * n);
        let full: Vec<f64> = (0..n * n).map(|i| b[i] + b[i / n + i % n * n]).collect();
        for (what, a) in corpus(n).into_iter().chain([("full", full)]) {
            agree(&a, n, what, &mut w);
            agree(&a.iter().map(|&x| x as f32).collect::<Vec<_>>(), n, what, &mut narrow);
        }
    }
}

#[test]
fn values_alone_begin_where_divide_and_conquer_does() {
    let n = EIGH_CONQUER - 1;
    let told = f64::eigh_values(&eye(n), n, &mut vec![0.0; n * (n + 1)], &mut Workspace::default());
    assert!(matches!(told, Err(Failure::Unsupported { .. })), "{told:?}");
}

/// A power of two scales the spectrum and changes no digit, nor does the place in memory.
#[test]
fn a_power_of_two_changes_no_digit() {
    let (n, mut w) = (100, Workspace::default());
    let b = random::<f64>(&mut rng(8), n * n);
    let a: Vec<f64> = (0..n * n).map(|i| b[i] + b[i / n + i % n * n]).collect();
    let mut handle = vec![0.0; n * (n + 1)];
    f64::eigh(&a, n, &mut handle, &mut w).unwrap();
    for (shift, power) in [(0, 0), (1, 0), (3, 0), (5, -3), (7, 7)] {
        let scale = 2f64.powi(power);
        let scaled: Vec<f64> = a.iter().map(|x| x * scale).collect();
        let mut moved = vec![0.0; n * (n + 1) + shift];
        f64::eigh(&scaled, n, &mut moved[shift..], &mut w).unwrap();
        moved[shift + n * n..].iter_mut().for_each(|x| *x /= scale);
        let differ = handle.iter().zip(&moved[shift..]).filter(|(x, y)| x.to_bits() != y.to_bits()).count();
        assert_eq!(differ, 0, "times 2^{power}, {shift} places further");
    }
}
