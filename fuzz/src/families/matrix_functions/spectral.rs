//! Functions of symmetric matrices, their traces and Fréchet derivatives.

use super::property::{holds, near, pick, values};
use super::{Case, Target};
use pullback::SymFn;

/// The name of the target, its property, and the primitives that it reaches.
pub const TARGET: Target = (
    "spectral",
    spectral,
    &["eigh", "eigh_values", "eigh_complete", "positive_definite", "spectral", "spectral_trace"],
);

/// Functions of symmetric matrices, their traces and Fréchet derivatives.
pub fn spectral(case: &Case) {
    let n = case.size().0;
    let (a, condition) = case.symmetric(n, 1);
    let (name, f) = pick(
        case,
        [
            ("expm_sym", |x| vec![x[0].expm_sym()]),
            ("logm_spd", |x| vec![x[0].logm_spd()]),
            ("sqrtm_spd", |x| vec![x[0].sqrtm_spd()]),
            ("invsqrtm_spd", |x| vec![x[0].invsqrtm_spd()]),
            ("powm_spd", |x| vec![x[0].powm_spd(-1.0), x[0].powm_spd(3.0), x[0].powm_spd(0.25)]),
            ("x ln x", |x| vec![x[0].symmetric().map(SymFn::XLogX)]),
            ("trace", |x| {
                let a = x[0].symmetric();
                // As many copies as make the values of a large matrix, each of them tied.
                let copies = x[0].tape().eye(32usize.div_ceil(x[0].rows().max(1)));
                let traces = [a.trace(SymFn::Exp), a.trace(SymFn::Ln), a.trace(SymFn::Pow(3.0)), a.trace(SymFn::XLogX)];
                [&traces[..], &[x[0].kron(copies).trace_fun(SymFn::Exp)]].concat()
            }),
            ("frechet", |x| vec![x[0].symmetric().frechet(SymFn::Ln, &[x[1]])]),
        ],
    );
    // Each derivative divides by the spectrum once more.
    holds(case, name, f, &vec![a.clone(), case.stack(n, n, |b| case.entries(5 + b).mat(n, n))], condition);
    if let Ok(y) = values(|x| vec![x[0].sqrtm_spd()], std::slice::from_ref(&a)) {
        for i in 0..case.members() {
            let (s, a) = (y[0].member(i), a.member(i));
            near(case, "sqrtm_spd squared", &(&s * &s), &(0.5 * (&a + a.transpose())));
        }
    }
}
