//! Solves, inverses and determinants of square matrices.

use super::property::{VALUE, holds, pick, values};
use super::{Case, Family};

/// The name of the target, its property, and the primitives that it reaches.
pub const FAMILY: Family = ("lu", lu, &["lu", "solve", "inverse", "logdet"]);

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
        ],
    );
    // The last program solves twice.
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
