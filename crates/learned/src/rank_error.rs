//! Errors between the ranks of a training. The training over ranks is in `ranks.rs`.

use crate::message::Damaged;
use std::time::Duration;

/// What ends a training over ranks.
///
/// After one of them the learner must end its process: MPI is not finalised, since that would wait for the rank that is
/// lost; `mpirun` then ends the others.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RankError {
    /// MPI cannot be started.
    #[error("MPI cannot be started: {0}")]
    Start(&'static str),
    /// A rank says that it cannot go on.
    #[error("rank {rank} failed: {why}")]
    Failed {
        /// Which.
        rank: usize,
        /// What it says.
        why: String,
    },
    /// Ranks have not answered in time.
    #[error(
        "expected an answer within {} s, got none from rank {}: {} dead, hangs, or needs longer; start again from the \
         last checkpoint, with a longer `Ranks::time_limit` if the time was too short",
        limit.as_secs_f64(), list(ranks), if ranks.len() == 1 { "it is" } else { "they are" }
    )]
    Lost {
        /// Which.
        ranks: Vec<usize>,
        /// How long they had.
        limit: Duration,
    },
    /// A message that is not whole, or none of ours, or not what was to come.
    #[error("a message between ranks is damaged or foreign: expected {expected}, got {got}")]
    Message {
        /// What should have stood there.
        expected: String,
        /// What stood there.
        got: String,
    },
    /// A message that MPI cannot carry.
    #[error("a message to rank {rank} has {bytes} bytes, expected at most 2147483647 for those of a step together")]
    TooLarge {
        /// To whom.
        rank: usize,
        /// How long it is.
        bytes: usize,
    },
    /// Only rank 0 learns, and only the others serve.
    #[error("expected rank {expected} here, got rank {got}")]
    Role {
        /// Who may do this.
        expected: &'static str,
        /// Who did.
        got: usize,
    },
}

impl From<Damaged> for RankError {
    fn from(Damaged { expected, got }: Damaged) -> Self {
        RankError::Message { expected, got }
    }
}

fn list(ranks: &[usize]) -> String {
    ranks.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

/// The text of `Display`, so that `unwrap()` and `main` print a sentence.
impl std::fmt::Debug for RankError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
