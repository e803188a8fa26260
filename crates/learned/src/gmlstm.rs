//! The generalised matrix LSTM: an optimiser for points that are tall matrices (Gao et al., *Learning to Optimize on
//! Riemannian Manifolds*, TPAMI 2022; *Efficient Riemannian Meta-Optimization by Implicit Differentiation*, AAAI 2022).
//!
//! A matrix LSTM replaces `W z` by `W'Z`, `W` of `p x p`: it acts on `p x d` gradients from the left. With `Z` the
//! input, `H`, `C` the state:
//!
//! ```text
//!     f, i, o = sigmoid(Wx'Z + Wh'H),   g = tanh(Wx'Z + Wh'H),   C+ = f o C + i o g,   H+ = o o tanh(C+)
//! ```
//!
//! Two networks of two cells each read the Euclidean gradient `G` and one shared state `(H1, C1, H2, C2)`:
//!
//! ```text
//!     direction   n^ = Wp' H2                                             N = s n^ + G   (residual)
//!     step size   x^ = l2' relu(L1 vec(relu(W0' H2)) + b1) + b2            xi = c exp(x^)  or  c |x^|
//!     update      Y  = -xi P_X(N),   X+ = R_X(Y)
//!     state       the product of what the two networks would make of it, entry by entry; each of norm one
//! ```
//!
//! Points of a batch stand side by side: `b` points of `p x d` are one `p x bd` matrix (the same storage), so a gate is
//! one product for all of them, and the four gates of a cell are one product too. Not equivariant: entrywise functions
//! see the basis `X` of a subspace, not the subspace.

use crate::optimizer::{LearnedOptimizer, State};
use pullback::{Batch, Shape, Tape, Var};
use pullback_manifolds::{Manifold, gaussian};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

pullback::leaves! {
    /// The weights of a cell. The columns of both are the gates `f`, `i`, `o`, `g`, `p` columns each.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Cell as CellVars {
        /// What meets the input, `p x 4p`.
        x: Batch<f64>,
        /// What meets the hidden state, `p x 4p`.
        h: Batch<f64>,
    }
}

pullback::leaves! {
    /// The network that proposes a direction.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Direction as DirectionVars {
        /// Reads the gradient.
        cell1: Cell,
        /// Reads the first cell.
        cell2: Cell,
        /// `Wp`, `p x p`: from the second cell to the direction.
        head: Batch<f64>,
    }
}

pullback::leaves! {
    /// The network that proposes a step size.
    #[derive(Debug, Clone, PartialEq)]
    pub struct StepSize as StepSizeVars {
        /// Reads the gradient.
        cell1: Cell,
        /// Reads the first cell.
        cell2: Cell,
        /// `W0`, `p x p`.
        head: Batch<f64>,
        /// `L1`, `hidden x pd`.
        weight1: Batch<f64>,
        /// `b1`, `hidden x 1`.
        bias1: Batch<f64>,
        /// `l2'`, `1 x hidden`.
        weight2: Batch<f64>,
        /// `b2`, a number.
        bias2: Batch<f64>,
    }
}

pullback::leaves! {
    /// All parameters: `34 p² + hidden (pd + 2) + 1` numbers.
    #[derive(Debug, Clone, PartialEq)]
    pub struct GmLstmParams as GmLstmVars {
        /// The direction.
        direction: Direction,
        /// The step size.
        step: StepSize,
    }
}

/// From the step network's number to a step size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum StepRule {
    /// `xi = c exp(x^)`: positive and smooth, and `c` where the network says 0.
    Exp,
    /// `xi = c |x^|`, as the papers' code does. Not differentiable at 0.
    AbsPaper,
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
    /// Is the network's direction a correction to the gradient? Without it a fresh network does not descend.
    pub residual: bool,
    /// `s`, the scale of that correction.
    pub output_scale: f64,
    /// From number to step size.
    pub step: StepRule,
    /// `c`, the scale of steps.
    pub c: f64,
    /// What the network sees.
    pub input: Input,
    /// Is each matrix of the state brought to norm one after a step?
    pub normalise_state: bool,
    /// Does a fresh network start as gradient descent with step `c`? Its output layers are then zero.
    pub start_as_descent: bool,
}

impl GmLstmOptions {
    /// For `p x d` points, with steps around `c`: starts as gradient descent with step `c`, sees the gradient at unit
    /// size.
    pub fn new(p: usize, d: usize, c: f64) -> Self {
        GmLstmOptions {
            p,
            d,
            hidden: 64,
            residual: true,
            output_scale: 1.0,
            step: StepRule::Exp,
            c,
            input: Input::Rms,
            normalise_state: true,
            start_as_descent: true,
        }
    }

    /// As the papers' code: width 1024, raw gradients, `c |x^|`, random output layers.
    pub fn paper(p: usize, d: usize, c: f64) -> Self {
        GmLstmOptions {
            hidden: 1024,
            step: StepRule::AbsPaper,
            input: Input::Scaled(1.0),
            start_as_descent: false,
            ..GmLstmOptions::new(p, d, c)
        }
    }

    /// How many parameters there are: `34 p² + hidden (pd + 2) + 1`.
    pub fn parameter_count(&self) -> usize {
        34 * self.p * self.p + self.hidden * (self.p * self.d + 2) + 1
    }
}

/// The generalised matrix LSTM.
#[derive(Debug, Clone, PartialEq)]
pub struct GmLstm {
    options: GmLstmOptions,
}

impl GmLstm {
    /// The network with these options; it has no parameters of its own.
    pub fn new(options: GmLstmOptions) -> Self {
        GmLstm { options }
    }

    /// Its options.
    pub fn options(&self) -> &GmLstmOptions {
        &self.options
    }

    /// Fresh parameters: uniformly random orthogonal `W`s, linear layers uniform in `±1/sqrt(inputs)`, and output
    /// layers at zero if the network is to [start as descent](GmLstmOptions::start_as_descent).
    pub fn init(&self, rng: &mut dyn Rng) -> GmLstmParams {
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
            self.zero_outputs(&mut params);
        }
        params
    }

    /// Sets the output layers so that the optimiser is gradient descent with step `c` (given the residual), whatever
    /// the rest.
    pub fn zero_outputs(&self, params: &mut GmLstmParams) {
        let StepSize { weight2, bias2, .. } = &mut params.step;
        for b in [&mut params.direction.head, weight2, bias2] {
            b.data_mut().fill(0.0);
        }
        if self.options.step == StepRule::AbsPaper {
            bias2.data_mut()[0] = 1.0;
        }
    }

    /// Parameters of the right shapes, all zero: what a file is read into.
    pub(crate) fn blank(&self) -> GmLstmParams {
        let GmLstmOptions { p, d, hidden, .. } = self.options;
        let z = |rows, cols| Batch::zeros(Shape::mat(rows, cols));
        let cell = || Cell { x: z(p, 4 * p), h: z(p, 4 * p) };
        GmLstmParams {
            direction: Direction { cell1: cell(), cell2: cell(), head: z(p, p) },
            step: StepSize {
                cell1: cell(),
                cell2: cell(),
                head: z(p, p),
                weight1: z(hidden, p * d),
                bias1: z(hidden, 1),
                weight2: z(1, hidden),
                bias2: z(1, 1),
            },
        }
    }
}

/// A uniformly random orthogonal matrix (Mezzadri, *How to generate random matrices from the classical compact groups*,
/// 2007).
fn orthogonal(p: usize, rng: &mut dyn Rng) -> Batch {
    Tape::plain().constant(&gaussian(Shape::mat(p, p), rng)).qr().0.value()
}

fn cell(p: usize, rng: &mut dyn Rng) -> Cell {
    let mut gates = || {
        let data: Vec<f64> = (0..4).flat_map(|_| orthogonal(p, rng).data().to_vec()).collect();
        Batch::from_slice(Shape::mat(p, 4 * p), &data)
    };
    Cell { x: gates(), h: gates() }
}

fn uniform(shape: Shape, inputs: usize, rng: &mut dyn Rng) -> Batch {
    let r = 1.0 / (inputs as f64).sqrt();
    Batch::from_fn(shape, |_, _, _| r * (2.0 * rng.random::<f64>() - 1.0))
}

/// `(H, C)` of a cell from its input and state, all `p x bd`.
fn run_cell<'t>(w: &CellVars<'t>, z: Var<'t>, h: Var<'t>, c: Var<'t>) -> (Var<'t>, Var<'t>) {
    let p = z.rows();
    let a = w.x.t_mul(z) + w.h.t_mul(h);
    let gates = a.row_range(0, 3 * p).sigmoid();
    let gate = |k: usize| gates.row_range(k * p, p);
    let g = a.row_range(3 * p, p).tanh();
    let c = gate(0).hadamard(c) + gate(1).hadamard(g);
    (gate(2).hadamard(c.tanh()), c)
}

/// The next state of a network's two cells.
fn run_cells<'t>(w: [&CellVars<'t>; 2], z: Var<'t>, s: &[Var<'t>]) -> [Var<'t>; 4] {
    let (h1, c1) = run_cell(w[0], z, s[0], s[1]);
    let (h2, c2) = run_cell(w[1], h1, s[2], s[3]);
    [h1, c1, h2, c2]
}

/// Keeps `x / sqrt(<x, x> + TINY)` smooth at zero.
const TINY: f64 = 1e-24;

impl LearnedOptimizer for GmLstm {
    type Params = GmLstmParams;

    fn state(&self, points: Shape) -> SmallVec<[Shape; 4]> {
        smallvec![points; 4]
    }

    /// # Panics
    /// If points are not `p x d`.
    fn step<'t>(
        &self,
        m: &dyn Manifold,
        phi: &GmLstmVars<'t>,
        x: Var<'t>,
        egrad: Var<'t>,
        state: &[Var<'t>],
    ) -> (Var<'t>, State<'t>) {
        let o = &self.options;
        let tall = x.shape();
        assert_eq!((tall.rows, tall.cols), (o.p, o.d), "this network is for points of {}x{}", o.p, o.d);
        let wide = Shape::mat(o.p, tall.batch * o.d);
        let numbers = Shape::batch(tall.batch, 1, 1);

        let rms = ((egrad.dot(egrad) + TINY) * (1.0 / tall.each() as f64)).sqrt();
        let z = match o.input {
            Input::Scaled(s) => egrad * s,
            Input::Rms => egrad.elem_div(rms),
        };
        let z = z.reshape_batch(wide);
        let s: State<'t> = state.iter().map(|s| s.reshape_batch(wide)).collect();

        let net = &phi.direction;
        let a = run_cells([&net.cell1, &net.cell2], z, &s);
        let proposed = net.head.t_mul(a[2]).reshape_batch(tall);
        let proposed = match o.input {
            Input::Scaled(_) => proposed * o.output_scale,
            Input::Rms => proposed.hadamard(rms * o.output_scale),
        };
        let direction = if o.residual { proposed + egrad } else { proposed };

        let net = &phi.step;
        let b = run_cells([&net.cell1, &net.cell2], z, &s);
        let h = net.head.t_mul(b[2]).relu().reshape_batch(Shape::mat(tall.each(), tall.batch));
        let h = (net.weight1 * h + net.bias1).relu();
        let number = (net.weight2 * h + net.bias2).reshape_batch(numbers);
        let xi = match o.step {
            StepRule::Exp => number.exp() * o.c,
            StepRule::AbsPaper => number.abs() * o.c,
        };

        let next = a.iter().zip(&b).map(|(a, b)| {
            let s = a.hadamard(*b).reshape_batch(tall);
            if o.normalise_state { s.elem_div((s.dot(s) + TINY).sqrt()) } else { s }
        });
        (m.project(&[x], &[direction])[0].hadamard(-xi), next.collect())
    }
}
