//! The ranks of MPI that share a meta-training, if the program was built with them and asked for them. Rank 0 learns,
//! prints and writes; the others work for it and are silent.

use crate::cli::CrewArgs;
use crate::error::{Error, Result, during};
use pullback_learned::{InnerLoop, Progress, Task, Training};

/// One process alone, or a rank of several, each with its threads. It serves one training after the other.
#[derive(Debug)]
pub(crate) struct Crew {
    threads: usize,
    #[cfg(feature = "mpi")]
    ranks: Option<pullback_learned::Ranks>,
}

impl Crew {
    /// As the flags ask for it.
    pub(crate) fn new(args: &CrewArgs) -> Result<Self> {
        let mut crew = match args.ranks {
            true => Crew::of_ranks(args.rank_seconds)?,
            false => Crew::alone(),
        };
        crew.threads = args.threads;
        Ok(crew)
    }

    /// Threads of this process.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// One process of so many threads.
    #[cfg(test)]
    pub(crate) fn of_threads(threads: usize) -> Self {
        let mut crew = Crew::alone();
        crew.threads = threads;
        crew
    }

    /// One process.
    pub(crate) fn alone() -> Self {
        Crew {
            threads: 1,
            #[cfg(feature = "mpi")]
            ranks: None,
        }
    }

    #[cfg(not(feature = "mpi"))]
    fn of_ranks(_: f64) -> Result<Self> {
        Err(Error::Flag {
            found: "`--ranks` asks for MPI, and this program was built without it".into(),
            advice: "build it with `cargo build --release -p pullback-experiments --features mpi`, or use `--threads`",
        })
    }

    #[cfg(feature = "mpi")]
    fn of_ranks(seconds: f64) -> Result<Self> {
        let limit = std::time::Duration::from_secs_f64(seconds);
        let ranks = pullback_learned::Ranks::start().map_err(|source| Error::Ranks { source })?;
        Ok(Crew { threads: 1, ranks: Some(ranks.time_limit(limit)) })
    }

    /// Which rank this is, if it is not the one that learns.
    pub(crate) fn helper(&self) -> Option<usize> {
        #[cfg(feature = "mpi")]
        if let Some(ranks) = &self.ranks {
            return Some(ranks.rank()).filter(|rank| *rank > 0);
        }
        None
    }

    /// One step of a training.
    pub(crate) fn step<L: InnerLoop<K::Data>, K: Task>(
        &mut self,
        training: &mut Training<'_, L, K>,
    ) -> Result<Progress> {
        #[cfg(feature = "mpi")]
        if let Some(ranks) = &mut self.ranks {
            return ranks.step(training).map_err(|source| match source {
                source @ pullback_learned::Error::Rank(_) => Error::Ranks { source },
                source => during("meta-training")(source),
            });
        }
        training.step().map_err(during("meta-training"))
    }

    /// A training is over: the helpers go on to the next one.
    pub(crate) fn release(&mut self) {
        #[cfg(feature = "mpi")]
        if let Some(ranks) = &mut self.ranks {
            ranks.release();
        }
    }

    /// Works for rank 0 until this training of its is over.
    pub(crate) fn help<L: InnerLoop<K::Data>, K: Task>(&mut self, training: &mut Training<'_, L, K>) -> Result<()> {
        #[cfg(feature = "mpi")]
        if let Some(ranks) = &mut self.ranks {
            return ranks.serve(training).map_err(|source| Error::Ranks { source });
        }
        let _ = training;
        Ok(())
    }
}
