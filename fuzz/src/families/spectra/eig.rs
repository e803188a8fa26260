//! Eigenvalues and eigenvectors of general matrices, and what is smooth where they coincide.

use super::property::{holds, near, pick, values};
use super::{Case, Target};
use pullback::faer::Mat;

/// The name of the target, its property, and the primitives that it reaches.
pub const TARGET: Target = ("eig", eig, &["eig", "eig_verdict", "packed_columns"]);

/// Eigenvalues and eigenvectors of general matrices, and what is smooth where they coincide.
pub fn eig(case: &Case) {
    let n = case.size().0;
    let kind = case.kind % 5;
    let a = case.stack(n, n, |b| {
        let e = case.entries(1 + b).mat(n, n);
        match kind {
            // Separated real eigenvalues and pairs.
            0 | 1 => Mat::from_fn(n, n, |i, j| {
                let pair = |i: usize| kind == 1 && i.is_multiple_of(2) && i + 1 < n;
                0.1 * e[(i, j)]
                    + match (i, j) {
                        _ if i == j => 2.0 * (i - usize::from(i > 0 && pair(i - 1))) as f64,
                        _ if j == i + 1 && pair(i) => 2.0,
                        _ if i == j + 1 && pair(j) => -0.5,
                        _ => 0.0,
                    }
            }),
            // Eigenvalues that coincide: one multiple of the identity, or a Jordan block, and what is near them.
            2 => Mat::identity(n, n),
            3 => Mat::from_fn(n, n, |i, j| if i == j || j == i + 1 { 1.0 } else { 0.0 }),
            _ => e,
        }
    });
    let (name, f) = pick(
        case,
        [
            ("eigvals", |x| {
                let (re, im) = x[0].eigvals();
                vec![re, im]
            }),
            ("eig", |x| {
                let (re, im, v, w) = x[0].eig();
                vec![re, im, v, w]
            }),
            ("charpoly", |x| vec![x[0].charpoly()]),
            ("trace_power", |x| vec![x[0].trace_power(4)]),
        ],
    );
    // Of eigenvalues that may be anywhere, only that there is a value or an error.
    let condition = if kind < 2 || !name.starts_with("eig") { 1e2 } else { 1e9 };
    holds(case, name, f, &vec![a.clone()], condition);
    // A V = V diag(l), beside A, which says what rounding is.
    let sides = values(
        |x| {
            let (re, im, v, w) = x[0].eig();
            let (p, q) =
                (x[0] * v - (v * re.to_diag() - w * im.to_diag()), x[0] * w - (w * re.to_diag() + v * im.to_diag()));
            vec![x[0], x[0] + p, x[0] + q]
        },
        std::slice::from_ref(&a),
    );
    if let Ok(y) = sides {
        for i in 0..case.members() {
            near(case, "A V - V diag(l), real parts", &y[1].member(i), &y[0].member(i));
            near(case, "A V - V diag(l), imaginary parts", &y[2].member(i), &y[0].member(i));
        }
    }
}
