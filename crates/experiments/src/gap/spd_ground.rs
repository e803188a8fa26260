//! The equivariant optimiser on positive definite matrices: trained on centres of random matrices and judged on
//! covariances of textures, on random matrices of another kind, on distances that are not squared, and on twice the
//! order. Subspaces and frames are in `training.rs` and `mod.rs`.

use super::args::EquivariantArgs;
use super::centres::{self, Moved};
use super::contest::{Family, Pupil};
use super::families::{self, Planned};
use super::losses::Loss;
use super::opponents::{FAR, Scene, lbfgs_options, plain_lbfgs};
use super::problems::{Place, Problems, in_the_metric_at};
use super::report::{Goal, Long};
use super::training::{Found, LEAST, LOOK_AT, Looks, NOISE, NOISY, follow};
use super::{LONG, Length, runs};
use crate::clustering;
use crate::course::Course;
use crate::covariances::{Covariances, ORDER};
use crate::error::Result;
use crate::files::named;
use crate::ranks::Crew;
use pullback::{Axis, Batch, Shape, Tape, Var};
use pullback_learned::{EquivariantOptions, Member, Split, Task};
use pullback_manifolds::{Egrad, SpdRetraction, gaussian, rng};
use rand::{Rng, RngExt};

/// What is trained on, in words.
pub(crate) const PRACTISED: &str = "centres of random positive definite matrices";

/// Pairs of matrices of a problem of the training.
const PAIRS: usize = 6;
/// How far they are from their centre, uniform in the logarithm, and the logarithm of their unit, to either side.
const SPREAD: (f64, f64) = (0.3, 3.0);
const UNIT: f64 = 6.0;
/// What a random point has above the optimum where the unit is 1, about.
const NEAR: f64 = 3.0;
/// After how many steps methods are judged: whole gradients come to centres within some tens.
const JUDGED: [usize; 3] = [5, 10, 30];

/// Problems by number: the centre of `e^u exp(S_i)` and `e^u exp(-S_i)`, which is `e^u I`. What commutes with
/// congruences needs no others to learn from.
#[derive(Debug)]
struct Pairs {
    place: Place,
}

/// What a cost needs.
struct Drawn {
    loss: Loss,
    /// Directions of the disturbances, and their sizes; none for the outer loss.
    noise: Option<(Batch, Batch)>,
    /// The lowest loss and what a random point has above it.
    best: Batch,
    typical: Batch,
}

/// A problem: inverse square roots of its matrices, the noise of its gradients, the lowest loss, and what a random
/// point has above it.
struct Instance {
    whiteners: Batch,
    noise: f64,
    best: f64,
    typical: f64,
}

impl Pairs {
    fn instance(&self, number: u64) -> Instance {
        let rng = &mut rng(number);
        let n = self.place.n;
        let mut between = |(low, high): (f64, f64)| low * (high / low).powf(rng.random::<f64>());
        let (spread, noise) = (between(SPREAD), between(NOISE));
        let unit: f64 = rng.random_range(-UNIT..UNIT);
        let noisy = rng.random::<f64>() < NOISY;
        let tape = Tape::plain();
        let s = tape.constant(&gaussian(Shape::batch(PAIRS, n, n), rng)).sym() * (spread / n as f64);
        let (half, by) = (s * 0.5, (-0.5 * unit).exp());
        let whiteners = Var::concat(&[half.expm_sym(), (-half).expm_sym()], Axis::Batch) * by;
        let best = s.dot(s).sum_batch().scalar() / PAIRS as f64;
        let typical = n as f64 * unit * unit + NEAR;
        Instance { whiteners: whiteners.value(), noise: if noisy { noise } else { 0.0 }, best, typical }
    }
}

impl Task for Pairs {
    type Data = Drawn;

    fn instance(&self, rng: &mut dyn Rng) -> u64 {
        rng.random()
    }

    fn sample(&self, split: Split, members: &[Member]) -> Drawn {
        let (n, count) = (self.place.n, members.len());
        let all: Vec<Instance> = members.iter().map(|m| Pairs::instance(self, m.instance)).collect();
        let number = |f: &dyn Fn(&Instance) -> f64| {
            Batch::from_slice(Shape::batch(count, 1, 1), &all.iter().map(f).collect::<Vec<f64>>())
        };
        let noise = (split == Split::Train && all.iter().any(|i| i.noise > 0.0)).then(|| {
            let one = |m: &Member| gaussian::<f64>(Shape::mat(n, n), &mut m.key.rng()).data().to_vec();
            let data: Vec<f64> = members.iter().flat_map(one).collect();
            (Batch::from_slice(Shape::batch(count, n, n), &data), number(&|i| i.noise))
        });
        let data: Vec<f64> = all.iter().flat_map(|i| i.whiteners.data().iter().copied()).collect();
        let whiteners = Batch::from_slice(Shape::batch(2 * PAIRS * count, n, n), &data);
        let loss = Loss::Centres { whiteners, each: 2 * PAIRS, delta: None };
        Drawn { loss, noise, best: number(&|i| i.best), typical: number(&|i| i.typical) }
    }

    fn cost<'t>(&self, x: &[Var<'t>], d: &Drawn) -> Var<'t> {
        let (x, m) = (x[0], self.place.manifold.as_ref());
        let cost = d.loss.of(x);
        let Some((z, noise)) = &d.noise else { return cost };
        let e = x.grad(|x| d.loss.of(x).sum_batch());
        let g = m.egrad_to_rgrad(&[x], Egrad(&[e])).0;
        let size = m.inner(&[x], &g, &g).sqrt().hadamard(noise);
        cost + x.dot(in_the_metric_at(x, x.tape().constant(z))).hadamard(size.stop_gradient())
    }

    /// The logarithm to base 10 of what is left, in units of what a random point has.
    fn outer<'t>(&self, x: &[Var<'t>], d: &Drawn) -> Var<'t> {
        let t = x[0].tape();
        let above = d.loss.of(x[0]) - t.constant(&d.best);
        (above.elem_div(t.constant(&d.typical)).max(0.0) + LEAST).ln() * std::f64::consts::LOG10_E
    }
}

/// Where training and judging happen.
#[derive(Debug)]
pub(crate) struct SpdGround {
    task: Pairs,
    data: Covariances,
    quick: bool,
}

impl SpdGround {
    pub(crate) fn new(args: &EquivariantArgs) -> Result<Self> {
        let place = Place::spd(ORDER, SpdRetraction::Exponential);
        let data = clustering::load(named(args.data.as_deref()).as_deref())?;
        Ok(SpdGround { task: Pairs { place }, data, quick: args.quick })
    }

    pub(crate) fn place(&self) -> &Place {
        &self.task.place
    }

    /// The options with which the optimiser of zeros, which is L-BFGS, is the best of those that opponents are tuned
    /// on, on random matrices: training begins there.
    fn options(&self, looked: &Problems) -> EquivariantOptions {
        let all = lbfgs_options(Scene { quick: self.quick, unit: 1.0, longer: FAR });
        let methods: Vec<_> = all.iter().map(|o| plain_lbfgs(o.clone())).collect();
        let best = all[runs::tune(&methods, looked, JUDGED[1]).which].clone();
        EquivariantOptions { conjugate: true, ..best }
    }

    /// Trains one from a seed.
    pub(crate) fn train(&self, course: &Course, seed: u64, crew: &mut Crew) -> Result<Option<Found>> {
        let looked = [centres::random(self.place(), 1.0, LOOK_AT, 77)?];
        let options = self.options(&looked[0]);
        let looks = Looks { problems: &looked, after: [JUDGED[0], JUDGED[1]] };
        follow(&self.task, self.place(), options, &looks, (course, seed), crew)
    }

    /// Everything that is judged, and what is left on textures after very many steps.
    pub(crate) fn families(
        &self,
        args: &EquivariantArgs,
        length: &Length,
        pupils: &[Pupil],
    ) -> Result<(Vec<Family>, Long)> {
        let seed = |k: u64| args.seed.wrapping_mul(64).wrapping_add(k);
        let (starts, others, tuning) = (length.starts, length.others, length.tuning);
        let (place, data) = (self.place(), &self.data);
        let large = place.of_order(2 * ORDER);
        let textures = |moved, count, k| centres::textures(place, &data.train, data.classes, moved, count, seed(k));
        let random = |place: &Place, count, k| centres::random(place, 1.0, count, seed(k));
        let robust = |count, k| centres::robust(place, &data.train, data.classes, count, seed(k));
        let textured = |count, k| textures(Moved::Rotated, count, k);
        let stretched = |count, k| textures(Moved::Stretched(10.0), count, k);
        let (alike, larger) = (|count, k| random(place, count, k), |count, k| random(&large, count, k));
        let planned = vec![
            Planned {
                name: "textures",
                title: "Covariances of textures, never seen, each problem rotated",
                draw: &textured,
                judged: (starts, 1),
                tuning: (tuning, 2),
                goals: Goal::per_gradient(),
            },
            Planned {
                name: "robust",
                title: "Distances to covariances of textures, not their squares, never seen",
                draw: &robust,
                judged: (starts, 3),
                tuning: (tuning, 4),
                goals: Goal::per_gradient(),
            },
            Planned {
                name: "random",
                title: "Random matrices like those of the training",
                draw: &alike,
                judged: (starts, 5),
                tuning: (tuning, 6),
                goals: vec![],
            },
            Planned {
                name: "large",
                title: "Random matrices of twice the order, 10x10: dimension 55 for 15",
                draw: &larger,
                judged: (others, 7),
                tuning: (tuning.min(4), 8),
                goals: Goal::elsewhere(),
            },
            Planned {
                name: "hundred",
                title: "Covariances of textures with a hundred times the condition number",
                draw: &stretched,
                judged: (others, 9),
                tuning: (tuning, 10),
                goals: Goal::elsewhere(),
            },
        ];
        let home = random(place, 2 * tuning, 12)?;
        let all = families::hold(planned, &args.families, (&home, &JUDGED, args.quick), pupils)?;
        let steps = if args.quick { LONG / 10 } else { LONG };
        let few = textures(Moved::Rotated, others, 11)?;
        Ok((all, Long::new(pupils, &few, steps, "textures")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The point that is said to be the best is, and what is said to be left of a random point is about what is.
    #[test]
    fn the_optimum_of_a_drawn_problem_is_known() {
        let task = Pairs { place: Place::spd(ORDER, SpdRetraction::Exponential) };
        for number in 0..6 {
            let member = Member::list(&[number], 1);
            let d = task.sample(Split::Validation, &member);
            let instance = Pairs::instance(&task, number);
            let unit = ((instance.typical - NEAR) / ORDER as f64).sqrt();
            let above = |log: f64| {
                let x = Batch::from_fn(Shape::mat(ORDER, ORDER), |_, i, j| if i == j { log.exp() } else { 0.0 });
                let tape = Tape::plain();
                d.loss.of(tape.constant(&x)).scalar() - instance.best
            };
            let best = above(unit).min(above(-unit));
            assert!(best.abs() < 1e-10 * instance.best, "{number}: {best}");
            assert!((above(0.0) / (instance.typical - NEAR) - 1.0).abs() < 1e-8);
            for step in [-0.01, 0.01] {
                assert!(above(unit + step).min(above(-unit + step)) > 1e-6);
            }
        }
    }
}
