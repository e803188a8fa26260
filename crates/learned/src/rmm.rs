//! The matrix LSTM for symmetric matrices (Gao, Wu, Jia & Harandi, *Learning to Optimize on SPD Manifolds*, CVPR 2020).
//! What becomes of its proposals is in `update.rs`.
//!
//! In place of a matrix times a vector it has bilinear maps `bi_W(Z) = W^T Z W`, which keep symmetry. The direction
//! network is two cells of ordinary gates and a last bilinear map:
//!
//! ```text
//!     f, i, o = sigmoid(bi_Wx(Z) + bi_Wh(H)),   g = tanh(bi_Wx(Z) + bi_Wh(H))
//!     C+ = f o C + i o g,   H+ = o o tanh(C+)
//!     n^ = bi_Wp(H2)
//! ```
//!
//! The step network has rectified gates that are *added*, and a map of its own for the output of a cell:
//!
//! ```text
//!     f, i, o, g = relu(bi_Wx(Z) + bi_Wh(H)),   C+ = f + C + i + g,   H+ = o + relu(bi_Wc(C+))
//!     x^ = l2^T relu(L1 vec(H2) + b1) + b2
//! ```
//!
//! Both read one state; the next one is the product, entry by entry, of what the two would make of it.

use crate::each::{MatrixRule, RuleState, RuleVars};
use crate::layers::{Cell, CellStates, CellStatesVars, CellVars, blank_cell, cell, gates, orthogonal, shared, uniform};
use crate::optimizer::number;
use crate::update::{Proposal, StepForm, Update};
use pullback::{Axis, Batch, Scalar, Shape, Var};
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::marker::PhantomData;

pullback::leaves! {
    /// The network that proposes a direction: `17 d²` numbers.
    #[derive(Debug, Clone, PartialEq)]
    pub struct RmmDirection<T: Scalar = f64> as RmmDirectionVars {
        /// Reads the gradient.
        cell1: Cell<T>,
        /// Reads the first cell.
        cell2: Cell<T>,
        /// `Wp`
        head: Batch<T>,
    }
}

pullback::leaves! {
    /// The network that proposes a step size: `18 d² + hidden (d² + 2) + 1` numbers, and `d²` more with a head.
    #[derive(Debug, Clone, PartialEq)]
    pub struct RmmStep<T: Scalar = f64> as RmmStepVars {
        /// Reads the gradient.
        cell1: Cell<T>,
        /// `Wc` of the first cell.
        out1: Batch<T>,
        /// Reads the first cell.
        cell2: Cell<T>,
        /// `Wc` of the second cell.
        out2: Batch<T>,
        /// `W0`, if the options ask for it: then `relu(bi_W0(H2))` stands for `H2`.
        head: Vec<Batch<T>>,
        /// `L1`, `hidden x d²`.
        weight1: Batch<T>,
        /// `b1`
        bias1: Batch<T>,
        /// `l2^T`
        weight2: Batch<T>,
        /// `b2`
        bias2: Batch<T>,
    }
}

pullback::leaves! {
    /// All parameters: `35 d² + hidden (d² + 2) + 1` numbers, and `d²` more with a head.
    #[derive(Debug, Clone, PartialEq)]
    pub struct RmmParams<T: Scalar = f64> as RmmVars {
        /// The direction.
        direction: RmmDirection<T>,
        /// The step size.
        step: RmmStep<T>,
    }
}

/// The shape of an [`Rmm`] and its choices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RmmOptions {
    /// Rows and columns of a point.
    pub d: usize,
    /// Width of the step network's linear layers: 25 in the papers' code.
    pub hidden: usize,
    /// Is each matrix of the state brought to norm one after a step? The code of GF-RMM does so, that of RMM does not.
    pub normalise_state: bool,
    /// Does `relu(bi_W0(H2))` stand before the step network's linear layers? In the code of GF-RMM, not in that of RMM.
    pub head: bool,
    /// Does a fresh network propose nothing?
    pub start_as_descent: bool,
}

impl RmmOptions {
    /// For `d x d` matrices: the network of the paper, with states of norm one, that proposes nothing at first.
    pub fn new(d: usize) -> Self {
        RmmOptions { d, hidden: 25, normalise_state: true, head: false, start_as_descent: true }
    }

    /// As the code of RMM.
    pub fn paper(d: usize) -> Self {
        RmmOptions { normalise_state: false, start_as_descent: false, ..RmmOptions::new(d) }
    }

    /// As the code of GF-RMM on positive definite matrices.
    pub fn gradient_free(d: usize) -> Self {
        RmmOptions { head: true, start_as_descent: false, ..RmmOptions::new(d) }
    }

    /// How many parameters there are.
    pub fn parameter_count(&self) -> usize {
        self.checked_count().unwrap_or(usize::MAX)
    }

    pub(crate) fn checked_count(&self) -> Option<usize> {
        let square = self.d.checked_mul(self.d)?;
        let layer = square.checked_add(2)?.checked_mul(self.hidden)?;
        square.checked_mul(35 + usize::from(self.head))?.checked_add(layer)?.checked_add(1)
    }
}

/// The matrix LSTM for symmetric matrices.
#[derive(Clone, PartialEq)]
pub struct Rmm<T: Scalar = f64> {
    options: RmmOptions,
    scalar: PhantomData<T>,
}

/// The scalar is part of the type and not of what is printed.
impl<T: Scalar> fmt::Debug for Rmm<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rmm").field("options", &self.options).finish()
    }
}

impl Rmm {
    /// The network with these options; it has no parameters of its own.
    pub fn new(options: RmmOptions) -> Self {
        Rmm { options, scalar: PhantomData }
    }
}

impl<T: Scalar> Rmm<T> {
    /// The same on numbers of another scalar: `Rmm::new(options).over::<f32>()` computes in single precision.
    pub fn over<U: Scalar>(self) -> Rmm<U> {
        Rmm { options: self.options, scalar: PhantomData }
    }

    /// Its options.
    pub fn options(&self) -> &RmmOptions {
        &self.options
    }

    /// Sets the output layers so that the network proposes nothing.
    pub fn zero_outputs(&self, update: &Update, params: &mut RmmParams<T>) {
        let RmmStep { weight2, bias2, .. } = &mut params.step;
        for b in [&mut params.direction.head, weight2, bias2] {
            b.data_mut().fill(T::zero());
        }
        if update.step != StepForm::Exp {
            bias2.data_mut()[0] = T::one();
        }
    }

    pub(crate) fn blank(&self) -> RmmParams<T> {
        let RmmOptions { d, hidden, head, .. } = self.options;
        let z = |rows, cols| Batch::zeros(Shape::mat(rows, cols));
        RmmParams {
            direction: RmmDirection { cell1: blank_cell(d), cell2: blank_cell(d), head: z(d, d) },
            step: RmmStep {
                cell1: blank_cell(d),
                out1: z(d, d),
                cell2: blank_cell(d),
                out2: z(d, d),
                head: (0..usize::from(head)).map(|_| z(d, d)).collect(),
                weight1: z(hidden, d * d),
                bias1: z(hidden, 1),
                weight2: z(1, hidden),
                bias2: z(1, 1),
            },
        }
    }
}

/// `W^T Z W`
fn bilinear<'t, T: Scalar>(w: Var<'t, T>, z: Var<'t, T>) -> Var<'t, T> {
    w.t_mul(z) * w
}

/// `[bi_Wf(Z); bi_Wi(Z); bi_Wo(Z); bi_Wg(Z)]` for `W = [Wf Wi Wo Wg]`.
fn four<'t, T: Scalar>(w: Var<'t, T>, z: Var<'t, T>) -> Var<'t, T> {
    let d = z.rows();
    let left = w.t_mul(z);
    let gate = |k: usize| left.row_range(k * d, d) * w.column_range(k * d, d);
    Var::concat(&[gate(0), gate(1), gate(2), gate(3)], Axis::Rows)
}

/// A cell of the direction network.
fn closing<'t, T: Scalar>(
    w: &CellVars<'t, T>,
    z: Var<'t, T>,
    h: Var<'t, T>,
    c: Var<'t, T>,
) -> (Var<'t, T>, Var<'t, T>) {
    gates(four(w.x, z) + four(w.h, h), c)
}

/// A cell of the step network, whose gates are added.
fn adding<'t, T: Scalar>(
    w: &CellVars<'t, T>,
    out: Var<'t, T>,
    z: Var<'t, T>,
    h: Var<'t, T>,
    c: Var<'t, T>,
) -> (Var<'t, T>, Var<'t, T>) {
    let d = c.rows();
    let open = (four(w.x, z) + four(w.h, h)).relu();
    let gate = |k: usize| open.row_range(k * d, d);
    let c = gate(0) + c + gate(1) + gate(3);
    (gate(2) + bilinear(out, c).relu(), c)
}

impl<T: Scalar> MatrixRule<T> for Rmm<T> {
    type Params = RmmParams<T>;
    type State = CellStates<T>;

    fn name(&self) -> String {
        format!("matrix LSTM for {0}x{0}", self.options.d)
    }

    fn init(&self, update: &Update, rng: &mut dyn Rng) -> RmmParams<T> {
        let RmmOptions { d, hidden, head, .. } = self.options;
        let direction = RmmDirection { cell1: cell(d, rng), cell2: cell(d, rng), head: orthogonal(d, rng) };
        let step = RmmStep {
            cell1: cell(d, rng),
            out1: orthogonal(d, rng),
            cell2: cell(d, rng),
            out2: orthogonal(d, rng),
            head: (0..usize::from(head)).map(|_| orthogonal(d, rng)).collect(),
            weight1: uniform(Shape::mat(hidden, d * d), d * d, rng),
            bias1: uniform(Shape::mat(hidden, 1), d * d, rng),
            weight2: uniform(Shape::mat(1, hidden), hidden, rng),
            bias2: uniform(Shape::SCALAR, hidden, rng),
        };
        let mut params = RmmParams { direction, step };
        if self.options.start_as_descent {
            self.zero_outputs(update, &mut params);
        }
        params
    }

    fn begin(&self, matrix: Shape) -> CellStates<T> {
        CellStates::zeros(matrix)
    }

    /// The network sees the symmetric part of the gradient.
    ///
    /// # Panics
    /// If points are not `d x d`.
    #[track_caller]
    fn propose<'t>(
        &self,
        phi: &RuleVars<'t, Self, T>,
        g: Var<'t, T>,
        _: &Update,
        state: &RuleState<'t, Self, T>,
    ) -> (Proposal<'t, T>, CellStatesVars<'t, T>) {
        let (shape, d) = (g.shape(), self.options.d);
        assert_eq!((shape.rows, shape.cols), (d, d), "this network is for points of {d}x{d}");
        let z = g.sym();
        let net = &phi.direction;
        let (h1, c1) = closing(&net.cell1, z, state.h1, state.c1);
        let (h2, c2) = closing(&net.cell2, h1, state.h2, state.c2);
        let direction = bilinear(net.head, h2);
        let a = [h1, c1, h2, c2];

        let net = &phi.step;
        let (h1, c1) = adding(&net.cell1, net.out1, z, state.h1, state.c1);
        let (h2, c2) = adding(&net.cell2, net.out2, h1, state.h2, state.c2);
        let seen = net.head.first().map_or(h2, |w| bilinear(*w, h2).relu());
        let h = (net.weight1 * seen.reshape_batch(Shape::mat(shape.each(), shape.batch)) + net.bias1).relu();
        let x = (net.weight2 * h + net.bias2).reshape_batch(number(shape));
        let next = shared(a, [h1, c1, h2, c2], |s| s, self.options.normalise_state);
        (Proposal { direction, number: Some(x) }, next)
    }
}
