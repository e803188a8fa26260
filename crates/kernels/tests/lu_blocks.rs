//! LU by blocks, beside elimination as a textbook has it: factors, orders of rows, and what zeros, overflow and used
//! memory do, at orders around every width that the blocks have.

mod common;

use common::{gap, random, rng, times, transposed};
use pullback_kernels::list::*;
use pullback_kernels::{Failure, Workspace};

/// `(L, U, order)`, column by column, in double precision.
fn textbook(a: &[f64], m: usize, n: usize) -> (Vec<f64>, Vec<f64>, Vec<usize>) {
    let (mut f, mut order) = (a.to_vec(), (0..m).collect::<Vec<_>>());
    for j in 0..n {
        let best = (j..m).fold(j, |best, i| if f[i + j * m].abs() > f[best + j * m].abs() { i } else { best });
        order.swap(j, best);
        (0..n).for_each(|c| f.swap(j + c * m, best + c * m));
        for i in j + 1..m {
            f[i + j * m] /= f[j + j * m];
            (j + 1..n).for_each(|c| f[i + c * m] -= f[i + j * m] * f[j + c * m]);
        }
    }
    let at = |i: usize, j: usize| f[i + j * m];
    let l = (0..m * n).map(|k| (k % m, k / m)).map(|(i, j)| if i > j { at(i, j) } else { (i == j) as u8 as f64 });
    let u = (0..n * n).map(|k| (k % n, k / n)).map(|(i, j)| if i <= j { at(i, j) } else { 0.0 });
    (l.collect(), u.collect(), order)
}

fn factors<T: Kernels>(a: &[f64], m: usize, n: usize, w: &mut Workspace<T>) -> (Vec<T>, Vec<T>, Vec<usize>) {
    let a: Vec<T> = a.iter().map(|x| T::of(*x)).collect();
    let (mut l, mut u, mut p) = (vec![T::nan(); m * n], vec![T::nan(); n * n], vec![T::nan(); m]);
    T::lu_factors(&a, m, n, &mut l, &mut u, &mut p, w).unwrap();
    (l, u, p.iter().map(|p| p.f64() as usize).collect())
}

/// Numbers that a single one holds exactly, so that both precisions factorise the same matrix.
fn matrix(seed: u64, len: usize) -> Vec<f64> {
    random::<f32>(&mut rng(seed), len).iter().map(|x| f64::from(*x)).collect()
}

fn like_a_textbook<T: Kernels>() {
    let (mut w, eps) = (Workspace::<T>::default(), T::EPS.f64());
    let orders = (40..74).chain([79, 80, 81, 95, 96, 97, 100, 127, 128, 129, 160, 191, 193, 256, 257]);
    for (n, taller) in orders.flat_map(|n| [0, 1, 7, 40].map(|taller| (n, taller))) {
        let m = n + taller;
        let a = matrix((m * n) as u64, m * n);
        let (l, u, order) = factors::<T>(&a, m, n, &mut w);
        let (known_l, known_u, known) = textbook(&a, m, n);
        let ordered: Vec<f64> = (0..m * n).map(|k| a[order[k % m] + k / m * m]).collect();
        let left = gap(&times(&l, &u, m, n, n), &ordered);
        assert!(left <= 60.0 * eps, "P A - L U, {m} x {n}: {left:e}");
        assert!(l.iter().all(|l| l.f64().abs() <= 1.0), "{m} x {n}");
        // Rounding chooses among nearly equal pivots in single precision.
        if eps < 1e-10 {
            assert_eq!(order, known, "{m} x {n}");
            assert!(gap(&l, &known_l).max(gap(&u, &known_u)) <= 1e-9, "{m} x {n}");
        }
    }
}

#[test]
fn blocks_factorise_as_a_textbook_does() {
    like_a_textbook::<f64>();
    like_a_textbook::<f32>();
}

/// Integers, the inverse permutation of which is known: every row moves, many of them several times.
#[test]
fn every_order_of_rows_is_found() {
    let mut w = Workspace::default();
    for n in [40, 64, 65, 96, 130] {
        for step in [1, 3, 7, n - 1] {
            let Some(back) = (1..n).find(|b| b * step % n == 1) else { continue };
            // Row `step i + 5` has the one of column `i`, and below it what the elimination adds nothing to.
            let row = |i: usize| (step * i + 5) % n;
            let mut a = vec![0.0; n * n];
            (0..n).for_each(|i| a[row(i) + i * n] = (1 + i % 3) as f64);
            (0..n - 1).for_each(|i| a[row(i) + (n - 1) * n] = 2.0);
            let (l, u, order) = factors::<f64>(&a, n, n, &mut w);
            assert_eq!(order, (0..n).map(row).collect::<Vec<_>>(), "{n} {step} {back}");
            assert!((0..n * n).all(|k| l[k] == (k % n == k / n) as u8 as f64), "{n} {step}");
            assert!((0..n).all(|i| u[i + i * n] == (1 + i % 3) as f64), "{n} {step}");
        }
    }
}

/// What is told does not depend on what the memory held, and the first pivot that is none is named.
fn verdicts<T: Kernels>() {
    let mut used = Workspace::<T>::default();
    for n in [40, 65, 128] {
        let (a, mut handle) = (random::<T>(&mut rng(n as u64), n * n), vec![T::nan(); n * (n + 1)]);
        T::lu(&a, n, &mut handle, &mut used).unwrap();
        let first = handle.clone();
        // Infinities and what is not a number stay in the memory.
        let huge: Vec<T> = a.iter().map(|a| *a * T::max_value()).collect();
        let _ = T::lu(&huge, n, &mut handle, &mut used);
        T::lu(&a, n, &mut handle, &mut used).unwrap();
        assert!(handle == first, "{n}");
        for j in [0, 7, 8, 31, 32, 39, n - 1] {
            let mut b = a.clone();
            b[j * n..(j + 1) * n].fill(T::zero());
            let told = T::lu(&b, n, &mut handle, &mut used);
            assert!(matches!(told, Err(Failure::Singular { index, .. }) if index == j), "{n} {j}: {told:?}");
        }
    }
}

#[test]
fn verdicts_name_the_pivot_whatever_the_memory_held() {
    verdicts::<f64>();
    verdicts::<f32>();
}

/// `[[1, x, .., x], ..]` with entries so large that the second pivot overflows.
#[test]
fn pivots_that_overflow_are_told() {
    let (n, mut w) = (64, Workspace::default());
    let mut a = vec![0.0; n * n];
    (0..n).for_each(|i| a[i + i * n] = 1.0);
    // Rows 40 and 41 of columns 40 and 41: elimination leaves -1.5e308 - 1.5e308.
    (a[40 + 40 * n], a[41 + 40 * n], a[40 + 41 * n], a[41 + 41 * n]) = (1.0, -1.0, -1.5e308, -1.5e308);
    let told = f64::lu(&a, n, &mut vec![0.0; n * (n + 1)], &mut w);
    assert!(matches!(told, Err(Failure::Overflow { .. })), "{told:?}");
}

/// `A^{-1} B`, `A^{-T} B` and the inverse, whose right-hand sides stand apart while they are solved for.
fn solves<T: Kernels>() {
    let (mut w, eps) = (Workspace::<T>::default(), T::EPS.f64());
    for n in [39, 40, 47, 64, 100, 127, 128, 129, 256] {
        let mut a = random::<T>(&mut rng(n as u64), n * n);
        // Well conditioned, with rows to exchange.
        (0..n).for_each(|i| a[(i + 3) % n + i * n] += T::of(if i % 2 == 0 { 30.0 } else { -30.0 }));
        let mut handle = vec![T::nan(); n * (n + 1)];
        T::lu(&a, n, &mut handle, &mut w).unwrap();
        for (k, transpose) in [1, 2, 7, 40].into_iter().flat_map(|k| [(k, false), (k, true)]) {
            let b = random::<T>(&mut rng(7), n * k);
            let mut x = b.clone();
            T::lu_solve(&handle, n, transpose, &mut x, k, &mut w);
            let op = if transpose { transposed(&a, n, n) } else { a.clone() };
            let left = gap(&times(&op, &x, n, n, k), &b);
            assert!(left <= 60.0 * eps, "{n} {k} {transpose}: {left:e}");
        }
        let mut x = vec![T::nan(); n * n];
        T::lu_inverse(&handle, n, &mut x, &mut w);
        let eye: Vec<f64> = (0..n * n).map(|k| (k % n == k / n) as u8 as f64).collect();
        let left = gap(&times(&a, &x, n, n, n), &eye);
        assert!(left <= 60.0 * eps, "{n}: {left:e}");
    }
}

#[test]
fn large_systems_are_solved_for_any_number_of_columns() {
    solves::<f64>();
    solves::<f32>();
}
