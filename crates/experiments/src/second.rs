//! The equivariant optimiser for `pca`: how it is trained on the training digits, and its curves. The other learned
//! optimisers of the command are in `meta.rs`.

use crate::course::Course;
use crate::curves::{Curves, On};
use crate::error::{Result, during};
use crate::gap::training::{LEAST, beginning, how};
use crate::meta::saved;
use crate::ranks::Crew;
use crate::report::TrainedOn;
use crate::task::Pca;
use pullback::{Batch, Var};
use pullback_learned::{Descent, Equivariant, Member, Provenance, Rollout, Split, Task, Trained, Training};
use pullback_manifolds::{Grassmann, Manifold, rng};
use pullback_optim::{Method, Rsgd};
use std::path::Path;

/// Looks in a training, the random starts of each, and after how many steps.
const LOOKS: usize = 12;
const LOOK_AT: usize = 12;
const AFTER: [usize; 2] = [10, 30];

/// The training digits, the same for every member: what commutes with rotations needs none to learn from.
struct Level<'a> {
    pca: &'a Pca,
    moments: Batch,
    /// What random subspaces have above the optimum.
    typical: f64,
}

impl Task for Level<'_> {
    type Data = ();

    fn sample(&self, _: Split, _: &[Member]) {}

    fn cost<'t>(&self, x: &[Var<'t>], (): &()) -> Var<'t> {
        Pca::cost(&self.moments, x[0])
    }

    /// The logarithm to base 10 of the training loss above the optimum, in units of what a random subspace has.
    fn outer<'t>(&self, x: &[Var<'t>], (): &()) -> Var<'t> {
        let left = (self.cost(x, &()) - self.pca.optimum.train) * self.typical.recip();
        (left.max(0.0) + LEAST).ln() * std::f64::consts::LOG10_E
    }
}

/// A trained one, and where it was trained.
#[derive(Debug)]
pub(crate) struct Second {
    trained: Trained<Equivariant>,
    provenance: Provenance,
}

/// A course of so many outer steps.
pub(crate) fn course(steps: usize, folder: &Path, resume: bool) -> Course {
    let (look_every, file) = ((steps / LOOKS).max(1), folder.join("equivariant.training.json"));
    let resume = resume && file.exists();
    Course { name: "equivariant", steps, look_every, save_every: (look_every / 2).max(1), file, resume }
}

/// Trains one. A helper of the crew works for the one that learns, and has nothing to show for it.
pub(crate) fn train(
    pca: &Pca,
    manifold: &Grassmann,
    course: &Course,
    seed: u64,
    crew: &mut Crew,
) -> Result<Option<(Second, TrainedOn)>> {
    let starts = manifold.random_point(LOOK_AT, &mut rng(seed ^ 2)).swap_remove(0);
    let typical = pca.losses(&starts).iter().map(|l| l.train - pca.optimum.train).sum::<f64>() / LOOK_AT as f64;
    let task = Level { pca, moments: Batch::of(&pca.moments), typical };
    let optimizer = Equivariant::new(beginning());
    let params = optimizer.init(&mut rng(seed));
    let of = |params| Second {
        trained: Trained::new(optimizer.clone(), params),
        provenance: Provenance::new(manifold, format!("8x8 digits, seed {seed}")),
    };
    let rsgd = Rsgd { step: 0.0 };
    let methods: [&dyn Method; 1] = [&rsgd];
    let options = how(course.steps, seed);
    let members = options.members;
    let mut training =
        Training::new(Descent(optimizer.clone()), params, manifold, &task, &methods, options).threads(crew.threads());
    if crew.helper().is_some() {
        return crew.help(&mut training).map(|()| None);
    }
    let look = |params: &_| of(Clone::clone(params)).score(pca, manifold, &starts);
    let seen = course.follow(&mut training, crew, &look)?;
    let found = training.best().unwrap_or_else(|| training.into_params());
    let trained = TrainedOn {
        outer_steps: course.steps,
        members,
        gradient_evaluations: 2 * seen.inner_steps + seen.outer_losses + seen.looks * LOOK_AT * AFTER[1],
        dropped: seen.dropped,
        seconds: seen.seconds,
    };
    Ok(Some((of(found), trained)))
}

impl Second {
    /// The mean logarithm of what is left of the training loss above the optimum, at both numbers of steps.
    fn score(&self, pca: &Pca, manifold: &Grassmann, starts: &Batch) -> f64 {
        let Ok(run) = self.curves(pca, manifold, starts, AFTER[1]) else { return f64::INFINITY };
        let left = |t: usize| (run.at(t, On::Train).median - pca.optimum.train).max(LEAST).log10();
        AFTER.into_iter().map(left).sum()
    }

    /// Losses along runs of `steps` steps from the given starts.
    pub(crate) fn curves(&self, pca: &Pca, manifold: &Grassmann, starts: &Batch, steps: usize) -> Result<Curves> {
        let task = Level { pca, moments: Batch::of(&pca.moments), typical: 1.0 };
        let instances = vec![0; starts.shape().batch];
        let mut run = Rollout::new(&self.trained, manifold, &task, std::slice::from_ref(starts), &instances, 0);
        let mut after = vec![pca.losses(starts)];
        for _ in 0..steps {
            let x = run.step().map_err(during("a run of the equivariant optimiser"))?;
            after.push(pca.losses(&x[0]));
        }
        Ok(Curves { after })
    }

    /// How many numbers were learned.
    pub(crate) fn parameter_count(&self) -> usize {
        self.trained.parameter_count()
    }

    /// Writes it as safetensors.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        saved(self.trained.save(path, &self.provenance), path)
    }
}
