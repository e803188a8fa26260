//! Cases of our own that have no answer: singular, semidefinite and dependent integer matrices of every size class,
//! also badly scaled. They are exact in f64, so nothing but the matrix itself decides.

use super::case::Case;
use faer::Mat;
use serde_json::json;

/// Integers between -3 and 3.
fn integers(m: usize, n: usize, seed: u64) -> Mat<f64> {
    let mut s = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
    Mat::from_fn(m, n, |_, _| {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        ((s >> 33) % 7) as f64 - 3.0
    })
}

/// Rows and columns times powers of two.
fn scaled(a: &Mat<f64>, by: i32) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)] * 2f64.powi(by * (i * 3 % 4) as i32 - by * (j * 5 % 4) as i32))
}

fn case(
    op: &str,
    what: &str,
    n: usize,
    seed: u64,
    params: serde_json::Value,
    inputs: Vec<Mat<f64>>,
    expect: &str,
) -> Case {
    let last = &inputs[inputs.len() - 1];
    let shapes = match op {
        "logabsdet" | "trace_fun" => vec![(1, 1)],
        "qr" | "polar" => vec![(last.nrows(), n), (n, n)],
        "lq" => vec![(n, n), (n, last.ncols())],
        "pinv" => vec![(n, last.nrows())],
        "lstsq" => vec![(n, last.ncols())],
        _ => vec![(last.nrows(), last.ncols())],
    };
    Case {
        id: format!("{op}-own-{what}-{n}-{seed}"),
        op: op.into(),
        params,
        tangents: inputs.iter().map(|a| integers(a.nrows(), a.ncols(), seed + 9)).collect(),
        cotangents: shapes.into_iter().map(|(m, n)| integers(m, n, seed + 7)).collect(),
        inputs,
        outputs: None,
        jvp: None,
        vjp: None,
        hvp: None,
        expect: Some(expect.into()),
    }
}

/// Up to this order every exactly singular integer matrix tried is told from a regular one. Beyond, a badly conditioned
/// leading block can lift the last pivot's rounding above any threshold that leaves regular matrices alone
/// (`tolerances.rs`).
const DECIDED: usize = 9;

pub(crate) fn all() -> Vec<Case> {
    let mut list = vec![];
    // Around every size at which a kernel changes its method.
    for n in [1, 2, 3, 4, 5, 8, 9, 12, 16, 17, 20, 24, 25, 33, 40] {
        for seed in 1..=3 {
            let none = || json!({});
            let low = integers(n, n - 1, seed) * integers(n - 1, n, seed + 20);
            for (what, a) in [("zero", Mat::zeros(n, n)), ("rank", low.clone()), ("scaled", scaled(&low, 30))] {
                if what != "zero" && n > DECIDED {
                    continue;
                }
                list.push(case("inverse", what, n, seed, none(), vec![a.clone()], "singular"));
                list.push(case("logabsdet", what, n, seed, none(), vec![a.clone()], "singular"));
                list.push(case("solve", what, n, seed, none(), vec![a.clone(), integers(n, 2, seed)], "singular"));
                // An eigenvalue 0, and one of 1.
                let (c, one) = (integers(n, n, seed + 3), Mat::<f64>::identity(n, n) - &a);
                list.push(case("lyapunov", what, n, seed, none(), vec![a.clone(), c.clone()], "singular"));
                list.push(case("stein", what, n, seed, none(), vec![one, c.clone()], "singular"));
                let of_both = vec![a.clone(), a.transpose().to_owned(), c];
                list.push(case("sylvester", what, n, seed, none(), of_both, "singular"));
                list.push(case("logm", what, n, seed, none(), vec![a.clone()], "singular"));
                list.push(case("sqrtm", what, n, seed, none(), vec![a], "not-differentiable"));
            }
            let w = 2.0 * (Mat::<f64>::identity(n, n) - &low);
            list.push(case("cayley", "rank", n, seed, json!({"alpha": 0.5}), vec![w], "singular"));
            let mut t = integers(n, n, seed);
            (0..n).for_each(|i| t[(i, i)] = if i == n / 2 { 0.0 } else { 2.0 });
            let how = json!({"uplo": "upper", "unit": false, "transpose": true});
            list.push(case("solve_triangular", "zero", n, seed, how, vec![t, integers(n, 1, seed)], "singular"));

            let b = integers(n - 1, n, seed);
            let semi = b.transpose() * &b;
            let indefinite = &semi - 2.0 * Mat::<f64>::identity(n, n);
            for (what, a) in [("semidefinite", semi), ("indefinite", indefinite), ("zero", Mat::zeros(n, n))] {
                if what == "semidefinite" && n > DECIDED {
                    continue;
                }
                for op in ["cholesky", "logm_spd", "sqrtm_spd", "invsqrtm_spd", "inv_spd"] {
                    list.push(case(op, what, n, seed, none(), vec![a.clone()], "not-positive-definite"));
                }
                for p in [-2.0, -0.7, 0.5, 2.0, 3.0] {
                    let id = format!("{what}-{p}");
                    list.push(case(
                        "powm_spd",
                        &id,
                        n,
                        seed,
                        json!({"p": p}),
                        vec![a.clone()],
                        "not-positive-definite",
                    ));
                }
                for f in ["log", "xlogx", "sqrt"] {
                    let id = format!("{what}-{f}");
                    list.push(case(
                        "trace_fun",
                        &id,
                        n,
                        seed,
                        json!({"f": f}),
                        vec![a.clone()],
                        "not-positive-definite",
                    ));
                }
            }

            for m in [n, n + 3] {
                let low = integers(m, n - 1, seed) * integers(n - 1, n, seed + 20);
                for (what, a) in [("rank", low.clone()), ("zero", Mat::zeros(m, n))] {
                    if what == "rank" && n > DECIDED {
                        continue;
                    }
                    let id = format!("{what}-{m}");
                    list.push(case("qr", &id, n, seed, none(), vec![a.clone()], "not-differentiable"));
                    list.push(case("pinv", &id, n, seed, none(), vec![a.clone()], "not-differentiable"));
                    let b = integers(m, 2, seed);
                    list.push(case("lstsq", &id, n, seed, none(), vec![a.clone(), b], "not-differentiable"));
                    list.push(case("lq", &id, n, seed, none(), vec![a.transpose().to_owned()], "not-differentiable"));
                    list.push(case("polar", &id, n, seed, none(), vec![a], "not-differentiable"));
                }
            }
        }
    }
    list
}
