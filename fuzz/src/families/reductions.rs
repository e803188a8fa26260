//! Reductions over axes, selections, distances, partial sums.

use super::property::{holds, pick};
use super::{Case, Target};
use pullback::{Axis, Var};

/// The name of the target, its property, and the primitives that it reaches.
pub const TARGET: Target = (
    "reductions",
    reductions,
    &[
        "compare",
        "select",
        "keep",
        "exponentials",
        "log_sum_exp",
        "softmax",
        "log_softmax",
        "peak",
        "peak_at",
        "winners",
        "cumsum",
        "distances",
        "distances_push",
        "distances_pull",
    ],
);

/// Reductions over axes, selections, distances, partial sums.
pub fn reductions(case: &Case) {
    let (m, n) = case.size();
    let (name, f) = pick(
        case,
        [
            ("select", |x| vec![x[0].gt(x[1]).select(x[0], x[1]), x[0].le(x[1]).select(x[0], x[1])]),
            ("select of a pole", |x| vec![x[0].abs().gt(0.5).select(x[0].recip(), x[0])]),
            ("select_with", |x| vec![x[0].select_with(x[0].abs().gt(0.5), 1.0, |x| x.recip(), |x| x * 2.0)]),
            ("extrema", |x| match x[0].shape().is_empty() {
                true => vec![x[0]],
                false => vec![x[0].max_all(), x[0].column_min(), x[0].row_max()],
            }),
            ("places", |x| match x[0].shape().is_empty() {
                true => vec![x[0]],
                false => vec![x[0].column_max() + x[0].column_argmax(), x[0].min_all() + x[0].argmin_all()],
            }),
            ("log_sum_exp", |x| vec![x[0].column_log_sum_exp() + x[0].column_softmax()]),
            ("log_sum_exp of many", |x| {
                let parts: Vec<_> = (0..64).map(|k| x[0] * (1.0 - f64::from(k) / 64.0)).collect();
                let y = Var::concat(&parts, Axis::Rows);
                vec![y.log_sum_exp(), y.column_log_sum_exp(), y.row_log_sum_exp()]
            }),
            ("softmax", |x| vec![x[0].softmax(), x[0].column_softmax(), x[0].row_softmax()]),
            ("log_softmax", |x| vec![x[0].log_softmax(), x[0].column_log_softmax(), x[0].row_log_softmax()]),
            ("prod", |x| vec![x[0].prod(), x[0].column_prods(), x[0].row_prods()]),
            ("moments", |x| match x[0].shape().is_empty() {
                true => vec![x[0]],
                false => vec![x[0].var(0), x[0].column_var(0), x[0].row_var(0)],
            }),
            ("std", |x| match x[0].shape().each() < 2 {
                true => vec![x[0]],
                false => vec![x[0].std(1)],
            }),
            ("dots", |x| vec![x[0].row_dots(x[1]), x[0].column_dots(x[1])]),
            ("distances", |x| vec![x[0].pairwise_dist2(x[1], Axis::Rows), x[0].pairwise_dist2(x[0], Axis::Cols)]),
            ("cumsum", |x| vec![x[0].cumsum(Axis::Rows), x[0].cumsum(Axis::Cols).hadamard(x[1])]),
            ("moves", |x| {
                let y = x[0].flip(Axis::Rows).hadamard(x[0].roll(Axis::Cols, 2));
                vec![y, x[0].shift(Axis::Rows, 1) + x[0].shift(Axis::Cols, -1), x[0].flip(Axis::Batch)]
            }),
        ],
    );
    holds(case, name, f, &vec![case.any(m, n, 1), case.any(m, n, 2)], 1.0);
}
