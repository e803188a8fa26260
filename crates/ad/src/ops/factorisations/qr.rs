//! Thin QR of a tall or square matrix, `A = Q R` with `diag(R) > 0`.
//!
//! Write `T = dA R^{-1} = dQ + Q dR R^{-1}` and `C = Q^T T`. From `Q^T Q = I`, `Omega = Q^T dQ` is skew, and
//! `S = dR R^{-1} = C - Omega` is upper triangular. So `stril(Omega) = stril(C)`, which determines `Omega`, and
//! `S = triu(C) + stril(C)^T`, a linear map `fold` of `C`. Hence
//!
//! `dQ = T - Q S`, `dR = S R`, `S = fold(Q^T T)`.
//!
//! The adjoint of `fold` is `copy(M) = triu(M) + striu(M)^T`, so
//!
//! `gA = (gQ + Q copy(gR R^T - Q^T gQ)) R^{-T}`,
//!
//! where `copy` sees the upper triangle of `gR` alone, since `R` is upper.
//!
//! Conditions: `m >= n`, full column rank, else `RankDeficient`.
//! Gauge: the sign of each column, fixed by `diag(R) > 0` and locally constant.
//! Cost (m = n, n³): value 8/3, JVP 6, VJP 7.
//! Sources: Walter & Lehmann 2011; Liao et al. 2019, arXiv 1903.09650.

use crate::ops::by_members::{each_member, each_member_of_two};
use crate::ops::direct::{EvalStep, PullPairsStep, PullStep, PushStep, member, member_of};
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::layout::part::Part;
use crate::ops::{Arg, Out, Primitive, Shapes, members, two};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Product, Value};
use crate::{Scalar, Shape};
use pullback_kernels::threads::Size;
use pullback_kernels::{Failure, Triangle, tolerances::FACTORS_IN_REGISTERS};
use smallvec::smallvec;

/// From `A`, or from `(A P, p)`: then a failure names the columns of `A`, and the rules are those of `A P`. With
/// `transposed`, the input holds columns of `A^T`, where `A` has that many rows, and a failure names the entry of `A`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Qr {
    pub(crate) transposed: Option<usize>,
}

/// The failure of a factorisation of `A P`, told of `A`.
fn unpermuted<T: Scalar>(f: Failure, p: &[T], rows: usize) -> Failure {
    let column = |j: usize| p.get(j).map_or(j, |p| p.f64() as usize);
    match f {
        Failure::RankDeficient { index, ratio } => Failure::RankDeficient { index: column(index), ratio },
        Failure::NonFinite { index, value } => {
            Failure::NonFinite { index: index % rows + column(index / rows) * rows, value }
        }
        f => f,
    }
}

/// `X R = B`
const BY_R: Triangle = Triangle::UPPER.from_right();
/// `X R^T = B`
const BY_R_T: Triangle = BY_R.transposed();

impl<T: Scalar> Primitive<T> for Qr {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`qr`, thin",
        conditions: "`m >= n`, full column rank, else `RankDeficient`",
        gauge: "signs of columns; `diag(R) > 0`, locally constant",
        cost: &["8/3", "6", "7"],
        degenerate: "orthonormal arguments and graded columns are points like any other",
        source: "Walter & Lehmann 2011; Liao et al. 2019, arXiv 1903.09650",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let r = x[0].rows.min(x[0].cols);
        Ok(smallvec![x[0].with(x[0].rows, r), x[0].with(r, x[0].cols)])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let Shape { batch, rows, cols } = x[0].shape;
        let (q, r) = two(y);
        members(batch, |b| {
            let done = T::qr_thin(x[0].member(b), rows, cols, q.member(b), r.member(b), w);
            done.map_err(|f| match (f, x.get(1), self.transposed) {
                (f, Some(p), _) => unpermuted(f, p.member(b), rows),
                (Failure::NonFinite { index, value }, _, Some(m)) => {
                    Failure::NonFinite { index: index / rows + index % rows * m, value }
                }
                (f, ..) => f,
            })
        })
    }

    fn jvp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let (q, r) = (y[0], y[1]);
        let Some(da) = dx[0] else { return smallvec![None, None] };
        let t = da.clone().solved_by(r, BY_R);
        let s = q.t_mul(&t).parted(Part::FoldUp);
        let dr = s.mul(r);
        let dq = t.plus_product(Product::NN.times(-1.0), q, &s);
        smallvec![Some(dq), Some(dr)]
    }

    fn vjp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let (q, r) = (y[0], y[1]);
        let m = match (&dy[0], &dy[1]) {
            (Some(gq), None) => V::product(Product::TN.times(-1.0), q, gq),
            (None, Some(gr)) => gr.mul_t(r),
            (Some(gq), Some(gr)) => gr.mul_t(r).plus_product(Product::TN.times(-1.0), q, gq),
            (None, None) => return,
        };
        let m = m.parted(Part::CopyUp);
        let t = match dy[0].take() {
            Some(gq) => gq.plus_product(Product::NN, q, &m),
            None => q.mul(&m),
        };
        out.add(0, t.solved_by(r, BY_R_T));
    }

    #[inline(always)]
    fn eval_direct(&self, step: EvalStep<'_, T>) -> Option<Result<(), Trouble>> {
        let (a, [q, r]) = (step.input(0), step.out) else { return None };
        if a.shape.batch != 1 || self.transposed.is_some() || step.inputs.len() != 1 {
            return None;
        }
        let w = &mut *step.store.work.borrow_mut();
        Some(T::qr_thin(a.data, a.shape.rows, a.shape.cols, &mut q.buf, &mut r.buf, w).map_err(Trouble::from))
    }

    /// The rule above for few columns, as loops over rows (`kernels/src/qr_rules.rs`).
    fn push_direct(&self, p: PushStep<'_, T>) -> bool {
        let [q, r] = p.outputs::<2>();
        let Shape { batch, rows: m, cols: n } = q.shape;
        // A wide matrix has another `R`, and a rule in words.
        if !in_registers(q.shape) || r.shape.cols != n {
            return false;
        }
        let Some(da) = p.tangent(0) else { return false };
        let (mut dq, mut dr) = (p.store.take(m * n * batch), p.store.take(n * n * batch));
        each_member_of_two(Size::Worked(dq.len()), [&mut dq, &mut dr], [m * n, n * n], |b, dq, dr| {
            let done = T::qr_push_small([q.member(b), r.member(b), da.member(b)], m, n, dq, dr);
            debug_assert!(done, "the columns were counted");
        });
        p.done([dq, dr])
    }

    #[inline(always)]
    fn pull_direct(&self, mut p: PullStep<'_, T>) -> bool {
        pull_in_registers(&mut p.again())
    }

    /// The same loops in dual numbers.
    fn pull_pairs(&self, mut p: PullPairsStep<'_, T>) -> bool {
        let (shape, _) = p.input(0);
        let Shape { batch, rows: m, cols: n } = shape;
        if !in_registers(shape) {
            return false;
        }
        let ([(_, q), (_, r)], [gq, gr]) = (p.outputs::<2>(), p.take_all::<2>());
        if gq.is_none() && gr.is_none() {
            return true;
        }
        let (mut g, mut dg) = p.filled(gq, batch * m * n);
        each_member_of_two(Size::Worked(g.len()), [&mut g, &mut dg], [m * n; 2], |b, g, dg| {
            let gr = gr.as_ref().map(|gr| member_of(gr, b, n * n));
            let done = T::qr_pull_small_pairs([member(q, b, m * n), member(r, b, n * n)], m, n, gr, (g, dg));
            debug_assert!(done, "the columns were counted");
        });
        p.drop(gr);
        p.give((g, dg))
    }
}

/// Are there so few columns that the kernels keep a row in registers?
pub(super) fn in_registers(a: Shape) -> bool {
    (1..=FACTORS_IN_REGISTERS).contains(&a.cols) && a.cols <= a.rows
}

fn pull_in_registers<T: Scalar>(p: &mut PullStep<'_, T>) -> bool {
    let (shape, store) = (p.input(0).shape, p.store);
    let Shape { rows: m, cols: n, .. } = shape;
    if !in_registers(shape) {
        return false;
    }
    let ([q, r], [gq, gr]) = (p.outputs::<2>(), p.take_all::<2>());
    let zeros = || {
        let mut zeros = store.take(shape.len());
        zeros.fill(T::zero());
        zeros
    };
    let Some(mut g) = gq.or_else(|| gr.is_some().then(zeros)) else { return true };
    each_member(Size::Worked(g.len()), &mut g, m * n, |b, g| {
        let gr = gr.as_ref().map(|gr| &gr[b * n * n..(b + 1) * n * n]);
        let done = T::qr_pull_small([q.member(b), r.member(b)], m, n, gr, g);
        debug_assert!(done, "the columns were counted");
    });
    p.give(0, g);
    gr.into_iter().for_each(|g| store.put(g));
    true
}
