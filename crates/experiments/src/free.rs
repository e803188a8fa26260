//! The gradient-free optimiser in a contest: what it practises on, its training, and how it takes part. Other networks
//! are in `lessons.rs`.

use crate::cli::Network;
use crate::contest::contenders::{Contender, Kind, Unit};
use crate::contest::looking::{Shows, Suited, shown_to_all};
use crate::contest::objective::Part;
use crate::error::{Error, Result};
use crate::lessons::{Begin, FIRST, LOOK_AT, Lesson, Pupil, School, WIDTH};
use crate::practice::{Drawn, Practice};
use crate::ranks::Crew;
use pullback::{Batch, Shape, Tape, Var};
use pullback_learned::{
    Blind, Features, FreeRun, GmLstm, GmLstmOptions, GradientFree, Input, Member, OnTangent, Pictures, Rounds,
    SavedFeatures, Split, Task, Update, Weight,
};
use pullback_manifolds::rng;
use rand::{Rng, RngExt};

/// Steps of a round on a tangent space.
pub(crate) const STEPS: usize = 10;
/// What is seen of the examples is as large as the tangent that it is added to.
pub(crate) const WEIGHT: Weight = Weight::OfTangent(1.0);

/// The practice with what is shown of each minibatch.
struct Showing<'a> {
    practice: &'a Practice<'a>,
    shows: &'a dyn Shows,
}

/// Members with their examples; nothing is shown of what is set aside.
struct Shown {
    drawn: Drawn,
    examples: Batch,
}

impl Pictures for Shown {
    fn pictures(&self) -> &Batch {
        &self.examples
    }
}

impl Task for Showing<'_> {
    type Data = Shown;

    fn instance(&self, rng: &mut dyn Rng) -> u64 {
        self.practice.instance(rng)
    }

    fn sample(&self, split: Split, members: &[Member]) -> Shown {
        let drawn = self.practice.sample(split, members);
        let tape = Tape::plain();
        let one = |(kind, lot): &(usize, Option<usize>)| lot.map(|lot| tape.constant(&self.shows.shown(*kind, lot)));
        let all: Option<Vec<Var<'_>>> = drawn.0.iter().map(one).collect();
        let examples = match all {
            Some(all) => Var::concat(&all, pullback::Axis::Batch).value(),
            None => Batch::zeros(Shape::mat(0, 0)),
        };
        Shown { drawn, examples }
    }

    fn cost<'t>(&self, x: &[Var<'t>], data: &Shown) -> Var<'t> {
        self.practice.cost(x, &data.drawn)
    }

    fn outer<'t>(&self, x: &[Var<'t>], data: &Shown) -> Var<'t> {
        self.practice.outer(x, &data.drawn)
    }
}

impl School<'_> {
    /// Trains the gradient-free optimiser with the features that suit the task, or with none.
    pub(crate) fn free(&self, network: Network, begin: Begin, crew: &mut Crew) -> Result<Option<Pupil>> {
        let Some(shows) = self.practice.inner.shows() else {
            let found = "it looks at examples, and this task shows none".to_string();
            return Err(Error::Network { network: network.word(), found });
        };
        let lesson = |name| Lesson { network, name, begin, round: Some(STEPS) };
        match (network, shows.suited()) {
            (Network::GradientFreeBlind, _) => self.free_with(Blind, shows, lesson("gradient-free, blind"), crew),
            (_, Suited::Labelled(features)) => self.free_with(features, shows, lesson("gradient-free"), crew),
            (_, Suited::Matrices(features)) => self.free_with(features, shows, lesson("gradient-free"), crew),
        }
    }

    fn free_with<F>(&self, features: F, shows: &dyn Shows, lesson: Lesson, crew: &mut Crew) -> Result<Option<Pupil>>
    where
        F: SavedFeatures
            + Features<Batch, Params = <F as SavedFeatures>::Params>
            + Features<Shown, Params = <F as SavedFeatures>::Params>
            + 'static,
        <F as SavedFeatures>::Params: 'static,
    {
        let shape = self.practice.inner.start(0).shape();
        let options = GmLstmOptions { input: Input::Rms, hidden: WIDTH, ..GmLstmOptions::new(shape.rows, shape.cols) };
        // All steps of a round together are as bold as what they begin with.
        let update = Update::new(1.0 / STEPS as f64);
        let inner = OnTangent::new(GmLstm::new(options), update, lesson.begin.step).weighing(WEIGHT).seeing(features);
        let rounds = Rounds::new(inner, STEPS);
        let params = rounds.init(&mut rng(self.seed));
        let task = Showing { practice: &self.practice, shows };
        let free = |params: &(_, _)| GradientFree::new(rounds.clone(), Clone::clone(params));
        let look = |params: &(_, _)| self.look_at_free(&free(params), shows);
        let Some(taught) = self.train(&lesson, rounds.clone(), params, &task, &look, crew)? else { return Ok(None) };
        let trained = free(&taught.params);
        let file = self.file(lesson.network, "safetensors");
        self.saved(trained.save(&file, &self.provenance()), &file)?;
        let (count, name) = (trained.parameter_count(), lesson.name);
        let (schooling, course) = self.schooling(lesson, count, taught, file);
        let kind = Kind::Looking(Box::new(trained));
        let contender = Contender { name, kind, betas: vec![0.0], unit: Unit::None };
        Ok(Some(Pupil { contender, fading: None, schooling, course }))
    }

    /// As [`School::look`]: the loss on what is set aside after a third of a run, mean over random starts.
    fn look_at_free<F>(&self, free: &GradientFree<GmLstm, F>, shows: &dyn Shows) -> f64
    where
        F: SavedFeatures + Features<Batch, Params = <F as SavedFeatures>::Params>,
    {
        let inner = self.practice.inner;
        let run = |k: usize| -> pullback::Result<f64> {
            let start = [inner.start(FIRST + k)];
            let (mut run, rng) = (FreeRun::new(free, inner.manifold(), &start), &mut rng(k as u64));
            for _ in 0..self.third {
                let lot = rng.random_range(0..inner.minibatches());
                let shown = shown_to_all(shows, inner.kinds(), lot);
                run.step_on(&|x| inner.cost(x[0], Part::Minibatch(lot)), &shown)?;
            }
            Ok(self.practice.aside.training_loss(&run.point()[0]))
        };
        let losses: pullback::Result<Vec<f64>> = (0..LOOK_AT).map(run).collect();
        losses.map_or(f64::INFINITY, |l| l.iter().sum::<f64>() / LOOK_AT as f64)
    }
}
