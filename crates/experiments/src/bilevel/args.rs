//! The flags of the command `bilevel`. What they do is elsewhere.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Bilevel problems on manifolds: estimators of the outer gradient beside the truth, and what is learned with them.
///
/// Three tasks on built-in data. `penalties`: how much each pixel of an orthogonal classifier may leave the class
/// means, for the loss on other digits. `few-shot`: features of digits that are shared by orthogonal heads of five
/// classes and five examples each, judged on classes never seen. `weights`: weights of covariance matrices, some of
/// another texture, whose centre is to be near clean ones. Each estimator is compared with the derivative of a long,
/// exact unroll, which in turn is compared with finite differences; then the outer problem is solved with each of them.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "Examples:\n  \
    pullback-experiments bilevel                       all tasks\n  \
    pullback-experiments bilevel --quick               fewer outer steps\n  \
    pullback-experiments bilevel --only few-shot       one task\n  \
    pullback-experiments bilevel --quick --json - | jq .tasks   numbers only\n\n\
    Exit status: 0 when the run completed, 1 when it could not, 2 for wrong flags.")]
pub(crate) struct BilevelArgs {
    /// The seed of everything random: splits, episodes and starts.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) seed: u64,

    /// A short run of the same code: fewer outer steps and estimators in the outer loop.
    #[arg(long)]
    pub(crate) quick: bool,

    /// Only these tasks [default: all].
    #[arg(long, value_enum, value_name = "TASK")]
    pub(crate) only: Vec<TaskName>,

    /// Numbers of inner steps after which estimators are compared, each at least 2.
    #[arg(long, value_name = "T,T", value_delimiter = ',', default_values_t = [20, 200], value_parser = clap::value_parser!(u32).range(2..=10_000))]
    pub(crate) steps: Vec<u32>,

    /// Outer steps of the learning [default: 60, with --quick 15].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) outer: Option<u32>,

    /// Folder for the curves (SVG).
    #[arg(long, default_value = "target/pullback/bilevel", value_name = "DIR")]
    pub(crate) out: PathBuf,

    /// Also write the summary as JSON to this file; `-` writes it, and nothing else, to standard output.
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,
}

/// A task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TaskName {
    /// Hyperparameters, on a Stiefel manifold.
    Penalties,
    /// Few-shot learning, on several Stiefel manifolds at once.
    FewShot,
    /// Data weights, on positive definite matrices.
    Weights,
}

impl TaskName {
    /// As on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            TaskName::Penalties => "penalties",
            TaskName::FewShot => "few-shot",
            TaskName::Weights => "weights",
        }
    }
}
