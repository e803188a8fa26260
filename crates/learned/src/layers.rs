//! What several networks are made of: weights of a cell, fresh weights, the ordinary gates. No network lives here.

use pullback::{Batch, Scalar, Shape, Tape, Var};
use pullback_manifolds::gaussian;
use rand::{Rng, RngExt};

pullback::leaves! {
    /// The weights of a cell. The columns of both are the gates `f`, `i`, `o`, `g`, as many columns each as there are
    /// rows.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Cell<T: Scalar = f64> as CellVars {
        /// What meets the input, `p x 4p`.
        x: Batch<T>,
        /// What meets the hidden state, `p x 4p`.
        h: Batch<T>,
    }
}

pullback::leaves! {
    /// The state of two stacked cells, each matrix of the shape of the point.
    #[derive(Debug, Clone, PartialEq)]
    pub struct CellStates<T: Scalar = f64> as CellStatesVars {
        /// `H1`
        h1: Batch<T>,
        /// `C1`
        c1: Batch<T>,
        /// `H2`
        h2: Batch<T>,
        /// `C2`
        c2: Batch<T>,
    }
}

impl<T: Scalar> CellStates<T> {
    pub(crate) fn zeros(shape: Shape) -> Self {
        let z = || Batch::zeros(shape);
        CellStates { h1: z(), c1: z(), h2: z(), c2: z() }
    }
}

/// A uniformly random orthogonal matrix (Mezzadri, *How to generate random matrices from the classical compact groups*,
/// 2007).
pub(crate) fn orthogonal<T: Scalar>(p: usize, rng: &mut dyn Rng) -> Batch<T> {
    Tape::plain().constant(&gaussian(Shape::mat(p, p), rng)).qr().0.value()
}

/// A cell whose gates are random orthogonal matrices.
pub(crate) fn cell<T: Scalar>(p: usize, rng: &mut dyn Rng) -> Cell<T> {
    let mut gates = || {
        let data: Vec<T> = (0..4).flat_map(|_| orthogonal(p, rng).data().to_vec()).collect();
        Batch::from_slice(Shape::mat(p, 4 * p), &data)
    };
    Cell { x: gates(), h: gates() }
}

/// A cell of zeros.
pub(crate) fn blank_cell<T: Scalar>(p: usize) -> Cell<T> {
    Cell { x: Batch::zeros(Shape::mat(p, 4 * p)), h: Batch::zeros(Shape::mat(p, 4 * p)) }
}

/// Numbers uniform in `±1 / sqrt(inputs)`.
pub(crate) fn uniform<T: Scalar>(shape: Shape, inputs: usize, rng: &mut dyn Rng) -> Batch<T> {
    let r = 1.0 / (inputs as f64).sqrt();
    Batch::from_fn(shape, |_, _, _| T::of(r * (2.0 * rng.random::<f64>() - 1.0)))
}

/// `(H, C)` from the sums `[f; i; o; g]` that enter the gates, each of `p` rows:
/// `C+ = sigmoid(f) o C + sigmoid(i) o tanh(g)`, `H+ = sigmoid(o) o tanh(C+)`.
pub(crate) fn gates<'t, T: Scalar>(sums: Var<'t, T>, c: Var<'t, T>) -> (Var<'t, T>, Var<'t, T>) {
    let p = c.rows();
    let open = sums.row_range(0, 3 * p).sigmoid();
    let gate = |k: usize| open.row_range(k * p, p);
    let g = sums.row_range(3 * p, p).tanh();
    let c = gate(0).hadamard(c) + gate(1).hadamard(g);
    (gate(2).hadamard(c.tanh()), c)
}

/// The state that two networks share: the product of what each would make of it, entry by entry, brought to norm one if
/// asked for. `shaped` gives a product the shape of the state.
pub(crate) fn shared<'t, T: Scalar>(
    a: [Var<'t, T>; 4],
    b: [Var<'t, T>; 4],
    shaped: impl Fn(Var<'t, T>) -> Var<'t, T>,
    normalise: bool,
) -> CellStatesVars<'t, T> {
    let one = |k: usize| {
        let s = shaped(a[k].hadamard(b[k]));
        if normalise { s.elem_div(s.dot(s).shifted(crate::optimizer::TINY).sqrt()) } else { s }
    };
    CellStatesVars { h1: one(0), c1: one(1), h2: one(2), c2: one(3) }
}
