//! How the equivariant optimiser is trained: problems drawn without end, each a diagonal of eigenvalues, since what
//! commutes with rotations needs none to learn from. Its opponents, and what it is judged on, are not known here.

use super::problems::{Classes, Place, Problems, eigenvalues, moments_of, spectrum};
use super::runs;
use crate::course::{Course, Seen};
use crate::data::Digits;
use crate::error::Result;
use crate::ranks::Crew;
use pullback::{Batch, Shape, Var};
use pullback_implicit::Estimator;
use pullback_learned::{
    Descent, Equivariant, EquivariantOptions, Horizon, Member, OnSuspect, OuterRule, Split, Task, Trained, Training,
    TrainingOptions, WarmUp,
};
use pullback_manifolds::{gaussian, rng};
use pullback_optim::{Method, Rsgd};
use rand::{Rng, RngExt};

/// Components.
pub(crate) const COMPONENTS: usize = 6;
/// Condition numbers of random spectra, and which part of the problems they are.
pub(crate) const CONDITIONS: (f64, f64) = (5.0, 500.0);
const RANDOM: f64 = 0.4;
/// Which part of the problems has disturbed gradients, and how much, uniform in the logarithm.
pub(crate) const NOISY: f64 = 0.15;
pub(crate) const NOISE: (f64, f64) = (1e-3, 1e-1);
/// Members of a job, of a group, and of the pool.
const MEMBERS: usize = 8;
const GROUP: usize = 2;
const POOL: usize = 48;
/// Inner steps of a job, uniform in the logarithm, and steps of a run before its problem is replaced, about: so
/// few that the first ten steps, which are the hard ones, are seen often.
const WINDOW: (usize, usize) = (4, 24);
const AGE: usize = 24;
/// The first rate of the outer optimiser, and what is left of it in the end.
const RATE: (f64, f64) = (4e-3, 0.05);
/// Below this part of the typical first loss above the optimum progress no longer counts.
pub(crate) const LEAST: f64 = 1e-11;
/// Looks in a run, and the problems of each.
const LOOKS: usize = 12;
pub(crate) const LOOK_AT: usize = 24;

/// Problems by number: `-tr N X^T diag(l) X`, with `N` the identity on subspaces.
#[derive(Debug)]
pub(crate) struct Spectra {
    place: Place,
    /// `N` of frames, in a row.
    weights: Option<Batch>,
    /// Spectra of digits, one for each subset of the classes.
    digits: Vec<Vec<f64>>,
}

impl Spectra {
    /// Random spectra, and those of all subsets of at least two of the classes 0 to 4.
    pub(crate) fn new(place: Place, digits: &Digits) -> Result<Self> {
        let subsets = (0..32u8).filter(|s| s.count_ones() > 1);
        let classes = |s: u8| -> Vec<u8> { (0..5).filter(|c| s >> c & 1 == 1).collect() };
        let digits = subsets.map(|s| eigenvalues(&moments_of(digits, &classes(s))?.0)).collect::<Result<Vec<_>>>()?;
        Ok(Spectra { weights: place.weights(), place, digits })
    }

    /// Where they live.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The eigenvalues of an instance, and how much its gradients are disturbed.
    fn instance(&self, number: u64) -> (Vec<f64>, f64) {
        let rng = &mut rng(number);
        let l = match rng.random::<f64>() < RANDOM {
            true => {
                let condition = CONDITIONS.0 * (CONDITIONS.1 / CONDITIONS.0).powf(rng.random::<f64>());
                spectrum(self.place.n, self.place.p, condition, rng)
            }
            false => self.digits[rng.random_range(0..self.digits.len())].clone(),
        };
        let noisy = rng.random::<f64>() < NOISY;
        let noise = NOISE.0 * (NOISE.1 / NOISE.0).powf(rng.random::<f64>());
        (l, if noisy { noise } else { 0.0 })
    }
}

/// What a cost needs.
pub(crate) struct Lines {
    /// Eigenvalues, a column for each member.
    l: Batch,
    /// The disturbances, a matrix for each member; none for the outer loss.
    noise: Option<Batch>,
    /// The lowest loss and what a random subspace has above it.
    best: Batch,
    typical: Batch,
}

impl Task for Spectra {
    type Data = Lines;

    fn instance(&self, rng: &mut dyn Rng) -> u64 {
        rng.random()
    }

    fn sample(&self, split: Split, members: &[Member]) -> Lines {
        let all: Vec<(Vec<f64>, f64)> = members.iter().map(|m| Spectra::instance(self, m.instance)).collect();
        let count = members.len();
        let number = |f: &dyn Fn(&[f64]) -> f64| -> Batch {
            Batch::from_slice(Shape::batch(count, 1, 1), &all.iter().map(|(l, _)| f(l)).collect::<Vec<f64>>())
        };
        let (n, p) = (self.place.n, self.place.p);
        let weight = |j: usize| self.weights.as_ref().map_or(1.0, |w| w.data()[j]);
        let all_weights: f64 = (0..p).map(weight).sum();
        let top = |l: &[f64]| l[..p].iter().enumerate().map(|(j, l)| weight(j) * l).sum::<f64>();
        let l: Vec<f64> = all.iter().flat_map(|(l, _)| l.iter().copied()).collect();
        let noise = (split == Split::Train && all.iter().any(|(_, noise)| *noise > 0.0)).then(|| {
            let one = |(m, (_, noise)): (&Member, &(Vec<f64>, f64))| {
                let z: Batch = gaussian(Shape::mat(n, p), &mut m.key.rng());
                let scale = noise / z.data().iter().map(|v| v * v).sum::<f64>().sqrt();
                z.data().iter().map(|v| v * scale).collect::<Vec<f64>>()
            };
            let data: Vec<f64> = members.iter().zip(&all).flat_map(one).collect();
            Batch::from_slice(Shape::batch(count, n, p), &data)
        });
        Lines {
            l: Batch::from_slice(Shape::batch(count, n, 1), &l),
            noise,
            best: number(&|l| -top(l)),
            typical: number(&|l| top(l) - all_weights * l.iter().sum::<f64>() / n as f64),
        }
    }

    fn cost<'t>(&self, x: &[Var<'t>], d: &Lines) -> Var<'t> {
        let x = x[0];
        let lx = x.hadamard(x.tape().constant(&d.l));
        let lx = self.weights.as_ref().map_or(lx, |n| lx.hadamard(n));
        let cost = -x.dot(lx);
        let Some(z) = &d.noise else { return cost };
        let g = match self.weights {
            None => (lx - x * x.t_mul(lx)) * 2.0,
            Some(_) => (lx - x * x.t_mul(lx).sym()) * 2.0,
        };
        cost + x.dot(z).hadamard((g.dot(g) + 1e-60).sqrt().stop_gradient())
    }

    /// The logarithm to base 10 of what is left, in units of what a random subspace has.
    fn outer<'t>(&self, x: &[Var<'t>], d: &Lines) -> Var<'t> {
        let t = x[0].tape();
        let above = self.cost(x, d) - t.constant(&d.best);
        (above.elem_div(t.constant(&d.typical)).max(0.0) + LEAST).ln() * std::f64::consts::LOG10_E
    }
}

/// What a training gives.
pub(crate) type Found = (Trained<Equivariant>, Seen);

/// Trains one from a seed. A helper of the crew works for the one that learns, and has nothing to show for it.
pub(crate) fn train(spectra: &Spectra, course: &Course, seed: u64, crew: &mut Crew) -> Result<Option<Found>> {
    let place = &spectra.place;
    let looked = Problems::spectra(place, CONDITIONS, LOOK_AT, 77)?;
    let digits = Problems::digits(place, &Digits::built_in()?, Classes::Seen, true, LOOK_AT, 78)?;
    let looks = Looks { problems: &[looked, digits], after: [10, 30] };
    follow(spectra, place, beginning(), &looks, (course, seed), crew)
}

/// Where training begins: L-BFGS with a first step that goes to the span of the gradient, which is what tuning finds. A
/// step of the polar retraction turns by less than a right angle however long it is.
pub(crate) fn beginning() -> EquivariantOptions {
    EquivariantOptions { first: 50.0, longest: 100.0, ..EquivariantOptions::default() }
}

/// What parameters are chosen for: the mean logarithm of what is left of problems after two numbers of steps.
pub(crate) struct Looks<'a> {
    pub(crate) problems: &'a [Problems],
    pub(crate) after: [usize; 2],
}

impl Looks<'_> {
    fn score(&self, method: &dyn Method) -> f64 {
        let [early, late] = self.after;
        let of = |p: &Problems| {
            let left = runs::run(method, p, late, 0).left;
            runs::mean_log10(&left[early]) + runs::mean_log10(&left[late])
        };
        self.problems.iter().map(of).sum()
    }
}

/// Trains an optimiser with these options on a task from random points.
pub(crate) fn follow<K: Task>(
    task: &K,
    place: &Place,
    options: EquivariantOptions,
    looks: &Looks<'_>,
    (course, seed): (&Course, u64),
    crew: &mut Crew,
) -> Result<Option<Found>> {
    let optimizer = Equivariant::new(options);
    let params = optimizer.init(&mut rng(seed));
    let rsgd = Rsgd { step: 0.0 };
    let methods: [&dyn Method; 1] = [&rsgd];
    let options = how(course.steps, seed);
    let mut training =
        Training::new(Descent(optimizer.clone()), params, place.manifold.as_ref(), task, &methods, options)
            .threads(crew.threads());
    if crew.helper().is_some() {
        return crew.help(&mut training).map(|()| None);
    }
    let look = |params: &_| looks.score(&Trained::new(optimizer.clone(), Clone::clone(params)));
    let seen = course.follow(&mut training, crew, &look)?;
    let params = training.best().unwrap_or_else(|| training.into_params());
    Ok(Some((Trained::new(optimizer, params), seen)))
}

/// How a training of so many outer steps goes.
pub(crate) fn how(steps: usize, seed: u64) -> TrainingOptions {
    let middle = (WINDOW.1 - WINDOW.0) as f64 / (WINDOW.1 as f64 / WINDOW.0 as f64).ln();
    TrainingOptions {
        horizon: Horizon::LogUniform(WINDOW.0, WINDOW.1),
        members: MEMBERS,
        group: GROUP,
        estimator: Estimator::Unroll,
        on_suspect: OnSuspect::Apply,
        freeze_state: false,
        keep_state: true,
        fresh_batches: true,
        outer: OuterRule::Adam { rate: RATE.0 },
        clip_each: Some(1.0),
        clip: None,
        decay: Some((RATE.1.powf(1.0 / steps as f64), 1)),
        capacity: POOL,
        // Random points, as they are.
        warm_up: WarmUp { members: POOL, steps: 0, push_after: 0, push_every: 1 },
        refresh: Some((AGE as f64 * POOL as f64 / (MEMBERS as f64 * middle)).round() as usize),
        seed,
    }
}

/// A course of so many steps.
pub(crate) fn course(steps: usize, file: std::path::PathBuf, resume: bool) -> Course {
    let look_every = (steps / LOOKS).max(1);
    Course { name: "training", steps, look_every, save_every: (look_every / 2).max(1), file, resume }
}

/// Gradients of single points, Hessian products included, that a training took.
pub(crate) fn gradients(seen: &Seen) -> usize {
    2 * seen.inner_steps + seen.outer_losses + seen.looks * 2 * LOOK_AT * 30
}
