//! Sylvester, Stein and Lyapunov equations, square roots and logarithms, of general matrices with ties, near ties and
//! small gaps to singular.

use super::property::{Program, holds, near, pick, values};
use super::{Case, Target};
use pullback::Batch;
use pullback::faer::Mat;

/// The name of the target, its property, and the primitives that it reaches.
pub const TARGET: Target = ("equations", equations, &["schur", "sylvester", "lyapunov", "sqrtm", "logm", "logm_along"]);

/// Sylvester, Stein and Lyapunov equations, square roots and logarithms.
pub fn equations(case: &Case) {
    let (m, n) = case.size();
    let (root, condition) = general(case, m, 1);
    match case.op % 6 {
        0 => {
            let (b, of_b) = general(case, n, 2);
            let x = vec![root, b, case.any(m, n, 3)];
            let (name, f): (_, Program) = ("sylvester", |x| vec![x[0].sylvester(x[1], x[2])]);
            holds(case, name, f, &x, condition * of_b);
        }
        1 => {
            let x = vec![small(case, m, 1), small(case, n, 2), case.any(m, n, 3)];
            holds(case, "stein", |x| vec![x[0].stein(x[1], x[2])], &x, 10.0);
        }
        2 => {
            let x = vec![small(case, m, 1), case.any(m, m, 3)];
            holds(case, "discrete_lyapunov", |x| vec![x[0].discrete_lyapunov(x[1])], &x, 10.0);
        }
        3 => {
            let x = vec![root, case.any(m, m, 3)];
            let (name, f) = pick(
                case,
                [
                    ("lyapunov", |x| vec![x[0].lyapunov(x[1])]),
                    ("lyapunov, symmetric", |x| vec![x[0].lyapunov(x[1].sym())]),
                    ("lyapunov, transposed", |x| vec![x[0].schur().lyapunov_transpose(x[1])]),
                ],
            );
            holds(case, name, f, &x, condition * condition);
        }
        4 => holds(case, "logm", |x| vec![x[0].logm()], &vec![root], condition * condition),
        _ => {
            let x = vec![root];
            let f: Program = |x| vec![x[0].sqrtm()];
            holds(case, "sqrtm", f, &x, condition * condition);
            if let (true, Ok(y)) = (condition < 1e3, values(f, &x)) {
                for i in 0..case.members() {
                    let y = y[0].member(i);
                    near(case, "X X", &(&y * &y), &x[0].member(i));
                }
            }
        }
    }
}

/// `Q R` with a spectrum of the case on the diagonal of `R`, as `Q (D + N) Q'`: eigenvalues positive, tied or small as
/// the case says.
fn general(case: &Case, n: usize, salt: u64) -> (Batch<f64>, f64) {
    let s = case.spectrum(n, salt);
    let size = s.values.iter().fold(0.0f64, |m, v| m.max(*v));
    let a = case.stack(n, n, |b| {
        let mut e = case.entries(salt + 100 * b + 1);
        let (q, noise) = (e.orthonormal(n, n), e.mat(n, n));
        let r = Mat::from_fn(n, n, |i, j| match i.cmp(&j) {
            std::cmp::Ordering::Less => 0.25 * size * noise[(i, j)],
            std::cmp::Ordering::Equal => s.values[i],
            std::cmp::Ordering::Greater => 0.0,
        });
        &q * r * q.transpose()
    });
    (a, s.condition)
}

/// Of a norm below one, some of them nilpotent or tied.
fn small(case: &Case, n: usize, salt: u64) -> Batch<f64> {
    let kind = case.kind % 3;
    case.stack(n, n, |b| {
        let w = case.entries(salt + 100 * b).mat(n, n) * (0.5 / n.max(1) as f64);
        match kind {
            0 => w,
            1 => Mat::from_fn(n, n, |i, j| if i < j { w[(i, j)] } else { 0.0 }),
            _ => w * case.gap() + 0.5 * Mat::<f64>::identity(n, n),
        }
    })
}
