//! How evals are differentiated and timed: on a held tape, and by a driver that records the closure at each call. No
//! eval lives here.

use crate::descent::Mode;
use crate::{Case, unit};
use pullback::{Batch, Many, Result, Shape, Tape, Var};
use pullback::{jvps, pin, pin_many, value, value_and_grad, value_grad_hvp, vjp_many};
use pullback_benches::worker::{Asked, Problem, Requests, Subject};

type Inputs<'a, 't> = &'a [Var<'t>];
/// A program of inputs and data with one output, a number.
type Cost = for<'t> fn(Inputs<'_, 't>, &[Batch<f64>]) -> Var<'t>;
/// A program with several outputs.
type Outputs = for<'t> fn(Inputs<'_, 't>, &[Batch<f64>]) -> Vec<Var<'t>>;

/// A program that differentiates at two levels, the outer one first.
type Solve = for<'t> fn(Inputs<'_, 't>, Mode, Mode) -> Var<'t>;

/// How two levels are differentiated.
#[derive(Clone, Copy)]
pub(crate) struct Nested {
    outer: Mode,
    inner: Mode,
}

impl Nested {
    pub(crate) const ALL: [Nested; 4] = [
        Nested { outer: Mode::Reverse, inner: Mode::Reverse },
        Nested { outer: Mode::Forward, inner: Mode::Forward },
        Nested { outer: Mode::Forward, inner: Mode::Reverse },
        Nested { outer: Mode::Reverse, inner: Mode::Forward },
    ];
}

/// As the suite calls them: `fr` is reverse inside forward.
impl std::fmt::Display for Nested {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let letter = |mode| if mode == Mode::Forward { 'f' } else { 'r' };
        write!(f, "{}{}", letter(self.outer), letter(self.inner))
    }
}

/// A program, and what derivative is asked for.
#[derive(Clone, Copy)]
pub(crate) enum Program {
    /// The gradient.
    Cost(Cost),
    /// The gradient divided by the diagonal of a Hessian that is known to be diagonal.
    Diagonal(Cost),
    /// The Jacobian of outputs whose members depend on the same members of the inputs only: for each row of each
    /// output, the cotangent of all inputs.
    Blocks(Outputs),
    /// The Jacobian of one output: by every entry of the first input, and by every row of others, on whose columns only
    /// the same columns of the output depend.
    Columns(Outputs),
    /// What the program returns, which has taken its derivatives itself.
    Solved(Solve, Nested),
}

pub(crate) fn serve(requests: &mut Requests, asked: &Asked, case: &Case) {
    let problem = (case.problem)();
    let tape = Tape::new();
    let x: Vec<Var<'_>> = problem.x.iter().map(|x| tape.input(x)).collect();
    let y = case.program.outputs(&x, &problem.w);
    let next = problem.x.clone();
    let mut eval =
        Eval { problem: &problem, next, program: case.program, tape: &tape, x, y, found: vec![], placed: false };
    requests.serve(asked, &problem, &mut eval);
}

/// Prints how many operations a call of each case that solves something records, and what one costs: each is recorded
/// and run by itself, since the program branches on numbers.
pub(crate) fn print_operations(cases: &[Case]) {
    println!("{:<14} {:>12} {:>10} {:>14}", "", "operations", "ms a call", "ns a piece");
    let mut tape = Tape::new();
    for case in cases {
        let Program::Solved(f, modes) = case.program else { continue };
        let x = (case.problem)().x;
        let mut seconds = f64::INFINITY;
        for _ in 0..5 {
            tape.clear();
            let x: Vec<Var<'_>> = x.iter().map(|x| tape.input(x)).collect();
            let begun = std::time::Instant::now();
            f(&x, modes.outer, modes.inner);
            seconds = seconds.min(begun.elapsed().as_secs_f64());
        }
        let count = tape.operations();
        println!("{:<14} {count:>12} {:>10.2} {:>14.1}", case.name, 1e3 * seconds, 1e9 * seconds / count as f64);
    }
}

/// What a case that solves something returns.
#[cfg(test)]
pub(crate) fn solved(cases: &[Case], name: &str) -> Vec<f64> {
    let case = cases.iter().find(|c| c.name == name).expect("a case of this name");
    let x = &(case.problem)().x;
    match case.program {
        Program::Solved(f, modes) => value(pin(x, |x| f(&x, modes.outer, modes.inner)), x).unwrap().data().to_vec(),
        _ => panic!("{name} solves nothing"),
    }
}

struct Eval<'t> {
    problem: &'t Problem,
    /// The inputs once more: they and those on the held tape change places at every call, as numbers would that were
    /// computed anew.
    next: Vec<Batch<f64>>,
    program: Program,
    tape: &'t Tape,
    x: Vec<Var<'t>>,
    y: Vec<Var<'t>>,
    /// The numbers of the last derivative: a batch each, kept from call to call.
    found: Vec<Batch<f64>>,
    /// Are these the places that the held tape writes to?
    placed: bool,
}

impl Subject for Eval<'_> {
    fn kinds(&self) -> &str {
        match self.program {
            // It branches on numbers, so no tape is held.
            Program::Solved(..) => "driver",
            _ => "value gradient driver",
        }
    }

    fn run(&mut self, kind: &str) -> std::result::Result<(), String> {
        match kind {
            "value" => self.replayed(),
            "gradient" => self.replayed().and_then(|()| self.held()),
            "driver" => self.driven(),
            _ => return Err(format!("expected `value`, `gradient` or `driver`, got `{kind}`")),
        }
        .map_err(|e| e.to_string())
    }

    fn numbers(&self, kind: &str) -> Vec<f64> {
        match kind {
            "value" => self.y.iter().flat_map(|y| y.value().data().to_vec()).collect(),
            // The diagonal beside the direction is an intermediate result.
            _ if matches!(self.program, Program::Diagonal(_)) => self.found[0].data().to_vec(),
            _ => self.found.iter().flat_map(|b| b.data().to_vec()).collect(),
        }
    }
}

impl Program {
    fn outputs<'t>(self, x: &[Var<'t>], w: &[Batch<f64>]) -> Vec<Var<'t>> {
        match self {
            Program::Cost(f) | Program::Diagonal(f) => vec![f(x, w)],
            Program::Blocks(f) | Program::Columns(f) => f(x, w),
            Program::Solved(..) => vec![],
        }
    }
}

impl Eval<'_> {
    fn replayed(&mut self) -> Result<()> {
        self.x.iter().zip(&mut self.next).for_each(|(x, next)| self.tape.swap(*x, next));
        self.tape.replay()
    }

    /// Places for derivatives: made at the first call, and after a driver has returned others.
    fn places(&mut self, shapes: impl Iterator<Item = Shape>) {
        if !self.placed {
            self.found = shapes.map(Batch::zeros).collect();
            self.placed = true;
        }
    }

    /// The derivative on the held tape, which is up to date.
    fn held(&mut self) -> Result<()> {
        let (tape, x) = (self.tape, self.x.clone());
        match self.program {
            Program::Cost(_) => {
                self.places(x.iter().map(Var::shape));
                tape.gradient_into(self.y[0], &x, &mut self.found.iter_mut().collect::<Vec<_>>())
            }
            Program::Diagonal(_) => {
                self.places(x.iter().chain(&x).map(Var::shape));
                let ones = ones(x[0].shape());
                let (g, h) = self.found.split_at_mut(1);
                tape.grads_hvps_into(self.y[0], &[(x[0], &ones)], &mut [&mut g[0]], &mut [&mut h[0]])?;
                divide(&mut g[0], &h[0]);
                Ok(())
            }
            Program::Blocks(_) => {
                let rows: Vec<(usize, usize)> = rows(&self.y.iter().map(Var::shape).collect::<Vec<_>>());
                self.places(rows.iter().flat_map(|_| x.iter().map(Var::shape)));
                for ((k, i), out) in rows.into_iter().zip(self.found.chunks_mut(x.len())) {
                    let seed = row_of_ones(self.y[k].shape(), i);
                    tape.vjp_into(&[(self.y[k], &seed)], &x, &mut out.iter_mut().collect::<Vec<_>>())?;
                }
                Ok(())
            }
            Program::Columns(_) => {
                let (y, directions) = (self.y[0], columns(&self.problem.x));
                self.places(directions.iter().map(|_| y.shape()));
                for ((i, v), out) in directions.iter().zip(&mut self.found) {
                    tape.jvp_into(&[(x[*i], v)], &[y], &mut [out])?;
                }
                Ok(())
            }
            Program::Solved(..) => Ok(()),
        }
    }

    /// The derivative by a driver, as one would write it who needs it once.
    fn driven(&mut self) -> Result<()> {
        let (x, w) = (&self.problem.x, &self.problem.w);
        self.placed = false;
        self.found = match self.program {
            Program::Cost(f) => value_and_grad(pin(x, |x| f(&x, w)), x)?.1,
            Program::Diagonal(f) => {
                let ones = x.iter().map(|x| ones(x.shape())).collect();
                let (_, mut g, h) = value_grad_hvp(pin(x, |x| f(&x, w)), x, &ones)?;
                divide(&mut g[0], &h[0]);
                g
            }
            Program::Blocks(f) => {
                let (y, pull) = vjp_many(pin_many(x, |x| Many(f(&x, w))), x)?;
                let shapes: Vec<Shape> = y.iter().map(Batch::shape).collect();
                let mut found = vec![];
                for (k, i) in rows(&shapes) {
                    let mut seeds: Vec<Batch<f64>> = shapes.iter().map(|s| Batch::zeros(*s)).collect();
                    seeds[k] = row_of_ones(shapes[k], i);
                    found.extend(pull(&seeds)?);
                }
                found
            }
            Program::Columns(f) => {
                let along = |(i, v)| {
                    let mut all: Vec<Batch<f64>> = x.iter().map(|x| Batch::zeros(x.shape())).collect();
                    all[i] = v;
                    all
                };
                let directions: Vec<Vec<Batch<f64>>> = columns(x).into_iter().map(along).collect();
                jvps(pin(x, |x| f(&x, w)[0]), x, &directions)?.1
            }
            Program::Solved(f, modes) => vec![value(pin(x, |x| f(&x, modes.outer, modes.inner)), x)?],
        };
        Ok(())
    }
}

/// Number of output and row, for each row of each output.
fn rows(shapes: &[Shape]) -> Vec<(usize, usize)> {
    shapes.iter().enumerate().flat_map(|(k, s)| (0..s.rows).map(move |i| (k, i))).collect()
}

/// The directions of [`Program::Columns`], each with the number of its input.
fn columns(x: &[Batch<f64>]) -> Vec<(usize, Batch<f64>)> {
    let units = (0..x[0].shape().len()).map(|k| (0, unit(x[0].shape(), k)));
    let rows = (1..x.len()).flat_map(|i| (0..x[i].shape().rows).map(move |k| (i, k)));
    units.chain(rows.map(|(i, k)| (i, row_of_ones(x[i].shape(), k)))).collect()
}

fn row_of_ones(shape: Shape, row: usize) -> Batch<f64> {
    Batch::from_fn(shape, |_, i, _| f64::from(i == row))
}

fn ones(shape: Shape) -> Batch<f64> {
    Batch::from_fn(shape, |_, _, _| 1.0)
}

fn divide(g: &mut Batch<f64>, h: &Batch<f64>) {
    g.data_mut().iter_mut().zip(h.data()).for_each(|(g, h)| *g /= h);
}
