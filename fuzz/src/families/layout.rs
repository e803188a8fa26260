//! Moves of entries.

use super::property::{holds, pick};
use super::{Case, Target};
use pullback::{Axis, Var};

/// The name of the target, its property, and the primitives that it reaches.
pub const TARGET: Target = (
    "layout",
    layout,
    &[
        "transpose",
        "reshape",
        "slice",
        "embed",
        "concat",
        "gather",
        "scatter",
        "diag",
        "from_diag",
        "part",
        "translate",
    ],
);

/// Moves of entries.
pub fn layout(case: &Case) {
    let (m, n) = case.size();
    let (name, f) = pick(
        case,
        [
            ("t", |x| vec![x[0].t()]),
            ("reshape", |x| vec![x[0].reshape(x[0].cols(), x[0].rows()), x[0].reshape(x[0].rows() * x[0].cols(), 1)]),
            ("slice", |x| {
                let (m, n) = (x[0].rows(), x[0].cols());
                vec![x[0].slice(m / 2, n / 3, m - m / 2, n - n / 3), x[0].member(0)]
            }),
            ("concat", |x| {
                let all = [x[0], x[1], x[0]];
                vec![Var::concat(&all, Axis::Rows), Var::concat(&all, Axis::Cols), Var::concat(&all, Axis::Batch)]
            }),
            ("gather", |x| {
                let last = x[0].rows().saturating_sub(1);
                let rows: Vec<usize> = if x[0].rows() == 0 { vec![] } else { vec![last, 0, last] };
                let y = x[0].gather(Axis::Rows, &rows);
                vec![y.hadamard(y), x[0].gather(Axis::Batch, &[0, 0])]
            }),
            ("diag", |x| vec![x[0].diag(), x[0].diag().to_diag()]),
            ("shift", |x| {
                let far = x[0].rows() as isize;
                vec![x[0].shift(Axis::Rows, 1), x[0].shift(Axis::Cols, -1), x[0].shift(Axis::Rows, -far)]
            }),
            ("tril", |x| vec![x[0].tril(), x[0].triu()]),
            ("sym", |x| {
                let s = x[0].t_mul(x[1]);
                vec![s.sym(), s.skew(), s.trace()]
            }),
        ],
    );
    holds(case, name, f, &vec![case.any(m, n, 1), case.any(m, n, 2)], 1.0);
}
