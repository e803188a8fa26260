//! Our side of the comparison with other libraries, as a worker that `run.py` talks to: it reads a request a line from
//! standard input and answers a line. `README.md` says what is compared and how to run it.
//!
//! - `rows` answers the names of the matrix rows.
//! - `row NAME N PATH` takes up a row at order `N`, writes what it works on into a file, and answers the kinds there
//!   are: `value gradient hvp`, or `solve`; or `none`.
//! - `numbers KIND PATH` writes a result into a file and answers `ok`, perhaps with a remark.
//! - `time KIND REPS` answers the seconds that so many calls took.
//!
//! What goes wrong is answered as `error` and the reason. Programs stand in `rows.rs` and `solvers.rs`.

mod inputs;
mod rows;
mod solvers;

use inputs::{Problem, any, symmetric, write_numbers};
use pullback::{Batch, MatLike, Tape, Var};
use rows::{ROWS, Row};
use solvers::{SOLVERS, Solved};
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

type Answer = Result<String, String>;

fn main() {
    let mut lines = std::io::stdin().lines().map_while(Result::ok);
    let mut next = lines.next();
    while let Some(line) = next.take() {
        let words: Vec<&str> = line.split(' ').collect();
        next = match words[..] {
            ["rows"] => {
                answer(Ok(ROWS.iter().map(|r| r.name).collect::<Vec<_>>().join(" ")));
                lines.next()
            }
            ["row", name, n, path] => match (find(name), n.parse()) {
                (Some(Found::Row(row)), Ok(n)) => serve_row(row, n, Path::new(path), &mut lines),
                (Some(Found::Solver(solve)), _) => serve_solver(solve, &mut lines),
                _ => {
                    answer(Ok("none".into()));
                    lines.next()
                }
            },
            _ => {
                answer(Err(format!("expected `rows` or `row NAME N PATH`, got `{line}`")));
                lines.next()
            }
        };
    }
}

enum Found {
    Row(&'static Row),
    Solver(fn() -> Solved),
}

fn find(name: &str) -> Option<Found> {
    let row = ROWS.iter().find(|r| r.name == name).map(Found::Row);
    row.or_else(|| SOLVERS.iter().find(|(own, _)| *own == name).map(|(_, solve)| Found::Solver(*solve)))
}

fn answer(a: Answer) {
    let mut out = std::io::stdout().lock();
    let said = match a {
        Ok(said) => writeln!(out, "{said}"),
        Err(why) => writeln!(out, "error {}", why.replace('\n', " ")),
    };
    // Whoever asked is gone if this fails, and the next read ends the program.
    said.and_then(|()| out.flush()).ok();
}

/// Answers what is asked about a row; returns the first line that is about something else.
fn serve(lines: &mut dyn Iterator<Item = String>, mut ask: impl FnMut(&[&str]) -> Option<Answer>) -> Option<String> {
    for line in lines {
        match ask(&line.split(' ').collect::<Vec<_>>()) {
            Some(a) => answer(a),
            None => return Some(line),
        }
    }
    None
}

fn serve_solver(solve: fn() -> Solved, lines: &mut dyn Iterator<Item = String>) -> Option<String> {
    answer(Ok("solve".into()));
    serve(lines, |words| match words {
        ["numbers", "solve", path] => Some(solve().and_then(|(cost, outer)| {
            write_numbers(Path::new(path), &[cost]).map_err(|e| e.to_string())?;
            Ok(format!("ok {outer} outer"))
        })),
        ["time", "solve", reps] => Some(timed(reps, || solve().map(|_| ()))),
        _ => None,
    })
}

fn timed(reps: &str, mut run: impl FnMut() -> Result<(), String>) -> Answer {
    let reps: usize = reps.parse().map_err(|_| format!("expected a number of calls, got `{reps}`"))?;
    let start = Instant::now();
    for _ in 0..reps {
        black_box(run())?;
    }
    Ok(start.elapsed().as_secs_f64().to_string())
}

fn serve_row(row: &Row, n: usize, path: &Path, lines: &mut dyn Iterator<Item = String>) -> Option<String> {
    let (first, second) = (Tape::new(), Tape::new());
    let (problem, y1, x1) = record(&first, row, n);
    let (_, y2, x2) = record(&second, row, n);
    answer(problem.write(path).map(|()| "value gradient hvp".into()).map_err(|e| e.to_string()));
    let mut held = Held { problem, first: (&first, y1, x1), second: (&second, y2, x2), g: vec![], value: 0.0 };
    held.g = held.problem.x.iter().map(|x| Batch::zeros(x.shape())).collect();
    serve(lines, |words| match words {
        ["numbers", kind, path] => Some(held.run(kind).and_then(|()| {
            write_numbers(Path::new(path), &held.numbers(kind)).map_err(|e| e.to_string())?;
            Ok("ok".into())
        })),
        ["time", kind, reps] => Some(timed(reps, || held.run(kind))),
        _ => None,
    })
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
    problem: Problem,
    first: Recorded<'t>,
    second: Recorded<'t>,
    /// The last derivative.
    g: Vec<Batch<f64>>,
    value: f64,
}

impl Held<'_> {
    /// One call: new numbers on the tape, what follows from them, and the derivative.
    fn run(&mut self, kind: &str) -> Result<(), String> {
        let Held { problem, first, second, g, value } = self;
        let (tape, y, x) = if kind == "hvp" { second } else { first };
        x.iter().zip(&problem.x).for_each(|(x, to)| tape.set(*x, to));
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

    /// What the last call found.
    fn numbers(&self, kind: &str) -> Vec<f64> {
        match kind {
            "value" => vec![self.value],
            _ if self.problem.symmetric => self.g.iter().flat_map(|g| symmetric(g).data().to_vec()).collect(),
            _ => self.g.iter().flat_map(|g| g.data().to_vec()).collect(),
        }
    }
}
