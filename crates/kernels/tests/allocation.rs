//! The steady state allocates nothing.

mod common;
use common::*;
use pullback_kernels::list::*;
use pullback_kernels::{Least, SymFn, Triangle, Workspace};

#[test]
fn kernels_allocate_nothing_once_grown() {
    for n in [1, 4, 16, 64, 200] {
        let mut rng = rng(13);
        let (a, b) = (spd::<f64>(&mut rng, n), random::<f64>(&mut rng, n * n));
        let mut w = Workspace::default();
        let (mut x, mut y, mut h) = (vec![0.0; n * n], vec![0.0; n * n], vec![0.0; n * n + n]);
        let (mut wide, mut least) = (vec![0.0; n * (n + 2)], vec![0.0; 3 * n * n]);
        let (mut schur, chosen) = (vec![0.0; 2 * n * n], [false, true, true].repeat(n));
        let small: Vec<f64> = a.iter().map(|x| x / n as f64).collect();
        let mut records = [(); 3].map(|()| vec![0.0; n * (7 * n + 4)]);
        let mut log = vec![0.0; n * (2 * n + 1)];
        let mut projector = vec![0.0; n * (3 * n + 1)];
        let mut notes = vec![0.0; 6 * n];
        let tri = Triangle::LOWER.transposed().from_right();
        let mut all = || {
            f64::gemm(&mut x, n, n, n, 1.0, &a, true, &b, true, true);
            f64::qr_thin(&a, n, n, &mut x, &mut y, &mut w).unwrap();
            f64::cholesky(&a, n, &mut x, &mut w).unwrap();
            f64::trsm(&x, tri, &mut y, n, n).unwrap();
            f64::lu(&a, n, &mut h, &mut w).unwrap();
            f64::lu_solve(&h, n, true, &mut y, n, &mut w);
            f64::lu_inverse(&h, n, &mut y, &mut w);
            f64::eigh(&a, n, &mut h, &mut w).unwrap();
            if n >= 64 {
                f64::eigh_values(&a, n, &mut projector[..n * (n + 1)], &mut w).unwrap();
                f64::eigh_complete(&projector[..n * (n + 1)], n, &mut h, &mut w).unwrap();
            }
            f64::spectral_domain(SymFn::Ln, &a, &h, n).unwrap();
            f64::spectral(SymFn::Ln, &h, n, &[], &mut x, &mut w).unwrap();
            f64::spectral(SymFn::Ln, &h, n, &[&b], &mut x, &mut w).unwrap();
            if n <= 64 {
                f64::spectral(SymFn::Ln, &h, n, &[&b, &a], &mut x, &mut w).unwrap();
            }
            if n <= 4 {
                f64::spectral(SymFn::Ln, &h, n, &[&b, &a, &b], &mut x, &mut w).unwrap();
            }
            f64::polar(&a, n, n, &mut x, &mut y, &mut h, &mut w).unwrap();
            f64::sym_lyap(&h, n, &b, &mut x, &mut w).unwrap();
            f64::cayley(&a, n, -0.1, &mut x, &mut y, &mut w).unwrap();
            f64::expm(&small, n, &mut x, &mut records[0], &mut w).unwrap();
            let [whole, first, second] = &mut records;
            f64::expm_jet(&[&small, &b], &[whole, &[]], n, &mut x, first, &mut w).unwrap();
            let known = [&whole[..], first, first, &[]];
            f64::expm_jet(&[&small, &b, &b, &[]], &known, n, &mut x, second, &mut w).unwrap();
            f64::eig(&b, n, &mut h[..n], &mut x, &mut y, &mut notes, &mut w).unwrap();
            f64::cholesky(&a, n, &mut y, &mut w).unwrap();
            f64::cholesky_push(&y, n, &b, &mut x);
            f64::cholesky_pull(&y, n, &mut x);
            f64::lower_product(&a, &b, n, &mut x);
            f64::lu_factors(&a, n, n, &mut x, &mut y, &mut h[..n], &mut w).unwrap();
            f64::lu_complete(&a, n, &mut wide).unwrap();
            f64::cofactor(&wide, n, &[&b], &mut x, &mut w).unwrap();
            for r in [n, n / 2] {
                let s = Least { m: n, n, r };
                if r == n {
                    f64::least_factor(&a, s, &mut least[..s.len()], &mut w).unwrap();
                } else {
                    // Of another rank: the same work, and a verdict.
                    assert!(r == 0 || f64::least_factor(&a, s, &mut least[..s.len()], &mut w).is_err());
                }
                f64::least_apply(&least[..s.len()], s, true, &b, n, &mut x, &mut w);
            }
            f64::qr_thin(&b[..n * (n / 2)], n, n / 2, &mut x[..n * (n / 2)], &mut y[..(n / 2) * (n / 2)], &mut w)
                .unwrap();
            f64::complement(&x[..n * (n / 2)], n, n / 2, &mut y[..n * (n - n / 2)], &mut w).unwrap();
            f64::schur(&b, n, &mut schur, &mut w).unwrap();
            f64::schur_values(&schur, n, &mut x[..n], &mut y[..n]);
            f64::stein(&schur, n, false, &schur, n, true, &b, &mut x, &mut w).unwrap();
            f64::schur(&a, n, &mut schur, &mut w).unwrap();
            f64::schur_reorder(&mut schur, n, &chosen[..n]).unwrap();
            f64::sylvester(&schur, n, true, &schur, n, false, &b, &mut x, &mut w).unwrap();
            f64::lyapunov(&schur, n, true, &b, &mut x, &mut w).unwrap();
            f64::discrete_lyapunov(&schur, n, true, &b, &mut x, &mut w).unwrap();
            assert!(f64::separation(&schur, n, &schur, n, true, &mut w) > 0.0);
            f64::sqrtm(&a, n, &mut x, &mut schur, &mut w).unwrap();
            f64::logm(&a, n, &mut x, &mut log, &mut w).unwrap();
            f64::logm_along(&log, n, &[&b, &a], &mut x, &mut w).unwrap();
            f64::logm_pair(&log, n, [&b, &a, &b], &mut x, &mut y, &mut w).unwrap();
            let group = pullback_kernels::Group::LargestReal(n / 2);
            f64::group_projector(group, &a, n, &mut x, &mut projector, &mut w).unwrap();
            f64::group_projector_along(&projector, n, &[&b, &a], &mut x, &mut w).unwrap();
            f64::expm_action(&[&small, &b], &[&b[..n], &[]], (n, 1), false, &mut x[..n], &mut w).unwrap();
            f64::expm_action_pull(&[&small], &[&b[..n]], &[&a[..n]], (n, 1), &mut x, &mut y[..n], &mut w).unwrap();
            f64::pivots(&b, n, n, &mut x[..n], &mut y[..n], &mut w).unwrap();
        };
        all();
        assert_eq!(allocation_counter::measure(&mut all).count_total, 0, "n = {n}");
    }
}
