//! The flags of the command `tables`, and of the hidden command that measures one row of it. What they do is elsewhere.

use super::printed::Work;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// The papers' tables of cost and of accuracy, with our numbers beside theirs.
///
/// Measures the meta-gradient of an inner loop of T steps: by a full unroll, by a checkpointed one, by the unrolled
/// gradient-free loop and by implicit differentiation with the series of K = 5 terms at the solution that the loop
/// reached, whose own time has a column. Shows seconds, the bytes that the recordings held, the bytes of everything
/// that was allocated, and the most that the process had; every row is measured in a process of its own. Then the
/// accuracies of the classical methods, and with `--learned` those of optimisers that were trained before.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "Examples:\n  \
    pullback-experiments tables --quick                a few lengths, under five minutes\n  \
    pullback-experiments tables                        all lengths of the papers\n  \
    pullback-experiments tables --only faces           one table\n  \
    pullback-experiments tables --data DIR             faces (1024x38) and clustering on the papers' data\n  \
    pullback-experiments tables --only accuracy --learned clustering.json   with learned optimisers of an earlier run\n  \
    pullback-experiments tables --quick --json - | jq .rows   numbers only\n\n\
    Exit status: 0 when the run completed, 1 when it could not, 2 for wrong flags.")]
pub(crate) struct TablesArgs {
    /// The seed of everything random: starts, minibatches, networks and splits.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) seed: u64,

    /// Fewer inner lengths, and a short comparison for the accuracies.
    #[arg(long)]
    pub(crate) quick: bool,

    /// Only these tables [default: all].
    #[arg(long, value_enum, value_name = "TABLE")]
    pub(crate) only: Vec<Part>,

    /// One minibatch for all steps of an inner loop, which is then one fixed map with a fixed point; without it every
    /// step draws its own, as in the papers.
    #[arg(long)]
    pub(crate) one_batch: bool,

    /// Folder for the plots (SVG).
    #[arg(long, default_value = "target/pullback/tables", value_name = "DIR")]
    pub(crate) out: PathBuf,

    /// Also write the summary as JSON to this file; `-` writes it, and nothing else, to standard output.
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,

    /// Summaries that `faces` or `clustering` wrote with `--json`, separated by commas: the accuracies of their learned
    /// optimisers become rows of table 6. They must be about the same data.
    #[arg(long, value_delimiter = ',', value_name = "FILES")]
    pub(crate) learned: Vec<PathBuf>,

    /// Read Extended Yale B and Kylberg from this folder instead of using the built-in data [env: PULLBACK_DATA]. The
    /// principal components stay those of the built-in digits.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// A table that can be asked for alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Tables 1 and 2: time and memory for principal components.
    Components,
    /// Tables 3 and 4: time and memory for faces.
    Faces,
    /// Table 5: time and memory for clustering.
    Clustering,
    /// Table 6: accuracies.
    Accuracy,
}

/// One row, measured in this process and written to standard output as JSON.
#[derive(Debug, Clone, Args)]
pub(crate) struct RowArgs {
    /// The task.
    #[arg(long, value_enum)]
    pub(crate) work: Work,
    /// The way to differentiate.
    #[arg(long, value_enum)]
    pub(crate) how: How,
    /// `T`.
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub(crate) steps: u32,
    /// As in `tables`.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// As in `tables`.
    #[arg(long)]
    pub(crate) one_batch: bool,
    /// As in `tables`.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
}

/// A way to take the meta-gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum How {
    /// Back through all steps, recorded.
    Unroll,
    /// The same number from about `log2 T` snapshots; between them steps run again.
    Checkpointed,
    /// Back through all steps of the loop on one tangent space.
    GradientFree,
    /// The fixed-point series of five terms at the inner solution, which is given.
    Implicit,
}

impl How {
    /// All of them, in the order of the tables.
    pub(crate) const ALL: [How; 4] = [How::Unroll, How::Checkpointed, How::GradientFree, How::Implicit];

    /// As in the tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            How::Unroll => "full unroll",
            How::Checkpointed => "checkpointed unroll",
            How::GradientFree => "gradient-free",
            How::Implicit => "implicit, K = 5",
        }
    }

    /// As on the command line.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            How::Unroll => "unroll",
            How::Checkpointed => "checkpointed",
            How::GradientFree => "gradient-free",
            How::Implicit => "implicit",
        }
    }
}
