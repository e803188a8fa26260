//! The optimiser of the optimiser's parameters: descent, Adam and Adamax, and clipping by norm. Nothing else.

use pullback::{Batch, Leaves, Scalar};
use pullback_optim::Numbers;
use serde::{Deserialize, Serialize};

/// Which rule, and its numbers (Kingma & Ba, *Adam: a method for stochastic optimization*, 2015, algorithms 1 and 2).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum OuterRule {
    /// Plain descent.
    Sgd {
        /// The step.
        rate: f64,
    },
    /// Second moments.
    Adam {
        /// The step.
        rate: f64,
    },
    /// Largest moments: what the papers train with.
    Adamax {
        /// The step.
        rate: f64,
    },
}

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Its moments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Outer<T: Scalar> {
    rule: OuterRule,
    first: Numbers<T>,
    second: Numbers<T>,
    steps: i32,
}

impl<T: Scalar> Outer<T> {
    pub(crate) fn new(rule: OuterRule, params: &impl Leaves<Scalar = T>) -> Self {
        let zeros = Numbers(params.shapes().into_iter().map(Batch::zeros).collect());
        Outer { rule, first: zeros.clone(), second: zeros, steps: 0 }
    }

    /// The same moments in another scalar.
    pub(crate) fn over<U: Scalar>(&self) -> Outer<U> {
        let Outer { rule, first, second, steps } = self;
        Outer { rule: *rule, first: in_scalar(first), second: in_scalar(second), steps: *steps }
    }

    /// One step along the gradient, with the rate multiplied by `decay`. Arithmetic is in double precision; what is
    /// kept is rounded to the scalar.
    pub(crate) fn update<P: Leaves<Scalar = T>>(&mut self, params: &P, gradient: &[Batch<T>], decay: f64) -> P {
        self.steps += 1;
        let unbias1 = 1.0 - BETA1.powi(self.steps);
        let unbias2 = 1.0 - BETA2.powi(self.steps);
        let mut leaves = params.batches();
        for (k, leaf) in leaves.iter_mut().enumerate() {
            let (m, v) = (self.first.0[k].data_mut(), self.second.0[k].data_mut());
            for (i, x) in leaf.data_mut().iter_mut().enumerate() {
                let g = gradient[k].data()[i].f64();
                let first = BETA1 * m[i].f64() + (1.0 - BETA1) * g;
                let second = v[i].f64();
                let (second, step) = match self.rule {
                    OuterRule::Sgd { rate } => (second, rate * g),
                    OuterRule::Adam { rate } => {
                        let second = BETA2 * second + (1.0 - BETA2) * g * g;
                        (second, rate * (first / unbias1) / ((second / unbias2).sqrt() + EPSILON))
                    }
                    OuterRule::Adamax { rate } => {
                        let second = (BETA2 * second).max(g.abs() + EPSILON);
                        (second, rate / unbias1 * first / second)
                    }
                };
                (m[i], v[i]) = (T::of(first), T::of(second));
                *x = T::of(x.f64() - decay * step);
            }
        }
        params.rebuild_all(leaves)
    }
}

/// The same numbers in another scalar: exact from single to double precision and back.
pub(crate) fn in_scalar<T: Scalar, U: Scalar>(x: &Numbers<T>) -> Numbers<U> {
    let one = |b: &Batch<T>| {
        let data: Vec<U> = b.data().iter().map(|x| U::of(x.f64())).collect();
        Batch::from_slice(b.shape(), &data)
    };
    Numbers(x.0.iter().map(one).collect())
}

/// The norm over all leaves.
pub(crate) fn norm<T: Scalar>(g: &[Batch<T>]) -> f64 {
    g.iter().flat_map(|b| b.data()).map(|x| x.f64() * x.f64()).sum::<f64>().sqrt()
}

/// Shortens a gradient to at most `limit` and returns its norm before that.
pub(crate) fn clip<T: Scalar>(g: &mut [Batch<T>], limit: Option<f64>) -> f64 {
    let size = norm(g);
    if let Some(limit) = limit
        && size > limit
    {
        let c = limit / size;
        g.iter_mut().flat_map(|b| b.data_mut()).for_each(|x| *x = T::of(x.f64() * c));
    }
    size
}

#[cfg(test)]
mod tests {
    use super::*;
    use pullback::Shape;

    fn number(x: f64) -> Batch {
        Batch::from_slice(Shape::SCALAR, &[x])
    }

    #[test]
    fn the_first_step_has_the_length_of_the_rate_and_the_sign_of_the_gradient() {
        for rule in [OuterRule::Adam { rate: 0.1 }, OuterRule::Adamax { rate: 0.1 }] {
            for g in [1e-3, -50.0] {
                let x = Outer::new(rule, &1.0).update(&1.0, &[number(g)], 1.0);
                assert!((x - (1.0 - 0.1 * g.signum())).abs() < 1e-5, "{rule:?} {x}");
            }
        }
    }

    #[test]
    fn both_rules_are_their_recurrences() {
        // Three steps on g = x, by hand.
        let (mut a, mut b) = (1.0, 1.0);
        let (mut adam, mut adamax) =
            (Outer::new(OuterRule::Adam { rate: 0.1 }, &a), Outer::new(OuterRule::Adamax { rate: 0.1 }, &b));
        let (mut x, mut y) = (1.0f64, 1.0f64);
        let (mut mx, mut vx, mut my, mut uy) = (0.0, 0.0, 0.0, 0.0f64);
        for t in 1..=3 {
            a = adam.update(&a, &[number(a)], 1.0);
            b = adamax.update(&b, &[number(b)], 1.0);
            mx = 0.9 * mx + 0.1 * x;
            vx = 0.999 * vx + 0.001 * x * x;
            x -= 0.1 * mx / (1.0 - 0.9f64.powi(t)) / ((vx / (1.0 - 0.999f64.powi(t))).sqrt() + 1e-8);
            my = 0.9 * my + 0.1 * y;
            uy = (0.999 * uy).max(y.abs() + 1e-8);
            y -= 0.1 / (1.0 - 0.9f64.powi(t)) * my / uy;
            assert!((a - x).abs() < 1e-14 && (b - y).abs() < 1e-14);
        }
    }

    #[test]
    fn clipping_keeps_the_direction() {
        let mut g = [number(3.0), number(-4.0)];
        assert_eq!(clip(&mut g, Some(10.0)), 5.0);
        assert_eq!(clip(&mut g, Some(1.0)), 5.0);
        assert!((g[0].data()[0] - 0.6).abs() < 1e-15 && (g[1].data()[0] + 0.8).abs() < 1e-15);
    }
}
