//! Singular value decompositions: accuracy over sizes, scales and ranks. Chosen values and their weighted sums: each
//! order of derivative is the slope of the one before. The rules that join them are tested in the engine.

mod common;
use common::*;
use pullback_kernels::list::*;
use pullback_kernels::{Failure, Window, Workspace};

fn decomposed<T: Kernels>(a: &[T], m: usize, n: usize, flip: bool) -> Vec<T> {
    let mut h = vec![T::nan(); m * n + n * n + n];
    T::svd(a, m, n, flip, &mut h, &mut Workspace::default()).unwrap();
    h
}

fn svd_case<T: Kernels>(a: &[T], m: usize, n: usize) {
    let tol = 60.0 * T::EPS.f64();
    let h = decomposed(a, m, n, false);
    let (u, rest) = h.split_at(m * n);
    let (v, s) = rest.split_at(n * n);
    assert!(defect(u, m, n) < tol && defect(v, n, n) < tol, "{m} x {n}: {} {}", defect(u, m, n), defect(v, n, n));
    assert!(s.windows(2).all(|p| p[0] >= p[1]) && s.iter().all(|x| *x >= T::zero()));
    let us: Vec<T> = (0..m * n).map(|k| u[k] * s[k / m.max(1)]).collect();
    let size = a.iter().fold(0.0f64, |s, x| s.max(x.f64().abs()));
    assert!(gap(&times(&us, &transposed(v, n, n), m, n, n), a) <= tol * size * n as f64, "{m} x {n}");
    let signs = |c: &[T], rows: usize| {
        c.chunks_exact(rows.max(1)).all(|c| {
            let largest = c.iter().fold(T::zero(), |b, x| if x.abs() > b.abs() { *x } else { b });
            // Nearly as large an entry before it may be the positive one.
            largest > T::zero() || c.iter().any(|x| *x > T::zero() && *x >= largest.abs() * T::of(0.999))
        })
    };
    assert!(signs(u, m));
    assert!(signs(&decomposed(a, m, n, true)[m * n..m * n + n * n], n));
}

fn svd_all<T: Kernels>() {
    let mut rng = rng(31);
    for n in [0, 1, 2, 3, 4, 5, 8, 17, 40] {
        for m in [n, n + 1, 2 * n + 1, 80] {
            let a = random::<T>(&mut rng, m * n);
            svd_case(&a, m, n);
            if n > 1 {
                // Rank one, and zero.
                let (b, c) = (random::<T>(&mut rng, m), random::<T>(&mut rng, n));
                svd_case(&(0..m * n).map(|k| b[k % m] * c[k / m]).collect::<Vec<T>>(), m, n);
                svd_case(&vec![T::zero(); m * n], m, n);
            }
        }
    }
}

#[test]
fn svd_is_accurate_whatever_the_rank() {
    svd_all::<f64>();
    svd_all::<f32>();
}

#[test]
fn svd_takes_extreme_scales_and_refuses_what_is_not_finite() {
    let mut rng = rng(32);
    for (m, n) in [(3, 2), (12, 9)] {
        let a = random::<f64>(&mut rng, m * n);
        for scale in [1e-300, 1e-160, 1e160, 1e300] {
            svd_case(&a.iter().map(|x| x * scale).collect::<Vec<_>>(), m, n);
        }
        let mut bad = a;
        bad[m] = f64::NAN;
        let mut h = vec![0.0; m * n + n * n + n];
        let found = f64::svd(&bad, m, n, false, &mut h, &mut Workspace::default());
        assert!(matches!(found, Err(Failure::NonFinite { index, .. }) if index == m));
    }
}

fn handle(win: Window, a: &[f64]) -> Vec<f64> {
    if win.singular {
        return decomposed(a, win.m, win.n, false);
    }
    let mut h = vec![0.0; win.handle_len()];
    f64::eigh(a, win.n, &mut h, &mut Workspace::default()).unwrap();
    h
}

fn values(win: Window, a: &[f64], es: &[&[f64]]) -> Vec<f64> {
    let mut out = vec![0.0; win.len];
    f64::values(win, &handle(win, a), es, &mut out, &mut Workspace::default()).unwrap();
    out
}

fn weighted(win: Window, a: &[f64], w: &[f64], es: &[&[f64]]) -> Vec<f64> {
    let mut out = vec![0.0; win.m * win.n];
    f64::weighted(win, &handle(win, a), w, es, &mut out, &mut Workspace::default()).unwrap();
    out
}

#[test]
fn derivatives_of_each_order_are_slopes_of_the_one_before() {
    let mut rng = rng(33);
    let eigen = |n, from, len| Window { singular: false, m: n, n, from, len };
    let singular = |m, n, from, len| Window { singular: true, m, n, from, len };
    for win in [
        eigen(4, 0, 4),
        eigen(4, 1, 2),
        eigen(1, 0, 1),
        singular(3, 3, 0, 3),
        singular(5, 3, 0, 3),
        singular(5, 3, 1, 1),
    ] {
        let (m, n) = (win.m, win.n);
        // Well apart values: 1, 2.2, 3.4, ... on a turned diagonal.
        let mut a = random::<f64>(&mut rng, m * n);
        a.iter_mut().for_each(|x| *x *= 0.2);
        (0..n).for_each(|i| a[i + i * m] += 1.0 + 1.2 * i as f64);
        let es: Vec<Vec<f64>> = (0..3).map(|_| random(&mut rng, m * n)).collect();
        let w = random::<f64>(&mut rng, win.len);
        for k in 1..=3 {
            let (before, all): (Vec<&[f64]>, Vec<&[f64]>) =
                (es[..k - 1].iter().map(Vec::as_slice).collect(), es[..k].iter().map(Vec::as_slice).collect());
            let slope = |f: &dyn Fn(&[f64]) -> Vec<f64>| {
                let h = 1e-3;
                let at = |t: f64| f(&a.iter().zip(&es[k - 1]).map(|(a, e)| a + t * e).collect::<Vec<_>>());
                let [p1, m1, p2, m2] = [at(h), at(-h), at(2.0 * h), at(-2.0 * h)];
                (0..p1.len()).map(|i| (8.0 * (p1[i] - m1[i]) - p2[i] + m2[i]) / (12.0 * h)).collect::<Vec<f64>>()
            };
            let found = values(win, &a, &all);
            assert!(gap(&found, &slope(&|a| values(win, a, &before))) < 1e-7, "{win:?}, values, {k}");
            let found = weighted(win, &a, &w, &all);
            assert!(gap(&found, &slope(&|a| weighted(win, a, &w, &before))) < 1e-7, "{win:?}, weighted, {k}");
        }
    }
}

#[test]
fn nothing_is_allocated_up_to_first_order() {
    let mut rng = rng(34);
    for n in [1, 4, 16, 60] {
        let (a, b, z) =
            (random::<f64>(&mut rng, 2 * n * n), spd::<f64>(&mut rng, n), random::<f64>(&mut rng, 3 * n * n));
        let mut w = Workspace::default();
        let (tall, square) = (
            Window { singular: true, m: 2 * n, n, from: 0, len: n },
            Window { singular: false, m: n, n, from: 0, len: n },
        );
        let (mut h, mut g) = (vec![0.0; tall.handle_len()], vec![0.0; square.handle_len()]);
        let (mut x, mut y, mut out) = (vec![0.0; n], vec![0.0; 3 * n * n], vec![0.0; 2 * n * n]);
        let ones = vec![1.0; n];
        let mut all = || {
            f64::svd(&a, 2 * n, n, false, &mut h, &mut w).unwrap();
            f64::eigh(&b, n, &mut g, &mut w).unwrap();
            for (win, h, e, m) in [(tall, &h, &a[..], 2 * n), (square, &g, &b[..], n)] {
                f64::values(win, h, &[], &mut x, &mut w).unwrap();
                f64::values(win, h, &[e], &mut x, &mut w).unwrap();
                f64::weighted(win, h, &ones, &[], &mut out[..m * n], &mut w).unwrap();
                f64::weighted(win, h, &ones, &[e], &mut out[..m * n], &mut w).unwrap();
                let rows = win.rows();
                f64::vectors(win, h, &mut y[..rows * n]);
                f64::resolvent(win, h, false, true, &z[..rows * n], &mut y[..rows * n], &mut w).unwrap();
                f64::pull_vectors(win, h, false, true, &z[..rows * n], &mut out[..m * n], &mut w).unwrap();
            }
        };
        all();
        assert_eq!(allocation_counter::measure(&mut all).count_total, 0, "n = {n}");
    }
}

#[test]
fn second_derivatives_of_tied_values_are_refused() {
    let mut w = Workspace::default();
    let kink = |r: Result<(), Failure>| matches!(r, Err(Failure::NotDifferentiable { .. }));
    let diagonal = |d: [f64; 3]| [d[0], 0.0, 0.0, 0.0, d[1], 0.0, 0.0, 0.0, d[2]];
    let eye = diagonal([1.0; 3]);
    let mut h = vec![0.0; 12];
    f64::eigh(&diagonal([1.0, 2.0, 2.0]), 3, &mut h, &mut w).unwrap();
    let eigen = |from, len| Window { singular: false, m: 3, n: 3, from, len };
    // Along the identity nothing splits; the value that is not tied has its second derivative, 0.
    let (mut one, mut two) = ([f64::NAN], [f64::NAN; 2]);
    f64::values(eigen(0, 1), &h, &[&eye, &eye], &mut one, &mut w).unwrap();
    assert_eq!(one, [0.0]);
    assert!(kink(f64::values(eigen(1, 2), &h, &[&eye, &eye], &mut two, &mut w)));
    assert!(kink(f64::values(eigen(2, 1), &h, &[&eye, &eye], &mut one, &mut w)), "tied with one outside");
    // Singular values: at 0 too.
    let mut h = vec![0.0; 21];
    f64::svd(&diagonal([3.0, 1.0, 0.0]), 3, 3, false, &mut h, &mut w).unwrap();
    let singular = |from, len| Window { singular: true, m: 3, n: 3, from, len };
    assert!(f64::values(singular(0, 2), &h, &[&eye, &eye], &mut two, &mut w).is_ok());
    assert!(kink(f64::values(singular(2, 1), &h, &[&eye, &eye], &mut one, &mut w)));
}
