//! One family of problems: every opponent tuned on other problems of it, for each number of steps, then run beside the
//! learned optimisers on the same starts; and how many times closer these came. What the family is, is not known here.

use super::entrants::Entrant;
use super::exact;
use super::opponents::{self, LBFGS};
use super::problems::Problems;
use super::report::{Factor, Goal, Over, Row, Tuning};
use super::runs::{self, Curve, Tuned};
use super::searched;
use crate::error::Result;
use crate::progress::Stage;
use pullback_optim::Method;

/// After how many steps methods are judged unless told otherwise, each time tuned for that.
pub(crate) const JUDGED: [usize; 3] = [10, 30, 100];

/// A learned optimiser of one training.
pub(crate) struct Pupil {
    pub(crate) name: String,
    pub(crate) method: Box<dyn Entrant>,
}

impl Pupil {
    pub(crate) fn new(name: String, method: impl Method + 'static) -> Self {
        let method: Box<dyn Method> = Box::new(method);
        Pupil { name, method: Box::new(method) }
    }
}

/// The problems of a family.
pub(crate) struct Field<'a> {
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) problems: &'a Problems,
    /// Others of the same family, that opponents are tuned on: the learned optimisers saw none of it.
    pub(crate) tuning: &'a Problems,
    /// Coarse grids?
    pub(crate) quick: bool,
    pub(crate) goals: Vec<Goal>,
    /// After how many steps.
    pub(crate) judged: Vec<usize>,
    /// The settings of every opponent that are best at home, for each number of steps, if the field has a home.
    pub(crate) home: Option<&'a [Vec<Tuned>]>,
}

/// Every opponent tuned on these problems for each number of steps.
pub(crate) fn tuned_at(home: &Problems, judged: &[usize], quick: bool) -> Vec<Vec<Tuned>> {
    let grids: Vec<_> = judged.iter().map(|t| opponents::all(home.scene(quick), *t)).collect();
    let stage = Stage::new("at home", grids[0].len());
    let one = |k: usize| {
        stage.advance();
        judged.iter().zip(&grids).map(|(t, g)| runs::tune(&g[k].settings, home, *t)).collect()
    };
    (0..grids[0].len()).map(one).collect()
}

/// What was found.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) problems: usize,
    pub(crate) tuning_problems: usize,
    pub(crate) judged: Vec<usize>,
    pub(crate) rows: Vec<Row>,
    pub(crate) factors: Vec<Factor>,
    #[serde(skip)]
    pub(crate) curves: Vec<(String, Vec<f64>)>,
}

/// A method on the problems: one curve for each number of steps that it was tuned for.
struct Raced {
    row: Row,
    curves: Vec<Curve>,
    /// The same for what it was tuned for at home.
    at_home: Vec<Curve>,
}

/// Conjugate gradients with exact line searches, whose costs are not counted.
pub(crate) const EXACT: &str = "conjugate gradients, exact line search";

impl Field<'_> {
    /// Holds it.
    pub(crate) fn hold(self, pupils: &[Pupil]) -> Result<Family> {
        let scene = self.tuning.scene(self.quick);
        let grids: Vec<_> = self.judged.iter().map(|t| opponents::all(scene, *t)).collect();
        let names = grids[0].len();
        let stage = Stage::new(self.name, names + pupils.len() + 1);
        let learned: Vec<Raced> = pupils
            .iter()
            .map(|p| {
                stage.advance();
                self.as_given(&p.name, p.method.as_ref())
            })
            .collect();
        let mut raced = vec![];
        for k in 0..names {
            stage.say(|| grids[0][k].name.to_string());
            let settings: Vec<&[Box<dyn Method>]> = grids.iter().map(|g| &g[k].settings[..]).collect();
            raced.push(self.tuned(grids[0][k].name, &settings, self.home.map(|h| &h[k][..])));
            stage.advance();
        }
        stage.say(|| EXACT.to_string());
        let mut counted = vec![];
        if !self.problems.is_noisy() {
            // What compares costs is not told how much they are disturbed.
            counted.push(self.once(EXACT, exact::run(self.problems, self.last())));
            for which in searched::ALL {
                counted.push(self.once(which.name(), searched::run(which, self.problems, self.last())?));
            }
        }
        let mut factors = vec![];
        for r in raced.iter().chain(&counted) {
            factors.extend((0..self.judged.len()).map(|k| self.factor(r, &learned, k)));
        }
        let middle = |c: &Curve| c.left.iter().map(|l| Over::of(l).median).collect::<Vec<f64>>();
        let last = self.judged.len() - 1;
        let all = || learned.iter().chain(&raced).chain(&counted);
        Ok(Family {
            name: self.name,
            problems: self.problems.count(),
            tuning_problems: self.tuning.count(),
            curves: all().map(|r| (r.row.name.clone(), middle(&r.curves[last]))).collect(),
            title: self.title,
            factors,
            rows: learned.into_iter().chain(raced).chain(counted).map(|r| r.row).collect(),
            judged: self.judged,
        })
    }

    /// The last number of steps.
    fn last(&self) -> usize {
        self.judged.last().copied().unwrap_or(0)
    }

    fn row(&self, name: &str, curves: &[Curve], tuning: Vec<Tuning>, microseconds: f64) -> Row {
        let at = self.judged.iter().zip(curves).map(|(t, c)| Over::of(&c.left[*t])).collect();
        let failed = curves.iter().find_map(|c| c.failed.clone());
        Row { name: name.to_string(), at, tuning, microseconds, failed }
    }

    /// A method with nothing to be tuned.
    fn as_given(&self, name: &str, entrant: &dyn Entrant) -> Raced {
        let curve = runs::run_entrant(entrant, self.problems, self.last(), 2);
        let curves = vec![curve; self.judged.len()];
        let time = runs::microseconds(&*entrant.on(&self.problems.one(0)), self.problems);
        let row = self.row(name, &curves, vec![], time);
        Raced { row, curves, at_home: vec![] }
    }

    fn tuned(&self, name: &'static str, settings: &[&[Box<dyn Method>]], home: Option<&[Tuned]>) -> Raced {
        let (mut curves, mut at_home, mut tuning, mut time) = (vec![], vec![], vec![], f64::NAN);
        for (k, (steps, settings)) in self.judged.iter().zip(settings).enumerate() {
            if let Some(home) = home {
                at_home.push(runs::run(settings[home[k].which].as_ref(), self.problems, *steps, 2));
            }
            let found = runs::tune(settings, self.tuning, *steps);
            let method = settings[found.which].as_ref();
            curves.push(runs::run(method, self.problems, *steps, 2));
            time = runs::microseconds(method, self.problems);
            tuning.push(Tuning { steps: *steps, found });
        }
        Raced { row: self.row(name, &curves, tuning, time), curves, at_home }
    }

    /// A method that chooses its steps itself.
    fn once(&self, name: &str, left: Vec<Vec<f64>>) -> Raced {
        let curves = vec![Curve { left, failed: None }; self.judged.len()];
        Raced { row: self.row(name, &curves, vec![], f64::NAN), curves, at_home: vec![] }
    }

    /// How many times closer the learned ones came after the `k`-th number of steps: the geometric mean over starts and
    /// trainings of what the opponent left over what they left.
    fn factor(&self, opponent: &Raced, learned: &[Raced], k: usize) -> Factor {
        let t = self.judged[k];
        let logs = |c: &Curve| -> Vec<f64> { c.left[t].iter().map(|l| l.log10().min(0.0)).collect() };
        let theirs = logs(&opponent.curves[k]);
        let n = theirs.len();
        let each: Vec<Vec<f64>> =
            learned.iter().map(|l| logs(&l.curves[k]).iter().zip(&theirs).map(|(a, b)| b - a).collect()).collect();
        let average = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
        let ours = average(&learned.iter().map(|l| average(&logs(&l.curves[k]))).collect::<Vec<f64>>());
        let means: Vec<f64> = each.iter().map(|e| e.iter().sum::<f64>() / n as f64).collect();
        let paired: Vec<f64> =
            (0..n).map(|b| each.iter().map(|e| e[b]).sum::<f64>() / each.len().max(1) as f64).collect();
        let mean = paired.iter().sum::<f64>() / n as f64;
        let variance = paired.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n.max(2) - 1) as f64;
        let error = 2.0 * (variance / n as f64).sqrt();
        let power = |v: f64| 10f64.powf(v);
        let goal = self.goals.iter().find(|g| g.against(&opponent.row.name, t)).map(|g| g.factor);
        Factor {
            opponent: opponent.row.name.clone(),
            steps: t,
            factor: power(mean),
            low: power(mean - error),
            high: power(mean + error),
            trainings: means.iter().map(|m| power(*m)).collect(),
            wins: paired.iter().filter(|v| **v > 0.0).count() as f64 / n as f64,
            equal_time: equal_time(opponent, learned, (k, t), self.last(), &power),
            home: opponent.at_home.get(k).map(|c| power(average(&logs(c)) - ours)),
            goal,
            holds: goal.map(|g| power(mean) >= g),
        }
    }
}

/// The factor where the opponent may go on for as long as the learned ones take, on a single start; nothing where no
/// time was measured or more steps than were run would be needed.
fn equal_time(
    opponent: &Raced,
    learned: &[Raced],
    (k, t): (usize, usize),
    last: usize,
    power: &dyn Fn(f64) -> f64,
) -> Option<f64> {
    let ours = learned.iter().map(|l| l.row.microseconds).sum::<f64>() / learned.len() as f64;
    let steps = (t as f64 * ours / opponent.row.microseconds).round();
    if !(1.0..=last as f64).contains(&steps) {
        return None;
    }
    // Of the settings that were tuned for at least one number of steps, the one that is best there.
    let there = |c: &Curve| c.left.get(steps as usize).map(|l| runs::mean_log10(l));
    let theirs = opponent.curves.iter().filter_map(there).min_by(f64::total_cmp)?;
    let mean = learned.iter().map(|l| runs::mean_log10(&l.curves[k].left[t])).sum::<f64>() / learned.len() as f64;
    Some(power(theirs - mean))
}

/// The names of the opponents of the goals.
pub(crate) fn is_lbfgs(name: &str) -> bool {
    name == LBFGS
}
