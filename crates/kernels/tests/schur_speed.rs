//! How long Schur forms and what rests on them take, beside faer's general eigendecomposition. Prints; judges nothing,
//! hence ignored: `cargo test --release -p pullback-kernels --test schur_speed -- --ignored --nocapture`.

mod common;
use std::time::Instant;

use common::*;
use pullback_kernels::Workspace;
use pullback_kernels::list::*;

/// The best time of one call over many short batches, in microseconds.
fn best(mut f: impl FnMut()) -> f64 {
    f();
    let start = Instant::now();
    f();
    let calls = (2e-3 / start.elapsed().as_secs_f64().max(1e-7)).clamp(1.0, 1e5) as usize;
    let batch = |f: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..calls).for_each(|_| f());
        start.elapsed().as_secs_f64() / calls as f64
    };
    (0..40).map(|_| batch(&mut f)).fold(f64::INFINITY, f64::min) * 1e6
}

#[test]
#[ignore = "a measurement"]
fn times_of_schur_forms() {
    for n in [2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256] {
        let a = random::<f64>(&mut rng(n as u64), n * n);
        let (mut w, mut handle) = (Workspace::default(), vec![0.0; 2 * n * n]);
        let ours = best(|| f64::schur(&a, n, &mut handle, &mut w).unwrap());
        let m = faer::MatRef::from_column_major_slice(&a, n, n);
        let theirs = best(|| drop(m.eigen().unwrap()));
        println!("n = {n:3}: schur {ours:10.2} us   faer's eigendecomposition {theirs:10.2} us");
    }
}

#[test]
#[ignore = "a measurement"]
fn times_of_equations() {
    for n in [2, 4, 8, 16, 32, 64, 128, 256] {
        let mut rng = rng(n as u64);
        let mut a = random::<f64>(&mut rng, n * n);
        (0..n).for_each(|i| a[i + i * n] += (n as f64).sqrt());
        let c = random::<f64>(&mut rng, n * n);
        let (mut w, mut h, mut x) = (Workspace::default(), vec![0.0; 2 * n * n], vec![0.0; n * n]);
        let root = best(|| f64::sqrtm(&a, n, &mut x, &mut h, &mut w).unwrap());
        f64::schur(&a, n, &mut h, &mut w).unwrap();
        let sylvester = best(|| f64::sylvester(&h, n, false, &h, n, true, &c, &mut x, &mut w).unwrap());
        let lyapunov = best(|| f64::lyapunov(&h, n, false, &c, &mut x, &mut w).unwrap());
        let stein = best(|| f64::stein(&h, n, false, &h, n, true, &c, &mut x, &mut w).unwrap());
        let separation = best(|| assert!(f64::separation(&h, n, &h, n, false, &mut w) >= 0.0));
        println!(
            "n = {n:3}: from handles, sylvester {sylvester:9.2} us, lyapunov {lyapunov:9.2} us, stein {stein:9.2} us, \
             separation {separation:9.2} us; square root in all {root:9.2} us"
        );
    }
}
