//! QR: thin, wide, full, pivoted, of stated rank; LQ.

use super::property::{Program, holds, near, pick, values};
use super::{Case, Target};
use pullback::faer::Mat;
use pullback::{Axis, Gauge, Var};

/// The name of the target, its property, and the primitives that it reaches.
pub const TARGET: Target = ("qr", qr, &["qr", "complement", "pivots", "permute", "invariant", "vanishing"]);

/// QR in all its forms.
pub fn qr(case: &Case) {
    let (m, n) = case.tall();
    let (a, condition) = case.with_spectrum(m, n, 1);
    let (name, f) = pick(
        case,
        [
            ("qr", |x| {
                let (q, r) = x[0].qr();
                vec![q, r]
            }),
            ("q", |x| vec![x[0].qr().0]),
            ("r", |x| vec![x[0].qr().1]),
            ("projector", |x| {
                let q = x[0].qr().0;
                vec![q.mul_t(q)]
            }),
        ],
    );
    holds(case, name, f, &vec![a.clone()], condition);
    // What rests on it: the basis of the complement and the order of the columns are seen through what does not depend
    // on them.
    let (name, f) = pick(
        case,
        [
            ("lq", |x| {
                let (l, q) = x[0].t().lq();
                vec![l, q]
            }),
            ("null_basis", |x| {
                let z = x[0].null_basis(Gauge::Error);
                vec![z.mul_t(z)]
            }),
            ("qr_full", |x| {
                let (q, r) = x[0].qr_full(Gauge::Project);
                let y = q.t_mul(x[1]);
                vec![y.t_mul(y), r]
            }),
            ("qr_pivoted", |x| {
                let q = x[0].qr_pivoted().0;
                vec![q.mul_t(q)]
            }),
            ("qr, wide", |x| {
                let (q, r) = Var::concat(&[x[3], x[2].t()], Axis::Cols).qr();
                vec![q, r]
            }),
            ("qr_of_rank", |x| {
                let n = x[0].cols();
                let (q, r) = Var::concat(&[x[0], x[0] * x[2].t()], Axis::Cols).qr_of_rank(n);
                vec![q, r]
            }),
        ],
    );
    let (square, leading) = case.with_spectrum(n, n, 4);
    holds(case, name, f, &vec![a.clone(), case.any(m, 2, 2), case.any(2, n, 3), square], condition.max(leading));
    let both: Program = |x| {
        let (q, r) = x[0].qr();
        vec![q, r]
    };
    if let Ok(y) = values(both, std::slice::from_ref(&a)) {
        for i in 0..case.members() {
            let (q, r) = (y[0].member(i), y[1].member(i));
            near(case, "Q R", &(&q * &r), &a.member(i));
            near(case, "Q'Q", &(q.transpose() * &q), &Mat::identity(n, n));
            assert!((0..n).all(|k| r[(k, k)] > 0.0), "diag(R) on {case:?}");
        }
    }
}
