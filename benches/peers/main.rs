//! Our side of the comparison with other libraries, as a worker that `run.py` talks to. `README.md` says what is
//! compared and how to run it; programs stand in `rows.rs` and `solvers.rs`, the protocol in `../src/worker.rs`.

mod inputs;
mod rows;
mod solvers;

use inputs::{any, symmetric};
use pullback::{Batch, MatLike, Tape, Var};
use pullback_benches::worker::{Asked, Problem, Requests, Subject};
use rows::{ROWS, Row};
use solvers::{SOLVERS, Solving};

fn main() {
    let names: Vec<&str> = ROWS.iter().map(|r| r.name).collect();
    let mut requests = Requests::default();
    while let Some(asked) = requests.next_row(&names) {
        let row = ROWS.iter().find(|r| r.name == asked.name);
        let solver = SOLVERS.iter().find(|(name, _)| *name == asked.name);
        match (row, solver) {
            (Some(row), _) => serve(&mut requests, &asked, row),
            (_, Some((_, solve))) => requests.serve(&asked, &Problem::default(), &mut Solving::new(*solve)),
            _ => requests.no_such_row(),
        }
    }
}

fn serve(requests: &mut Requests, asked: &Asked, row: &Row) {
    let (first, second) = (Tape::new(), Tape::new());
    let (problem, y1, x1) = record(&first, row, asked.n);
    let (_, y2, x2) = record(&second, row, asked.n);
    let g = problem.x.iter().map(|x| Batch::zeros(x.shape())).collect();
    let (first, second) = ((&first, y1, x1), (&second, y2, x2));
    requests.serve(
        asked,
        &problem,
        &mut Held { problem: &problem, next: problem.x.clone(), first, second, g, value: 0.0 },
    );
}

/// Records `<W, f(X)>`; the weights are made where the shapes of the outputs are known.
fn record<'t>(tape: &'t Tape, row: &Row, n: usize) -> (Problem, Var<'t>, Vec<Var<'t>>) {
    let x0 = (row.inputs)(n);
    let x: Vec<Var<'t>> = x0.iter().map(|x| tape.input(x)).collect();
    let outputs = (row.program)(&x);
    let weight = |(k, y): (usize, &Var<'t>)| any(y.rows(), y.cols(), 50 + k as u64);
    let w: Vec<Batch<f64>> = outputs.iter().enumerate().map(weight).collect();
    let y = outputs.iter().zip(&w).map(|(y, w)| y.dot(w)).reduce(|a, b| a + b).expect("an output");
    let direction = |x: &Batch<f64>| any(x.shape().rows, x.shape().cols, 77);
    let v = x0.iter().map(|x| if row.symmetric { symmetric(&direction(x)) } else { direction(x) }).collect();
    (Problem { x: x0, v, w, symmetric: row.symmetric }, y, x)
}

type Recorded<'t> = (&'t Tape, Var<'t>, Vec<Var<'t>>);

/// A row on held tapes: one for value and gradient, one for the Hessian-vector product.
struct Held<'t> {
    problem: &'t Problem,
    /// The inputs once more: they and those on the tape change places at every call, as numbers would that were
    /// computed anew.
    next: Vec<Batch<f64>>,
    first: Recorded<'t>,
    second: Recorded<'t>,
    /// The last derivative.
    g: Vec<Batch<f64>>,
    value: f64,
}

impl Subject for Held<'_> {
    fn kinds(&self) -> &str {
        "value gradient hvp"
    }

    /// New numbers on the tape, what follows from them, and the derivative.
    fn run(&mut self, kind: &str) -> Result<(), String> {
        let Held { problem, next, first, second, g, value } = self;
        let (tape, y, x) = if kind == "hvp" { second } else { first };
        x.iter().zip(next).for_each(|(x, next)| tape.swap(*x, next));
        tape.replay().map_err(|e| e.to_string())?;
        let mut out: Vec<&mut Batch<f64>> = g.iter_mut().collect();
        match kind {
            "value" => Ok(()),
            "gradient" => tape.gradient_into(*y, x, &mut out),
            "hvp" => {
                let seeds: Vec<(Var<'_>, &dyn MatLike<f64>)> =
                    x.iter().zip(&problem.v).map(|(x, v)| (*x, v as _)).collect();
                tape.hvps_into(*y, &seeds, &mut out)
            }
            _ => return Err(format!("expected `value`, `gradient` or `hvp`, got `{kind}`")),
        }
        .map_err(|e| e.to_string())?;
        *value = y.scalar();
        Ok(())
    }

    fn numbers(&self, kind: &str) -> Vec<f64> {
        match kind {
            "value" => vec![self.value],
            _ if self.problem.symmetric => self.g.iter().flat_map(|g| symmetric(g).data().to_vec()).collect(),
            _ => self.g.iter().flat_map(|g| g.data().to_vec()).collect(),
        }
    }
}
