//! An optimiser that is equivariant under every isometry of its manifold by construction, and of our own:
//! limited-memory BFGS whose few coefficients a small network chooses from invariants. The quasi-Newton memory is in
//! `memory.rs`, the features in `invariants.rs`.
//!
//! At a point `x` with gradient `g`, let `H` be the inverse Hessian of the last pairs (`memory.rs`), `gamma` the scale
//! of the newest pair (that of the last step where there is none) and `m_k+ = beta_k T(m_k) + (1 - beta_k) g` three
//! momenta. The network sees numbers only, each the same for `x` and for the image of `x` under an isometry that takes
//! the cost along. Its outputs are `a`, `h`, `o_1..o_6` and, if `conjugate`, `c`:
//!
//! ```text
//!     b = H_hc g             with the initial scaling  scale e^h gamma  of the two loops (first e^h / |g|  at t = 0)
//!                            and pairs that are made conjugate by the share  tanh c  (`memory.rs`)
//!     V = e^a (b + w |b| (o_1 s/|s| + o_2 m_1/|m_1| + o_3 m_2/|m_2| + o_4 m_3/|m_3| + o_5 y/|y| + o_6 g/|g|))
//!     w = additive / (1 + t / gate)
//! ```
//!
//! and the step is `-V`. So steps are combinations of tangents that move with the isometry, with coefficients that do
//! not change: the runs from `x` and from its image are images of each other, to rounding, if retraction and transport
//! commute with the isometry too. (On a Grassmann manifold the polar retraction does, for bases as well; the QR
//! retraction does not, since a rotated basis comes back as another one.) Nothing depends on dimensions.
//!
//! With outputs of zero `V = b`: L-BFGS without a line search, its initial scaling and first step those of the options.
//! Safeguards, which all are invariant: `V` is replaced by `|V| g / |g|` unless `<V, g> > slope |V| |g|`, and shortened
//! to `longest`. There is no line search: one gradient a step.

use crate::invariants::{self, FEATURES, Known};
use crate::layers::uniform;
use crate::memory::{Memory, conjugated, newest_scale, number as a_number, over, remember, two_loops};
use crate::optimizer::{Gradients, LearnedOptimizer, ParamVars, StateVars, least, number};
use pullback::{Batch, Scalar, Shape, Var};
use pullback_manifolds::{Manifold, Parts};
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::marker::PhantomData;

/// Numbers that the network puts out: `a`, `h`, and six coefficients.
const OUTPUTS: usize = 8;
/// The factors on the old momenta.
const MOMENTA: [f64; 3] = [0.5, 0.9, 0.97];

pullback::leaves! {
    /// A layer: `W f + b`.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Layer<T: Scalar = f64> as LayerVars {
        /// `W`
        weight: Batch<T>,
        /// `b`
        bias: Batch<T>,
    }
}

pullback::leaves! {
    /// The network: two layers with `tanh`, and one without.
    #[derive(Debug, Clone, PartialEq)]
    pub struct EquivariantParams<T: Scalar = f64> as EquivariantVars {
        /// Sees the features.
        layer1: Layer<T>,
        /// In between.
        layer2: Layer<T>,
        /// Gives the coefficients.
        output: Layer<T>,
    }
}

pullback::leaves! {
    /// What is kept from step to step. Tangents are at the point `before`.
    #[derive(Debug, Clone, PartialEq)]
    pub struct EquivariantState<T: Scalar = f64> as EquivariantStateVars {
        /// How many steps were taken.
        count: Batch<T>,
        /// The point of the last step.
        before: Vec<Batch<T>>,
        /// The gradient there.
        gradient: Vec<Batch<T>>,
        /// The step that was taken there.
        step: Vec<Batch<T>>,
        /// The pairs.
        memory: Memory<T>,
        /// The three momenta.
        momenta: Vec<Vec<Batch<T>>>,
        /// `gamma` of the last step.
        scale: Batch<T>,
    }
}

/// The choices of an [`Equivariant`] optimiser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EquivariantOptions {
    /// Pairs that are kept.
    pub pairs: usize,
    /// Width of the network's two inner layers.
    pub hidden: usize,
    /// The length of the first step.
    pub first: f64,
    /// The factor of the initial scaling.
    pub scale: f64,
    /// The longest step. It must be within the length over which the retraction moves away from the start: the
    /// second-order retraction of positive definite matrices moves back beyond length 1, and is at the start again at
    /// 2, so use less than 1 there.
    pub longest: f64,
    /// A pair is kept if `<s, y> > caution |s| |y|`.
    pub caution: f64,
    /// The least cosine of step and gradient.
    pub slope: f64,
    /// The weight of the directions other than the quasi-Newton one; with 0 they are not used.
    pub additive: f64,
    /// The number of steps after which that weight has halved.
    pub gate: f64,
    /// Are features constants for derivatives? Then training is less noisy.
    pub detach: bool,
    /// Does the network choose to which part pairs are made conjugate? `false` in files written before this option.
    #[serde(default)]
    pub conjugate: bool,
}

impl Default for EquivariantOptions {
    /// Five pairs, first step 1.5, initial scaling doubled, steps of at most 2: the constants of a tuned L-BFGS on
    /// principal components.
    fn default() -> Self {
        EquivariantOptions {
            pairs: 5,
            hidden: 24,
            first: 1.5,
            scale: 2.0,
            longest: 2.0,
            caution: 1e-8,
            slope: 0.01,
            additive: 0.3,
            gate: 30.0,
            detach: true,
            conjugate: true,
        }
    }
}

impl EquivariantOptions {
    /// How many parameters there are: 1 497 for a width of 24.
    pub fn parameter_count(&self) -> usize {
        self.checked_count().unwrap_or(usize::MAX)
    }

    /// Numbers that the network puts out: `a`, `h`, six coefficients, and `c`.
    fn outputs(&self) -> usize {
        OUTPUTS + usize::from(self.conjugate)
    }

    pub(crate) fn checked_count(&self) -> Option<usize> {
        let h = self.hidden;
        let layers = [
            h.checked_mul(FEATURES + 1)?,
            h.checked_mul(h.checked_add(1)?)?,
            h.checked_add(1)?.checked_mul(self.outputs())?,
        ];
        layers.into_iter().try_fold(0usize, usize::checked_add)
    }
}

/// L-BFGS whose coefficients are learned.
#[derive(Clone, PartialEq)]
pub struct Equivariant<T: Scalar = f64> {
    options: EquivariantOptions,
    scalar: PhantomData<T>,
}

/// The scalar is part of the type and not of what is printed.
impl<T: Scalar> fmt::Debug for Equivariant<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Equivariant").field("options", &self.options).finish()
    }
}

impl Equivariant {
    /// The optimiser with these options; it has no parameters of its own.
    pub fn new(options: EquivariantOptions) -> Self {
        Equivariant { options, scalar: PhantomData }
    }
}

impl<T: Scalar> Equivariant<T> {
    /// The same on numbers of another scalar: `Equivariant::new(options).over::<f32>()` computes in single precision.
    pub fn over<U: Scalar>(self) -> Equivariant<U> {
        Equivariant { options: self.options, scalar: PhantomData }
    }

    /// Its options.
    pub fn options(&self) -> &EquivariantOptions {
        &self.options
    }

    /// Fresh parameters: inner layers uniform in `±1/sqrt(inputs)`, the output layer zero. The optimiser is then
    /// L-BFGS.
    pub fn init(&self, rng: &mut dyn Rng) -> EquivariantParams<T> {
        let mut params = self.with(&mut |shape, inputs| uniform(shape, inputs, rng));
        params.output.weight.data_mut().fill(T::zero());
        params.output.bias.data_mut().fill(T::zero());
        params
    }

    pub(crate) fn blank(&self) -> EquivariantParams<T> {
        self.with(&mut |shape, _| Batch::zeros(shape))
    }

    fn with(&self, make: &mut dyn FnMut(Shape, usize) -> Batch<T>) -> EquivariantParams<T> {
        let h = self.options.hidden;
        let mut layer = |rows, inputs: usize| Layer {
            weight: make(Shape::mat(rows, inputs), inputs),
            bias: make(Shape::mat(rows, 1), inputs),
        };
        EquivariantParams { layer1: layer(h, FEATURES), layer2: layer(h, h), output: layer(self.options.outputs(), h) }
    }

    /// The outputs for a column of features for each member: each one number for each member.
    fn network<'t>(&self, phi: &EquivariantVars<'t, T>, features: Var<'t, T>) -> Vec<Var<'t, T>> {
        let f = if self.options.detach { features.stop_gradient() } else { features };
        let dense = |w: &LayerVars<'t, T>, f: Var<'t, T>| w.weight * f + w.bias;
        let out = dense(&phi.output, dense(&phi.layer2, dense(&phi.layer1, f).tanh()).tanh());
        (0..self.options.outputs()).map(|k| out.row_range(k, 1)).collect()
    }

    /// `-V` after the safeguards.
    fn guarded<'t>(&self, at: &At<'_, 't, T>, v: Parts<'t, T>) -> Parts<'t, T> {
        let o = &self.options;
        let (m, x, g) = (at.m, at.x, at.g);
        let length = |u: &[Var<'t, T>]| m.inner(x, u, u).shifted(least::<T>()).sqrt();
        let (v_length, g_length) = (length(&v), length(g));
        let descends = m.inner(x, &v, g).gt(v_length.hadamard(g_length).scaled(o.slope));
        let along = v_length.elem_div(g_length);
        let v: Parts<'t, T> = v.iter().zip(g).map(|(v, g)| descends.select(*v, g.hadamard(along))).collect();
        let shorten = length(&v).scaled(1.0 / o.longest).max(a_number(x[0].tape(), 1.0));
        v.iter().map(|v| -v.elem_div(shorten)).collect()
    }
}

/// A point and the gradient there.
struct At<'a, 't, T: Scalar> {
    m: &'a dyn Manifold<T>,
    x: &'a [Var<'t, T>],
    g: &'a [Var<'t, T>],
}

impl<T: Scalar> LearnedOptimizer<T> for Equivariant<T> {
    type Params = EquivariantParams<T>;
    type State = EquivariantState<T>;

    fn name(&self) -> String {
        format!("equivariant L-BFGS({})", self.options.pairs)
    }

    fn begin(&self, points: &[Shape]) -> EquivariantState<T> {
        let tangent = || -> Vec<Batch<T>> { points.iter().map(|s| Batch::zeros(*s)).collect() };
        let one = || Batch::zeros(points.first().map_or(Shape::SCALAR, |s| number(*s)));
        EquivariantState {
            count: one(),
            before: tangent(),
            gradient: tangent(),
            step: tangent(),
            memory: Memory::empty(self.options.pairs, &tangent),
            momenta: MOMENTA.iter().map(|_| tangent()).collect(),
            scale: one(),
        }
    }

    fn step<'t>(
        &self,
        m: &dyn Manifold<T>,
        phi: &ParamVars<'t, Self, T>,
        x: &[Var<'t, T>],
        grads: Gradients<'_, 't, T>,
        s: &StateVars<'t, Self, T>,
    ) -> (Parts<'t, T>, StateVars<'t, Self, T>) {
        let o = &self.options;
        let g = grads.rgrad.0;
        let tape = s.count.tape();
        let going = s.count.gt(a_number(tape, 0.5));
        // Before the first step there is no point to come from: this one serves, and what is carried is zero.
        let from: Vec<Var<'t, T>> = x.iter().zip(&s.before).map(|(x, b)| going.select(*b, *x)).collect();
        let bring = |u: &[Var<'t, T>]| m.transport(&from, x, u);
        let (step, last) = (bring(&s.step), bring(&s.gradient));
        let change: Parts<'t, T> = g.iter().zip(&last).map(|(g, l)| (*g - *l).hadamard(going)).collect();
        let memory = remember(m, x, &s.memory, (&step, &change), going, o.caution, &bring);
        let momenta: Vec<Parts<'t, T>> = s
            .momenta
            .iter()
            .zip(MOMENTA)
            .map(|(u, beta)| bring(u).iter().zip(g).map(|(u, g)| u.lincomb(beta, *g, 1.0 - beta)).collect())
            .collect();

        let g_length = m.inner(x, g, g).shifted(least::<T>()).sqrt();
        let first = a_number(tape, o.first / o.scale).elem_div(g_length);
        let without = going.select(s.scale, first);
        let gamma = newest_scale(m, x, &memory, without);
        let known = Known { m, x, g, step: &step, change: &change, momenta: &momenta, last: &last };
        let features = invariants::features(&known, s.count, going, gamma, s.scale);
        let out = self.network(phi, features);

        let scaling = gamma.hadamard(out[1].exp().scaled(o.scale));
        let conjugate = out.get(OUTPUTS).map(|c| conjugated(m, x, &memory, c.tanh()));
        let base = two_loops(m, x, conjugate.as_ref().unwrap_or(&memory), g, scaling);
        let v = self.combined(&known, &base, &out, s.count);
        let tangent = self.guarded(&At { m, x, g }, v);
        let next = EquivariantStateVars {
            count: s.count.shifted(1.0),
            before: x.to_vec(),
            gradient: g.to_vec(),
            step: tangent.to_vec(),
            memory,
            momenta: momenta.into_iter().map(|u| u.to_vec()).collect(),
            scale: gamma,
        };
        (tangent, next)
    }
}

impl<T: Scalar> Equivariant<T> {
    /// `V` of the head of this file.
    fn combined<'t>(
        &self,
        k: &Known<'_, 't, T>,
        base: &Parts<'t, T>,
        out: &[Var<'t, T>],
        count: Var<'t, T>,
    ) -> Parts<'t, T> {
        let o = &self.options;
        let much = out[0].exp();
        if o.additive == 0.0 {
            return base.iter().map(|b| b.hadamard(much)).collect();
        }
        let w = count.scaled(1.0 / o.gate).shifted(1.0).recip().scaled(o.additive);
        let size = k.m.inner(k.x, base, base).shifted(least::<T>()).sqrt().hadamard(w);
        let beside = [k.step, &k.momenta[0], &k.momenta[1], &k.momenta[2], k.change, k.g];
        let mut v = base.clone();
        for (u, c) in beside.into_iter().zip(&out[2..OUTPUTS]) {
            let weight = over(size.hadamard(*c), k.m.inner(k.x, u, u).shifted(least::<T>()).sqrt());
            v.iter_mut().zip(u).for_each(|(v, u)| *v += u.hadamard(weight));
        }
        v.iter().map(|v| v.hadamard(much)).collect()
    }
}
