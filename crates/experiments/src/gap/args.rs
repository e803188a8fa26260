//! The flags of `equivariant` and `evaluate`. What they do is not known here.

use crate::cli::{CrewArgs, passes, starts, steps};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Where a trained optimiser still works: rotations, unseen classes, other units, sizes, horizons, noise, losses.
///
/// Runs an optimiser that `pca`, `faces`, `clustering` or `equivariant` wrote on principal components of digits, or, if
/// it is one for positive definite matrices, on centres of covariances of textures, and then moves the problems away
/// from there, one axis after the other: other bases of the same subspaces (congruences of the same matrices), random
/// rotations, digits 5 to 9 (regions never seen, random matrices), the loss times 0.8, 1.2 and 4, ten times as many
/// steps, ten and a hundred times the condition number, disturbed gradients, a robust loss, four times the dimension.
/// Opponents are tuned on each axis, with the gradients counted; the report names every axis on which the learned
/// optimiser loses.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "Examples:\n  \
    pullback-experiments evaluate target/pullback/pca/optimizer.safetensors\n  \
    pullback-experiments evaluate target/pullback/equivariant/equivariant-0.safetensors --quick\n  \
    pullback-experiments evaluate target/pullback/clustering/gm-lstm.safetensors --quick\n  \
    pullback-experiments evaluate FILE --axes 'home,loss x4' --quick\n  \
    pullback-experiments evaluate FILE --json - | jq .loses    numbers only\n\n\
    Exit status: 0 when the run completed, 1 when it could not, 2 for wrong flags.")]
pub(crate) struct EvaluateArgs {
    /// A trained optimiser (safetensors).
    #[arg(value_name = "OPTIMISER")]
    pub(crate) file: PathBuf,

    /// The seed of everything random.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) seed: u64,

    /// Problems of each axis, each with a start, 1 to 100 [default: 16, with --quick 4].
    #[arg(long, value_name = "N", value_parser = starts)]
    pub(crate) starts: Option<usize>,

    /// Only these axes, by the names that the report has for them, with commas between; all of them unless given.
    #[arg(long, value_name = "AXES", value_delimiter = ',')]
    pub(crate) axes: Vec<String>,

    /// A short run of the same code: fewer problems, coarser grids.
    #[arg(long)]
    pub(crate) quick: bool,

    /// Folder for the curves (SVG).
    #[arg(long, default_value = "target/pullback/evaluate", value_name = "DIR")]
    pub(crate) out: PathBuf,

    /// Also write the summary as JSON to this file; `-` writes it, and nothing else, to standard output.
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,

    /// Read the data from this folder instead of using the built-in ones: digits_images_8x8_u8.npy and
    /// digits_labels_u8.npy, or for positive definite matrices Kylberg [env: PULLBACK_DATA].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// Our equivariant optimiser, trained on some digits, against tuned opponents on others and on an unseen loss.
///
/// Trains L-BFGS whose coefficients a small network chooses, on principal components of random spectra and of digits 0
/// to 4. Then it runs beside gradient descent, momentum, Barzilai-Borwein, RAdam, conjugate gradients and L-BFGS, all
/// with one gradient a step and tuned on other problems of the family they are judged on, and once more on what the
/// learned optimiser was trained on: digits 5 to 9 under random rotations, a robust loss, random spectra, four times
/// the dimension, a hundred times the condition number. Conjugate gradients with exact line searches are shown beside
/// them. `--on frames` does the same on a Stiefel manifold, and `--on definite` on positive definite matrices: centres
/// of random matrices to train on, of textures to be judged on.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "Examples:\n  \
    pullback-experiments equivariant --quick             a short run of the same code\n  \
    pullback-experiments equivariant --quick --on frames on a Stiefel manifold\n  \
    pullback-experiments equivariant --resume            go on with an interrupted run\n  \
    pullback-experiments equivariant --quick --json - | jq '.families[].factors'   numbers only\n\n\
    Exit status: 0 when the run completed, 1 when it could not, 2 for wrong flags.")]
pub(crate) struct EquivariantArgs {
    /// The seed of everything random.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) seed: u64,

    /// The kind of points.
    #[arg(long, value_enum, default_value_t = On::Subspaces, value_name = "POINTS")]
    pub(crate) on: On,

    /// Outer steps of each training, at least 1 [default: 2000, with --quick 40].
    #[arg(long, value_name = "N", value_parser = steps)]
    pub(crate) steps: Option<usize>,

    /// How many trainings, with different seeds, 1 to 100 [default: 3, with --quick 1].
    #[arg(long, value_name = "N", value_parser = starts)]
    pub(crate) trainings: Option<usize>,

    /// Problems, each with a start, of the two families that goals are about, 1 to 1000 [default: 96, with --quick 12].
    #[arg(long, value_name = "N", value_parser = passes)]
    pub(crate) starts: Option<usize>,

    /// Only these families of problems, by the names that the report has for them, with commas between; all of them
    /// unless given.
    #[arg(long, value_name = "FAMILIES", value_delimiter = ',')]
    pub(crate) families: Vec<String>,

    /// A short run of the same code: less training, fewer problems, coarser grids.
    #[arg(long)]
    pub(crate) quick: bool,

    /// Continue the training of an interrupted run that was started with the same flags.
    #[arg(long)]
    pub(crate) resume: bool,

    #[command(flatten)]
    pub(crate) crew: CrewArgs,

    /// Folder for the curves (SVG) and the trained optimisers (safetensors).
    #[arg(long, default_value = "target/pullback/equivariant", value_name = "DIR")]
    pub(crate) out: PathBuf,

    /// Also write the summary as JSON to this file; `-` writes it, and nothing else, to standard output.
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,

    /// Read digits_images_8x8_u8.npy and digits_labels_u8.npy from this folder instead of the built-in copy [env:
    /// PULLBACK_DATA].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// What points of `equivariant` are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum On {
    /// Subspaces: principal components, on a Grassmann manifold.
    Subspaces,
    /// Frames: principal components in their order (Brockett's cost), on a Stiefel manifold.
    Frames,
    /// Positive definite matrices: centres of matrices, trained on random ones and judged on textures.
    Definite,
}
