//! A net of two layers in a struct, recorded once on a held tape and trained by replay: the exclusive or.

use pullback::faer::{Mat, mat};
use pullback::prelude::*;

pullback::leaves! {
    /// Weights and biases.
    struct Net as NetVars { w1: Mat<f64>, b1: Mat<f64>, w2: Mat<f64>, b2: f64 }
}

/// Runs the example and returns what it prints.
pub fn run() -> pullback::Result<String> {
    let inputs = mat![[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]];
    let targets = mat![[0.0, 1.0, 1.0, 0.0]];
    let mut net = Net {
        w1: Mat::from_fn(4, 2, |i, j| ((3 * i + 5 * j) as f64).sin()),
        b1: Mat::zeros(4, 1),
        w2: Mat::from_fn(1, 4, |_, j| (j as f64).cos()),
        b2: 0.0,
    };
    let tape = Tape::new();
    let vars = tape.inputs(&net);
    let hidden = (vars.w1 * &inputs + vars.b1).tanh();
    let error = (vars.w2 * hidden + vars.b2).sigmoid() - &targets;
    let loss = error.dot(error);
    let start = loss.value().scalar();
    for _ in 0..2000 {
        let g = tape.gradients(loss, &vars, &net)?;
        net = Net { w1: net.w1 - g.w1, b1: net.b1 - g.b1, w2: net.w2 - g.w2, b2: net.b2 - g.b2 };
        tape.set_all(&vars, &net);
        tape.replay()?;
    }
    let end = loss.value().scalar();
    assert!(end < 0.02 * start, "it did not learn: {start} to {end}");
    // The gradient against a difference, at the end.
    let g = tape.gradients(loss, &vars, &net)?.b2;
    tape.set_all(&vars, &Net { b2: net.b2 + 1e-6, ..net });
    tape.replay()?;
    let difference = (loss.value().scalar() - end) / 1e-6;
    assert!((g - difference).abs() < 1e-5, "{g} {difference}");
    Ok(format!("loss {start:.3} to {end:.5} in 2000 steps, {} recorded operations", tape.operations()))
}

#[allow(dead_code)]
fn main() -> pullback::Result<()> {
    println!("{}", run()?);
    Ok(())
}
