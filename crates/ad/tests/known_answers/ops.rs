//! The primitives of the known answers as programs. An operation that the engine gains is one line here.

use faer::Mat;
use pullback::{SymFn, Triangle, Var};
use serde_json::Value as Json;

/// Is there such an operation?
pub(crate) fn has(op: &str) -> bool {
    let ops = [
        "matmul",
        "inverse",
        "solve",
        "solve_triangular",
        "logabsdet",
        "cholesky",
        "qr",
        "lq",
        "lstsq",
        "pinv",
        "det",
        "cayley",
        "expm",
        "expm_frechet",
        "expm_sym",
        "logm_spd",
        "sqrtm_spd",
        "invsqrtm_spd",
        "inv_spd",
        "powm_spd",
        "trace_fun",
        "polar",
        // General matrices by Schur forms.
        "sylvester",
        "lyapunov",
        "stein",
        "sqrtm",
        "logm",
        // Spectra.
        "eig",
        "eigvals",
        "eigh",
        "eigvalsh",
        "spectral_projector",
        "svd",
        "svdvals",
    ];
    ops.contains(&op)
}

/// The outputs of `op`; [`has`] says which there are.
pub(crate) fn apply<'t>(op: &str, params: &Json, x: &[Var<'t>]) -> Vec<Var<'t>> {
    let number = |k: &str| params[k].as_f64().unwrap_or_else(|| panic!("{op} needs the number `{k}`"));
    let flag = |k: &str| params[k].as_bool().unwrap_or_else(|| panic!("{op} needs the flag `{k}`"));
    let a = x[0];
    let pair = |(a, b): (Var<'t>, Var<'t>)| vec![a, b];
    match op {
        "matmul" => vec![a * x[1]],
        "inverse" => vec![a.inverse()],
        "solve" => vec![a.solve(x[1])],
        "solve_triangular" => {
            let stored = if params["uplo"] == "lower" { Triangle::LOWER } else { Triangle::UPPER };
            let how = Triangle { transpose: flag("transpose"), unit: flag("unit"), ..stored };
            vec![a.solve_triangular_with(how, x[1])]
        }
        "logabsdet" => vec![a.logdet()],
        "cholesky" => vec![a.cholesky()],
        "qr" => pair(a.qr()),
        "lq" => pair(a.lq()),
        "lstsq" => vec![a.lstsq(x[1])],
        "pinv" => vec![a.pinv()],
        "det" => vec![a.det()],
        "cayley" => vec![a.cayley(number("alpha"))],
        "expm" => vec![a.expm()],
        "expm_frechet" => pair(a.expm_frechet(x[1])),
        "expm_sym" => vec![a.expm_sym()],
        "logm_spd" => vec![a.logm_spd()],
        "sqrtm_spd" => vec![a.sqrtm_spd()],
        "invsqrtm_spd" => vec![a.invsqrtm_spd()],
        "inv_spd" => vec![a.powm_spd(-1.0)],
        "powm_spd" => vec![a.powm_spd(number("p"))],
        "trace_fun" => vec![a.trace_fun(match params["f"].as_str() {
            Some("cube") => SymFn::Pow(3.0),
            Some("exp") => SymFn::Exp,
            Some("log") => SymFn::Ln,
            Some("xlogx") => SymFn::XLogX,
            Some("sqrt") => SymFn::SQRT,
            f => panic!("trace_fun of {f:?}"),
        })],
        "polar" => pair(a.polar()),
        // General matrices by Schur forms.
        "sylvester" => vec![a.sylvester(x[1], x[2])],
        "lyapunov" => vec![a.lyapunov(x[1])],
        "stein" => vec![a.discrete_lyapunov(x[1])],
        "sqrtm" => vec![a.sqrtm()],
        "logm" => vec![a.logm()],
        // Spectra.
        "eig" => {
            let (re, im, v, w) = a.eig();
            vec![re, im, v, w]
        }
        "eigvals" => pair(a.eigvals()),
        "eigh" => pair(a.eigh()),
        "eigvalsh" => vec![a.eigvalsh()],
        "spectral_projector" => vec![a.spectral_projector(number("top") as usize)],
        "svd" => {
            let (u, s, v) = a.svd();
            vec![u, s, v]
        }
        "svdvals" => vec![a.svdvals()],
        _ => panic!("`has` and `apply` disagree on {op}"),
    }
}

/// The number whose gradient is the `vjp`: the sum of the products of outputs and cotangents.
pub(crate) fn weighed<'t>(op: &str, params: &Json, x: &[Var<'t>], w: &[Mat<f64>]) -> Var<'t> {
    let terms = apply(op, params, x).into_iter().zip(w).map(|(y, w)| y.dot(w));
    terms.reduce(|a, b| a + b).expect("an output")
}
