//! Estimators beside the truth: the derivative of a long, exact unroll, itself held against finite differences. What
//! the problem is, and what is learned with an estimator, is not known here.

use super::problem::Problem;
use super::tasks::Task;
use crate::error::{Result, during};
use pullback::Batch;
use pullback_implicit::linear::Method;
use pullback_implicit::{Estimate, Estimator, Evolution, Implicit, Sensitivity, agreement};
use pullback_manifolds::{gaussian, rng};
use serde::Serialize;
use std::time::Instant;

/// The step of finite differences, and how many directions.
const H: f64 = 1e-4;
const DIRECTIONS: u64 = 3;

/// An estimator with the name that tables give it.
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) how: Box<dyn Estimate<Problem>>,
}

fn named(name: &'static str, how: impl Estimate<Problem> + 'static) -> Named {
    Named { name, how: Box::new(how) }
}

/// All of them.
pub(crate) fn estimators(seed: u64) -> Vec<Named> {
    vec![
        named("one step", Estimator::OneStep),
        named("series, K = 5", Estimator::FixedPoint { terms: 5 }),
        named("series, K = 20", Estimator::FixedPoint { terms: 20 }),
        named("series, K = 100", Estimator::FixedPoint { terms: 100 }),
        named("implicit, solved", Implicit::new::<f64>()),
        named("implicit, GMRES", Implicit::new::<f64>().method(Method::Gmres { restart: 40 })),
        named("last 10 steps", Estimator::Truncated { steps: 10 }),
        named("full unroll", Estimator::Unroll),
        named("checkpointed unroll", Estimator::Checkpointed { snapshots: None }),
        named("AAAI 2022 as printed", Estimator::IrmmPaper { terms: 5 }),
        named("AAAI 2022 as coded", Estimator::IrmmCode { terms: 5, alpha: 0.1 }),
        named("evolution, 50 pairs", Evolution::antithetic(50, 0.01, seed)),
    ]
}

/// The truth and how far it is to be trusted.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Truth {
    #[serde(skip)]
    pub(crate) gradient: Batch,
    pub(crate) value: f64,
    pub(crate) length: f64,
    pub(crate) steps: usize,
    /// How far the last step moved, relative to the point.
    pub(crate) motion: f64,
    /// The largest difference to finite differences along random directions, relative to the length.
    pub(crate) differences: f64,
}

/// An estimator beside the truth.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Compared {
    pub(crate) name: &'static str,
    pub(crate) steps: usize,
    pub(crate) cosine: f64,
    /// Relative to the truth.
    pub(crate) error: f64,
    /// What the certificate says of that error, relative to the truth as well.
    pub(crate) own: Option<f64>,
    pub(crate) verdict: String,
    pub(crate) sound: bool,
    pub(crate) products: usize,
    pub(crate) bytes: usize,
    pub(crate) seconds: f64,
    /// Why there is no number.
    pub(crate) failed: Option<String>,
}

/// The derivative at the end of a long loop.
pub(crate) fn truth(task: &dyn Task, seed: u64) -> Result<Truth> {
    let (problem, start, phi) = (task.problem(0), task.start(0), task.parameters());
    let steps = task.about().reference;
    let failed = during("the long unroll of a bilevel task");
    let how = Estimator::Checkpointed { snapshots: Some(40) };
    let found = Sensitivity::new().derivative(&problem, &start, &phi, steps, how).map_err(&failed)?;
    let end = problem.run(&start, &phi, steps).map_err(during("the long loop of a bilevel task"))?;
    let length = norm(&found.gradient);
    let mut differences = 0.0f64;
    for k in 0..DIRECTIONS {
        let z: Batch = gaussian(phi.shape(), &mut rng(seed ^ (100 + k)));
        let n = norm(&z);
        let at = |h: f64| {
            let data: Vec<f64> = phi.data().iter().zip(z.data()).map(|(p, z)| p + h * z / n).collect();
            problem.run(&start, &Batch::from_slice(phi.shape(), &data), steps).map(|e| e.value)
        };
        let up = at(H).map_err(during("finite differences"))?;
        let down = at(-H).map_err(during("finite differences"))?;
        let slope: f64 = found.gradient.data().iter().zip(z.data()).map(|(g, z)| g * z / n).sum();
        differences = differences.max(((up - down) / (2.0 * H) - slope).abs() / length);
    }
    Ok(Truth { gradient: found.gradient, value: found.value, length, steps, motion: end.motion, differences })
}

/// The length of a matrix.
pub(crate) fn norm(b: &Batch) -> f64 {
    b.data().iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// One estimator after so many steps.
pub(crate) fn compare(task: &dyn Task, truth: &Truth, named: &Named, steps: usize) -> Compared {
    let (problem, start, phi) = (task.problem(0), task.start(0), task.parameters());
    let mut on = Sensitivity::new();
    let clock = Instant::now();
    let found = named.how.estimate(&mut on, &problem, &start, &phi, steps);
    let seconds = clock.elapsed().as_secs_f64();
    let failed = |why: String| Compared {
        name: named.name,
        steps,
        cosine: f64::NAN,
        error: f64::NAN,
        own: None,
        verdict: "failed".into(),
        sound: false,
        products: 0,
        bytes: 0,
        seconds,
        failed: Some(why),
    };
    match found {
        Err(e) => failed(e.to_string()),
        Ok(d) => {
            let a = agreement(&d.gradient, &truth.gradient);
            Compared {
                name: named.name,
                steps,
                cosine: a.cosine,
                error: a.relative_error,
                own: d.certificate.error.map(|e| e / truth.length),
                verdict: d.certificate.verdict.to_string(),
                sound: d.certificate.verdict.is_sound(),
                products: d.products,
                bytes: d.bytes,
                seconds,
                failed: None,
            }
        }
    }
}
