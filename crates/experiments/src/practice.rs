//! What optimisers practise on before a contest: its training examples, a fifth of which is set aside. Who practises,
//! and how, is in `lessons.rs` and `free.rs`.

use crate::contest::objective::{Objective, Part};
use pullback::{Axis, Var};
use pullback_learned::{Member, Split, Task};
use pullback_manifolds::{Egrad, rng};
use rand::{Rng, RngExt};

/// Keeps the weight of a point whose gradient vanishes finite; losses are of the order of one.
const SMALL_GRADIENT: f64 = 1e-3;

/// The examples to learn from, as two tasks: what inner loops descend on, and what is set aside.
pub(crate) struct Practice<'a> {
    pub(crate) inner: &'a dyn Objective,
    pub(crate) aside: &'a dyn Objective,
}

/// Which matrix of a point each member is, and its minibatch; none for what is set aside, which is taken whole.
pub(crate) struct Drawn(pub(crate) Vec<(usize, Option<usize>)>);

impl Practice<'_> {
    fn cost_of<'t>(&self, x: Var<'t>, (kind, lot): (usize, Option<usize>)) -> Var<'t> {
        match lot {
            Some(k) => self.inner.cost_of(x, kind, Part::Minibatch(k)),
            None => self.aside.cost_of(x, kind, Part::All),
        }
    }

    fn each<'t>(
        &self,
        x: Var<'t>,
        drawn: &Drawn,
        cost: impl Fn(Var<'t>, (usize, Option<usize>)) -> Var<'t>,
    ) -> Var<'t> {
        let all: Vec<Var<'t>> = drawn.0.iter().enumerate().map(|(b, d)| cost(x.member(b), *d)).collect();
        Var::concat(&all, Axis::Batch)
    }
}

impl Task for Practice<'_> {
    type Data = Drawn;

    fn instance(&self, rng: &mut dyn Rng) -> u64 {
        rng.random_range(0..self.inner.kinds() as u64)
    }

    fn sample(&self, split: Split, members: &[Member]) -> Drawn {
        let lot = |m: &Member| match split {
            Split::Train => Some(m.key.rng().random_range(0..self.inner.minibatches())),
            Split::Validation => None,
        };
        Drawn(members.iter().map(|m| (m.instance as usize, lot(m))).collect())
    }

    fn cost<'t>(&self, x: &[Var<'t>], drawn: &Drawn) -> Var<'t> {
        self.each(x[0], drawn, |x, d| self.cost_of(x, d))
    }

    /// Every member's loss divided by the norm of its gradient, a constant for derivatives: far and near points teach
    /// with equal weight.
    fn outer<'t>(&self, x: &[Var<'t>], drawn: &Drawn) -> Var<'t> {
        let m = self.inner.manifold();
        self.each(x[0], drawn, |x, d| {
            let e = x.grad(|x| self.cost_of(x, d));
            let g = m.egrad_to_rgrad(&[x], Egrad(&[e]));
            let size = (m.inner(&[x], &g, &g) + SMALL_GRADIENT * SMALL_GRADIENT).sqrt();
            self.cost_of(x, d).elem_div(size.stop_gradient())
        })
    }
}

/// Which part of the training examples is set aside.
pub(crate) const ASIDE: f64 = 0.2;

/// The inner examples for whole points: a point of several matrices at once.
pub(crate) struct Whole<'a> {
    pub(crate) practice: &'a Practice<'a>,
}

impl Task for Whole<'_> {
    type Data = usize;
    fn sample(&self, _: Split, members: &[Member]) -> usize {
        members[0].key.rng().random_range(0..self.practice.inner.minibatches())
    }
    fn cost<'t>(&self, x: &[Var<'t>], lot: &usize) -> Var<'t> {
        self.practice.inner.cost(x[0], Part::Minibatch(*lot))
    }
}

/// A split of `n` examples: those to descend on, and those set aside.
pub(crate) fn set_aside(n: usize, seed: u64) -> (Vec<usize>, Vec<usize>) {
    use rand::seq::SliceRandom;
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(&mut rng(!seed));
    let aside = order.split_off(n - (n as f64 * ASIDE).round() as usize);
    (order, aside)
}
