//! Where the cases of a benchmark go: into an interleaved race, which prints ratios, or to Criterion, which keeps
//! baselines. Both take the same list of candidates; no case lives here.
//!
//! Criterion times one candidate after the other, so on a machine with neighbours its ratios between candidates move
//! from run to run; a race takes turns and does not remember. Hence both.

use criterion::Criterion;
use pullback_benches::{Measured, Race};
use std::time::Duration;

/// Who measures.
pub(crate) enum Harness {
    /// The race, with the budget of a row.
    Race(Duration),
    /// Criterion, with its own arguments.
    Criterion(Box<Criterion>),
}

impl Harness {
    /// The race if `--race` is among the arguments, and what else is there: a number is the budget of a row in seconds,
    /// the rest is returned. Without `--race` all arguments are Criterion's.
    pub(crate) fn from_args(seconds: f64) -> (Self, Vec<String>) {
        let args: Vec<String> = std::env::args().skip(1).collect();
        if !args.iter().any(|a| a == "--race") {
            // A case takes two seconds and not eight, since there are hundreds; `--measurement-time` says otherwise.
            let short = Criterion::default()
                .sample_size(50)
                .warm_up_time(Duration::from_millis(300))
                .measurement_time(Duration::from_millis(1500));
            return (Harness::Criterion(Box::new(short.configure_from_args())), vec![]);
        }
        let args = args.into_iter().filter(|a| !a.starts_with('-'));
        let (numbers, names): (Vec<_>, Vec<_>) = args.partition(|a| a.parse::<f64>().is_ok());
        let seconds = numbers.iter().find_map(|a| a.parse().ok()).unwrap_or(seconds);
        (Harness::Race(Duration::from_secs_f64(seconds)), names)
    }

    /// Prints a heading of the race.
    pub(crate) fn heading(&self, text: &str) {
        if let Harness::Race(_) = self {
            println!("{text}");
        }
    }

    /// Measures the candidates of a row. What a race found is returned; Criterion prints and stores what it finds under
    /// `group/candidate`.
    pub(crate) fn measure(&mut self, group: &str, race: Race<'_>) -> Option<Measured> {
        match self {
            Harness::Race(budget) => Some(race.run(*budget)),
            Harness::Criterion(criterion) => {
                let mut group = criterion.benchmark_group(group);
                for (name, mut run) in race.into_candidates() {
                    group.bench_function(name, |b| b.iter(&mut run));
                }
                group.finish();
                None
            }
        }
    }

    /// Ends the run.
    pub(crate) fn finish(self) {
        if let Harness::Criterion(criterion) = self {
            criterion.final_summary();
        }
    }
}
