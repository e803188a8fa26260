//! Further functions of general matrices: actions of exponentials on thin matrices, projectors of groups of
//! eigenvalues, signs and powers, with groups that touch.

use super::property::{Program, holds, near, pick, values};
use super::{Case, Target};
use pullback::faer::Mat;
use pullback::{Batch, Group, Var};

/// The name of the target, its property, and the primitives that it reaches.
pub const TARGET: Target =
    ("general", general, &["expm_multiply", "expm_multiply_pull", "group_projector", "group_projector_along"]);

/// Actions of exponentials, projectors, signs and powers.
pub fn general(case: &Case) {
    match case.op % 4 {
        0 | 1 => action(case),
        2 => projector(case),
        _ => power(case),
    }
}

/// `exp(A) B`, of generic, skew, nilpotent and badly scaled matrices; and what the exponential makes of `B`.
fn action(case: &Case) {
    let (n, p) = case.size();
    let kind = case.kind % 5;
    let a = case.stack(n, n, |b| {
        let w = case.entries(1 + b).mat(n, n);
        match kind {
            0 => w,
            1 => (&w - w.transpose()) * 4.0,
            // Nilpotent, and far from normal.
            2 => Mat::from_fn(n, n, |i, j| if i < j { 30.0 * w[(i, j)] } else { 0.0 }),
            // Each member with a norm, hence segments and a degree, of its own.
            3 => w * 4f64.powi(b as i32) * case.gap(),
            _ => w * case.gap() - 2.0 * Mat::<f64>::identity(n, n),
        }
    });
    let condition = [4.0, 40.0, 400.0, 20.0, 4.0][usize::from(kind)];
    let x = vec![a, case.stack(n, p, |b| case.entries(40 + b).mat(n, p))];
    let f: Program = |x| vec![x[0].expm_multiply(x[1])];
    holds(case, "expm_multiply", f, &x, condition);
    if let (true, Ok(y)) = (kind < 2, values(|x| vec![x[0].expm_multiply(x[1]), x[0].expm() * x[1]], &x)) {
        (0..case.members()).for_each(|i| near(case, "exp(A) B", &y[0].member(i), &y[1].member(i)));
    }
}

/// Two groups of eigenvalues around 1 and -1, of which each may be tied or defective, at a distance of the case.
fn projector(case: &Case) {
    let n = case.size().0;
    // Every other eigenvalue lies below, so that there is something to order.
    let low = |i: usize| i % 2 == 1;
    let gap = if case.kind % 3 == 2 { case.gap() } else { 1.0 };
    let a: Batch<f64> = case.stack(n, n, |b| {
        let mut e = case.entries(1 + 100 * b);
        let (q, noise) = (e.orthonormal(n, n), e.mat(n, n));
        let r = Mat::from_fn(n, n, |i, j| match i.cmp(&j) {
            std::cmp::Ordering::Less => noise[(i, j)],
            std::cmp::Ordering::Equal if case.kind.is_multiple_of(2) => {
                if low(i) {
                    -gap
                } else {
                    gap
                }
            }
            std::cmp::Ordering::Equal => (1.0 + 0.2 * noise[(i, i)]) * if low(i) { -gap } else { gap },
            std::cmp::Ordering::Greater => 0.0,
        });
        &q * r * q.transpose()
    });
    let list: [(&str, Program); 3] = [
        ("group_projector", |x| vec![x[0].group_projector(Group::RealAbove(0.0)).0]),
        ("group_projector, counted", |x| vec![x[0].group_projector(Group::LargestReal(x[0].rows().div_ceil(2))).0]),
        ("signm", |x| vec![x[0].signm()]),
    ];
    let (name, f) = list[usize::from(case.op / 4) % 3];
    // A tied group of order k moves by a root of rounding, and the coupling of the groups grows with each of them.
    holds(case, name, f, &vec![a.clone()], (10.0 / gap).powi(n as i32 / 2 + 1));
    if let (true, Ok(p)) =
        (gap == 1.0, values(|x: &[Var<'_>]| vec![x[0].group_projector(Group::RealAbove(0.0)).0], &[a]))
    {
        for i in 0..case.members() {
            let p = p[0].member(i);
            near(case, "P P", &(&p * &p), &p);
        }
    }
}

/// Powers of a matrix with eigenvalues in the right half plane.
fn power(case: &Case) {
    let n = case.size().0;
    let a = case.stack(n, n, |b| {
        let w = case.entries(1 + b).mat(n, n) * (0.5 / n.max(1) as f64);
        if case.kind.is_multiple_of(2) {
            w + Mat::<f64>::identity(n, n)
        } else {
            w * case.gap() + Mat::<f64>::identity(n, n)
        }
    });
    let t = case.stack(1, 1, |b| case.entries(40 + b).mat(1, 1));
    let (name, f) = pick(
        case,
        [
            ("powm", |x| vec![x[0].powm(0.3)]),
            ("powm_by", |x| vec![x[0].powm_by(x[1])]),
            ("powm, negative", |x| vec![x[0].powm(-1.5)]),
        ],
    );
    holds(case, name, f, &vec![a, t], 10.0);
}
