//! Products and triangular solves against plain loops, over shapes on both sides of every crossover.

mod common;
use common::*;
use pullback_kernels::list::*;
use pullback_kernels::{Failure, Side, Triangle, Uplo};

/// `units` of rounding for each term are allowed.
fn products<T: Kernels>(rows: &[usize], cols: &[usize], inner: &[usize], units: f64) {
    let mut rng = rng(1);
    for &m in rows {
        for &n in cols {
            for &k in inner {
                let (a, b) = (random::<T>(&mut rng, m * k), random::<T>(&mut rng, k * n));
                let (at, bt) = (transposed(&a, m, k), transposed(&b, k, n));
                let plain = times(&a, &b, m, k, n);
                let start = random::<T>(&mut rng, m * n);
                for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
                    for add in [false, true] {
                        let mut c = start.clone();
                        let (a, b) = (if ta { &at } else { &a }, if tb { &bt } else { &b });
                        T::gemm(&mut c, m, n, k, T::of(-1.5), a, ta, b, tb, add);
                        let want: Vec<f64> =
                            plain.iter().zip(&start).map(|(p, s)| -1.5 * p + if add { s.f64() } else { 0.0 }).collect();
                        let bound = units * T::EPS.f64() * (k as f64).max(20.0);
                        assert!(gap(&c, &want) < bound, "{m} {n} {k} {ta} {tb} {add}: {:e}", gap(&c, &want));
                    }
                }
            }
        }
    }
}

#[test]
fn products_agree_with_plain_loops() {
    let sizes = [0, 1, 2, 3, 4, 5, 7, 8, 9, 17];
    products::<f64>(&sizes, &sizes, &sizes, 1.0);
    products::<f32>(&sizes, &sizes, &sizes, 1.0);
}

/// Few columns, or one row from the left, by few, many and odd numbers of rows and terms.
#[test]
fn products_with_few_columns_agree_with_plain_loops() {
    let (few, long) = ([1, 2, 3, 4, 5], [6, 16, 31, 32, 33, 47, 64, 101]);
    products::<f64>(&long, &few, &long, 1.0);
    products::<f32>(&long, &few, &long, 1.0);
    products::<f64>(&[1], &long, &long, 1.0);
    products::<f32>(&[1], &long, &long, 1.0);
}

/// Sizes around the one from which on a transposed right factor is copied in blocks, and blocks that are not full.
#[test]
fn large_products_agree_with_plain_loops() {
    products::<f64>(&[319, 320, 323], &[320, 325, 515], &[63, 64, 130], 2.0);
    products::<f32>(&[320], &[319, 515], &[67], 2.0);
}

#[test]
fn long_products_in_single_precision_scale_and_add() {
    // More than one piece of the inner size, and more than one tile of rows and of columns.
    let (m, n, k) = (35, 37, 9000);
    let mut rng = rng(3);
    let (a, b) = (random::<f32>(&mut rng, m * k), random::<f32>(&mut rng, k * n));
    let (at, bt) = (transposed(&a, m, k), transposed(&b, k, n));
    let (plain, start) = (times(&a, &b, m, k, n), random::<f32>(&mut rng, m * n));
    for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
        for add in [false, true] {
            let mut c = start.clone();
            let (a, b) = (if ta { &at } else { &a }, if tb { &bt } else { &b });
            f32::gemm(&mut c, m, n, k, -1.5, a, ta, b, tb, add);
            let want: Vec<f64> =
                plain.iter().zip(&start).map(|(p, s)| -1.5 * p + if add { f64::from(*s) } else { 0.0 }).collect();
            let off = gap(&c, &want) / want.iter().fold(0.0, |m, x| f64::max(m, x.abs()));
            assert!(off < 20.0 * f64::from(f32::EPSILON), "{ta} {tb} {add}: {off:e}");
        }
    }
}

fn sums_over_members<T: Kernels>() {
    let (m, n, k) = (3, 2, 4);
    let mut rng = rng(4);
    for batch in [1, 2, 16, 17, 40] {
        for (once, twice) in [(false, false), (true, false), (false, true), (true, true)] {
            let (a_len, b_len) = (m * k, k * n);
            let a = random::<T>(&mut rng, if once { a_len } else { a_len * batch });
            let b = random::<T>(&mut rng, if twice { b_len } else { b_len * batch });
            let of = |x: &[T], len: usize, i: usize| x[if x.len() == len { 0 } else { i * len }..][..len].to_vec();
            let mut plain = vec![0.0; m * n];
            for i in 0..batch {
                let one = times(&of(&a, a_len, i), &of(&b, b_len, i), m, k, n);
                plain.iter_mut().zip(one).for_each(|(p, x)| *p += x);
            }
            let start = random::<T>(&mut rng, m * n);
            let turned = |x: &[T], len: usize, rows: usize, cols: usize| -> Vec<T> {
                x.chunks_exact(len).flat_map(|x| transposed(x, rows, cols)).collect()
            };
            let (at, bt) = (turned(&a, a_len, m, k), turned(&b, b_len, k, n));
            for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
                for add in [false, true] {
                    let mut c = start.clone();
                    let (a, b) = (if ta { &at } else { &a }, if tb { &bt } else { &b });
                    T::gemm_sum(&mut c, m, n, k, batch, T::of(-1.5), a, ta, b, tb, add);
                    let want: Vec<f64> =
                        plain.iter().zip(&start).map(|(p, s)| -1.5 * p + if add { s.f64() } else { 0.0 }).collect();
                    let off = gap(&c, &want) / want.iter().fold(0.0, |m, x| f64::max(m, x.abs()));
                    assert!(off < 40.0 * T::EPS.f64(), "{batch} {once} {twice} {ta} {tb} {add}: {off}");
                }
            }
        }
    }
}

#[test]
fn sums_of_products_over_members_scale_and_add() {
    sums_over_members::<f64>();
    sums_over_members::<f32>();
}

#[test]
fn replacing_ignores_what_was_there() {
    for n in [2, 8, 20] {
        let a = vec![1.0; n * n];
        let mut c = vec![f64::NAN; n * n];
        f64::gemm(&mut c, n, n, n, 1.0, &a, true, &a, false, false);
        assert!(c.iter().all(|&x| x == n as f64));
        c.fill(f64::NAN);
        f64::gemm(&mut c, n, n, 0, 1.0, &[], false, &[], false, false);
        assert!(c.iter().all(|&x| x == 0.0));
    }
}

fn triangles<T: Kernels>() {
    let mut rng = rng(2);
    for n in [0, 1, 2, 3, 5, 8, 9, 20] {
        for other in [0, 1, 3, 9] {
            for bits in 0..16 {
                let on = |bit: usize| bits >> bit & 1 == 1;
                let uplo = if on(0) { Uplo::Lower } else { Uplo::Upper };
                let side = if on(3) { Side::Right } else { Side::Left };
                let tri = Triangle { uplo, side, transpose: on(1), unit: on(2) };
                let mut t = vec![T::nan(); n * n];
                let mut full = vec![T::zero(); n * n];
                for j in 0..n {
                    for i in 0..n {
                        let inside = if tri.is_lower() { i > j } else { i < j };
                        let x = if i == j { T::of(2.0) } else { T::of(0.2) * random::<T>(&mut rng, 1)[0] };
                        if inside || (i == j && !tri.unit) {
                            t[i + j * n] = x;
                            full[i + j * n] = x;
                        } else if i == j {
                            full[i + j * n] = T::one();
                        }
                    }
                }
                let full = if tri.transpose { transposed(&full, n, n) } else { full };
                let (m, k) = if tri.is_right() { (other, n) } else { (n, other) };
                let b = random::<T>(&mut rng, m * k);
                let mut x = b.clone();
                T::trsm(&t, tri, &mut x, m, k).unwrap();
                let back = if tri.is_right() { times(&x, &full, m, k, k) } else { times(&full, &x, m, m, k) };
                assert!(gap(&back, &b) < 60.0 * T::EPS.f64(), "{n} {other} {tri:?}: {}", gap(&back, &b));
            }
        }
    }
}

#[test]
fn triangular_solves_read_only_their_triangle() {
    triangles::<f64>();
    triangles::<f32>();
}

#[test]
fn triangular_verdicts() {
    let tri = Triangle::LOWER;
    let mut x = [1.0, 1.0];
    assert_eq!(f64::trsm(&[1.0, 1.0, 0.0, 0.0], tri, &mut x, 2, 1), Err(Failure::Singular { index: 1, ratio: 0.0 }));
    let nan = f64::trsm(&[1.0, f64::NAN, 0.0, 1.0], tri, &mut x, 2, 1);
    assert!(matches!(nan, Err(Failure::NonFinite { index: 1, .. })));
    let inf = f64::trsm(&[1.0, 0.0, 0.0, 1.0], tri, &mut [1.0, f64::INFINITY], 2, 1);
    assert_eq!(inf, Err(Failure::NonFinite { index: 1, value: f64::INFINITY }));
}

/// Sizes around those of tiles: whole registers of rows or not, columns in fours or not, any inner size.
fn tiles<T: Kernels>() {
    let mut rng = rng(31);
    for (m, n) in [8, 16, 24, 40, 64, 12].into_iter().flat_map(|m| [4, 5, 8, 12, 20, 36].map(|n| (m, n))) {
        for k in [1, 9, 16, 33] {
            for (ta, tb, add) in [0, 1, 2, 3, 4, 5, 6, 7].map(|i| (i & 1 > 0, i & 2 > 0, i & 4 > 0)) {
                let (a, b) = (random::<T>(&mut rng, m * k), random::<T>(&mut rng, k * n));
                let c = random::<T>(&mut rng, m * n);
                let (left, right) = (
                    if ta { transposed(&a, m, k) } else { a.clone() },
                    if tb { transposed(&b, k, n) } else { b.clone() },
                );
                let mut out = c.clone();
                T::gemm(&mut out, m, n, k, T::of(-0.5), &left, ta, &right, tb, add);
                let product = times(&a, &b, m, k, n);
                let known: Vec<f64> =
                    product.iter().zip(&c).map(|(p, c)| if add { c.f64() - 0.5 * p } else { -0.5 * p }).collect();
                let off = gap(&out, &known);
                assert!(off <= 4.0 * k as f64 * T::EPS.f64(), "{m} x {k} x {n}, {ta} {tb} {add}: {off:e}");
            }
        }
    }
}

#[test]
fn products_in_tiles_agree_with_plain_loops() {
    tiles::<f64>();
    tiles::<f32>();
}
