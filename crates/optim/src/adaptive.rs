//! Methods that adapt the step to the gradients seen so far: one number for a point (RAdam, RAMSGrad), one for each
//! entry (cRMSProp), one for each row and column (RASA). All are programs, to be run with minibatches or
//! differentiated.

use crate::method::{Method, along};
use crate::schedule::Schedule;
use pullback::{Scalar, Shape, Var};
use pullback_manifolds::{Manifold, Parts, Rgrad};
use smallvec::{SmallVec, smallvec};

/// One number for each member of a batch.
fn number(points: &[Shape]) -> Shape {
    Shape { rows: 1, cols: 1, ..points.first().copied().unwrap_or(Shape::SCALAR) }
}

/// `sqrt(v + eps²)`, which is differentiable where `v` is 0.
fn root<'t, T: Scalar>(v: Var<'t, T>, eps: f64) -> Var<'t, T> {
    (v + v.tape().filled(Shape::SCALAR, T::of(eps * eps))).sqrt()
}

/// `t + 1`.
fn counted<'t, T: Scalar>(t: Var<'t, T>) -> Var<'t, T> {
    t + t.tape().filled(Shape::SCALAR, T::one())
}

/// Riemannian Adam (Becigneul & Ganea, *Riemannian adaptive optimization methods*, 2019, with one factor: the
/// manifold).
///
/// `M+ = beta1 T(M) + (1 - beta1) G`, `v+ = beta2 v + (1 - beta2) <G, G>`, `X+ = R_X(-step M+ / sqrt v^)` with
/// `v^ = v+`, or with `amsgrad` the largest `v+` so far: then it is their RAMSGrad, for which they prove convergence.
/// The paper has no correction of the bias of the first steps; `correct_bias` divides by `1 - beta^t` as Adam does. The
/// root is `sqrt(v^ + eps²)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RAdam {
    /// The step.
    pub step: f64,
    /// Memory of the gradient.
    pub beta1: f64,
    /// Memory of its squared length.
    pub beta2: f64,
    /// Below this length a gradient counts as zero.
    pub eps: f64,
    /// The largest squared length so far in place of the current one.
    pub amsgrad: bool,
    /// Divide by `1 - beta^t`.
    pub correct_bias: bool,
    /// How the step changes.
    pub schedule: Schedule,
}

/// `beta1 = 0.9`, `beta2 = 0.999`, `eps = 1e-8`, as in the paper.
impl RAdam {
    /// RAdam with a step.
    pub fn new(step: f64) -> Self {
        let (amsgrad, correct_bias, schedule) = (false, false, Schedule::Constant);
        RAdam { step, beta1: 0.9, beta2: 0.999, eps: 1e-8, amsgrad, correct_bias, schedule }
    }

    /// RAMSGrad with a step.
    pub fn amsgrad(step: f64) -> Self {
        RAdam { amsgrad: true, ..RAdam::new(step) }
    }
}

impl<T: Scalar> Method<T> for RAdam {
    fn name(&self) -> String {
        let RAdam { step, beta1, beta2, amsgrad, correct_bias, schedule, .. } = self;
        let name = if *amsgrad { "RAMSGrad" } else { "RAdam" };
        let bias = if *correct_bias { ", bias corrected" } else { "" };
        format!("{name}(step {step} {schedule}, beta {beta1} {beta2}{bias})")
    }
    /// The count of steps, `v`, `v^`, and the momentum.
    fn state(&self, points: &[Shape]) -> SmallVec<[Shape; 2]> {
        let mut out: SmallVec<[Shape; 2]> = smallvec![Shape::SCALAR, number(points), number(points)];
        out.extend_from_slice(points);
        out
    }
    fn step<'t>(
        &self,
        m: &dyn Manifold<T>,
        x: &[Var<'t, T>],
        rgrad: Rgrad<&[Var<'t, T>]>,
        state: &[Var<'t, T>],
    ) -> (Parts<'t, T>, Parts<'t, T>) {
        let (t, g) = (counted(state[0]), *rgrad);
        let momentum: Parts<'t, T> =
            state[3..].iter().zip(g).map(|(s, g)| s.lincomb(self.beta1, *g, 1.0 - self.beta1)).collect();
        let v = state[1].lincomb(self.beta2, m.inner(x, g, g), 1.0 - self.beta2);
        let largest = if self.amsgrad { state[2].max(v) } else { v };
        let mut rate = self.schedule.at(t).elem_div(root(largest, self.eps));
        if self.correct_bias {
            // 1 - beta^t = -(exp(t ln beta) - 1).
            let unbiased = |beta: f64| t.lincomb(beta.ln(), t, 0.0).exp_m1().lincomb(-1.0, t, 0.0);
            rate = rate.hadamard(unbiased(self.beta2).sqrt().elem_div(unbiased(self.beta1)));
        }
        let v_step: Parts<'t, T> = momentum.iter().map(|m| m.hadamard(rate)).collect();
        let next = along(m, x, self.step, &v_step);
        let mut kept: Parts<'t, T> = smallvec![t, v, largest];
        kept.extend(m.transport(x, &next, &momentum));
        (next, kept)
    }
}

/// Constrained RMSProp (Roy, Mhammedi & Harandi, *Geometry aware constrained optimization techniques for deep
/// learning*, 2018).
///
/// `V+ = beta T(V) + (1 - beta) P(G o G)`, `X+ = R_X(-step P(G / (sqrt V+ + eps)))`, entry by entry. Projections make
/// entries of `V+` negative at times; they are raised to `floor`. The paper leaves the quotient as it is and relies on
/// the retraction; here it is projected, so that what is retracted is tangent. It depends on the coordinates of the
/// ambient space and, on a quotient, on the representative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CRmsProp {
    /// The step.
    pub step: f64,
    /// Memory of the squares.
    pub beta: f64,
    /// Added to the root.
    pub eps: f64,
    /// The least entry of `V+`.
    pub floor: f64,
    /// How the step changes.
    pub schedule: Schedule,
}

impl CRmsProp {
    /// With a step, `beta = 0.99`, and the constants of the authors.
    pub fn new(step: f64) -> Self {
        CRmsProp { step, beta: 0.99, eps: 1e-7, floor: 1e-6, schedule: Schedule::Constant }
    }
}

impl<T: Scalar> Method<T> for CRmsProp {
    fn name(&self) -> String {
        format!("cRMSProp(step {} {}, beta {})", self.step, self.schedule, self.beta)
    }
    /// The count of steps and `V`.
    fn state(&self, points: &[Shape]) -> SmallVec<[Shape; 2]> {
        let mut out: SmallVec<[Shape; 2]> = smallvec![Shape::SCALAR];
        out.extend_from_slice(points);
        out
    }
    fn step<'t>(
        &self,
        m: &dyn Manifold<T>,
        x: &[Var<'t, T>],
        rgrad: Rgrad<&[Var<'t, T>]>,
        state: &[Var<'t, T>],
    ) -> (Parts<'t, T>, Parts<'t, T>) {
        let t = counted(state[0]);
        let squares: Parts<'t, T> = rgrad.iter().map(|g| g.hadamard(*g)).collect();
        let fresh = m.project(x, &squares);
        let v: Parts<'t, T> =
            state[1..].iter().zip(&fresh).map(|(v, f)| v.lincomb(self.beta, *f, 1.0 - self.beta)).collect();
        let scalar = |c: f64| -> Var<'t, T> { t.tape().filled(Shape::SCALAR, T::of(c)) };
        let quotient: Parts<'t, T> = rgrad
            .iter()
            .zip(&v)
            .map(|(g, v)| {
                let raised = v.max(v.lincomb(0.0, *v, 0.0) + scalar(self.floor));
                g.elem_div(raised.sqrt() + scalar(self.eps)).hadamard(self.schedule.at(t))
            })
            .collect();
        let next = along(m, x, self.step, &m.project(x, &quotient));
        let mut kept: Parts<'t, T> = smallvec![t];
        kept.extend(m.transport(x, &next, &v));
        (next, kept)
    }
}

/// Riemannian adaptive stochastic gradient with row and column adaptation (Kasai, Jawanpuria & Mishra, *Riemannian
/// adaptive stochastic gradient algorithms on matrix manifolds*, 2019, Algorithm 1).
///
/// For `n x p` points `l+ = beta l + (1 - beta) diag(G G^T) / p` and `r+ = beta r + (1 - beta) diag(G^T G) / n`; `l^`,
/// `r^` are the largest so far; `X+ = R_X(-step_t P(diag(l^)^(-1/4) G diag(r^)^(-1/4)))`, with
/// `step_t = step / sqrt t`. With `rows` or `columns` alone the other factor is left out and the exponent is `-1/2`.
/// `eps` is added to the entries of `l^` and `r^`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rasa {
    /// The step.
    pub step: f64,
    /// Memory of the squares.
    pub beta: f64,
    /// Added to `l^` and `r^`.
    pub eps: f64,
    /// Adapt rows.
    pub rows: bool,
    /// Adapt columns.
    pub columns: bool,
    /// How the step changes: `1 / sqrt t` in the paper.
    pub schedule: Schedule,
}

impl Rasa {
    /// Both sides, with a step and the paper's `beta = 0.99`.
    pub fn new(step: f64) -> Self {
        Rasa { step, beta: 0.99, eps: 1e-8, rows: true, columns: true, schedule: Schedule::InverseRoot }
    }
}

impl<T: Scalar> Method<T> for Rasa {
    fn name(&self) -> String {
        let sides = match (self.rows, self.columns) {
            (true, true) => "LR",
            (true, false) => "L",
            (false, true) => "R",
            (false, false) => "none",
        };
        format!("RASA-{sides}(step {} {}, beta {})", self.step, self.schedule, self.beta)
    }
    /// The count of steps; for each matrix `l`, `l^`, `r`, `r^`.
    fn state(&self, points: &[Shape]) -> SmallVec<[Shape; 2]> {
        let mut out: SmallVec<[Shape; 2]> = smallvec![Shape::SCALAR];
        for s in points {
            let (l, r) = (Shape { cols: 1, ..*s }, Shape { rows: 1, ..*s });
            out.extend([l, l, r, r]);
        }
        out
    }
    fn step<'t>(
        &self,
        m: &dyn Manifold<T>,
        x: &[Var<'t, T>],
        rgrad: Rgrad<&[Var<'t, T>]>,
        state: &[Var<'t, T>],
    ) -> (Parts<'t, T>, Parts<'t, T>) {
        let t = counted(state[0]);
        let mut kept: Parts<'t, T> = smallvec![t];
        let exponent = if self.rows && self.columns { -0.25 } else { -0.5 };
        let weight = |v: Var<'t, T>| (v + t.tape().filled(Shape::SCALAR, T::of(self.eps))).powf(exponent);
        let mut scaled = Parts::new();
        for (g, s) in rgrad.iter().zip(state[1..].chunks(4)) {
            let squares = g.hadamard(*g);
            let (n, p) = (g.rows().max(1) as f64, g.cols().max(1) as f64);
            let l = s[0].lincomb(self.beta, squares.row_sums(), (1.0 - self.beta) / p);
            let r = s[2].lincomb(self.beta, squares.column_sums(), (1.0 - self.beta) / n);
            let (l_max, r_max) = (s[1].max(l), s[3].max(r));
            let mut v = g.hadamard(self.schedule.at(t));
            if self.rows {
                v = v.hadamard(weight(l_max));
            }
            if self.columns {
                v = v.hadamard(weight(r_max));
            }
            scaled.push(v);
            kept.extend([l, l_max, r, r_max]);
        }
        (along(m, x, self.step, &m.project(x, &scaled)), kept)
    }
}
