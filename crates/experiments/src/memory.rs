//! The command `memory`: what the networks of optimisers need for an orthogonal ResNet50, from the shapes of its
//! weights, and one step of the shared one on all of its orthogonal layers.
//!
//! A convolution of `out x in x k x k` is a matrix of `in k² x out`. It has orthonormal columns if it is taller than
//! wide; the first convolution is left free, as in the papers' code, and so are the square and the wide ones (the first
//! of layer 1, expansions, shortcuts): 31 of 53 are left, of 11 shapes. The generalised matrix LSTM has a network for
//! each shape, the subspace optimiser one for all.

use crate::cli::MemoryArgs;
use crate::error::{Error, Result, during};
use comfy_table::{CellAlignment, Table};
use pullback::{Batch, Shape, Tape, Var};
use pullback_learned::{Each, GmLstmOptions, Sides, Subspace, SubspaceOptions, Trained, Update};
use pullback_manifolds::{Egrad, Manifold, Rgrad, Stiefel, StiefelRetraction, gaussian, rng};
use pullback_optim::Method;
use std::collections::BTreeMap;
use std::time::Instant;

/// Name and shape of every weight of ResNet50.
const SHAPES: &str = include_str!("../data/resnet/resnet50_weight_shapes.csv");
/// Bytes of a parameter in the papers: single precision.
const SINGLE: f64 = 4.0;
const MIB: f64 = 1024.0 * 1024.0;
const STEP: f64 = 0.01;

/// An orthogonal layer: its name, and a matrix of `rows x cols`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) name: String,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
}

/// The orthogonal layers.
pub(crate) fn layers() -> Result<Vec<Layer>> {
    let broken = |line: &str| {
        let found = format!("the line `{line}` is not model, layer, kind, shape, stride, rows, columns");
        Error::DataMalformed { place: "(built in)".into(), file: "resnet50_weight_shapes.csv", format: "CSV", found }
    };
    let mut out = vec![];
    for line in SHAPES.lines().skip(1) {
        let [_, name, kind, _, _, wide, tall] = line.split(',').collect::<Vec<_>>()[..] else {
            return Err(broken(line));
        };
        let (cols, rows) = (wide.parse().map_err(|_| broken(line))?, tall.parse().map_err(|_| broken(line))?);
        if kind == "conv" && name != "conv1" && rows > cols {
            out.push(Layer { name: name.into(), rows, cols });
        }
    }
    Ok(out)
}

/// What the networks need, in MiB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Figures {
    pub(crate) matrix_lstm: f64,
    pub(crate) subspace: f64,
}

/// How many layers have each shape.
fn by_shape(layers: &[Layer]) -> BTreeMap<(usize, usize), usize> {
    let mut out = BTreeMap::new();
    layers.iter().for_each(|l| *out.entry((l.rows, l.cols)).or_default() += 1);
    out
}

pub(crate) fn figures(layers: &[Layer]) -> Figures {
    let each = by_shape(layers).into_keys().map(|(p, d)| GmLstmOptions::paper(p, d).parameter_count());
    let shared = SubspaceOptions::paper(Sides::Both).parameter_count();
    Figures { matrix_lstm: each.sum::<usize>() as f64 * SINGLE / MIB, subspace: shared as f64 * SINGLE / MIB }
}

/// Prints the table, then takes the step.
pub(crate) fn run(args: &MemoryArgs) -> Result<()> {
    let layers = layers()?;
    let mut table = Table::new();
    table.set_header(["matrix", "layers", "generalised matrix LSTM", "MiB"]);
    for ((p, d), count) in by_shape(&layers) {
        let n = GmLstmOptions::paper(p, d).parameter_count();
        let mib = n as f64 * SINGLE / MIB;
        table.add_row([format!("{p}x{d}"), count.to_string(), n.to_string(), format!("{mib:.1}")]);
    }
    table.column_iter_mut().skip(1).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
    println!("{table}");
    let f = figures(&layers);
    println!(
        "{} orthogonal layers of ResNet50, in single precision: {:.1} MiB for the matrix LSTMs, {:.3} MiB for the subspace \
         optimiser, a factor of {:.4e}.",
        layers.len(),
        f.matrix_lstm,
        f.subspace,
        f.matrix_lstm / f.subspace
    );
    if args.count_only {
        return Ok(());
    }
    step(&layers, args.seed)
}

/// One step of the shared optimiser on every layer, along the gradient of a random linear cost.
fn step(layers: &[Layer], seed: u64) -> Result<()> {
    let optimizer = Each::new(Subspace::new(SubspaceOptions::paper(Sides::Both)), Update::new(STEP));
    let parameters = optimizer.init(&mut rng(seed));
    let trained = Trained::new(optimizer, parameters);
    let clock = Instant::now();
    let (mut peak, mut state_bytes, mut weights, mut worst) = (0, 0, 0, 0f64);
    let mut tape = Tape::plain();
    for (k, layer) in layers.iter().enumerate() {
        let st = Stiefel::new(layer.rows, layer.cols).with(StiefelRetraction::Qr);
        let m: &dyn Manifold = &st;
        let shape = Shape::mat(layer.rows, layer.cols);
        let seed = seed + k as u64;
        let x0: Batch = m.random_point(1, &mut rng(seed)).swap_remove(0);
        tape.clear();
        tape.reset_peak();
        let (x, g) = (tape.constant(&x0), tape.constant(&gaussian(shape, &mut rng(!seed))));
        let begin: Vec<Batch> = trained.begin(&[shape]);
        let state: Vec<Var<'_>> = begin.iter().map(|s| tape.constant(s)).collect();
        let r = m.egrad_to_rgrad(&[x], Egrad(&[g]));
        let (y, kept) = trained.step_with(m, &[x], Egrad(&[g]), Rgrad(&r), &state);
        tape.check().map_err(during("a step of the subspace optimiser"))?;
        let y = y[0].value();
        m.check_point(std::slice::from_ref(&y)).map_err(during("a step of the subspace optimiser"))?;
        let moved = y.data().iter().zip(x0.data()).map(|(y, x)| (y - x).abs()).fold(0.0, f64::max);
        worst = worst.max(moved);
        peak = peak.max(tape.peak_bytes());
        state_bytes += kept.iter().map(|s| s.shape().len() * size_of::<f64>()).sum::<usize>();
        weights += shape.len();
    }
    println!(
        "One step on all {} layers ({weights} weights, double precision) with the {} numbers of one optimiser: {:.1} s. \
         State of all layers {:.1} MiB, most on a tape {:.1} MiB{}. Every layer is still orthogonal; the largest change of an \
         entry is {worst:.1e}.",
        layers.len(),
        trained.parameter_count(),
        clock.elapsed().as_secs_f64(),
        state_bytes as f64 / MIB,
        peak as f64 / MIB,
        resident().map_or(String::new(), |mib| format!(", most resident in the process {mib:.0} MiB")),
    );
    Ok(())
}

/// The most memory that the process had, in MiB, where the system says so.
pub(crate) fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<f64>().ok()? / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_those_of_the_shapes() {
        let layers = layers().unwrap();
        let shapes = by_shape(&layers);
        assert_eq!((layers.len(), shapes.len()), (31, 11));
        assert_eq!(shapes[&(4608, 512)], 3);
        let f = figures(&layers);
        assert!((f.matrix_lstm - 24926.7).abs() < 0.05 && (f.subspace - 0.020).abs() < 5e-4, "{f:?}");
        assert!((f.matrix_lstm / f.subspace / 1.2465e6 - 1.0).abs() < 1e-4);
    }
}
