//! The ranks of MPI that share a meta-training, if the program was built with them and asked for them. Rank 0 learns,
//! prints and writes; the others work for it and are silent.

use crate::cli::PcaArgs;
use crate::error::{Error, Result, during};
use pullback_learned::{InnerLoop, Progress, Task, Training};

/// One process alone, or a rank of several.
#[derive(Debug)]
pub(crate) struct Crew {
    #[cfg(feature = "mpi")]
    ranks: Option<pullback_learned::Ranks>,
}

impl Crew {
    /// As the flags ask for it.
    pub(crate) fn new(args: &PcaArgs) -> Result<Self> {
        match args.ranks {
            true => Crew::of_ranks(args.rank_seconds),
            false => Ok(Crew::alone()),
        }
    }

    /// One process.
    pub(crate) fn alone() -> Self {
        Crew {
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
        Ok(Crew { ranks: Some(ranks.time_limit(limit)) })
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

    /// Works for rank 0 until its training is over.
    pub(crate) fn help<L: InnerLoop<K::Data>, K: Task>(&mut self, training: &mut Training<'_, L, K>) -> Result<()> {
        #[cfg(feature = "mpi")]
        if let Some(ranks) = &mut self.ranks {
            return ranks.serve(training).map_err(|source| Error::Ranks { source });
        }
        let _ = training;
        Ok(())
    }
}
