//! `det`: a determinant by expansion along rows, all `n!` terms of it.

use crate::measured::Program;
use crate::{Case, uniform};
use pullback::{Axis, Batch, Shape, Var};
use pullback_benches::worker::Problem;

pub(crate) fn cases() -> Vec<Case> {
    let case = |n: usize| {
        Case::new(format!("det/{n}"), Program::Cost(expansion), move || Problem {
            x: vec![uniform(Shape::mat(n, n), 1)],
            w: levels(n),
            ..Problem::default()
        })
    };
    [5, 7, 8].map(case).into()
}

/// For each row the places of the entries that stand before minors, in the order of these.
///
/// A minor of the last rows is named by the columns that the rows above took, in order. It is a sum over the columns
/// that are left, of an entry times the minor one row below that takes it too, and those minors stand side by side.
fn levels(n: usize) -> Vec<Batch<f64>> {
    let mut left: Vec<Vec<usize>> = vec![(0..n).collect()];
    let mut levels = vec![];
    for row in 0..n {
        let places: Vec<f64> = left.iter().flatten().map(|j| (j * n + row) as f64).collect();
        levels.push(Batch::from_slice(Shape::mat(1, places.len()), &places));
        let without = |l: &Vec<usize>| {
            let one_less = |j| l.iter().filter(|i| *i != j).copied().collect();
            l.iter().map(one_less).collect::<Vec<Vec<usize>>>()
        };
        left = left.iter().flat_map(without).collect();
    }
    levels
}

/// All minors of one size at once, from the last row up: a gather of entries, a product, and sums of columns with
/// alternating signs.
fn expansion<'t>(x: &[Var<'t>], levels: &[Batch<f64>]) -> Var<'t> {
    let n = x[0].rows();
    let entries = x[0].reshape(n * n, 1);
    let mut minors = None;
    for (row, level) in levels.iter().enumerate().rev() {
        let many = n - row;
        let places: Vec<usize> = level.data().iter().map(|p| *p as usize).collect();
        let signs = Batch::from_fn(Shape::mat(1, many), |_, _, j| if j % 2 == 0 { 1.0 } else { -1.0 });
        let entries = entries.gather(Axis::Rows, &places).reshape(many, places.len() / many);
        let terms = minors.map_or(entries, |m: Var<'t>| entries.hadamard(m.reshape(many, places.len() / many)));
        minors = Some(x[0].tape().constant(&signs) * terms);
    }
    minors.expect("at least one row")
}
