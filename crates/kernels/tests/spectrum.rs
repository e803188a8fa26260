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

/// Separated values 1, 2.2, 3.4, ... on a turned diagonal, and entries beside it.
fn apart<T: Kernels>(rng: &mut Rng, win: Window) -> Vec<T> {
    let (m, n) = (win.m, win.n);
    let size = T::of(0.4 / (n.max(4) as f64).sqrt());
    let mut a: Vec<T> = random::<T>(rng, m * n).into_iter().map(|x| size * x).collect();
    (0..n).for_each(|i| a[i + i * m] += T::of(1.0 + 1.2 * i as f64));
    a
}

fn all_of(singular: bool, m: usize, n: usize) -> Window {
    Window { singular, m, n, from: 0, len: n }
}

/// Windows with all values: small, square and tall, and large enough for products that are not small.
fn whole_windows() -> Vec<Window> {
    let sizes = [(1, 1), (2, 2), (4, 4), (21, 21)];
    let eigen = sizes.iter().map(|&(m, n)| all_of(false, m, n));
    let singular = sizes.iter().chain(&[(3, 1), (5, 3), (8, 4), (40, 20)]).map(|&(m, n)| all_of(true, m, n));
    eigen.chain(singular).collect()
}

/// What the families say, one at a time: `(dQ, dx)` along `e` and `gA` for `gq` and `gx`.
fn one_by_one<T: Kernels>(win: Window, h: &[T], e: &[T], gq: &[T], gx: &[T]) -> [Vec<T>; 3] {
    let (w, (m, n)) = (&mut Workspace::default(), (win.m, win.n));
    let mut q = vec![T::zero(); win.rows() * n];
    T::vectors(win, h, &mut q);
    // `B(E) Q`
    let at = |i: usize, j: usize| match win.singular {
        false => (e[i + j * n].f64() + e[j + i * n].f64()) / 2.0,
        true if i < m && j >= m => e[i + (j - m) * m].f64(),
        true if i >= m && j < m => e[j + (i - m) * m].f64(),
        true => 0.0,
    };
    let rows = win.rows();
    let acted = |k: usize| T::of((0..rows).map(|j| at(k % rows, j) * q[j + k / rows * rows].f64()).sum());
    let z: Vec<T> = (0..rows * n).map(acted).collect();
    let (mut dq, mut dx) = (z.clone(), vec![T::zero(); n]);
    T::resolvent(win, h, false, true, &z, &mut dq, w).unwrap();
    T::values(win, h, &[e], &mut dx, w).unwrap();
    let (mut ga, mut by_values) = (vec![T::zero(); m * n], vec![T::zero(); m * n]);
    T::pull_vectors(win, h, false, true, gq, &mut ga, w).unwrap();
    T::weighted(win, h, gx, &[], &mut by_values, w).unwrap();
    ga.iter_mut().zip(&by_values).for_each(|(g, b)| *g += *b);
    [dq, dx, ga]
}

fn decomposition<T: Kernels>(win: Window, a: &[T]) -> Vec<T> {
    if win.singular {
        return decomposed(a, win.m, win.n, false);
    }
    let mut h = vec![T::zero(); win.handle_len()];
    T::eigh(a, win.n, &mut h, &mut Workspace::default()).unwrap();
    h
}

fn all_at_once_case<T: Kernels>(win: Window) {
    let (rng, w, n) = (&mut rng(41), &mut Workspace::default(), win.n);
    let h = decomposition(win, &apart::<T>(rng, win));
    assert!(T::separate(win, &h, true), "{win:?}");
    let (e, gq, gx) = (random::<T>(rng, win.m * n), random::<T>(rng, win.rows() * n), random::<T>(rng, n));
    let [dq, dx, ga] = one_by_one(win, &h, &e, &gq, &gx);
    let tol = 300.0 * T::EPS.f64() * n as f64;
    let (mut found, mut slopes, mut pulled) = (dq.clone(), dx.clone(), ga.clone());
    T::push_whole(win, &h, &e, &mut found, &mut slopes, w).unwrap();
    assert!(gap(&found, &dq) <= tol && gap(&slopes, &dx) <= tol, "{win:?}: push");
    T::pull_whole(win, &h, &gq, Some(&gx), &mut pulled, w).unwrap();
    assert!(gap(&pulled, &ga) <= tol, "{win:?}: pull");
    // <gq, dQ> + <gx, dx> = <gA, E>
    let dot = |a: &[T], b: &[T]| a.iter().zip(b).map(|(a, b)| a.f64() * b.f64()).sum::<f64>();
    let off = dot(&gq, &found) + dot(&gx, &slopes) - dot(&pulled, &e);
    assert!(off.abs() <= tol * n as f64, "{win:?}: {off:e}");
}

#[test]
fn all_values_and_vectors_at_once_are_what_each_is_alone() {
    for win in whole_windows() {
        all_at_once_case::<f64>(win);
        all_at_once_case::<f32>(win);
    }
}

/// The pull at `A + t E` for `gq + t dgq` and `gx + t dgx`.
fn pulled(win: Window, [a, e]: [&[f64]; 2], [gq, dgq]: [&[f64]; 2], [gx, dgx]: [&[f64]; 2], t: f64) -> Vec<f64> {
    let at = |x: &[f64], dx: &[f64]| x.iter().zip(dx).map(|(x, dx)| x + t * dx).collect::<Vec<_>>();
    let mut out = vec![0.0; win.m * win.n];
    let h = decomposition(win, &at(a, e));
    f64::pull_whole(win, &h, &at(gq, dgq), Some(&at(gx, dgx)), &mut out, &mut Workspace::default()).unwrap();
    out
}

#[test]
fn the_pull_over_pairs_is_the_slope_of_the_pull() {
    for win in whole_windows() {
        let (rng, w, n) = (&mut rng(42), &mut Workspace::default(), win.n);
        let a = apart::<f64>(rng, win);
        let h = decomposition(win, &a);
        let [e, zero] = [random(rng, win.m * n), vec![0.0; win.rows() * n]];
        let [gq, dgq] = [0; 2].map(|_| random::<f64>(rng, win.rows() * n));
        let [gx, dgx] = [0; 2].map(|_| random::<f64>(rng, n));
        let (mut dq, mut dx) = (zero.clone(), vec![0.0; n]);
        f64::push_whole(win, &h, &e, &mut dq, &mut dx, w).unwrap();
        let mut value = vec![0.0; win.m * n];
        f64::pull_whole(win, &h, &gq, Some(&gx), &mut value, w).unwrap();
        // The matrix moves, or its cotangents, or both.
        for (moves, pulls) in [(true, true), (true, false), (false, true)] {
            let (e, moved) = if moves { (&e[..], Some([&dq[..], &dx[..]])) } else { (&zero[..win.m * n], None) };
            let (dgq, dgx, tangents) = if pulls { (&dgq[..], &dgx[..], true) } else { (&zero[..], &zero[..n], false) };
            let (mut ga, mut dga, mut alone) = (value.clone(), value.clone(), value.clone());
            let (q, x) = ((&gq[..], tangents.then_some(dgq)), (&gx[..], tangents.then_some(dgx)));
            f64::pull_whole_pairs(win, &h, moved, q, Some(x), (Some(&mut ga), &mut dga), w).unwrap();
            f64::pull_whole_pairs(win, &h, moved, q, Some(x), (None, &mut alone), w).unwrap();
            assert_eq!((&ga, &dga), (&value, &alone), "{win:?}: the same bits, asked for or not");
            let step = 1e-3;
            let [p1, m1, p2, m2] =
                [step, -step, 2.0 * step, -2.0 * step].map(|t| pulled(win, [&a, e], [&gq, dgq], [&gx, dgx], t));
            let slope: Vec<f64> =
                (0..p1.len()).map(|i| (8.0 * (p1[i] - m1[i]) - p2[i] + m2[i]) / (12.0 * step)).collect();
            let off = gap(&dga, &slope);
            assert!(off < 1e-7, "{win:?}, moves {moves}, pulls {pulls}: {off:e}");
        }
    }
}

#[test]
fn all_at_once_is_for_values_that_are_apart() {
    let separate = |singular: bool, d: &[f64], near: bool| {
        let n = d.len();
        let a: Vec<f64> = (0..n * n).map(|k| if k % (n + 1) == 0 { d[k / (n + 1)] } else { 0.0 }).collect();
        let win = all_of(singular, n, n);
        f64::separate(win, &decomposition(win, &a), near)
    };
    for singular in [false, true] {
        assert!(separate(singular, &[1.0, 2.0, 3.0], true));
        assert!(!separate(singular, &[1.0, 2.0, 2.0], false), "a tie");
        assert!(!separate(singular, &[1.0, 2.0, 2.0 + 1e-15], false), "a tie to rounding");
        let close = [1.0, 2.0, 2.0 + 1e-9];
        assert!(separate(singular, &close, false) && !separate(singular, &close, true));
        assert!(!separate(singular, &[1e308, 2.0, 1.0], false), "sums of four are no numbers");
        // Part of the values.
        let (win, a) = (all_of(singular, 2, 2), [1.0, 0.0, 0.0, 3.0]);
        assert!(!f64::separate(Window { len: 1, ..win }, &decomposition(win, &a), false));
    }
    // An eigenvalue may be 0, a singular value not.
    assert!(separate(false, &[0.0, 2.0, 3.0], true) && !separate(true, &[0.0, 2.0, 3.0], false));
    assert!(!separate(true, &[1e-17, 2.0, 3.0], false));
}

#[test]
fn all_at_once_names_what_is_not_finite() {
    let w = &mut Workspace::default();
    for (win, a) in [(all_of(false, 2, 2), [1.0, 0.0, 0.0, 3.0]), (all_of(true, 2, 2), [3.0, 0.0, 0.0, 1.0])] {
        let h = decomposition(win, &a);
        let mut gq = vec![1.0; win.rows() * 2];
        gq[1] = f64::NAN;
        let named = |r: Result<(), Failure>| matches!(r, Err(Failure::NonFinite { index: 1, .. }));
        let (mut dq, mut two, mut out, mut dout) = (gq.clone(), [0.0; 2], [0.0; 4], [0.0; 4]);
        assert!(named(f64::push_whole(win, &h, &[1.0, f64::INFINITY, 0.0, 1.0], &mut dq, &mut two, w)));
        assert!(named(f64::pull_whole(win, &h, &gq, None, &mut out, w)));
        let ones = vec![1.0; win.rows() * 2];
        let bad = [0.0, f64::INFINITY];
        assert!(named(f64::pull_whole(win, &h, &ones, Some(&bad), &mut out, w)));
        for (gq, gx) in [
            ((&gq[..], None), None),
            ((&ones[..], Some(&gq[..])), None),
            ((&ones[..], None), Some((&bad[..], None))),
            ((&ones[..], None), Some((&[1.0; 2][..], Some(&bad[..])))),
        ] {
            assert!(named(f64::pull_whole_pairs(win, &h, None, gq, gx, (None, &mut dout), w)));
        }
        // Numbers that overflow on the way.
        let large: Vec<f64> = (0..win.rows() * 2).map(|k| if k % 2 == 0 { 1.7e308 } else { -1.7e308 }).collect();
        let found = f64::pull_whole(win, &h, &large, Some(&[f64::MAX; 2]), &mut out, w);
        assert!(matches!(found, Err(Failure::NonFinite { .. })), "{found:?}: {out:?}");
    }
}

#[test]
fn nothing_is_allocated_up_to_first_order_and_by_all_at_once() {
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
        let (ones, mut again) = (vec![1.0; n], vec![0.0; 2 * n * n]);
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
                let z = &z[..rows * n];
                assert!(f64::separate(win, h, true));
                f64::push_whole(win, h, e, &mut y[..rows * n], &mut x, &mut w).unwrap();
                f64::pull_whole(win, h, z, Some(&ones), &mut out[..m * n], &mut w).unwrap();
                let (g, weights) = ((z, Some(z)), Some((&ones[..], None)));
                let to = (Some(&mut again[..m * n]), &mut out[..m * n]);
                f64::pull_whole_pairs(win, h, Some([&y[..rows * n], &x]), g, weights, to, &mut w).unwrap();
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
