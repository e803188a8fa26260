//! How a step size changes from step to step.

use pullback::{Scalar, Var};
use std::fmt;

/// The factor on a step size at step `t`, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Schedule {
    /// 1.
    #[default]
    Constant,
    /// `1 / sqrt t`.
    InverseRoot,
    /// `1 / (1 + decay (t - 1))`: its squares have a finite sum and it has none, which stochastic descent needs to
    /// converge (Robbins & Monro 1951).
    Inverse {
        /// How fast, not negative.
        decay: f64,
    },
    /// `rate^(t - 1)`.
    Exponential {
        /// The factor of one step, in `(0, 1]`.
        rate: f64,
    },
    /// `(1 + cos(pi (t - 1) / steps)) / 2`, which is 0 after so many steps and then stays there.
    Cosine {
        /// How many.
        steps: u32,
    },
}

impl Schedule {
    /// The factor at step `t` as a program: `t` is a number that counts from 1.
    pub fn at<'t, T: Scalar>(&self, t: Var<'t, T>) -> Var<'t, T> {
        let number = |x: f64| t.tape().filled(t.shape(), T::of(x));
        match *self {
            Schedule::Constant => number(1.0),
            Schedule::InverseRoot => t.powf(-0.5),
            Schedule::Inverse { decay } => t.lincomb(decay, number(1.0), 1.0 - decay).recip(),
            Schedule::Exponential { rate } => t.lincomb(rate.ln(), number(1.0), -rate.ln()).exp(),
            Schedule::Cosine { steps } => {
                let part = t.lincomb(1.0, number(1.0), -1.0).min(number(f64::from(steps)));
                let angle = part.lincomb(std::f64::consts::PI / f64::from(steps.max(1)), part, 0.0);
                angle.cos().lincomb(0.5, number(1.0), 0.5)
            }
        }
    }
}

impl Schedule {
    /// The factor at step `t` as a number.
    pub fn factor(&self, t: f64) -> f64 {
        let tape = pullback::Tape::<f64>::plain();
        self.at(tape.constant(&t)).scalar()
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Constant => f.write_str("constant"),
            Schedule::InverseRoot => f.write_str("1/sqrt t"),
            Schedule::Inverse { decay } => write!(f, "1/(1 + {decay} t)"),
            Schedule::Exponential { rate } => write!(f, "{rate}^t"),
            Schedule::Cosine { steps } => write!(f, "cosine over {steps}"),
        }
    }
}
