//! The optimiser of the optimiser's parameters: descent, Adam and Adamax, and clipping by norm. Nothing else.

use pullback::{Batch, Leaves};
use pullback_optim::Numbers;
use serde::{Deserialize, Serialize};

/// Which rule, and its numbers (Kingma & Ba, *Adam: a method for stochastic optimization*, 2015, algorithms 1 and 2).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Rule {
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
pub(crate) struct Outer {
    rule: Rule,
    first: Numbers<f64>,
    second: Numbers<f64>,
    steps: i32,
}

impl Outer {
    pub(crate) fn new(rule: Rule, params: &impl Leaves<Scalar = f64>) -> Self {
        let zeros = Numbers(params.shapes().into_iter().map(Batch::zeros).collect());
        Outer { rule, first: zeros.clone(), second: zeros, steps: 0 }
    }

    /// One step along the gradient, with the rate multiplied by `decay`.
    pub(crate) fn update<P: Leaves<Scalar = f64>>(&mut self, params: &P, gradient: &[Batch], decay: f64) -> P {
        self.steps += 1;
        let unbias1 = 1.0 - BETA1.powi(self.steps);
        let unbias2 = 1.0 - BETA2.powi(self.steps);
        let mut leaves = params.batches();
        for (k, leaf) in leaves.iter_mut().enumerate() {
            let (m, v) = (self.first.0[k].data_mut(), self.second.0[k].data_mut());
            for (i, x) in leaf.data_mut().iter_mut().enumerate() {
                let g = gradient[k].data()[i];
                m[i] = BETA1 * m[i] + (1.0 - BETA1) * g;
                *x -= decay
                    * match self.rule {
                        Rule::Sgd { rate } => rate * g,
                        Rule::Adam { rate } => {
                            v[i] = BETA2 * v[i] + (1.0 - BETA2) * g * g;
                            rate * (m[i] / unbias1) / ((v[i] / unbias2).sqrt() + EPSILON)
                        }
                        Rule::Adamax { rate } => {
                            v[i] = (BETA2 * v[i]).max(g.abs() + EPSILON);
                            rate / unbias1 * m[i] / v[i]
                        }
                    };
            }
        }
        params.rebuild_all(leaves)
    }
}

/// The norm over all leaves.
pub(crate) fn norm(g: &[Batch]) -> f64 {
    g.iter().flat_map(|b| b.data()).map(|x| x * x).sum::<f64>().sqrt()
}

/// Shortens a gradient to at most `limit` and returns its norm before that.
pub(crate) fn clip(g: &mut [Batch], limit: Option<f64>) -> f64 {
    let size = norm(g);
    if let Some(limit) = limit
        && size > limit
    {
        let c = limit / size;
        g.iter_mut().flat_map(|b| b.data_mut()).for_each(|x| *x *= c);
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
        for rule in [Rule::Adam { rate: 0.1 }, Rule::Adamax { rate: 0.1 }] {
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
            (Outer::new(Rule::Adam { rate: 0.1 }, &a), Outer::new(Rule::Adamax { rate: 0.1 }, &b));
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
