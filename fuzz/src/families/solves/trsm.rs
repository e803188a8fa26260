//! Triangular solves, every one of the sixteen.

use super::property::{Program, holds, pick, values};
use super::{Case, Target};
use pullback::faer::Mat;
use pullback::{Side, Triangle, Uplo};

/// The name of the target, its property, and the primitives that it reaches.
pub const TARGET: Target = ("trsm", trsm, &["solve_triangular"]);

/// Triangular solves, every one of the sixteen.
pub fn trsm(case: &Case) {
    let (n, k) = case.size();
    let (t, condition) = case.with_spectrum(n, n, 1);
    // The triangular factor of a matrix of known condition, in both triangles.
    let Ok(qr) = values(|x| vec![x[0].qr().1], std::slice::from_ref(&t)) else { return };
    let full = case.stack(n, n, |b| {
        let r = qr[0].member(b as usize);
        Mat::from_fn(n, n, |i, j| if i <= j { r[(i, j)] } else { r[(j, i)] })
    });
    macro_rules! solve {
        ($lower:literal, $transpose:literal, $unit:literal, $right:literal) => {
            ("solve_triangular", |x| {
                let uplo = if $lower { Uplo::Lower } else { Uplo::Upper };
                let side = if $right { Side::Right } else { Side::Left };
                let how = Triangle { uplo, side, transpose: $transpose, unit: $unit };
                let b = if $right { x[1].t() } else { x[1] };
                vec![x[0].solve_triangular_with(how, b)]
            })
        };
    }
    let (name, f): (_, Program) = pick(
        case,
        [
            solve!(true, false, false, false),
            solve!(true, true, false, false),
            solve!(true, false, false, true),
            solve!(true, true, false, true),
            solve!(false, false, false, false),
            solve!(false, true, false, false),
            solve!(false, false, false, true),
            solve!(false, true, false, true),
            ("solve_triangular", |x| {
                vec![x[0].solve_triangular(Uplo::Lower, x[1]), x[0].solve_triangular(Uplo::Upper, x[1])]
            }),
        ],
    );
    holds(case, name, f, &vec![full, case.any(n, k, 2)], condition);
    // With a unit diagonal the condition is that of the strict triangle: small by choice.
    let (name, f): (_, Program) = pick(
        case,
        [
            solve!(true, false, true, false),
            solve!(true, true, true, false),
            solve!(true, false, true, true),
            solve!(true, true, true, true),
            solve!(false, false, true, false),
            solve!(false, true, true, false),
            solve!(false, false, true, true),
            solve!(false, true, true, true),
        ],
    );
    let small = case.stack(n, n, |b| case.entries(3 + b).mat(n, n) * 0.3);
    holds(case, name, f, &vec![small, case.any(n, k, 2)], 10.0);
}
