//! The flags of the command `orthonet`. What they do is elsewhere.

use crate::cli::CrewArgs;
use clap::Args;
use std::path::PathBuf;

/// A small dense network with orthogonal layers: one shared learned optimiser against classical ones, each tuned.
///
/// The network tells 8x8 digits apart, `z = W3^T relu(W2^T relu(W1^T a))`, with layers of different sizes and
/// orthonormal columns. One subspace optimiser of 5 242 numbers moves all of them. It is meta-trained on the training
/// digits, which is counted, and stands beside RSGD, momentum, RAdam and RASA on the same manifold and beside descent
/// without the constraint. Every method is tuned for the validation loss and then runs from the same starts.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "Examples:\n  \
    pullback-experiments orthonet                      the full run\n  \
    pullback-experiments orthonet --quick              a short run of the same code\n  \
    pullback-experiments orthonet --layers 40,20       other sizes\n  \
    pullback-experiments orthonet --quick --json - | jq .methods   numbers only\n\n\
    Exit status: 0 when the run completed, 1 when it could not, 2 for wrong flags.")]
pub(crate) struct OrthonetArgs {
    /// The seed of everything random: the split, starts, minibatches and the training.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) seed: u64,

    /// A short run of the same code: fewer steps, starts and settings.
    #[arg(long)]
    pub(crate) quick: bool,

    /// Sizes of the hidden layers, each from 10 to the size of the one before it.
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [48, 24], value_parser = clap::value_parser!(u16).range(10..=64))]
    pub(crate) layers: Vec<u16>,

    /// Steps of a run, 10 to 100000 [default: 320, with --quick 80].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(10..=100_000))]
    pub(crate) steps: Option<u32>,

    /// Random starts that methods are judged on, 1 to 100 [default: 5, with --quick 2].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) starts: Option<u8>,

    /// Outer steps of each meta-training, at least 1 [default: 300, with --quick 30].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) outer: Option<u32>,

    #[command(flatten)]
    pub(crate) crew: CrewArgs,

    /// Folder for the curves (SVG) and the trained optimiser (safetensors).
    #[arg(long, default_value = "target/pullback/orthonet", value_name = "DIR")]
    pub(crate) out: PathBuf,

    /// Also write the summary as JSON to this file; `-` writes it, and nothing else, to standard output.
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,

    /// Read digits_images_8x8_u8.npy and digits_labels_u8.npy from this folder instead of the built-in copy [env:
    /// PULLBACK_DATA].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}
