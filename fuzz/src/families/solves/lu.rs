//! Solves, inverses and determinants of square matrices.

use super::property::{VALUE, holds, pick, values};
use super::{Case, Target};
use pullback::Axis;

/// The name of the target, its property, and the primitives that it reaches.
pub const TARGET: Target =
    ("lu", lu, &["lu", "solve", "inverse", "logdet", "det_sign", "lu_factors", "det_factor", "det", "cofactor"]);

/// Solves, inverses and determinants of square matrices.
pub fn lu(case: &Case) {
    let (n, k) = case.size();
    let (a, condition) = case.with_spectrum(n, n, 1);
    let (name, f) = pick(
        case,
        [
            ("solve", |x| vec![x[0].solve(x[1])]),
            ("solve, transposed", |x| vec![x[0].lu().solve_transpose(x[1])]),
            ("inverse", |x| vec![x[0].inverse()]),
            ("logdet", |x| vec![x[0].logdet()]),
            ("one factorisation", |x| {
                let a = x[0].lu();
                vec![a.solve(a.solve_transpose(x[1])), a.logdet()]
            }),
            ("det", |x| vec![x[0].det()]),
            ("slogdet", |x| {
                let (s, l) = x[0].slogdet();
                vec![s.hadamard(l)]
            }),
            ("lu_factors", |x| {
                // The factors jump where pivots tie; their product in order does not.
                let (l, u, p) = x[0].lu_factors();
                let w = l * u;
                vec![w.t_mul(w), x[1].permuted(Axis::Rows, p).t_mul(x[1].permuted(Axis::Rows, p))]
            }),
        ],
    );
    // Another program with another input: not on every case.
    if case.seed.is_multiple_of(4) {
        det(case);
    }
    // The program of one factorisation solves twice.
    let condition = if name == "one factorisation" { condition * condition } else { condition };
    holds(case, name, f, &vec![a.clone(), case.any(n, k, 2)], condition);
    let b = case.stack(n, k, |b| case.entries(9 + b).mat(n, k));
    if let Ok(y) = values(|x| vec![x[0] * x[0].solve(x[1]), x[0].solve(x[1])], &[a.clone(), b.clone()]) {
        for i in 0..case.members() {
            // The residual of a stable solve is small against |A| |X|, however singular A is.
            let (r, x, a) = (y[0].member(i) - b.member(i), y[1].member(i), a.member(i));
            let size = a.norm_max() * x.norm_max() * n.max(1) as f64;
            assert!(r.norm_max() <= VALUE * size, "solve on {case:?}: residual {:e} of {size:e}", r.norm_max());
        }
    }
}

/// Determinants of any matrix: integers, zeros, sparse, far from 1.
fn det(case: &Case) {
    let n = case.size().0;
    holds(case, "det, any", |x| vec![x[0].det()], &vec![case.any(n, n, 5)], 1.0);
}
