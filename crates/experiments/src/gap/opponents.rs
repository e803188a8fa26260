//! The opponents of a learned optimiser, each with the grid it is tuned on: all ask for one gradient a step. How they
//! are run and chosen is in `runs.rs`.

use super::methods::{BbFree, Beta, CgFree, Which};
use crate::contest::contenders::Decaying;
use pullback_learned::{Equivariant, EquivariantOptions, Trained};
use pullback_manifolds::rng;
use pullback_optim::{Method, RAdam, Rasa, Rsgd, Schedule};

/// A method with the settings that are tried.
pub(crate) struct Opponent {
    pub(crate) name: &'static str,
    pub(crate) settings: Vec<Box<dyn Method>>,
}

/// The names, in the order of tables.
pub(crate) const GRADIENT: &str = "gradient descent";
pub(crate) const MOMENTUM: &str = "momentum";
pub(crate) const DECAYING: &str = "momentum, decaying";
pub(crate) const BB: &str = "Barzilai-Borwein";
pub(crate) const RADAM: &str = "RAdam";
pub(crate) const RASA: &str = "RASA";
pub(crate) const CG: &str = "conjugate gradients, no line search";
pub(crate) const LBFGS: &str = "L-BFGS, tuned";

/// So many numbers from `low` to `high`, their logarithms evenly spaced.
fn grid(low: f64, high: f64, n: usize) -> Vec<f64> {
    pullback_optim::log_grid(low, high, n)
}

/// What grids depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene {
    /// Coarse grids?
    pub(crate) quick: bool,
    /// The largest curvature of a cost is of this order.
    pub(crate) unit: f64,
    /// Lengths of steps are tried these times as long as well.
    pub(crate) longer: &'static [f64],
}

/// Where starts are far from the optimum.
pub(crate) const FAR: &[f64] = &[2.0, 5.0];
/// Where a step turns by less than a right angle however long it is, as with the polar retraction. A first step that
/// long goes to the span of the gradient.
pub(crate) const TURN: &[f64] = &[50.0];

impl Scene {
    /// These lengths, and the longer ones.
    fn lengths(self, near: &[f64]) -> Vec<f64> {
        near.iter().copied().chain(self.longer.iter().flat_map(|by| near.iter().map(move |l| l * by))).collect()
    }
}

/// All of them, with schedules that end after so many steps.
pub(crate) fn all(scene: Scene, steps: usize) -> Vec<Opponent> {
    let Scene { quick, unit, .. } = scene;
    let n = if quick { 5 } else { 8 };
    let betas: &[f64] = if quick { &[0.8, 0.9] } else { &[0.7, 0.85, 0.93] };
    let end = u32::try_from(steps).unwrap_or(u32::MAX);
    let schedules = [Schedule::Cosine { steps: end }, Schedule::Exponential { rate: 0.1f64.powf(1.0 / steps as f64) }];
    let schedules = &schedules[..if quick { 1 } else { 2 }];
    let plain = grid(0.1, 10.0, 2 * n - 1).into_iter().map(|step| boxed(Rsgd { step: step / unit })).collect();
    let (mut momentum, mut decaying, mut radam) = (vec![], vec![], vec![]);
    // Long first steps, which a retraction to the nearest point bounds, pay where a schedule shortens them.
    for step in grid(0.03, 60.0, n + n / 2) {
        let step = step / unit;
        for &beta in betas {
            momentum.push(boxed(Decaying { step, beta, schedule: Schedule::Constant }));
            decaying.extend(schedules.iter().map(|&schedule| boxed(Decaying { step, beta, schedule })));
        }
    }
    for step in grid(0.01, 2.0, n) {
        for &beta2 in if quick { &[0.99][..] } else { &[0.9, 0.99, 0.999] } {
            let both = [Schedule::Cosine { steps: end }, Schedule::Constant];
            for &schedule in &both[..if quick { 1 } else { 2 }] {
                radam.push(boxed(RAdam { beta2, correct_bias: true, schedule, ..RAdam::new(step) }));
            }
        }
    }
    // RASA's directions have entries of about one.
    let rasa = grid(1e-3, 1.0, n).into_iter().map(|step| boxed(Rasa::new(step))).collect();
    vec![
        Opponent { name: GRADIENT, settings: plain },
        Opponent { name: MOMENTUM, settings: momentum },
        Opponent { name: DECAYING, settings: decaying },
        Opponent { name: BB, settings: barzilai_borwein(scene) },
        Opponent { name: RADAM, settings: radam },
        Opponent { name: RASA, settings: rasa },
        Opponent { name: CG, settings: conjugate(scene) },
        Opponent { name: LBFGS, settings: lbfgs(scene) },
    ]
}

fn barzilai_borwein(scene: Scene) -> Vec<Box<dyn Method>> {
    let (mut out, quick) = (vec![], scene.quick);
    for which in [Which::Long, Which::Short, Which::InTurn] {
        for &factor in if quick { &[1.0][..] } else { &[0.7, 1.0, 1.3] } {
            for first in scene.lengths(if quick { &[1.0] } else { &[0.5, 1.0, 1.5] }) {
                for longest in scene.lengths(if quick { &[2.0] } else { &[1.0, 2.0] }) {
                    out.push(boxed(BbFree { which, factor, first, longest }));
                }
            }
        }
    }
    out
}

fn conjugate(scene: Scene) -> Vec<Box<dyn Method>> {
    let (mut out, quick) = (vec![], scene.quick);
    for beta in [Beta::PolakRibiere, Beta::HestenesStiefel, Beta::DaiYuan] {
        for &factor in if quick { &[0.6, 0.9][..] } else { &[0.4, 0.55, 0.7, 0.85, 1.0] } {
            for first in scene.lengths(if quick { &[1.0] } else { &[0.7, 1.4] }) {
                for longest in scene.lengths(if quick { &[2.0] } else { &[1.0, 2.0] }) {
                    out.push(boxed(CgFree { beta, factor, first, longest }));
                }
            }
        }
    }
    out
}

/// L-BFGS without a line search: its initial scaling, its first and its longest step are tuned.
fn lbfgs(scene: Scene) -> Vec<Box<dyn Method>> {
    lbfgs_options(scene).into_iter().map(plain_lbfgs).collect()
}

/// The settings of L-BFGS that are tried.
pub(crate) fn lbfgs_options(scene: Scene) -> Vec<EquivariantOptions> {
    let (mut out, quick) = (vec![], scene.quick);
    for &scale in if quick { &[1.0, 2.0][..] } else { &[1.0, 1.4, 2.0, 2.8] } {
        for first in scene.lengths(if quick { &[1.0, 1.5] } else { &[1.0, 1.5, 2.0] }) {
            for longest in scene.lengths(if quick { &[2.0] } else { &[1.3, 2.0] }) {
                out.push(EquivariantOptions { scale, first, longest, conjugate: false, ..Default::default() });
            }
        }
    }
    out
}

/// The learned optimiser with outputs of zero, which is L-BFGS.
pub(crate) fn plain_lbfgs(options: EquivariantOptions) -> Box<dyn Method> {
    let optimizer = Equivariant::new(options);
    let parameters = optimizer.init(&mut rng(0));
    boxed(Plain(Trained { optimizer, parameters }))
}

fn boxed(m: impl Method + 'static) -> Box<dyn Method> {
    Box::new(m)
}

/// It under a name that says its numbers.
#[derive(Debug)]
struct Plain(Trained<Equivariant>);

impl Method for Plain {
    fn name(&self) -> String {
        let o = self.0.optimizer.options();
        format!("L-BFGS({}, scale {}, first {}, longest {})", o.pairs, o.scale, o.first, o.longest)
    }
    fn state(&self, points: &[pullback::Shape]) -> smallvec::SmallVec<[pullback::Shape; 2]> {
        self.0.state(points)
    }
    fn step<'t>(
        &self,
        m: &dyn pullback_manifolds::Manifold,
        x: &[pullback::Var<'t>],
        rgrad: pullback_manifolds::Rgrad<&[pullback::Var<'t>]>,
        state: &[pullback::Var<'t>],
    ) -> (pullback_manifolds::Parts<'t>, pullback_manifolds::Parts<'t>) {
        self.0.step(m, x, rgrad, state)
    }
}
