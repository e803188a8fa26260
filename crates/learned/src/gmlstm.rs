//! The generalised matrix LSTM: a network for points that are tall matrices (Gao et al., *Learning to Optimize on
//! Riemannian Manifolds*, TPAMI 2022; *Efficient Riemannian Meta-Optimization by Implicit Differentiation*, AAAI 2022).
//! What becomes of its proposals is in `update.rs`.
//!
//! A matrix LSTM replaces `W z` by `W^T Z`, `W` of `p x p`: it acts on `p x d` gradients from the left. With `Z` the
//! input, `H`, `C` the state:
//!
//! ```text
//!     f, i, o = sigmoid(Wx^T Z + Wh^T H),   g = tanh(Wx^T Z + Wh^T H),   C+ = f o C + i o g,   H+ = o o tanh(C+)
//! ```
//!
//! Two networks of two cells each read the gradient `G` and one shared state `(H1, C1, H2, C2)`:
//!
//! ```text
//!     direction   n^ = s Wp^T H2
//!     number      x^ = l2^T relu(L1 vec(relu(W0^T H2)) + b1) + b2
//!     state       the product of what the two networks would make of it, entry by entry; each of norm one
//! ```
//!
//! Points of a batch stand side by side: `b` points of `p x d` are one `p x bd` matrix (the same storage), so a gate is
//! one product for all of them, and the four gates of a cell are one product too. Not equivariant: entrywise functions
//! see the basis `X` of a subspace, not the subspace.

use crate::each::{MatrixRule, RuleState, RuleVars};
use crate::layers::{Cell, CellStates, CellStatesVars, CellVars, blank_cell, cell, orthogonal, shared, uniform};
use crate::optimizer::{TINY, number};
use crate::update::{Proposal, StepForm, Update};
use pullback::{Batch, Scalar, Shape, Var};
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::marker::PhantomData;

pullback::leaves! {
    /// The network that proposes a direction.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Direction<T: Scalar = f64> as DirectionVars {
        /// Reads the gradient.
        cell1: Cell<T>,
        /// Reads the first cell.
        cell2: Cell<T>,
        /// `Wp`, `p x p`: from the second cell to the direction.
        head: Batch<T>,
    }
}

pullback::leaves! {
    /// The network that proposes a step size.
    #[derive(Debug, Clone, PartialEq)]
    pub struct StepSize<T: Scalar = f64> as StepSizeVars {
        /// Reads the gradient.
        cell1: Cell<T>,
        /// Reads the first cell.
        cell2: Cell<T>,
        /// `W0`, `p x p`.
        head: Batch<T>,
        /// `L1`, `hidden x pd`.
        weight1: Batch<T>,
        /// `b1`, `hidden x 1`.
        bias1: Batch<T>,
        /// `l2^T`, `1 x hidden`.
        weight2: Batch<T>,
        /// `b2`, a number.
        bias2: Batch<T>,
    }
}

pullback::leaves! {
    /// All parameters: `34 p² + hidden (pd + 2) + 1` numbers.
    #[derive(Debug, Clone, PartialEq)]
    pub struct GmLstmParams<T: Scalar = f64> as GmLstmVars {
        /// The direction.
        direction: Direction<T>,
        /// The step size.
        step: StepSize<T>,
    }
}

/// What the network sees of the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// `s G`. The papers use `s = 1`.
    Scaled(f64),
    /// `G / rms(G)` for each point, and the proposed direction is multiplied by `rms(G)`: the optimiser follows a
    /// change of units of the cost.
    Rms,
}

/// The shape of a [`GmLstm`] and its choices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GmLstmOptions {
    /// Rows of a point.
    pub p: usize,
    /// Columns of a point.
    pub d: usize,
    /// Width of the step network's linear layers. The papers use 1024.
    pub hidden: usize,
    /// `s`, the scale of the proposed direction.
    pub output_scale: f64,
    /// What the network sees.
    pub input: Input,
    /// Is each matrix of the state brought to norm one after a step? The code of GF-RMM and I-RMM does so, that of RMM
    /// does not; the texts do not say.
    pub normalise_state: bool,
    /// Does a fresh network propose nothing? Its output layers are then zero, and the optimiser starts as gradient
    /// descent.
    pub start_as_descent: bool,
}

impl GmLstmOptions {
    /// For `p x d` points: proposes nothing at first, sees the gradient at unit size.
    pub fn new(p: usize, d: usize) -> Self {
        GmLstmOptions {
            p,
            d,
            hidden: 64,
            output_scale: 1.0,
            input: Input::Rms,
            normalise_state: true,
            start_as_descent: true,
        }
    }

    /// As the papers' code: width 1024, raw gradients, random output layers.
    pub fn paper(p: usize, d: usize) -> Self {
        GmLstmOptions { hidden: 1024, input: Input::Scaled(1.0), start_as_descent: false, ..GmLstmOptions::new(p, d) }
    }

    /// How many parameters there are: `34 p² + hidden (pd + 2) + 1`.
    pub fn parameter_count(&self) -> usize {
        self.checked_count().unwrap_or(usize::MAX)
    }

    /// The same, unless the number is too large to exist.
    pub(crate) fn checked_count(&self) -> Option<usize> {
        let squares = self.p.checked_mul(self.p)?.checked_mul(34)?;
        let layer = self.p.checked_mul(self.d)?.checked_add(2)?.checked_mul(self.hidden)?;
        squares.checked_add(layer)?.checked_add(1)
    }
}

/// The generalised matrix LSTM.
#[derive(Clone, PartialEq)]
pub struct GmLstm<T: Scalar = f64> {
    options: GmLstmOptions,
    scalar: PhantomData<T>,
}

/// The scalar is part of the type and not of what is printed.
impl<T: Scalar> fmt::Debug for GmLstm<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GmLstm").field("options", &self.options).finish()
    }
}

impl GmLstm {
    /// The network with these options; it has no parameters of its own.
    pub fn new(options: GmLstmOptions) -> Self {
        GmLstm { options, scalar: PhantomData }
    }
}

impl<T: Scalar> GmLstm<T> {
    /// The same on numbers of another scalar: `GmLstm::new(options).over::<f32>()` computes in single precision.
    pub fn over<U: Scalar>(self) -> GmLstm<U> {
        GmLstm { options: self.options, scalar: PhantomData }
    }

    /// Its options.
    pub fn options(&self) -> &GmLstmOptions {
        &self.options
    }

    /// Sets the output layers so that the network proposes nothing, whatever the rest: with the residual, the optimiser
    /// is gradient descent with step `c`.
    pub fn zero_outputs(&self, update: &Update, params: &mut GmLstmParams<T>) {
        let StepSize { weight2, bias2, .. } = &mut params.step;
        for b in [&mut params.direction.head, weight2, bias2] {
            b.data_mut().fill(T::zero());
        }
        if update.step != StepForm::Exp {
            bias2.data_mut()[0] = T::one();
        }
    }

    /// Parameters of the right shapes, all zero: what a file is read into.
    pub(crate) fn blank(&self) -> GmLstmParams<T> {
        let GmLstmOptions { p, d, hidden, .. } = self.options;
        let z = |rows, cols| Batch::zeros(Shape::mat(rows, cols));
        GmLstmParams {
            direction: Direction { cell1: blank_cell(p), cell2: blank_cell(p), head: z(p, p) },
            step: StepSize {
                cell1: blank_cell(p),
                cell2: blank_cell(p),
                head: z(p, p),
                weight1: z(hidden, p * d),
                bias1: z(hidden, 1),
                weight2: z(1, hidden),
                bias2: z(1, 1),
            },
        }
    }
}

/// `(H, C)` from the sums `[f i o g]` that enter the gates, all transposed: `p` columns for each gate.
fn gates<'t, T: Scalar>(sums: Var<'t, T>, c: Var<'t, T>) -> (Var<'t, T>, Var<'t, T>) {
    let p = c.cols();
    let gate = |k: usize| sums.column_range(k * p, p);
    let c = gate(0).sigmoid().hadamard(c) + gate(1).sigmoid().hadamard(gate(3).tanh());
    (gate(2).sigmoid().hadamard(c.tanh()), c)
}

/// The next state of a network's two cells, from the wide input, all transposed: `Z^T W` needs no transpose of the
/// large factor.
fn run_cells<'t, T: Scalar>(w: [&CellVars<'t, T>; 2], z: Var<'t, T>, s: &[Var<'t, T>; 4]) -> [Var<'t, T>; 4] {
    let run = |w: &CellVars<'t, T>, z: Var<'t, T>, h: Var<'t, T>, c| gates((z * w.x).add_mul(1.0, h, w.h), c);
    let (h1, c1) = run(w[0], z, s[0], s[1]);
    let (h2, c2) = run(w[1], h1, s[2], s[3]);
    [h1, c1, h2, c2]
}

impl<T: Scalar> MatrixRule<T> for GmLstm<T> {
    type Params = GmLstmParams<T>;
    type State = CellStates<T>;

    fn name(&self) -> String {
        format!("generalised matrix LSTM for {}x{}", self.options.p, self.options.d)
    }

    /// Uniformly random orthogonal `W`s, linear layers uniform in `±1/sqrt(inputs)`, and output layers at zero if the
    /// network is to [start as descent](GmLstmOptions::start_as_descent).
    fn init(&self, update: &Update, rng: &mut dyn Rng) -> GmLstmParams<T> {
        let GmLstmOptions { p, d, hidden, .. } = self.options;
        let direction = Direction { cell1: cell(p, rng), cell2: cell(p, rng), head: orthogonal(p, rng) };
        let step = StepSize {
            cell1: cell(p, rng),
            cell2: cell(p, rng),
            head: orthogonal(p, rng),
            weight1: uniform(Shape::mat(hidden, p * d), p * d, rng),
            bias1: uniform(Shape::mat(hidden, 1), p * d, rng),
            weight2: uniform(Shape::mat(1, hidden), hidden, rng),
            bias2: uniform(Shape::SCALAR, hidden, rng),
        };
        let mut params = GmLstmParams { direction, step };
        if self.options.start_as_descent {
            self.zero_outputs(update, &mut params);
        }
        params
    }

    fn begin(&self, matrix: Shape) -> CellStates<T> {
        CellStates::zeros(matrix)
    }

    /// # Panics
    /// If points are not `p x d`.
    #[track_caller]
    fn propose<'t>(
        &self,
        phi: &RuleVars<'t, Self, T>,
        g: Var<'t, T>,
        _: &Update,
        state: &RuleState<'t, Self, T>,
    ) -> (Proposal<'t, T>, CellStatesVars<'t, T>) {
        let o = &self.options;
        let tall = g.shape();
        assert_eq!((tall.rows, tall.cols), (o.p, o.d), "this network is for points of {}x{}", o.p, o.d);
        let wide = Shape::mat(o.p, tall.batch * o.d);
        let rms = g.dot(g).shifted(TINY).scaled(1.0 / tall.each() as f64).sqrt();
        let z = match o.input {
            Input::Scaled(s) => g.scaled(s),
            Input::Rms => g.elem_div(rms),
        };
        let z = z.reshape_batch(wide).t();
        let s = [state.h1, state.c1, state.h2, state.c2].map(|s| s.reshape_batch(wide).t());

        let net = &phi.direction;
        let a = run_cells([&net.cell1, &net.cell2], z, &s);
        let direction = (a[2] * net.head).t().reshape_batch(tall);
        let direction = match o.input {
            Input::Scaled(_) => direction.scaled(o.output_scale),
            Input::Rms => direction.hadamard(rms.scaled(o.output_scale)),
        };

        let net = &phi.step;
        let b = run_cells([&net.cell1, &net.cell2], z, &s);
        let h = (b[2] * net.head).relu().t().reshape_batch(Shape::mat(tall.each(), tall.batch));
        let h = (net.weight1 * h + net.bias1).relu();
        let x = (net.weight2 * h + net.bias2).reshape_batch(number(tall));
        (Proposal { direction, number: Some(x) }, shared(a, b, |s| s.t().reshape_batch(tall), o.normalise_state))
    }
}
