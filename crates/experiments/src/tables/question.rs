//! The inner problems of the tables: what is minimised, by which network, from where, and the loop as an iteration that
//! can be differentiated. How it is, and what that costs, is not known here.

use pullback::{Axis, Batch, Leaves, Shape, Tape, Var};
use pullback_implicit::Iteration;
use pullback_learned::{InnerLoop, Member, Split, Task};
use pullback_manifolds::Manifold;
use rand::RngExt;

/// Examples of a minibatch, as in the papers.
pub(crate) const MINIBATCH: usize = 64;

/// Draws a minibatch for every member: numbers of examples below `n`.
fn drawn(members: &[Member], n: usize) -> Vec<usize> {
    let draw = |m: &Member| {
        let mut rng = m.key.rng();
        (0..MINIBATCH).map(|_| rng.random_range(0..n)).collect::<Vec<_>>()
    };
    members.iter().flat_map(draw).collect()
}

/// Columns of `from`, in minibatches.
fn columns(from: &Batch, which: &[usize]) -> Batch {
    let rows = from.shape().rows;
    let data: Vec<f64> = which.iter().flat_map(|j| from.data()[j * rows..(j + 1) * rows].iter().copied()).collect();
    Batch::from_slice(Shape::batch(which.len() / MINIBATCH, rows, MINIBATCH), &data)
}

/// Principal components: `|A - X X^T A|² / 64` for images `A` in columns.
pub(crate) struct Components {
    pub(crate) images: Batch,
}

impl Task for Components {
    type Data = Batch;
    fn sample(&self, _: Split, members: &[Member]) -> Batch {
        columns(&self.images, &drawn(members, self.images.shape().cols))
    }
    fn cost<'t>(&self, x: &[Var<'t>], data: &Batch) -> Var<'t> {
        let a = x[0].tape().constant(data);
        let y = x[0].t_mul(a);
        (a.dot(a) - y.dot(y)) * (MINIBATCH as f64).recip()
    }
}

/// An orthogonal classifier: the mean cross-entropy of `X^T A`.
pub(crate) struct Classifier {
    pub(crate) images: Batch,
    /// A 1 in the row of the class.
    pub(crate) marks: Batch,
}

impl Task for Classifier {
    type Data = (Batch, Batch);
    fn sample(&self, _: Split, members: &[Member]) -> (Batch, Batch) {
        let which = drawn(members, self.images.shape().cols);
        (columns(&self.images, &which), columns(&self.marks, &which))
    }
    fn cost<'t>(&self, x: &[Var<'t>], (a, marks): &(Batch, Batch)) -> Var<'t> {
        let tape = x[0].tape();
        let logits = x[0].t_mul(tape.constant(a));
        logits.column_log_softmax().dot(tape.constant(marks)) * -(MINIBATCH as f64).recip()
    }
}

/// Centres of classes: member `b` is the centre of class `b`, and its cost the mean of `|log(W X W)|²` over regions of
/// that class, `W = C^(-1/2)`.
pub(crate) struct Centres {
    /// The matrices `W` of every class.
    pub(crate) classes: Vec<Batch>,
}

impl Task for Centres {
    type Data = Batch;
    fn sample(&self, _: Split, members: &[Member]) -> Batch {
        let one = self.classes[0].shape();
        let size = one.rows * one.cols;
        let mut data = Vec::with_capacity(members.len() * MINIBATCH * size);
        for (b, m) in members.iter().enumerate() {
            let class = &self.classes[b % self.classes.len()];
            let mut rng = m.key.rng();
            for _ in 0..MINIBATCH {
                let k = rng.random_range(0..class.shape().batch);
                data.extend_from_slice(&class.data()[k * size..(k + 1) * size]);
            }
        }
        Batch::from_slice(Shape::batch(members.len() * MINIBATCH, one.rows, one.cols), &data)
    }
    fn cost<'t>(&self, x: &[Var<'t>], data: &Batch) -> Var<'t> {
        let members = x[0].shape().batch;
        let own: Vec<usize> = (0..members * MINIBATCH).map(|i| i / MINIBATCH).collect();
        let (w, centres) = (x[0].tape().constant(data), x[0].gather(Axis::Batch, &own));
        let l = (w * centres * w).logm_spd();
        let squares = l.dot(l).reshape_batch(Shape::batch(members, MINIBATCH, 1));
        squares.sum_each() * (MINIBATCH as f64).recip()
    }
}

/// An inner loop as an iteration: the state is the matrices of the point, then what moves beside them. Step `t` draws
/// its own minibatch when it comes, and the outer loss is measured on another.
pub(crate) struct Inner<'a, L, K> {
    pub(crate) inner: L,
    pub(crate) manifold: &'a dyn Manifold,
    pub(crate) task: &'a K,
    /// Points that are optimised side by side.
    pub(crate) members: usize,
    /// The number of the first step.
    pub(crate) from: usize,
    /// Does one minibatch serve all steps? Then they are one fixed map.
    pub(crate) one_batch: bool,
    pub(crate) seed: u64,
}

impl<L: InnerLoop<K::Data>, K: Task> Inner<'_, L, K> {
    /// What moves beside the starting point, after it.
    pub(crate) fn start(&self, point: Batch) -> Vec<Batch> {
        let beside = self.inner.begin(&[point.shape()]);
        [vec![point], beside].concat()
    }

    fn data(&self, split: Split, number: u64) -> K::Data {
        self.task.sample(split, &Member::list(&vec![0; self.members], self.seed ^ (number << 20)))
    }
}

impl<L: InnerLoop<K::Data>, K: Task> Iteration for Inner<'_, L, K> {
    type State = Vec<Batch>;
    type Params = L::Params;

    fn step<'t>(&self, _: &'t Tape, z: Vec<Var<'t>>, phi: <L::Params as Leaves>::Vars<'t>, t: usize) -> Vec<Var<'t>> {
        let t = self.from + t;
        let data = self.data(Split::Train, if self.one_batch { 1 } else { 1 + t as u64 });
        let (x, beside) = z.split_at(1);
        let (next, kept) = self.inner.step(self.manifold, &phi, x, beside, t, &|x| self.task.cost(x, &data), &data);
        next.into_iter().chain(kept).collect()
    }

    fn outer<'t>(&self, _: &'t Tape, z: Vec<Var<'t>>, _: <L::Params as Leaves>::Vars<'t>) -> Var<'t> {
        let (x, beside) = z.split_at(1);
        let x = self.inner.end(self.manifold, x, beside);
        self.task.outer(&x, &self.data(Split::Validation, 0)).sum()
    }

    fn project<'t>(&self, _: &'t Tape, z: Vec<Var<'t>>, mut v: Vec<Var<'t>>) -> Vec<Var<'t>> {
        let parts = 1 + self.inner.tangents(1).min(v.len() - 1);
        for k in 0..parts {
            v[k] = self.manifold.project(&z[..1], &v[k..=k])[0];
        }
        v
    }
}
