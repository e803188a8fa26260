//! Functions of entries, sums and norms, with broadcasting.

use super::property::{holds, pick};
use super::{Case, Target};

/// The name of the target, its property, and the primitives that it reaches.
pub const TARGET: Target = (
    "entries",
    entries,
    &[
        "add",
        "scale",
        "shift",
        "hadamard",
        "hadamard_add",
        "elem_div",
        "unary",
        "unary_derivative",
        "extremum",
        "route",
        "atan2",
        "atan2_derivative",
        "hypot",
        "sum",
        "broadcast",
        "dot",
        "norm",
        "nonzero",
        "log_sum_exp",
    ],
);

/// Functions of entries, sums and norms, with broadcasting.
pub fn entries(case: &Case) {
    let (m, n) = case.size();
    let (name, f) = pick(
        case,
        [
            ("a + b", |x| vec![x[0] + x[1]]),
            ("a - b", |x| vec![x[0].lincomb(2.0, x[1], -1.0) * 3.0 + 1.0]),
            ("a o b", |x| vec![x[0].hadamard(x[1])]),
            ("a o b + c", |x| {
                vec![x[0].hadamard_add(x[1], x[0]), x[1].hadamard_add(x[0], x[1]), x[0].hadamard_add(x[0], x[1])]
            }),
            ("a / b", |x| vec![x[0].elem_div(x[1])]),
            ("max, min", |x| vec![x[0].max(x[1]), x[0].min(x[1])]),
            ("exp", |x| vec![x[0].exp()]),
            ("ln", |x| vec![x[0].abs().ln()]),
            ("sqrt", |x| vec![x[0].abs().sqrt()]),
            ("recip", |x| vec![x[0].recip()]),
            ("powf", |x| vec![x[0].abs().powf(1.5), x[0].powf(2.0), x[0].powf(0.0)]),
            ("tanh", |x| vec![x[0].tanh()]),
            ("sigmoid", |x| vec![x[0].sigmoid()]),
            ("relu", |x| vec![x[0].relu(), x[0].abs()]),
            ("softplus", |x| vec![x[0].softplus()]),
            ("sin", |x| vec![x[0].sin(), x[0].cos()]),
            ("sums", |x| vec![x[0].sum(), x[0].sum_each(), x[0].column_sums(), x[0].row_sums(), x[0].sum_batch()]),
            ("dot", |x| vec![x[0].dot(x[0]), x[0].dot(x[0].tanh())]),
            ("norm", |x| vec![x[0].norm()]),
            ("norms", |x| vec![x[0].column_norms(), x[0].row_norms()]),
            ("log_sum_exp", |x| vec![x[0].log_sum_exp(), x[0].column_log_sum_exp(), x[0].row_log_sum_exp()]),
            ("ln_1p", |x| vec![x[0].abs().ln_1p(), x[0].exp_m1()]),
            ("logarithms", |x| vec![x[0].abs().log2(), x[0].abs().log10(), x[0].square()]),
            ("tan", |x| vec![x[0].tanh().tan()]),
            ("sinh", |x| vec![x[0].sinh(), x[0].cosh()]),
            ("asin", |x| vec![(0.9 * x[0].tanh()).asin(), (0.9 * x[0].tanh()).acos()]),
            ("atan", |x| vec![x[0].atan(), x[0].asinh(), (0.9 * x[0].tanh()).atanh(), (2.5 + x[0].tanh()).acosh()]),
            ("erf", |x| vec![x[0].erf(), x[0].erfc()]),
            ("ln_gamma", |x| vec![(1.5 + x[0].tanh()).ln_gamma(), (1.5 + x[0].tanh()).digamma()]),
            ("atan2, hypot", |x| vec![x[0].atan2(x[1]), x[0].hypot(x[1])]),
            ("sign", |x| vec![x[0].sign(), x[0].clamp(-0.5, 0.5)]),
        ],
    );
    // The second operand is broadcast along what the seed says.
    let pattern = case.seed % 4;
    let (bm, bn) = (if pattern & 1 == 1 { 1 } else { m }, if pattern & 2 == 2 { 1 } else { n });
    holds(case, name, f, &vec![case.any(m, n, 1), case.any(bm, bn, 2)], 1.0);
}
