//! The table: one line for a way to reach a primitive. The tests in `main.rs` run everything on every line.
//!
//! A primitive that users do not call is reached through the operation whose derivative uses it. Such a line is that
//! derivative, `pull(f)`: the cotangent of the first input of `f`, for the cotangent given as the last input.

use super::points::Kind::{self, *};
use pullback::{Axis, Gauge, Group, Shape, SymFn, Triangle, Uplo, Var};

pub(crate) type Program<T> = for<'t> fn(&[Var<'t, T>]) -> Vec<Var<'t, T>>;

pub(crate) struct Line {
    /// What is called.
    pub(crate) name: &'static str,
    /// Primitives that must be on the tape when its first and second derivatives are recorded.
    pub(crate) covers: &'static [&'static str],
    /// Inputs, from `(rows, columns)`.
    pub(crate) inputs: fn(usize, usize) -> Vec<Kind>,
    /// The sizes it makes sense at; the first is the generic one.
    pub(crate) sizes: &'static [(usize, usize)],
    pub(crate) f: Program<f64>,
    pub(crate) f32: Program<f32>,
    /// Is every member of a batch treated alike and alone?
    pub(crate) by_member: bool,
    /// How often it divides by the gaps of a spectrum for one order of a derivative: 1, or more for what is a
    /// derivative itself.
    pub(crate) depth: i32,
    /// Does it look at its numbers (a factorisation or a solve), so that NaN is a typed error?
    pub(crate) verdict: bool,
}

const ANY: &[(usize, usize)] = &[(3, 2), (1, 4), (4, 1), (1, 1), (2, 5), (6, 2), (3, 3), (0, 0), (3, 0), (0, 2)];
const TALL: &[(usize, usize)] = &[(4, 3), (3, 3), (6, 2), (5, 1), (1, 1), (0, 0), (3, 0), (9, 5)];
const SQUARE: &[(usize, usize)] = &[(4, 4), (3, 3), (2, 2), (1, 1), (0, 0), (6, 6)];
const ORDERS: &[(usize, usize)] = &[(4, 4), (3, 3), (2, 2), (1, 1), (0, 0), (8, 8)];
/// Of the two matrices of an equation.
const TWO_ORDERS: &[(usize, usize)] = &[(4, 3), (3, 4), (3, 3), (2, 1), (1, 1), (0, 0), (3, 0), (0, 2)];
const NOT_EMPTY_SQUARE: &[(usize, usize)] = &[(4, 4), (3, 3), (2, 2), (1, 1), (6, 6)];
/// The inputs have sizes of their own.
const VECTOR: &[(usize, usize)] = &[(3, 1)];
const SMALL: &[(usize, usize)] = &[(3, 3), (2, 2)];
/// Of a matrix and a thin one.
const THIN: &[(usize, usize)] = &[(4, 2), (3, 1), (1, 1), (2, 5), (6, 2), (0, 0), (3, 0), (0, 2)];
const ANY_RANK: &[(usize, usize)] = &[(4, 2), (4, 3), (3, 3), (2, 4), (5, 1), (1, 3), (1, 1), (0, 0), (3, 0), (0, 2)];
const NOT_EMPTY: &[(usize, usize)] = &[(3, 2), (1, 4), (4, 1), (1, 1), (2, 5), (6, 2), (3, 3)];

macro_rules! line {
    ($name:literal covers $covers:expr, $sizes:expr, $inputs:expr, $f:expr $(, $flag:ident)*) => {{
        #[allow(unused_mut)]
        let mut line = Line { name: $name, covers: &$covers, inputs: $inputs, sizes: $sizes, f: $f, f32: $f, by_member: true, depth: 1, verdict: false };
        $(line.$flag();)*
        line
    }};
}

/// The cotangent of the first of `x` under `f`, for the cotangent that is the last of `x`.
macro_rules! pull {
    ($f:expr) => {
        |x| {
            let w = x[x.len() - 1];
            vec![x[0].grad(|y| {
                let mut all = x.to_vec();
                all[0] = y;
                typed($f, &all).dot(w).sum()
            })]
        }
    };
}

fn typed<'t, T: pullback::Scalar>(f: impl Fn(&[Var<'t, T>]) -> Var<'t, T>, x: &[Var<'t, T>]) -> Var<'t, T> {
    f(x)
}

/// A quarter of a small matrix and eigenvalues around 2 and -2, not in their order.
fn two_sided<T: pullback::Scalar>(x: Var<'_, T>) -> Var<'_, T> {
    let n = x.rows();
    let part = x.tape().eye(n).slice(0, 0, n, n / 2);
    x.lincomb(0.25, x.tape().eye(n), 2.0).lincomb(1.0, part.mul_t(part), -4.0)
}

impl Line {
    /// Members of a batch meet in it.
    fn mixes(&mut self) {
        self.by_member = false;
    }
    fn deepens(&mut self) {
        self.depth = 2;
    }
    fn judges(&mut self) {
        self.verdict = true;
    }
    /// Does it choose between entries? Where these are equal there is no derivative.
    pub(crate) fn chooses(&self) -> bool {
        let choices = ["extremum", "route", "peak", "peak_at", "winners", "compare", "keep"];
        self.covers.iter().any(|c| choices.contains(c))
    }
    pub(crate) fn kinds(&self, (m, n): (usize, usize)) -> Vec<Kind> {
        (self.inputs)(m, n)
    }
}

#[rustfmt::skip]
pub(crate) fn table() -> Vec<Line> {
    vec![
        // ---- entries -------------------------------------------------------------------------------------------
        line!("a + b" covers ["add"], ANY, |m, n| vec![Any(m, n), Any(m, n)], |x| vec![x[0] + x[1]]),
        line!("a - b, rows repeated" covers ["add", "sum", "broadcast"], ANY, |m, n| vec![Any(m, n), Any(1, n)], |x| vec![x[0] - x[1]]),
        line!("lincomb, column repeated" covers ["add", "scale"], ANY, |m, n| vec![Any(m, 1), Any(m, n)], |x| vec![x[0].lincomb(2.0, x[1], -3.0)]),
        line!("c a" covers ["scale"], ANY, |m, n| vec![Any(m, n)], |x| vec![-(x[0] / 4.0)]),
        line!("a + c" covers ["shift"], ANY, |m, n| vec![Any(m, n)], |x| vec![2.0 - (x[0] + 1.0)]),
        line!("hadamard" covers ["hadamard"], ANY, |m, n| vec![Any(m, n), Any(m, n)], |x| vec![x[0].hadamard(x[1])]),
        line!("number times a" covers ["hadamard", "dot"], ANY, |m, n| vec![Any(1, 1), Any(m, n)], |x| vec![x[0] * x[1]]),
        line!("hadamard, column by row" covers ["hadamard"], ANY, |m, n| vec![Any(m, 1), Any(1, n)], |x| vec![x[0].hadamard(x[1])]),
        line!("elem_div" covers ["elem_div"], ANY, |m, n| vec![Any(m, n), Away(m, n)], |x| vec![x[0].elem_div(x[1])]),
        line!("elem_div, column below" covers ["elem_div"], ANY, |m, n| vec![Any(m, n), Away(m, 1)], |x| vec![x[0].elem_div(x[1])]),
        line!("exp" covers ["unary", "unary_derivative"], ANY, |m, n| vec![Any(m, n)], |x| vec![x[0].exp()]),
        line!("ln" covers ["unary"], ANY, |m, n| vec![Positive(m, n)], |x| vec![x[0].ln()]),
        line!("sqrt" covers ["unary"], ANY, |m, n| vec![Positive(m, n)], |x| vec![x[0].sqrt()]),
        line!("recip" covers ["unary"], ANY, |m, n| vec![Away(m, n)], |x| vec![x[0].recip()]),
        line!("powf" covers ["unary"], ANY, |m, n| vec![Positive(m, n)], |x| vec![x[0].powf(2.5) + x[0].powf(-0.5)]),
        line!("powf, integer" covers ["unary"], ANY, |m, n| vec![Any(m, n)], |x| vec![x[0].powf(3.0) + x[0].powf(0.0)]),
        line!("tanh" covers ["unary"], ANY, |m, n| vec![Any(m, n)], |x| vec![x[0].tanh()]),
        line!("sigmoid" covers ["unary"], ANY, |m, n| vec![Any(m, n)], |x| vec![x[0].sigmoid()]),
        line!("relu" covers ["unary"], ANY, |m, n| vec![Away(m, n)], |x| vec![x[0].relu()]),
        line!("softplus" covers ["unary"], ANY, |m, n| vec![Any(m, n)], |x| vec![x[0].softplus()]),
        line!("sin, cos" covers ["unary"], ANY, |m, n| vec![Unit(m, n)], |x| vec![x[0].sin(), x[0].cos()]),
        line!("abs" covers ["unary"], ANY, |m, n| vec![Away(m, n)], |x| vec![x[0].abs()]),
        line!("pull of tanh" covers ["unary_derivative"], ANY, |m, n| vec![Any(m, n), Any(m, n)], pull!(|x| x[0].tanh())),
        line!("pull of powf" covers ["unary_derivative"], ANY, |m, n| vec![Positive(m, n), Any(m, n)], pull!(|x| x[0].powf(1.5))),
        line!("max, min" covers ["extremum", "route"], ANY, |m, n| vec![Any(m, n), Any(m, n)], |x| vec![x[0].max(x[1]), x[0].min(x[1])]),
        line!("pull of max" covers ["route"], ANY, |m, n| vec![Any(m, n), Any(m, n), Any(m, n)], pull!(|x| { let y = x[0].max(x[1]); y.hadamard(y) })),
        line!("ln_1p, exp_m1" covers ["unary"], ANY, |m, n| vec![Positive(m, n)], |x| vec![x[0].ln_1p(), x[0].exp_m1()]),
        line!("sign, clamp" covers ["unary"], ANY, |m, n| vec![Away(m, n)], |x| vec![x[0].sign().hadamard(x[0]), x[0].clamp(-0.25, 0.25) + x[0].clamp(-9.0, 9.0)]),
        line!("pull of ln_1p" covers ["unary_derivative"], ANY, |m, n| vec![Positive(m, n), Any(m, n)], pull!(|x| x[0].ln_1p())),
        line!("square, log2, log10" covers ["unary"], ANY, |m, n| vec![Positive(m, n)], |x| vec![x[0].square(), x[0].log2(), x[0].log10()]),
        line!("tan" covers ["unary"], ANY, |m, n| vec![Unit(m, n)], |x| vec![(1.2 * x[0].sin()).tan()]),
        line!("sinh, cosh" covers ["unary"], ANY, |m, n| vec![Unit(m, n)], |x| vec![x[0].sinh(), x[0].cosh()]),
        line!("asin, acos" covers ["unary"], ANY, |m, n| vec![Unit(m, n)], |x| { let y = 0.9 * x[0].sin(); vec![y.asin(), y.acos()] }),
        line!("atan, asinh" covers ["unary"], ANY, |m, n| vec![Any(m, n)], |x| vec![x[0].atan(), x[0].asinh()]),
        line!("acosh, atanh" covers ["unary"], ANY, |m, n| vec![Unit(m, n)], |x| { let y = 0.9 * x[0].sin(); vec![(2.5 + y).acosh(), y.atanh()] }),
        line!("erf, erfc" covers ["unary"], ANY, |m, n| vec![Unit(m, n)], |x| vec![x[0].erf(), x[0].erfc()]),
        line!("ln_gamma, digamma" covers ["unary"], ANY, |m, n| vec![Unit(m, n)], |x| { let y = 1.5 + x[0].sin(); vec![y.ln_gamma(), (y - 3.0).digamma()] }),
        line!("pull of erf" covers ["unary_derivative"], ANY, |m, n| vec![Unit(m, n), Any(m, n)], pull!(|x| x[0].erf())),
        line!("pull of digamma" covers ["unary_derivative"], ANY, |m, n| vec![Unit(m, n), Any(m, n)], pull!(|x| (1.5 + x[0].sin()).digamma())),
        line!("atan2" covers ["atan2", "atan2_derivative"], ANY, |m, n| vec![Away(m, n), Away(m, n)], |x| vec![x[0].atan2(x[1])]),
        line!("atan2, column by row" covers ["atan2", "atan2_derivative"], ANY, |m, n| vec![Away(m, 1), Away(1, n)], |x| vec![x[0].atan2(x[1])]),
        line!("hypot" covers ["hypot", "nonzero"], ANY, |m, n| vec![Away(m, n), Away(1, n)], |x| vec![x[0].hypot(x[1])]),
        line!("hadamard_add" covers ["hadamard_add"], ANY, |m, n| vec![Any(m, n), Any(m, n), Any(m, n)], |x| vec![x[0].hadamard_add(x[1], x[2]), x[0].hadamard_add(x[0], x[0])]),
        line!("hadamard_add, broadcast" covers ["hadamard_add"], ANY, |m, n| vec![Any(m, 1), Any(1, n), Any(m, n), Any(1, 1)], |x| vec![x[0].hadamard_add(x[1], x[2]), x[2].hadamard_add(x[3], x[0]), x[3].hadamard_add(x[2], x[3]), x[2].hadamard_add(x[2], x[3]), x[0].hadamard_add(x[3], x[1])]),
        line!("pull of hadamard_add" covers ["hadamard_add"], ANY, |m, n| vec![Any(m, n), Any(m, 1), Any(1, n), Any(m, n)], pull!(|x| { let y = x[0].hadamard_add(x[1], x[2]); y.hadamard(y) })),
        line!("pull of atan2" covers ["atan2_derivative"], ANY, |m, n| vec![Away(m, n), Away(m, n), Any(m, n)], pull!(|x| x[0].atan2(x[1]))),
        line!("select" covers ["compare", "select", "keep"], ANY, |m, n| vec![Any(m, n), Any(m, n), Any(m, n)], |x| vec![x[0].gt(x[1]).select(x[0].hadamard(x[2]), x[1].hadamard(x[2])), x[0].le(x[1]).select(x[2], 1.0)]),
        line!("pull of select" covers ["keep"], ANY, |m, n| vec![Any(m, n), Any(m, n), Any(m, n)], pull!(|x| { let y = x[0].lt(x[1]).select(x[0], x[1]); y.hadamard(y) })),
        line!("select_with" covers ["select", "keep"], ANY, |m, n| vec![Away(m, n)], |x| vec![x[0].select_with(x[0].ge(0.0), 1.0, |x| x.sqrt(), |x| x.recip())]),
        // ---- reductions --------------------------------------------------------------------------------------------
        line!("sum" covers ["sum", "broadcast"], ANY, |m, n| vec![Any(m, n)], |x| vec![x[0].sum()], mixes),
        line!("sums by axis" covers ["sum", "broadcast"], ANY, |m, n| vec![Any(m, n)], |x| vec![x[0].column_sums(), x[0].row_sums(), x[0].sum_each()]),
        line!("sum of the batch" covers ["sum"], ANY, |m, n| vec![Any(m, n)], |x| vec![x[0].hadamard(x[0]).broadcast_to(Shape::batch(3, x[0].rows(), x[0].cols())).sum_batch()], mixes),
        line!("broadcast" covers ["broadcast", "sum"], ANY, |m, n| vec![Any(m, 1), Any(1, n)], |x| { let s = Shape { cols: x[1].cols(), batch: x[0].shape().batch.max(x[1].shape().batch), ..x[0].shape() }; vec![x[0].broadcast_to(s), x[1].broadcast_to(s)] }),
        line!("mean" covers ["sum"], NOT_EMPTY, |m, n| vec![Any(m, n)], |x| vec![x[0].mean()], mixes),
        line!("dot" covers ["dot"], ANY, |m, n| vec![Any(m, n), Any(m, n)], |x| vec![x[0].dot(x[1])]),
        line!("norm" covers ["norm", "nonzero"], NOT_EMPTY, |m, n| vec![Away(m, n)], |x| vec![x[0].norm()]),
        line!("pull of norm" covers ["nonzero"], NOT_EMPTY, |m, n| vec![Away(m, n), Any(1, 1)], pull!(|x| x[0].norm())),
        line!("column_norms, row_norms" covers ["norm", "nonzero"], NOT_EMPTY, |m, n| vec![Away(m, n)], |x| vec![x[0].column_norms(), x[0].row_norms()]),
        line!("log_sum_exp" covers ["log_sum_exp"], NOT_EMPTY, |m, n| vec![Unit(m, n)], |x| vec![x[0].log_sum_exp(), x[0].column_log_sum_exp(), x[0].row_log_sum_exp()]),
        line!("log_sum_exp of many" covers ["exponentials", "log_sum_exp", "softmax"], NOT_EMPTY, |m, n| vec![Unit(m + 63, n)], |x| vec![x[0].log_sum_exp(), x[0].column_log_sum_exp(), x[0].row_log_sum_exp()]),
        line!("pull of log_sum_exp" covers ["softmax"], NOT_EMPTY, |m, n| vec![Unit(m, n), Any(1, 1)], pull!(|x| x[0].log_sum_exp())),
        line!("softmax" covers ["softmax"], ANY, |m, n| vec![Unit(m, n)], |x| vec![x[0].softmax(), x[0].column_softmax(), x[0].row_softmax()]),
        line!("log_softmax" covers ["log_softmax", "softmax"], ANY, |m, n| vec![Unit(m, n)], |x| vec![x[0].log_softmax(), x[0].column_log_softmax(), x[0].row_log_softmax()]),
        line!("max over axes" covers ["peak", "winners"], NOT_EMPTY, |m, n| vec![Any(m, n), Any(m, n)], |x| { let y = x[0] + x[1]; vec![y.max_all(), y.column_max(), y.row_max()] }),
        line!("min over axes" covers ["peak", "winners"], NOT_EMPTY, |m, n| vec![Any(m, n), Any(m, n)], |x| { let y = x[0] + x[1]; vec![y.min_all(), y.column_min(), y.row_min()] }),
        line!("pull of min over axes" covers ["winners"], NOT_EMPTY, |m, n| vec![Any(m, n), Any(m, n), Any(m, 1)], pull!(|x| { let y = (x[0] + x[1]).row_min(); y.hadamard(y) })),
        line!("argmax" covers ["peak_at"], NOT_EMPTY, |m, n| vec![Any(m, n), Any(m, n)], |x| { let y = x[0] + x[1]; vec![y.hadamard(y.column_argmax() + y.row_argmin()), y * y.argmax_all()] }),
        line!("prod" covers ["hadamard", "slice"], ANY, |m, n| vec![Unit(m, n)], |x| vec![x[0].prod(), x[0].column_prods(), x[0].row_prods()]),
        line!("var" covers ["dot", "sum"], &[(3, 2), (1, 4), (4, 1), (2, 5), (6, 2)], |m, n| vec![Any(m, n)], |x| vec![x[0].var(1), x[0].column_var(0), x[0].row_var(0)]),
        line!("std" covers ["norm", "sum"], &[(3, 2), (2, 5), (6, 2)], |m, n| vec![Any(m, n), Any(m, n)], |x| { let y = x[0] + x[1]; vec![y.std(0), y.column_std(1), y.row_std(1)] }),
        line!("row_dots, column_dots" covers ["dot"], ANY, |m, n| vec![Any(m, n), Any(m, n)], |x| vec![x[0].row_dots(x[1]), x[0].column_dots(x[1])]),
        line!("norms, 0 at 0" covers ["norm", "select", "keep"], ANY, |m, n| vec![Away(m, n)], |x| vec![x[0].norm_with(pullback::AtZero::Zero), x[0].row_norms_with(pullback::AtZero::Zero), x[0].column_norms_with(pullback::AtZero::Zero)]),
        line!("pairwise_dist2" covers ["distances", "distances_push", "distances_pull"], ANY, |m, n| vec![Any(m, n), Any(3, n), Any(m, 2)], |x| vec![x[0].pairwise_dist2(x[1], Axis::Rows), x[0].pairwise_dist2(x[2], Axis::Cols)]),
        line!("pairwise_dist2 with itself" covers ["distances"], ANY, |m, n| vec![Any(m, n)], |x| vec![x[0].pairwise_dist2(x[0], Axis::Rows)]),
        line!("pull of pairwise_dist2" covers ["distances_push", "distances_pull"], NOT_EMPTY, |m, n| vec![Any(m, n), Any(3, n), Any(m, 3)], pull!(|x| x[0].pairwise_dist2(x[1], Axis::Rows))),
        line!("second pull of pairwise_dist2" covers ["distances_push", "distances_pull"], &[(3, 2), (2, 1)], |m, n| vec![Any(m, n), Any(3, n), Any(m, 3), Any(m, n)], pull!(|x| { let (b, w) = (x[1], x[2]); x[0].grad(|y| y.pairwise_dist2(b, Axis::Rows).hadamard(y.pairwise_dist2(b, Axis::Rows)).dot(w).sum()) })),
        // ---- layout --------------------------------------------------------------------------------------------
        line!("t" covers ["transpose"], ANY, |m, n| vec![Any(m, n)], |x| vec![x[0].t()]),
        line!("reshape" covers ["reshape"], ANY, |m, n| vec![Any(m, n)], |x| vec![x[0].reshape(1, x[0].rows() * x[0].cols())]),
        line!("slice" covers ["slice", "embed"], ANY, |m, n| vec![Any(m + 1, n + 2)], |x| vec![x[0].slice(1, 1, x[0].rows() - 1, x[0].cols() - 2)]),
        line!("member" covers ["slice", "embed"], ANY, |m, n| vec![Any(m, n)], |x| vec![x[0].member(0)], mixes),
        line!("pull of slice" covers ["embed"], ANY, |m, n| vec![Any(m + 1, n), Any(m, n)], pull!(|x| { let y = x[0].row_range(1, x[0].rows() - 1); y.hadamard(y) })),
        line!("concat" covers ["concat", "slice"], ANY, |m, n| vec![Any(m, n), Any(m, 2), Any(1, n)], |x| vec![Var::concat(&[x[0], x[1]], Axis::Cols), Var::concat(&[x[2], x[0], x[2]], Axis::Rows)]),
        line!("concat of batches" covers ["concat"], ANY, |m, n| vec![Any(m, n), Any(m, n)], |x| vec![Var::concat(&[x[0], x[1], x[0]], Axis::Batch)], mixes),
        line!("gather" covers ["gather", "scatter"], NOT_EMPTY, |m, n| vec![Any(m, n)], |x| { let l = x[0].rows() - 1; vec![x[0].gather(Axis::Rows, &[l, 0, l, l]), x[0].gather(Axis::Cols, &[x[0].cols() - 1, 0])] }),
        line!("pull of gather" covers ["scatter"], NOT_EMPTY, |m, n| vec![Any(m, n), Any(3, n)], pull!(|x| { let y = x[0].gather(Axis::Rows, &[0, x[0].rows() - 1, 0]); y.hadamard(y) })),
        line!("cumsum" covers ["cumsum"], ANY, |m, n| vec![Any(m, n)], |x| vec![x[0].cumsum(Axis::Rows), x[0].cumsum(Axis::Cols)]),
        line!("pull of cumsum" covers ["cumsum"], ANY, |m, n| vec![Any(m, n), Any(m, n)], pull!(|x| { let y = x[0].cumsum(Axis::Cols); y.hadamard(y) })),
        line!("flip, roll, shift" covers ["gather", "translate"], ANY, |m, n| vec![Any(m, n)], |x| vec![x[0].flip(Axis::Rows) + x[0].roll(Axis::Cols, 1), x[0].shift(Axis::Rows, -1), x[0].shift(Axis::Cols, 2)]),
        line!("flip, roll, shift of a batch" covers ["gather", "translate"], ANY, |m, n| vec![Any(m, n)], |x| vec![x[0].flip(Axis::Batch) + x[0].roll(Axis::Batch, -1) + x[0].shift(Axis::Batch, 1)], mixes),
        line!("block, row, column" covers ["slice", "embed"], NOT_EMPTY, |m, n| vec![Any(m, n)], |x| vec![x[0].block(..1, ..), x[0].row(x[0].rows() - 1).hadamard(x[0].column(0))]),
        line!("outer, stack" covers ["matmul", "concat"], NOT_EMPTY, |m, n| vec![Any(m, 1), Any(n, 1)], |x| { let y = x[0].outer(x[1]); vec![Var::stack(&[y, y.hadamard(y)], Axis::Rows)] }),
        line!("diag" covers ["diag", "from_diag"], ANY, |m, n| vec![Any(m, n)], |x| vec![x[0].diag()]),
        line!("to_diag" covers ["from_diag", "diag"], ANY, |m, _| vec![Any(m, 1)], |x| vec![x[0].to_diag()]),
        line!("trace" covers ["diag"], SQUARE, |n, _| vec![Any(n, n)], |x| vec![(x[0] * x[0]).trace()]),
        line!("tril, triu" covers ["part"], ANY, |m, n| vec![Any(m, n)], |x| vec![x[0].tril(), x[0].triu()]),
        line!("sym, skew" covers ["part"], SQUARE, |n, _| vec![Any(n, n)], |x| vec![x[0].sym(), x[0].skew()]),
        line!("scatter" covers ["scatter", "gather"], NOT_EMPTY, |m, n| vec![Any(m, n)], |x| { let n = x[0].cols(); vec![x[0].scatter(Axis::Cols, &vec![1; n], 2), x[0].hadamard(x[0]).vec()] }),
        line!("hat, vee" covers ["scatter", "gather", "part"], NOT_EMPTY, |_, n| vec![Any(3, 1), Any(1, 1), Any(3, n)], |x| vec![x[0].hat() * x[2], x[1].hat(), (x[2].mul_t(x[2]) * x[0].hat()).vee()]),
        line!("kron" covers ["gather", "reshape", "matmul"], NOT_EMPTY, |m, n| vec![Any(m, n), Any(2, 3)], |x| vec![x[0].kron(x[1])]),
        line!("matrix_power" covers ["matmul"], SQUARE, |n, _| vec![Regular(n)], |x| vec![x[0].matrix_power(5), x[0].matrix_power(0) + x[0].matrix_power(-2)], judges),
        // ---- products ------------------------------------------------------------------------------------------
        line!("a b" covers ["matmul"], ANY, |m, n| vec![Any(m, n), Any(n, 3)], |x| vec![x[0] * x[1]]),
        line!("a b, square" covers ["matmul"], SQUARE, |n, _| vec![Any(n, n), Any(n, n)], |x| vec![x[0] * x[1]]),
        line!("a' b" covers ["matmul"], ANY, |m, n| vec![Any(m, n), Any(m, 3)], |x| vec![x[0].t_mul(x[1])]),
        line!("a b'" covers ["matmul"], ANY, |m, n| vec![Any(m, n), Any(3, n)], |x| vec![x[0].mul_t(x[1])]),
        line!("a' b'" covers ["matmul"], ANY, |m, n| vec![Any(m, n), Any(3, m)], |x| vec![x[0].t_mul_t(x[1])]),
        line!("quadratic_form" covers ["quadratic_form"], ANY, |m, n| vec![Any(m, n), Any(m, m)], |x| vec![x[0].quadratic_form(x[1])]),
        line!("pull of quadratic_form" covers ["quadratic_form"], ANY, |m, n| vec![Any(m, n), Any(m, m), Any(1, 1)], pull!(|x| x[0].quadratic_form(x[1]))),
        line!("c + alpha a b" covers ["matmul_add", "matmul"], ANY, |m, n| vec![Any(m, 3), Any(m, n), Any(n, 3)], |x| vec![x[0].add_mul(-0.5, x[1], x[2])]),
        line!("linear map" covers ["linear_map"], ANY, |m, n| vec![Any(m, n)], |x| { let d = std::sync::Arc::new(super::factors::Neighbours(x[0].rows())); vec![x[0].mapped(d.clone()), x[0].mapped_transposed(d)] }),
        // ---- solves --------------------------------------------------------------------------------------------
        line!("solve_triangular, lower" covers ["solve_triangular", "part"], SQUARE, |n, _| vec![Triangular(n), Any(n, 2)], |x| vec![x[0].solve_triangular(Uplo::Lower, x[1])], judges),
        line!("solve_triangular, upper" covers ["solve_triangular"], SQUARE, |n, _| vec![Triangular(n), Any(n, 2)], |x| vec![x[0].solve_triangular(Uplo::Upper, x[1])], judges),
        line!("solve_triangular, transposed, unit" covers ["solve_triangular"], SQUARE, |n, _| vec![Triangular(n), Any(n, 2)], |x| vec![x[0].solve_triangular_with(Triangle::LOWER.transposed().unit_diagonal(), x[1])]),
        line!("solve_triangular, from the right" covers ["solve_triangular"], SQUARE, |n, _| vec![Triangular(n), Any(2, n)], |x| vec![x[0].solve_triangular_with(Triangle::UPPER.from_right(), x[1])], judges),
        line!("solve_triangular, from the right, transposed" covers ["solve_triangular"], SQUARE, |n, _| vec![Triangular(n), Any(2, n)], |x| vec![x[0].solve_triangular_with(Triangle::LOWER.transposed().from_right(), x[1])], judges),
        line!("solve" covers ["lu", "solve", "matmul"], SQUARE, |n, _| vec![Regular(n), Any(n, 2)], |x| vec![x[0].solve(x[1])], judges),
        line!("solve, transposed" covers ["lu", "solve"], SQUARE, |n, _| vec![Regular(n), Any(n, 2)], |x| vec![x[0].lu().solve_transpose(x[1])], judges),
        line!("inverse" covers ["lu", "inverse"], SQUARE, |n, _| vec![Regular(n)], |x| vec![x[0].inverse()], judges),
        line!("logdet" covers ["lu", "logdet", "inverse"], SQUARE, |n, _| vec![Regular(n)], |x| vec![x[0].logdet()], judges),
        line!("one factorisation, three uses" covers ["lu", "solve", "inverse", "logdet"], SQUARE, |n, _| vec![Regular(n), Any(n, 2)], |x| { let a = x[0].lu(); vec![a.solve(a.solve_transpose(x[1])), a.inverse(), a.logdet()] }, judges),
        line!("det" covers ["det_factor", "det", "cofactor"], SQUARE, |n, _| vec![Regular(n)], |x| vec![x[0].det()], judges),
        line!("det of any matrix" covers ["det_factor", "det", "cofactor"], SQUARE, |n, _| vec![Any(n, n)], |x| vec![x[0].det()], judges),
        line!("slogdet" covers ["lu", "det_sign", "logdet"], SQUARE, |n, _| vec![Regular(n)], |x| { let (s, l) = x[0].slogdet(); vec![s.hadamard(l)] }, judges),
        line!("lu_factors" covers ["lu_factors", "permute", "solve_triangular"], TALL, |m, n| vec![Tall(m, n)], |x| { let (l, u, _) = x[0].lu_factors(); vec![l, u] }, judges),
        line!("lu_factors, wide, of a concat" covers ["lu_factors", "permute"], SQUARE, |n, _| vec![Regular(n), Any(n, 2)], |x| { let (l, u, _) = Var::concat(x, Axis::Cols).lu_factors(); vec![l, u] }, judges),
        line!("lstsq" covers ["least_squares_factor", "least_squares"], TALL, |m, n| vec![Tall(m, n), Any(m, 2)], |x| vec![x[0].lstsq(x[1])], judges),
        line!("lstsq, wide" covers ["least_squares_factor", "least_squares"], TALL, |m, n| vec![Tall(m, n), Any(n, 2)], |x| vec![x[0].t().lstsq(x[1])], judges),
        line!("lstsq_of_rank" covers ["least_squares_factor", "least_squares"], TALL, |m, n| vec![Tall(m, n), Tall(n + 2, n), Any(m, 2)], |x| { let n = x[0].cols(); vec![x[0].mul_t(x[1]).lstsq_of_rank(n, x[2])] }, judges),
        line!("pinv" covers ["least_squares_factor", "least_squares"], TALL, |m, n| vec![Tall(m, n)], |x| vec![x[0].pinv(), x[0].t().pinv()], judges),
        // ---- factorisations -------------------------------------------------------------------------------------
        line!("cholesky" covers ["cholesky", "cholesky_pull", "cholesky_push"], SQUARE, |n, _| vec![Spd(n)], |x| vec![x[0].cholesky()], judges),
        line!("pull of cholesky" covers ["cholesky_pull", "cholesky_push", "lower_product", "matmul"], SQUARE, |n, _| vec![Spd(n), Any(n, n)], pull!(|x| x[0].cholesky())),
        line!("push of cholesky, as in hvp" covers ["cholesky_push", "cholesky_pull", "lower_product"], SQUARE, |n, _| vec![Spd(n), Any(n, n)], |x| vec![x[0].jvp(|a| a.cholesky(), x[1]).1], judges),
        line!("cholesky_upper" covers ["cholesky", "transpose"], SQUARE, |n, _| vec![Spd(n)], |x| vec![x[0].cholesky_upper()], judges),
        line!("spd, solve" covers ["spd", "spd_solve"], SQUARE, |n, _| vec![Spd(n), Any(n, 2)], |x| vec![x[0].spd().solve(x[1])], judges),
        line!("spd, inverse" covers ["spd", "spd_inverse"], SQUARE, |n, _| vec![Spd(n)], |x| vec![x[0].spd().inverse()], judges),
        line!("spd, logdet" covers ["spd", "spd_logdet", "spd_inverse"], SQUARE, |n, _| vec![Spd(n)], |x| vec![x[0].spd().logdet()], judges),
        line!("spd, factor" covers ["spd", "spd_factor", "cholesky_pull", "cholesky_push"], SQUARE, |n, _| vec![Spd(n)], |x| vec![x[0].spd().factor()], judges),
        line!("spd, half_solve" covers ["spd", "spd_factor", "solve_triangular"], SQUARE, |n, _| vec![Spd(n), Any(n, 2)], |x| vec![x[0].spd().half_solve(x[1])], judges),
        line!("one Cholesky factorisation, three uses" covers ["spd", "spd_solve", "spd_inverse", "spd_logdet"], SQUARE, |n, _| vec![Spd(n), Any(n, 2)], |x| { let a = x[0].spd(); vec![a.solve(a.solve(x[1])), a.inverse(), a.logdet()] }, judges),
        line!("pull of spd, solve" covers ["spd_solve", "part"], SQUARE, |n, _| vec![Spd(n), Any(n, 2), Any(n, 2)], pull!(|x| x[0].spd().solve(x[1])), judges),
        line!("qr" covers ["qr", "solve_triangular", "part"], TALL, |m, n| vec![Tall(m, n)], |x| { let (q, r) = x[0].qr(); vec![q, r] }, judges),
        line!("qr, wide, of a concat" covers ["qr", "concat"], SQUARE, |n, _| vec![Regular(n), Any(n, 2)], |x| { let (q, r) = Var::concat(x, Axis::Cols).qr(); vec![q, r] }, judges),
        line!("lq" covers ["qr", "transpose"], TALL, |m, n| vec![Tall(m, n)], |x| { let (l, q) = x[0].t().lq(); vec![l, q] }, judges),
        line!("lq, tall, of a concat" covers ["qr"], SQUARE, |n, _| vec![Regular(n), Any(2, n)], |x| { let (l, q) = Var::concat(x, Axis::Rows).lq(); vec![l, q] }, judges),
        line!("qr_full" covers ["qr", "complement", "invariant"], TALL, |m, n| vec![Tall(m, n)], |x| { let (q, r) = x[0].qr_full(Gauge::Error); let n = r.cols(); let z = q.column_range(n, q.cols() - n); vec![q.column_range(0, n), z.mul_t(z), r] }, judges),
        line!("null_basis" covers ["complement", "invariant", "matmul"], TALL, |m, n| vec![Tall(m, n), Any(m, 2)], |x| { let z = x[0].null_basis(Gauge::Error); let y = z.t_mul(x[1]); vec![y.t_mul(y)] }, judges),
        line!("qr_pivoted" covers ["pivots", "permute", "qr"], TALL, |m, n| vec![Tall(m, n)], |x| { let (q, r, _) = x[0].qr_pivoted(); vec![q.mul_t(q), r.column_norms().sum_each()] }, judges),
        line!("permuted" covers ["permute"], SQUARE, |n, _| vec![Regular(n), Any(n, 2)], |x| { let p = x[0].qr_pivoted().2; vec![x[1].permuted(Axis::Rows, p), x[1].t().permuted(Axis::Cols, p)] }, judges),
        line!("qr_of_rank, of a concat" covers ["qr", "vanishing"], TALL, |m, n| vec![Tall(m, n), Any(n, 2)], |x| { let n = x[0].cols(); let a = Var::concat(&[x[0], x[0] * x[1]], Axis::Cols); let (q, r) = a.qr_of_rank(n); vec![q, r] }, judges),
        line!("polar" covers ["polar", "sym_lyapunov", "spectral"], TALL, |m, n| vec![Tall(m, n)], |x| { let (w, h) = x[0].polar(); vec![w, h] }, judges),
        line!("pull of polar" covers ["sym_lyapunov"], TALL, |m, n| vec![Tall(m, n), Any(m, n)], pull!(|x| x[0].polar().0), judges),
        line!("cayley" covers ["cayley", "matmul"], SQUARE, |n, _| vec![Small(n)], |x| vec![x[0].cayley(0.5)], judges),
        line!("cayley of a skew part" covers ["cayley", "part"], SQUARE, |n, _| vec![Unit(n, n)], |x| vec![x[0].skew().tanh().cayley(0.3)]),
        line!("expm" covers ["expm", "expm_along", "transpose"], ORDERS, |n, _| vec![Exponent(n)], |x| vec![x[0].expm()], judges),
        line!("expm_frechet" covers ["expm", "expm_along"], SQUARE, |n, _| vec![Exponent(n), Any(n, n)], |x| { let (y, l) = x[0].expm_frechet(x[1]); vec![y, l] }, judges),
        line!("expm_along, two directions" covers ["expm_along"], SMALL, |n, _| vec![Exponent(n), Any(n, n), Any(n, n)], |x| vec![x[0].expm_along(&x[1..])], judges),
        line!("pull of expm" covers ["expm_along"], SQUARE, |n, _| vec![Exponent(n), Any(n, n)], pull!(|x| x[0].expm()), judges),
        line!("expm of a skew part" covers ["expm", "part"], SQUARE, |n, _| vec![Unit(n, n)], |x| vec![x[0].skew().expm()]),
        // ---- matrix functions and equations by Schur forms ---------------------------------------------------------
        line!("sylvester" covers ["schur", "sylvester"], TWO_ORDERS, |m, n| vec![Accretive(m), Accretive(n), Any(m, n)], |x| vec![x[0].sylvester(x[1], x[2])], judges),
        line!("sylvester of a matrix and itself" covers ["sylvester"], SQUARE, |n, _| vec![Accretive(n), Any(n, n)], |x| { let a = x[0].schur(); vec![a.sylvester(a, x[1])] }, judges),
        line!("stein" covers ["schur", "sylvester"], TWO_ORDERS, |m, n| vec![Small(m), Small(n), Any(m, n)], |x| vec![x[0].stein(x[1], x[2])], judges),
        line!("pull of sylvester" covers ["sylvester"], SMALL, |m, n| vec![Accretive(m), Accretive(n), Any(m, n), Any(m, m)], pull!(|x| x[0].sylvester(x[1], x[2]).mul_t(x[2])), judges),
        line!("pull of stein" covers ["sylvester"], SMALL, |m, n| vec![Small(m), Small(n), Any(m, n), Any(m, m)], pull!(|x| x[0].stein(x[1], x[2]).mul_t(x[2])), judges),
        line!("lyapunov" covers ["schur", "lyapunov"], SQUARE, |n, _| vec![Accretive(n), Any(n, n)], |x| vec![x[0].lyapunov(x[1])], judges),
        line!("lyapunov of a symmetric side" covers ["lyapunov", "part"], SQUARE, |n, _| vec![Accretive(n), Any(n, n)], |x| vec![x[0].lyapunov(x[1].sym())], judges),
        line!("discrete_lyapunov" covers ["schur", "lyapunov"], SQUARE, |n, _| vec![Small(n), Any(n, n)], |x| vec![x[0].discrete_lyapunov(x[1])], judges),
        line!("discrete_lyapunov of a symmetric side" covers ["lyapunov", "part"], SQUARE, |n, _| vec![Small(n), Any(n, n)], |x| vec![x[0].discrete_lyapunov(x[1].sym())], judges),
        line!("pull of lyapunov" covers ["lyapunov"], SMALL, |n, _| vec![Accretive(n), Any(n, n), Any(n, n)], pull!(|x| x[0].lyapunov(x[1])), judges),
        line!("one Schur form, several equations" covers ["schur", "lyapunov", "sylvester"], SQUARE, |n, _| vec![Small(n), Any(n, n)], |x| { let a = x[0].schur(); vec![a.discrete_lyapunov(a.discrete_lyapunov_transpose(x[1])), a.stein(a, x[1])] }, judges),
        line!("lyapunov, both ways" covers ["schur", "lyapunov"], SQUARE, |n, _| vec![Accretive(n), Any(n, n)], |x| { let a = x[0].schur(); vec![a.lyapunov(a.lyapunov_transpose(x[1]))] }, judges),
        line!("sqrtm" covers ["sqrtm", "sylvester"], SQUARE, |n, _| vec![Accretive(n)], |x| vec![x[0].sqrtm()], judges),
        line!("pull of sqrtm" covers ["sylvester"], SMALL, |n, _| vec![Accretive(n), Any(n, n)], pull!(|x| x[0].sqrtm()), judges),
        line!("logm" covers ["logm", "logm_along"], SQUARE, |n, _| vec![Accretive(n)], |x| vec![x[0].logm()], judges),
        line!("logm_frechet" covers ["logm", "logm_along"], SMALL, |n, _| vec![Accretive(n), Any(n, n)], |x| { let (l, d) = x[0].logm_frechet(x[1]); vec![l, d] }, judges),
        line!("pull of logm" covers ["logm_along", "transpose"], SMALL, |n, _| vec![Accretive(n), Any(n, n)], pull!(|x| x[0].logm()), judges),
        line!("powm, powm_by" covers ["logm", "expm", "matmul"], SQUARE, |n, _| vec![Accretive(n), Unit(1, 1)], |x| vec![x[0].powm(-0.7), x[0].powm(3.0), x[0].powm_by(x[1].sin() + 1.5)], judges),
        line!("group_projector" covers ["group_projector", "group_projector_along"], SQUARE, |n, _| vec![Small(n)], |x| vec![two_sided(x[0]).group_projector(Group::RealAbove(0.0)).0, two_sided(x[0]).group_projector(Group::LargestReal(x[0].rows().div_ceil(2))).0], judges),
        line!("signm" covers ["group_projector", "group_projector_along"], SQUARE, |n, _| vec![Small(n)], |x| vec![two_sided(x[0]).signm()], judges),
        line!("pull of group_projector" covers ["group_projector_along", "transpose"], SMALL, |n, _| vec![Small(n), Any(n, n)], pull!(|x| two_sided(x[0]).group_projector(Group::RealBelow(0.5)).0), judges),
        line!("expm_multiply" covers ["expm_multiply", "expm_multiply_pull"], THIN, |n, p| vec![Exponent(n), Any(n, p)], |x| vec![x[0].expm_multiply(x[1])], judges),
        line!("pull of expm_multiply" covers ["expm_multiply", "expm_multiply_pull"], &[(3, 2), (2, 1)], |n, p| vec![Exponent(n), Any(n, p), Any(n, p)], pull!(|x| x[0].expm_multiply(x[1])), judges),
        line!("pull of expm_multiply by the thin matrix" covers ["expm_multiply", "expm_multiply_pull"], &[(3, 2), (2, 1)], |n, p| vec![Any(n, p), Exponent(n), Any(n, p)], pull!(|x| x[1].expm_multiply(x[0]).square()), judges),
        line!("se3 Jacobians and adjoint" covers ["rotation", "unary_derivative"], VECTOR, |_, _| vec![Unit(6, 1)], |x| vec![x[0].se3_left_jacobian(), x[0].se3_left_jacobian_inverse(), x[0].se3_exp().se3_adjoint()], judges),
        // ---- matrix functions: rotations and rigid motions ---------------------------------------------------------
        line!("so3_exp" covers ["rotation", "unary", "unary_derivative"], VECTOR, |_, _| vec![Unit(3, 1)], |x| vec![x[0].so3_exp(), x[0].so3_left_jacobian()], judges),
        line!("pull of so3_exp" covers ["rotation", "unary_derivative"], VECTOR, |_, _| vec![Unit(3, 1), Any(3, 3)], pull!(|x| x[0].so3_exp()), judges),
        line!("so3_left_jacobian_inverse" covers ["unary", "matmul"], VECTOR, |_, _| vec![Unit(3, 1)], |x| vec![x[0].so3_left_jacobian_inverse()]),
        line!("so3_log, so3_to_quaternion" covers ["rotation", "select", "norm"], VECTOR, |_, _| vec![Unit(3, 1), Unit(3, 1)], |x| { let r = (x[0] * 0.5).so3_exp() * (x[1] * 0.5).so3_exp(); vec![r.so3_log(), r.so3_to_quaternion()] }, judges),
        line!("so3_from_quaternion" covers ["norm", "matmul"], VECTOR, |_, _| vec![Away(4, 1)], |x| vec![x[0].so3_from_quaternion()]),
        line!("so2_exp, so2_log" covers ["unary", "atan2"], VECTOR, |_, _| vec![Unit(1, 1), Unit(1, 1)], |x| vec![((x[0] * 0.5).so2_exp() * (x[1] * 0.5).so2_exp()).so2_log(), x[0].so2_exp()]),
        line!("se2_exp, se2_log" covers ["unary", "atan2"], VECTOR, |_, _| vec![Unit(3, 1), Unit(3, 1)], |x| vec![((x[0] * 0.5).se2_exp() * (x[1] * 0.5).se2_exp()).se2_log(), x[0].se2_exp()]),
        line!("se3_exp, se3_log" covers ["rotation", "select"], VECTOR, |_, _| vec![Unit(6, 1), Unit(6, 1)], |x| vec![((x[0] * 0.5).se3_exp() * (x[1] * 0.5).se3_exp()).se3_log(), x[0].se3_exp()]),
        // ---- matrix functions: of symmetric matrices ---------------------------------------------------------------
        line!("expm_sym" covers ["eigh", "spectral"], SQUARE, |n, _| vec![Symmetric(n)], |x| vec![x[0].expm_sym()], judges),
        line!("logm_spd" covers ["eigh", "spectral"], SQUARE, |n, _| vec![Spd(n)], |x| vec![x[0].logm_spd()], judges),
        line!("sqrtm_spd" covers ["eigh", "spectral"], SQUARE, |n, _| vec![Spd(n)], |x| vec![x[0].sqrtm_spd()], judges),
        line!("invsqrtm_spd" covers ["eigh", "spectral"], SQUARE, |n, _| vec![Spd(n)], |x| vec![x[0].invsqrtm_spd()], judges),
        line!("powm_spd" covers ["eigh", "positive_definite", "spectral"], SQUARE, |n, _| vec![Spd(n)], |x| vec![x[0].powm_spd(0.3), x[0].powm_spd(2.0)], judges),
        line!("x ln x" covers ["eigh", "spectral"], SQUARE, |n, _| vec![Spd(n)], |x| vec![x[0].symmetric().map(SymFn::XLogX)], judges),
        line!("Fréchet derivative of the logarithm" covers ["spectral"], SQUARE, |n, _| vec![Spd(n), Any(n, n)], |x| vec![x[0].symmetric().frechet(SymFn::Ln, &[x[1]])], judges),
        line!("trace_fun" covers ["spectral_trace", "spectral"], SQUARE, |n, _| vec![Spd(n)], |x| vec![x[0].trace_fun(SymFn::Ln), x[0].trace_fun(SymFn::Pow(3.0)), x[0].trace_fun(SymFn::XLogX)], judges),
        line!("trace_fun, large" covers ["eigh_values", "eigh_complete"], &[(33, 33)], |n, _| vec![Symmetric(n)], |x| vec![x[0].trace_fun(SymFn::Exp)], judges),
        line!("trace_fun, any spectrum" covers ["spectral_trace"], SQUARE, |n, _| vec![Symmetric(n)], |x| vec![x[0].trace_fun(SymFn::Pow(3.0)), x[0].trace_fun(SymFn::Exp)], judges),
        // ---- spectra ----------------------------------------------------------------------------------------------
        line!("modulus and sign of a matrix" covers ["eigh", "spectral"], SQUARE, |n, _| vec![Gapped(n)], |x| { let a = x[0].symmetric(); vec![a.map(SymFn::Abs), a.map(SymFn::Sign), a.trace(SymFn::Abs)] }, judges),
        line!("a function of your own" covers ["eigh", "spectral", "spectral_trace"], SQUARE, |n, _| vec![Symmetric(n)], |x| { let (a, f) = (x[0].symmetric(), SymFn::own(&super::spectra::Cosine)); vec![a.map(f), a.trace(f)] }, judges),
        line!("eigvalsh" covers ["eigh", "spectrum", "spectrum_weighted"], SQUARE, |n, _| vec![Simple(n)], |x| vec![x[0].eigvalsh()], judges),
        line!("pull of eigvalsh" covers ["spectrum_weighted", "spectrum"], SQUARE, |n, _| vec![Simple(n), Any(n, 1)], pull!(|x| x[0].eigvalsh()), judges),
        line!("hvp inside of eigvalsh" covers ["spectrum_along"], SQUARE, |n, _| vec![Simple(n), Any(n, n)], |x| vec![x[0].hvp(|a| { let l = a.eigvalsh(); l.hadamard(l).dot(l).sum() }, x[1])], judges, deepens),
        line!("eigh" covers ["vectors", "vectors_pull", "resolvent"], SQUARE, |n, _| vec![Simple(n)], |x| { let (l, v) = x[0].eigh(); vec![l, v] }, judges),
        line!("pull of eigh" covers ["vectors_pull", "resolvent"], SMALL, |n, _| vec![Simple(n), Any(n, n)], pull!(|x| x[0].eigh().1), judges),
        line!("some eigenpairs" covers ["vectors", "vectors_pull", "resolvent", "spectrum"], SQUARE, |n, _| vec![Simple(n)], |x| { let (a, k) = (x[0].symmetric(), x[0].rows() / 2); vec![a.values(0..k), a.vectors(k / 2..k + k / 2)] }, judges),
        line!("spectral_projector" covers ["spectrum_weighted"], SQUARE, |n, _| vec![Gapped(n)], |x| vec![x[0].spectral_projector(x[0].rows() / 2)], judges),
        line!("invariant_subspace" covers ["vectors", "vectors_pull", "resolvent"], SQUARE, |n, _| vec![Gapped(n), Any(n, 2)], |x| { let n = x[0].rows(); let q = x[0].symmetric().invariant_subspace(n - n / 2..n); vec![q.mul_t(q), q * q.t_mul(x[1].hadamard(q * q.t_mul(x[1])))] }, judges),
        line!("eigvals" covers ["eig", "packed_columns", "eig_verdict"], SQUARE, |n, _| vec![Spread(n)], |x| { let (re, im) = x[0].eigvals(); vec![re, im] }, judges),
        line!("eig" covers ["eig", "packed_columns", "eig_verdict"], SQUARE, |n, _| vec![Spread(n)], |x| { let (re, im, v, w) = x[0].eig(); vec![re, im, v, w] }, judges),
        line!("left eigenvectors, condition numbers" covers ["eig", "packed_columns", "norm"], NOT_EMPTY_SQUARE, |n, _| vec![Spread(n)], |x| { let a = x[0].general(); let (v, w) = a.left_vectors(); vec![v, w, a.conditions()] }, judges),
        line!("pull of eigvals" covers ["packed_columns", "eig_verdict"], SMALL, |n, _| vec![Spread(n), Any(n, 1)], pull!(|x| { let (re, im) = x[0].eigvals(); re + im }), judges, deepens),
        line!("pull of eig" covers ["packed_columns", "eig_verdict"], SMALL, |n, _| vec![Spread(n), Any(n, n)], pull!(|x| { let (v, w) = x[0].general().vectors(); v + w }), judges, deepens),
        line!("spectral_radius" covers ["eig", "packed_columns", "norm"], NOT_EMPTY_SQUARE, |n, _| vec![Spread(n)], |x| vec![x[0].spectral_radius()], judges),
        line!("trace_power, charpoly" covers ["matmul", "dot"], SQUARE, |n, _| vec![Unit(n, n)], |x| vec![x[0].trace_power(5), x[0].trace_power(1) + x[0].trace_power(0), x[0].charpoly()]),
        line!("svd" covers ["svd", "vectors", "vectors_pull", "resolvent"], ANY_RANK, |m, n| vec![Distinct(m, n)], |x| { let (u, s, v) = x[0].svd(); vec![u, s, v] }, judges),
        line!("pull of svd" covers ["vectors_pull", "resolvent"], &[(3, 2), (2, 2)], |m, n| vec![Distinct(m, n), Any(m, n)], pull!(|x| x[0].svd().0), judges),
        line!("svd_truncated" covers ["svd", "vectors", "resolvent"], &[(4, 3), (3, 3), (2, 4), (5, 2)], |m, n| vec![Distinct(m, n)], |x| { let (u, s, v) = x[0].svd_truncated(2); vec![u, s, v] }, judges),
        line!("svdvals" covers ["svd", "spectrum", "spectrum_weighted"], ANY_RANK, |m, n| vec![Distinct(m, n)], |x| vec![x[0].svdvals()], judges),
        line!("nuclear_norm, spectral_norm" covers ["spectrum", "spectrum_weighted"], &[(4, 3), (3, 3), (2, 4), (5, 1), (1, 1)], |m, n| vec![Distinct(m, n)], |x| vec![x[0].nuclear_norm(), x[0].spectral_norm()], judges),
        line!("cayley_low_rank" covers ["lu", "solve"], &[(4, 2), (5, 1), (2, 2)], |m, n| vec![Any(m, 3), Unit(m, n), Unit(m, n)], |x| vec![x[0].cayley_low_rank(x[1].tanh(), x[2].tanh(), 0.1)]),
        // ---- control ----------------------------------------------------------------------------------------------
        line!("gradient inside" covers ["alias", "of_finite"], ANY, |m, n| vec![Unit(m, n), Unit(m, n)], |x| vec![x[0] - 0.1 * x[0].grad(|y| y.sin().dot(x[1]).sum())]),
        line!("hvp inside" covers ["alias", "of_finite"], ANY, |m, n| vec![Unit(m, n), Unit(m, n)], |x| vec![x[0].hvp(|y| y.sin().sum(), x[1])]),
        line!("stop_gradient of a constant" covers ["stop_gradient"], ANY, |m, n| vec![Unit(m, n)], |x| vec![x[0].sin() * x[0].tape().filled(Shape::SCALAR, 2.0).stop_gradient()]),
        line!("where_positive" covers ["positive"], ANY, |m, n| vec![Unit(m, n), Unit(m, n)], |x| vec![x[0].sin().where_positive(x[1].hadamard(x[1]) + 1.0, "always true")]),
        line!("checkpoint" covers ["checkpoint"], SQUARE, |n, _| vec![Unit(n, n), Unit(n, n)], |x| vec![x[0].checkpoint(|y| (y * x[1]).sin() * y)]),
        line!("custom" covers ["custom"], ANY, |m, n| vec![Unit(m, n), Unit(m, n)], |x| x[0].tape().custom(std::sync::Arc::new(super::controls::Sine), x)),
    ]
}
