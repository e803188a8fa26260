//! `lstm`: the loss of a recurrent network with diagonal weights that predicts the next character of a text.

use crate::measured::Program;
use crate::{Case, uniform};
use pullback::{Axis, Batch, Shape, Var};
use pullback_benches::entries;
use pullback_benches::worker::Problem;

/// Bits of a character, which is also the size of all vectors.
const BITS: usize = 14;

pub(crate) fn cases() -> Vec<Case> {
    let case = |(layers, length): (usize, usize)| {
        Case::new(format!("lstm/l={layers},c={length}"), Program::Cost(loss), move || {
            let text = entries(BITS * length, 4).iter().map(|x| f64::from(*x > 0.0)).collect::<Vec<_>>();
            Problem {
                x: vec![uniform(Shape::mat(BITS, 8 * layers), 1), uniform(Shape::mat(BITS, 3), 2)],
                w: vec![uniform(Shape::mat(BITS, 2 * layers), 3), Batch::from_slice(Shape::mat(BITS, length), &text)],
                ..Problem::default()
            }
        })
    };
    [(2, 1024), (4, 4096)].map(case).into()
}

/// Columns of the first input, for each layer: the weights of the gates forget, in, out and change, then their biases.
/// Columns of the second: weight of the characters, weight and bias of the outputs. Data: hidden state and cell of each
/// layer, and the text.
fn loss<'t>(x: &[Var<'t>], w: &[Batch<f64>]) -> Var<'t> {
    let tape = x[0].tape();
    let (text, start) = (tape.constant(&w[1]), tape.constant(&w[0]));
    let gates: Vec<Var<'t>> = (0..x[0].cols()).map(|j| x[0].column(j)).collect();
    let mut state: Vec<[Var<'t>; 2]> =
        (0..start.cols() / 2).map(|i| [start.column(2 * i), start.column(2 * i + 1)]).collect();
    let [weight, out_weight, out_bias] = [0, 1, 2].map(|j| x[1].column(j));
    let length = text.cols();
    let seen = text.column_range(0, length - 1).hadamard(weight);
    let mut last = Vec::with_capacity(length);
    for t in 0..length - 1 {
        let mut input = seen.column(t);
        for ([hidden, cell], gate) in state.iter_mut().zip(gates.chunks(8)) {
            let affine = |v: Var<'t>, i: usize| v.hadamard_add(gate[i], gate[i + 4]);
            let (forget, ingate, outgate) =
                (affine(input, 0).sigmoid(), affine(*hidden, 1).sigmoid(), affine(input, 2).sigmoid());
            let change = affine(*hidden, 3).tanh();
            *cell = cell.hadamard_add(forget, ingate.hadamard(change));
            *hidden = outgate.hadamard(cell.tanh());
            input = *hidden;
        }
        last.push(input);
    }
    let outputs = Var::concat(&last, Axis::Cols).hadamard_add(out_weight, out_bias);
    // The suite's sum of exponentials has a 2 in it.
    let normed = outputs - (outputs.exp().column_sums() + 2.0).ln();
    normed.dot(text.column_range(1, length - 1)) / -((BITS * (length - 1)) as f64)
}
