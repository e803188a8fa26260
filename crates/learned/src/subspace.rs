//! Subspace adaptation: one small LSTM for the rows and columns of every matrix (*Large-Scale Riemannian
//! Meta-Optimization via Subspace Adaptation*, CVIU 2025). What becomes of its proposals is in `update.rs`.
//!
//! With the gradient `G` of `p x d` that the network sees, times the update's `c`:
//!
//! ```text
//!     a = diag(G G^T),  b = diag(G^T G)          squared norms of rows and of columns
//!     x = clamp(ln(a) / p0, -1, 1)               what the LSTM sees of each row; of each column alike
//!     l = head(LSTM(x)),  l <- l - mean(l) + 1,  l <- max(l, the largest so far)
//!     D = diag(l) G diag(r)
//! ```
//!
//! The LSTM (one number in, two layers of `h`) and the heads (`h` numbers to one) are shared by all rows and columns of
//! all matrices, so nothing depends on their sizes: `12 h² + 22 h + 2` numbers, 5 242 for `h = 20`. Only diagonals are
//! ever made. Heads of zero give `l = r = 1`: gradient descent. Equivariant under permutations of rows and columns.

use crate::each::{MatrixRule, RuleState, RuleVars};
use crate::layers::uniform;
use crate::update::{Kind, Proposal, Update};
use pullback::{Batch, Scalar, Shape, Var};
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::marker::PhantomData;

pullback::leaves! {
    /// A layer of an LSTM on vectors: gates `f`, `i`, `o`, `g`, `h` rows each.
    #[derive(Debug, Clone, PartialEq)]
    pub struct LstmLayer<T: Scalar = f64> as LstmLayerVars {
        /// What meets the input, `4h x inputs`.
        input: Batch<T>,
        /// What meets the hidden state, `4h x h`.
        hidden: Batch<T>,
        /// Added to the first, `1 x 4h`.
        bias1: Batch<T>,
        /// Added to the second, `1 x 4h`. One would do; the papers' code has two, and their count has both.
        bias2: Batch<T>,
    }
}

pullback::leaves! {
    /// From the hidden state of a row or column to its factor.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Head<T: Scalar = f64> as HeadVars {
        /// `1 x h`
        weight: Batch<T>,
        /// A number.
        bias: Batch<T>,
    }
}

pullback::leaves! {
    /// All parameters.
    #[derive(Debug, Clone, PartialEq)]
    pub struct SubspaceParams<T: Scalar = f64> as SubspaceVars {
        /// Sees what goes in.
        layer1: LstmLayer<T>,
        /// Sees the first.
        layer2: LstmLayer<T>,
        /// For rows, and for the whole matrix; none where only columns are adapted.
        rows: Vec<Head<T>>,
        /// For columns; none where they are not adapted.
        columns: Vec<Head<T>>,
    }
}

pullback::leaves! {
    /// What is kept of the rows (or columns) of a matrix: one row for each.
    #[derive(Debug, Clone, PartialEq)]
    pub struct SideState<T: Scalar = f64> as SideStateVars {
        /// `h` numbers each.
        h1: Batch<T>,
        /// `h` numbers each.
        c1: Batch<T>,
        /// `h` numbers each.
        h2: Batch<T>,
        /// `h` numbers each.
        c2: Batch<T>,
        /// The largest factor so far.
        largest: Batch<T>,
    }
}

pullback::leaves! {
    /// What is kept of a matrix.
    #[derive(Debug, Clone, PartialEq)]
    pub struct SubspaceState<T: Scalar = f64> as SubspaceStateVars {
        /// Rows, or the whole matrix as one.
        rows: Vec<SideState<T>>,
        /// Columns.
        columns: Vec<SideState<T>>,
    }
}

/// What is adapted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sides {
    /// Rows and columns: the method of the paper.
    Both,
    /// Rows alone.
    Rows,
    /// Columns alone.
    Columns,
    /// One factor for the matrix, from its squared norm over its size. The factor is `1` plus what the head says, since
    /// the mean over one row would remove all. (The papers' code has a layer here whose size is that of the matrix.)
    Scalar,
}

/// The choices of a [`Subspace`] network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubspaceOptions {
    /// Width of the LSTM.
    pub hidden: usize,
    /// What is adapted.
    pub sides: Sides,
    /// `p0`: logarithms are divided by it.
    pub p0: f64,
    /// Are squared norms means over the entries of a row or column (the code's variant for ResNet50), or sums?
    pub per_entry: bool,
    /// Is the mean of the factors brought to one?
    pub mean_one: bool,
    /// Does a factor never fall? In the papers' code it does not. Not differentiable where it starts to grow.
    pub monotone: bool,
    /// Are the heads of a fresh network zero?
    pub start_as_descent: bool,
}

impl SubspaceOptions {
    /// As in the paper's code, but for the heads, which are zero at first.
    pub fn new(sides: Sides) -> Self {
        SubspaceOptions {
            hidden: 20,
            sides,
            p0: 10.0,
            per_entry: false,
            mean_one: true,
            monotone: true,
            start_as_descent: true,
        }
    }

    /// As the paper's code.
    pub fn paper(sides: Sides) -> Self {
        SubspaceOptions { start_as_descent: false, ..SubspaceOptions::new(sides) }
    }

    /// How many parameters there are: 5 242 for both sides and a width of 20.
    pub fn parameter_count(&self) -> usize {
        self.checked_count().unwrap_or(usize::MAX)
    }

    pub(crate) fn checked_count(&self) -> Option<usize> {
        let (h, (rows, columns)) = (self.hidden, self.heads());
        let lstm = h.checked_mul(h)?.checked_mul(12)?.checked_add(h.checked_mul(20)?)?;
        lstm.checked_add(h.checked_add(1)?.checked_mul(rows + columns)?)
    }

    fn heads(&self) -> (usize, usize) {
        match self.sides {
            Sides::Both => (1, 1),
            Sides::Rows | Sides::Scalar => (1, 0),
            Sides::Columns => (0, 1),
        }
    }
}

/// The network of subspace adaptation.
#[derive(Clone, PartialEq)]
pub struct Subspace<T: Scalar = f64> {
    options: SubspaceOptions,
    scalar: PhantomData<T>,
}

/// The scalar is part of the type and not of what is printed.
impl<T: Scalar> fmt::Debug for Subspace<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subspace").field("options", &self.options).finish()
    }
}

impl Subspace {
    /// The network with these options; it has no parameters of its own.
    pub fn new(options: SubspaceOptions) -> Self {
        Subspace { options, scalar: PhantomData }
    }
}

impl<T: Scalar> Subspace<T> {
    /// The same on numbers of another scalar: `Subspace::new(options).over::<f32>()` computes in single precision.
    pub fn over<U: Scalar>(self) -> Subspace<U> {
        Subspace { options: self.options, scalar: PhantomData }
    }

    /// Its options.
    pub fn options(&self) -> &SubspaceOptions {
        &self.options
    }

    /// Parameters whose blocks `make(shape, inputs)` makes.
    fn with(&self, make: &mut dyn FnMut(Shape, usize) -> Batch<T>) -> SubspaceParams<T> {
        let h = self.options.hidden;
        let mut layer = |inputs: usize| LstmLayer {
            input: make(Shape::mat(4 * h, inputs), h),
            hidden: make(Shape::mat(4 * h, h), h),
            bias1: make(Shape::mat(1, 4 * h), h),
            bias2: make(Shape::mat(1, 4 * h), h),
        };
        let (layer1, layer2) = (layer(1), layer(h));
        let (rows, columns) = self.options.heads();
        let mut head = |_| Head { weight: make(Shape::mat(1, h), h), bias: make(Shape::SCALAR, h) };
        SubspaceParams {
            layer1,
            layer2,
            rows: (0..rows).map(&mut head).collect(),
            columns: (0..columns).map(&mut head).collect(),
        }
    }

    pub(crate) fn blank(&self) -> SubspaceParams<T> {
        self.with(&mut |shape, _| Batch::zeros(shape))
    }

    /// The factors of rows with these squared norms (`b x n x 1`), and what is kept of them.
    fn side<'t>(
        &self,
        phi: &SubspaceVars<'t, T>,
        head: &HeadVars<'t, T>,
        squares: Var<'t, T>,
        s: &SideStateVars<'t, T>,
    ) -> (Var<'t, T>, SideStateVars<'t, T>) {
        let o = &self.options;
        let x = squares.shifted(smallest::<T>()).ln().scaled(1.0 / o.p0).clamp(-1.0, 1.0);
        let (h1, c1) = layer(&phi.layer1, x, s.h1, s.c1);
        let (h2, c2) = layer(&phi.layer2, h1, s.h2, s.c2);
        let l = h2.mul_t(head.weight) + head.bias;
        let l = match o.sides {
            Sides::Scalar => l.shifted(1.0),
            _ if o.mean_one => (l - l.column_sums().scaled(1.0 / l.rows().max(1) as f64)).shifted(1.0),
            _ => l,
        };
        let l = if o.monotone { l.max(s.largest) } else { l };
        (l, SideStateVars { h1, c1, h2, c2, largest: l })
    }
}

/// Added to squared norms, so that the logarithm of a row of zeros exists: it is clamped anyway.
const LEAST: f64 = 1e-60;

/// [`LEAST`], or what single precision has in its place.
fn smallest<T: Scalar>() -> f64 {
    LEAST.max(100.0 * T::min_positive_value().f64())
}

/// A layer on rows: `(H, C)` of `b x n x h`.
fn layer<'t, T: Scalar>(
    w: &LstmLayerVars<'t, T>,
    x: Var<'t, T>,
    h: Var<'t, T>,
    c: Var<'t, T>,
) -> (Var<'t, T>, Var<'t, T>) {
    let sums = x.mul_t(w.input) + w.bias1 + h.mul_t(w.hidden) + w.bias2;
    let n = c.cols();
    let open = sums.column_range(0, 3 * n).sigmoid();
    let gate = |k: usize| open.column_range(k * n, n);
    let c = gate(0).hadamard(c) + gate(1).hadamard(sums.column_range(3 * n, n).tanh());
    (gate(2).hadamard(c.tanh()), c)
}

impl<T: Scalar> MatrixRule<T> for Subspace<T> {
    type Params = SubspaceParams<T>;
    type State = SubspaceState<T>;

    fn name(&self) -> String {
        format!("subspace adaptation ({:?})", self.options.sides).to_lowercase()
    }

    fn kind(&self) -> Kind {
        Kind::Rescaled
    }

    /// All uniform in `±1/sqrt(h)`, as in the paper's code; heads at zero if the network is to start as descent.
    fn init(&self, _: &Update, rng: &mut dyn Rng) -> SubspaceParams<T> {
        let mut params = self.with(&mut |shape, inputs| uniform(shape, inputs, rng));
        if self.options.start_as_descent {
            for head in params.rows.iter_mut().chain(&mut params.columns) {
                head.weight.data_mut().fill(T::zero());
                // Without the mean the factor is the head's own.
                head.bias.data_mut()[0] = if self.options.mean_one { T::zero() } else { T::one() };
            }
            if self.options.sides == Sides::Scalar {
                params.rows[0].bias.data_mut()[0] = T::zero();
            }
        }
        params
    }

    fn begin(&self, matrix: Shape) -> SubspaceState<T> {
        let side = |n: usize| {
            let of = |cols| Batch::zeros(Shape::batch(matrix.batch, n, cols));
            let h = self.options.hidden;
            SideState { h1: of(h), c1: of(h), h2: of(h), c2: of(h), largest: of(1) }
        };
        let one = |n| vec![side(n)];
        let (rows, columns) = match self.options.sides {
            Sides::Both => (one(matrix.rows), one(matrix.cols)),
            Sides::Rows => (one(matrix.rows), vec![]),
            Sides::Columns => (vec![], one(matrix.cols)),
            Sides::Scalar => (one(1), vec![]),
        };
        SubspaceState { rows, columns }
    }

    fn propose<'t>(
        &self,
        phi: &RuleVars<'t, Self, T>,
        g: Var<'t, T>,
        update: &Update,
        state: &RuleState<'t, Self, T>,
    ) -> (Proposal<'t, T>, SubspaceStateVars<'t, T>) {
        let o = &self.options;
        let squares = g.hadamard(g).scaled(update.c * update.c);
        let (p, d) = (g.rows().max(1) as f64, g.cols().max(1) as f64);
        let scaled = |v: Var<'t, T>, n: f64| if o.per_entry { v.scaled(1.0 / n) } else { v };
        let mut next = SubspaceStateVars { rows: vec![], columns: vec![] };
        let mut direction = g;
        if let (Some(head), Some(s)) = (phi.rows.first(), state.rows.first()) {
            let seen = match o.sides {
                Sides::Scalar => squares.sum_each().scaled(1.0 / (p * d)),
                _ => scaled(squares.row_sums(), d),
            };
            let (l, kept) = self.side(phi, head, seen, s);
            direction = direction.hadamard(l);
            next.rows.push(kept);
        }
        if let (Some(head), Some(s)) = (phi.columns.first(), state.columns.first()) {
            let (r, kept) = self.side(phi, head, scaled(squares.column_sums(), p).t(), s);
            direction = direction.hadamard(r.t());
            next.columns.push(kept);
        }
        (Proposal { direction, number: None }, next)
    }
}
