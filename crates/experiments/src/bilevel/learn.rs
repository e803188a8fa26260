//! The outer problem, solved with one estimator or another: descent with steps of a length that falls to zero, so that
//! only directions count. How estimators compare at one point is elsewhere.

use super::compare::{Named, norm};
use super::tasks::{Score, Task};
use crate::error::Result;
use crate::progress::Stage;
use pullback::Batch;
use pullback_implicit::Sensitivity;
use serde::Serialize;
use std::time::Instant;

/// What learning with an estimator gave.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Learned {
    pub(crate) name: &'static str,
    /// The outer loss at every outer step.
    pub(crate) along: Vec<f64>,
    pub(crate) before: Score,
    pub(crate) after: Score,
    /// Derivatives whose certificate was not sound; all were used.
    pub(crate) unsound: usize,
    pub(crate) seconds: f64,
    /// Why it stopped early.
    pub(crate) failed: Option<String>,
}

/// `phi <- phi - rate (1 - k/n) g / |g|` for `n` outer steps.
pub(crate) fn learn(task: &dyn Task, named: &Named, outer_steps: usize, stage: &Stage) -> Result<Learned> {
    let about = task.about();
    let mut phi = task.parameters();
    let before = task.test(&phi)?;
    let mut out =
        Learned { name: named.name, along: vec![], before, after: before, unsound: 0, seconds: 0.0, failed: None };
    let mut on = Sensitivity::new();
    let clock = Instant::now();
    for k in 0..outer_steps {
        let (problem, start) = (task.problem(k as u64), task.start(k as u64));
        match named.how.estimate(&mut on, &problem, &start, &phi, about.learning) {
            Ok(d) => {
                out.along.push(d.value);
                out.unsound += usize::from(!d.certificate.verdict.is_sound());
                let rate = about.rate * (1.0 - k as f64 / outer_steps as f64);
                phi = moved(&phi, &d.gradient, rate);
            }
            Err(e) => {
                out.failed = Some(e.to_string());
                break;
            }
        }
        stage.advance();
        stage.say(|| format!("{}, outer loss {:.4}", named.name, out.along.last().copied().unwrap_or(f64::NAN)));
    }
    out.seconds = clock.elapsed().as_secs_f64();
    out.after = task.test(&phi)?;
    Ok(out)
}

/// A step of this length against the gradient; none where the gradient vanishes.
fn moved(phi: &Batch, gradient: &Batch, length: f64) -> Batch {
    let n = norm(gradient).max(f64::MIN_POSITIVE);
    let data: Vec<f64> = phi.data().iter().zip(gradient.data()).map(|(p, g)| p - length * g / n).collect();
    Batch::from_slice(phi.shape(), &data)
}
