//! The loop that is timed: principal components on a Grassmann manifold by a generalised matrix LSTM, from one data
//! matrix, judged on another. The same loop stands in `rows_torch.py`.
//!
//! Weights are random, and the network's direction is scaled down to a tenth, so that the loop contracts: else
//! rounding would be amplified until nothing could be compared.

use pullback::{Batch, Leaves, Scalar, Shape, Tape, Var};
use pullback_benches::entries;
use pullback_implicit::Iteration;
use pullback_learned::{Descent, Each, GmLstm, GmLstmOptions, InnerLoop, Member, Split, Task, Trained, Update};
use pullback_manifolds::{Grassmann, Manifold, Retraction, rng};

/// Steps of a loop.
pub(crate) const STEPS: usize = 100;
/// Terms of a series.
pub(crate) const TERMS: usize = 5;
/// Columns of a data matrix.
const SAMPLES: usize = 64;
/// Width of the step network.
const HIDDEN: usize = 32;

type Net<T> = Each<GmLstm<T>>;
pub(crate) type TrainedNet<T> = Trained<Net<T>, T>;

/// The loop at one size.
pub(crate) struct Question<T: Scalar> {
    pub(crate) manifold: Grassmann,
    net: Net<T>,
    /// What steps descend on, and what the outer loss is measured on.
    pub(crate) seen: Batch<T>,
    pub(crate) judged: Batch<T>,
}

/// Samples whose variance falls from coordinate to coordinate.
fn samples<T: Scalar>(p: usize, seed: u64) -> Batch<T> {
    let numbers = entries(p * SAMPLES, seed);
    Batch::from_fn(Shape::mat(p, SAMPLES), |_, i, j| T::of(3.0 * numbers[j * p + i] / (1.0 + i as f64).sqrt()))
}

impl<T: Scalar> Question<T> {
    pub(crate) fn new(p: usize, d: usize) -> Self {
        let options = GmLstmOptions { hidden: HIDDEN, output_scale: 0.1, ..GmLstmOptions::paper(p, d) };
        Question {
            manifold: Grassmann::new(p, d).with(Retraction::Qr),
            net: Each::new(GmLstm::new(options).over(), Update::new(0.05)),
            seen: samples(p, 1),
            judged: samples(p, 2),
        }
    }

    /// The optimiser, with random parameters.
    pub(crate) fn trained(&self) -> TrainedNet<T> {
        Trained::new(self.net.clone(), self.net.init(&mut rng(3)))
    }

    /// A random point, and what moves beside it.
    pub(crate) fn start(&self) -> Vec<Batch<T>> {
        let point: Vec<Batch<T>> = self.manifold.random_point(1, &mut rng(4));
        let beside = InnerLoop::<(), T>::begin(&Descent(self.net.clone()), &[point[0].shape()]);
        [point, beside].concat()
    }

    /// `-|X^T D|² / n`
    fn cost<'t>(x: Var<'t, T>, d: &Batch<T>) -> Var<'t, T> {
        let y = x.t_mul(x.tape().constant(d));
        y.dot(y).scaled(-1.0 / SAMPLES as f64)
    }
}

impl<T: Scalar> Task<T> for Question<T> {
    type Data = ();
    fn sample(&self, _: Split, _: &[Member]) {}
    fn cost<'t>(&self, x: &[Var<'t, T>], (): &()) -> Var<'t, T> {
        Self::cost(x[0], &self.seen)
    }
}

impl<T: Scalar> Iteration for Question<T> {
    type State = Vec<Batch<T>>;
    type Params = <Descent<Net<T>> as InnerLoop<(), T>>::Params;

    fn step<'t>(
        &self,
        _: &'t Tape<T>,
        z: Vec<Var<'t, T>>,
        phi: <Self::Params as Leaves>::Vars<'t>,
        t: usize,
    ) -> Vec<Var<'t, T>> {
        let (x, beside) = z.split_at(1);
        let cost = |x: &[Var<'t, T>]| Self::cost(x[0], &self.seen);
        let (next, kept) = Descent(self.net.clone()).step(&self.manifold, &phi, x, beside, t, &cost, &());
        next.into_iter().chain(kept).collect()
    }

    fn outer<'t>(&self, _: &'t Tape<T>, z: Vec<Var<'t, T>>, _: <Self::Params as Leaves>::Vars<'t>) -> Var<'t, T> {
        Self::cost(z[0], &self.judged)
    }

    fn project<'t>(&self, _: &'t Tape<T>, z: Vec<Var<'t, T>>, mut v: Vec<Var<'t, T>>) -> Vec<Var<'t, T>> {
        v[0] = Manifold::project(&self.manifold, &z[..1], &v[..1])[0];
        v
    }
}
