//! The command line: commands, flags and their help. What a command does is in its own module.

use crate::bilevel::args::BilevelArgs;
use crate::gap::args::{EquivariantArgs, EvaluateArgs};
use crate::orthonet::args::OrthonetArgs;
use crate::tables::args::{RowArgs, TablesArgs};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// The tasks of the papers on learned Riemannian optimisers, on real data.
#[derive(Debug, Parser)]
#[command(name = "pullback-experiments", version, about, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Principal components of handwritten digits: a learned optimiser against tuned classical ones.
    Pca(PcaArgs),
    /// The memory that optimisers of an orthogonal ResNet50 need, and one step of the smallest on all of its orthogonal
    /// layers.
    Memory(MemoryArgs),
    /// Faces classified by an orthogonal linear classifier: classical and learned optimisers on a Stiefel manifold.
    Faces(FacesArgs),
    /// Centres of classes of covariances: classical and learned optimisers on positive definite matrices.
    Clustering(ClusteringArgs),
    /// Bilevel problems on manifolds: estimators of the outer gradient compared with the exact one.
    Bilevel(BilevelArgs),
    /// A dense network with orthogonal layers: one shared learned optimiser against classical ones, each tuned.
    Orthonet(OrthonetArgs),
    /// The papers' tables of cost and of accuracy, with our numbers next to theirs.
    Tables(TablesArgs),
    /// One row of `tables`, measured in this process and written as JSON.
    #[command(hide = true)]
    TablesRow(RowArgs),
    /// Our equivariant optimiser, trained on some digits, against tuned opponents on others and on an unseen loss.
    Equivariant(EquivariantArgs),
    /// Where a trained optimiser still works: rotations, unseen classes, other units, sizes, horizons, noise, losses.
    Evaluate(EvaluateArgs),
}

/// The memory that optimisers of an orthogonal ResNet50 need, and one step of the smallest on all of its orthogonal
/// layers.
///
/// Counts the parameters of the generalised matrix LSTMs (one for each shape of a layer) and of the subspace optimiser
/// (one for all) from the shapes of the weights, then runs the subspace optimiser for one step and shows the memory
/// that took.
#[derive(Debug, Clone, Args)]
pub(crate) struct MemoryArgs {
    /// The seed of the points, the gradients and the network.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) seed: u64,

    /// Print the table and take no step.
    #[arg(long)]
    pub(crate) count_only: bool,
}

/// Faces classified by an orthogonal linear classifier: classical and learned optimisers on a Stiefel manifold.
///
/// Minimises the cross-entropy of `X^T a` over frames `X`, with one column for each person, `a` being the grey values
/// of an image as they are. The papers' data are Extended Yale B at 32x32 with their split of 1900 and 514 images, read
/// from `--data DIR`; without it the built-in handwritten digits (8x8) take their place. Every method is tuned on a
/// grid and then runs from the same starts for the same number of passes over the training images. Learned optimisers
/// are trained before that on the training images, a fifth of which is set aside for the outer loss; they are written
/// to the output folder, and what their training cost is counted.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "Examples:\n  \
    pullback-experiments faces --quick                   the built-in digits, a short run of the same code\n  \
    pullback-experiments faces --data DIR                Extended Yale B from DIR or DIR/yaleb32\n  \
    pullback-experiments faces --quick --learned subspace,gradient-free   these learned optimisers\n  \
    mpirun -n 4 pullback-experiments faces --quick --ranks   with the feature `mpi`: four processes, the same results\n  \
    pullback-experiments faces --quick --json - | jq .methods   numbers only\n\n\
    Exit status: 0 when the run completed, 1 when it could not, 2 for wrong flags.")]
pub(crate) struct FacesArgs {
    #[command(flatten)]
    pub(crate) contest: ContestArgs,
    #[command(flatten)]
    pub(crate) lessons: LessonArgs,
}

/// Centres of classes of covariances: classical and learned optimisers on positive definite matrices.
///
/// Minimises the mean squared affine-invariant distance of each matrix to the centre of its class, over one centre for
/// each class; a matrix is then put into the class of the nearest centre. The papers' data are 5x5 covariances of 20
/// Kylberg textures with their split of 2560 and 640 regions, read from `--data DIR`; without it covariances of regions
/// of three built-in textures take their place. Every method is tuned on a grid and then runs from the same starts for
/// the same number of passes over the training matrices. Learned optimisers are trained before that on the training
/// matrices, a fifth of which is set aside for the outer loss; they are written to the output folder, and what their
/// training cost is counted.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "Examples:\n  \
    pullback-experiments clustering --quick              the built-in textures, a short run of the same code\n  \
    pullback-experiments clustering --data DIR           Kylberg from DIR or DIR/kylberg_spd5\n  \
    pullback-experiments clustering --quick --learned gm-lstm,gradient-free   these learned optimisers\n  \
    pullback-experiments clustering --quick --json - | jq .methods   numbers only\n\n\
    Exit status: 0 when the run completed, 1 when it could not, 2 for wrong flags.")]
pub(crate) struct ClusteringArgs {
    #[command(flatten)]
    pub(crate) contest: ContestArgs,
    #[command(flatten)]
    pub(crate) lessons: LessonArgs,
}

/// What shares the work of a meta-training: threads, and with the feature `mpi` processes. The result is the same.
#[derive(Debug, Clone, Args)]
pub(crate) struct CrewArgs {
    /// Threads for the meta-training. Its result is the same with any number; there is work for as many as an outer
    /// step has groups of points: two in `pca`, four elsewhere.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = threads)]
    pub(crate) threads: usize,

    /// Share the meta-training among processes: start this program with `mpirun -n 2`, and it is the same to the byte.
    /// Needs a program built with `--features mpi`. There is work for as many ranks as for threads.
    #[arg(long)]
    pub(crate) ranks: bool,

    /// How long a rank may take for an answer, in seconds, before the training ends and names it. The first answer
    /// includes whatever a rank does before it trains.
    #[arg(long, default_value_t = 600.0, value_name = "S", value_parser = seconds)]
    pub(crate) rank_seconds: f64,
}

/// Which learned optimisers take part in a comparison.
#[derive(Debug, Clone, Args)]
pub(crate) struct LessonArgs {
    /// Learned optimisers that are trained first and then take part, separated by commas [default: those that suit the
    /// manifold].
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NETWORKS")]
    pub(crate) learned: Option<Vec<Network>>,

    /// Run the classical optimisers alone.
    #[arg(long, conflicts_with = "learned")]
    pub(crate) classical_only: bool,

    /// Outer steps of each training, at least 1 [default: 800, with --quick 60].
    #[arg(long, value_name = "N", value_parser = steps)]
    pub(crate) steps: Option<usize>,

    /// Which gradient the matrix LSTMs see; the directions that they propose have its size [default: euclidean
    /// on Kylberg, riemannian elsewhere].
    #[arg(long, value_enum, value_name = "GRADIENT")]
    pub(crate) sees: Option<Seen>,

    /// The step of gradient descent with which networks begin.
    #[arg(long, value_enum, default_value_t = FirstStep::Tuned, value_name = "HOW")]
    pub(crate) first_step: FirstStep,

    /// How networks whose steps may fade are trained.
    #[arg(long, value_enum, default_value_t = Practise::Pieces, value_name = "HOW")]
    pub(crate) practise: Practise,

    /// Continue the training of an interrupted run that was started with the same flags.
    #[arg(long)]
    pub(crate) resume: bool,

    #[command(flatten)]
    pub(crate) crew: CrewArgs,
}

/// What inner loops are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Practise {
    /// Pieces of 4 to 16 steps from points along runs, with steps that do not fade.
    Pieces,
    /// Runs from random points with steps that fade as in the comparison, of 4 steps to a third of a run, where they
    /// end. They take as much memory as they are long.
    Runs,
}

/// The gradient that a network sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Seen {
    /// The Riemannian gradient.
    Riemannian,
    /// The Euclidean gradient, in whose units a direction is proposed.
    Euclidean,
}

/// Where the first step of a network comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FirstStep {
    /// The step that was tuned for gradient descent on whole runs.
    Tuned,
    /// The best of six steps around it, at which every one of the members drawn for training survives.
    Searched,
}

/// The networks of learned optimisers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Network {
    /// A factor for each row and column, of mean one and never falling, as the paper has it.
    Subspace,
    /// The same without mean one and with factors that may fall, so that it can shorten its steps.
    SubspaceFree,
    /// The generalised matrix LSTM, for points of one size.
    GmLstm,
    /// The matrix LSTM for symmetric matrices.
    MatrixLstm,
    /// L-BFGS whose coefficients are learned.
    Equivariant,
    /// The gradient-free optimiser: rounds of steps on a tangent space by a generalised matrix LSTM that sees the
    /// examples of the minibatch.
    GradientFree,
    /// The same without features of the examples, to measure what they contribute.
    GradientFreeBlind,
}

impl Network {
    /// As it is written on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Network::Subspace => "subspace",
            Network::SubspaceFree => "subspace-free",
            Network::GmLstm => "gm-lstm",
            Network::MatrixLstm => "matrix-lstm",
            Network::Equivariant => "equivariant",
            Network::GradientFree => "gradient-free",
            Network::GradientFreeBlind => "gradient-free-blind",
        }
    }
}

/// The flags that comparisons of optimisers have in common.
#[derive(Debug, Clone, Args)]
pub(crate) struct ContestArgs {
    /// The seed of everything random: splits, starting points, minibatches and their order.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) seed: u64,

    /// Passes over the training data in a run, 1 to 1000 [default: 20, with --quick 6].
    #[arg(long, value_name = "N", value_parser = passes)]
    pub(crate) passes: Option<usize>,

    /// Random starts that methods are judged on, 1 to 100 [default: 5, with --quick 2].
    #[arg(long, value_name = "N", value_parser = starts)]
    pub(crate) starts: Option<usize>,

    /// A short run of the same code: fewer passes and starts, coarser grids.
    #[arg(long)]
    pub(crate) quick: bool,

    /// Folder for the curves (SVG) [default: target/pullback/ and the name of the command].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Also write the summary as JSON to this file; `-` writes it, and nothing else, to standard output.
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,

    /// Read the papers' data from this folder instead of using the built-in ones [env: PULLBACK_DATA].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// Principal components of handwritten digits: learned optimisers against tuned classical ones.
///
/// Minimises the reconstruction error of 8x8 digits over subspaces (a Grassmann manifold). Tunes the rules of the
/// papers on a grid, meta-trains a matrix LSTM and the equivariant optimiser on the training digits, and prints the
/// loss of each on training and on held-out digits after 0, 10, 30 and 100 steps from random starts, with the exact
/// optimum, and whether a learned optimiser comes in a third of the steps to where the best tuned one ends; then once
/// more on randomly rotated digits, which distinguishes learning to optimise from memorising a subspace.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "Examples:\n  \
    pullback-experiments pca                                    the full run, a minute or two\n  \
    pullback-experiments pca --quick                            a short run of the same code\n  \
    pullback-experiments pca --quick --learned gradient-free    the gradient-free optimiser\n  \
    pullback-experiments pca --quick --json - | jq .tasks       numbers only\n  \
    mpirun -n 2 pullback-experiments pca --ranks                with the feature `mpi`: two processes, the same results\n  \
    pullback-experiments pca --load target/pullback/pca/optimizer.safetensors   evaluate without training\n\n\
    Exit status: 0 when the run completed, 1 when it could not, 2 for wrong flags.")]
pub(crate) struct PcaArgs {
    /// The seed of everything random: the split, the starting points, the rotation and the training.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) seed: u64,

    /// Outer steps of the meta-training, at least 1 [default: 2500, with --quick 400]. The equivariant optimiser has at
    /// most 600 of them, with --quick 60.
    #[arg(long, value_name = "N", value_parser = steps)]
    pub(crate) steps: Option<usize>,

    #[command(flatten)]
    pub(crate) crew: CrewArgs,

    /// Continue the training of an interrupted run that was started with the same flags.
    #[arg(long, conflicts_with = "load")]
    pub(crate) resume: bool,

    /// How many components, 1 to 32.
    #[arg(long, default_value_t = 6, value_name = "P", value_parser = components)]
    pub(crate) components: usize,

    /// A short run of the same code: fewer outer steps and coarser tuning grids.
    #[arg(long)]
    pub(crate) quick: bool,

    /// The learned optimiser that is trained.
    #[arg(long, value_enum, default_value_t = Components::GmLstm, value_name = "NETWORK")]
    pub(crate) learned: Components,

    /// How the meta-gradient is estimated [default: fixed-point; of the gradient-free optimiser unroll].
    #[arg(long, value_enum, conflicts_with = "load")]
    pub(crate) estimator: Option<EstimatorName>,

    /// What the learned optimiser is trained on.
    #[arg(long, value_enum, default_value_t = TrainOn::Digits, conflicts_with = "load")]
    pub(crate) train_on: TrainOn,

    /// Folder for the curves (SVG) and the trained optimiser (safetensors).
    #[arg(long, default_value = "target/pullback/pca", value_name = "DIR")]
    pub(crate) out: PathBuf,

    /// Also write the summary as JSON to this file; `-` writes it, and nothing else, to standard output.
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,

    /// Read digits_images_8x8_u8.npy and digits_labels_u8.npy from this folder instead of the built-in copy [env:
    /// PULLBACK_DATA].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,

    /// Evaluate a saved `optimizer.safetensors` instead of training optimisers; the equivariant one is left out.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["steps", "ranks", "learned"])]
    pub(crate) load: Option<PathBuf>,
}

/// The networks of learned optimisers that `pca` trains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Components {
    /// The generalised matrix LSTM.
    GmLstm,
    /// The gradient-free optimiser: rounds of steps on a tangent space by the same network, which sees 64 of the
    /// training images in each round.
    GradientFree,
}

/// How the meta-gradient is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EstimatorName {
    /// Implicit differentiation: the fixed-point series on the last step, in constant memory.
    FixedPoint,
    /// The last step alone, in constant memory.
    OneStep,
    /// Back through all inner steps, in memory that grows with them.
    Unroll,
}

/// What the learned optimiser is trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TrainOn {
    /// The training digits as they are, as in the papers: the subspace itself can be memorised.
    Digits,
    /// The training digits, each run under a random rotation of its own: no subspace can be memorised.
    Rotations,
}

fn number(s: &str) -> Result<usize, String> {
    s.parse().map_err(|_| format!("`{s}` is not a whole number"))
}

pub(crate) fn steps(s: &str) -> Result<usize, String> {
    match number(s)? {
        0 => {
            Err("0 outer steps train nothing; give at least 1, or evaluate a saved optimiser with `--load FILE`".into())
        }
        n => Ok(n),
    }
}

fn threads(s: &str) -> Result<usize, String> {
    match number(s)? {
        n @ 1..=256 => Ok(n),
        n => Err(format!("{n} threads do not work; give 1 to 256")),
    }
}

fn seconds(s: &str) -> Result<f64, String> {
    match s.parse() {
        Ok(t) if (0.1..=1e6).contains(&t) => Ok(t),
        Ok(t) => Err(format!("{t} seconds are no time limit; give 0.1 to 1000000")),
        Err(_) => Err(format!("`{s}` is not a number")),
    }
}

fn components(s: &str) -> Result<usize, String> {
    match number(s)? {
        p @ 1..=32 => Ok(p),
        p => Err(format!("{p} components of 64 pixels are not a task here; give 1 to 32")),
    }
}

pub(crate) fn passes(s: &str) -> Result<usize, String> {
    match number(s)? {
        n @ 1..=1000 => Ok(n),
        n => Err(format!("{n} passes are no run; give 1 to 1000")),
    }
}

pub(crate) fn starts(s: &str) -> Result<usize, String> {
    match number(s)? {
        n @ 1..=100 => Ok(n),
        n => Err(format!("{n} starts are no comparison; give 1 to 100")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
