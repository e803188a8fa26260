//! One side of a comparison with other libraries, as a worker process: it reads a request a line from standard input
//! and answers a line. `peers/run.py` is who asks, and `peers/worker.py` the same for a library of Python.
//!
//! - `rows` answers the names of the rows.
//! - `row NAME N PATH` takes up a row at order `N`, writes what it works on into a file, and answers the kinds of calls
//!   there are, as `value gradient hvp`; or `none`.
//! - `numbers KIND PATH` makes one call, writes its result into a file and answers `ok`, perhaps with a remark.
//! - `time KIND REPS` answers the seconds that so many calls took.
//!
//! What goes wrong is answered as `error` and the reason. No program lives here.

use pullback::{Batch, Shape};
use std::io::{StdinLock, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What a row works on, and the file by which other libraries get it.
#[derive(Debug, Clone, Default)]
pub struct Problem {
    /// The inputs; derivatives are taken by all of them.
    pub x: Vec<Batch<f64>>,
    /// A direction for each, for a Hessian-vector product; or none.
    pub v: Vec<Batch<f64>>,
    /// What is given beside: weights of the outputs, data.
    pub w: Vec<Batch<f64>>,
    /// Are inputs and directions symmetric? Then only the symmetric part of a derivative is determined: libraries
    /// differ in how they extend the function to other matrices.
    pub symmetric: bool,
}

impl Problem {
    /// Writes flag, numbers of matrices, and each matrix as rows, columns and entries by columns; all as `f64`. The
    /// members of a batch stand side by side.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut all = vec![f64::from(self.symmetric), self.x.len() as f64, self.v.len() as f64, self.w.len() as f64];
        for m in self.x.iter().chain(&self.v).chain(&self.w) {
            let Shape { batch, rows, cols } = m.shape();
            all.extend([rows as f64, (cols * batch) as f64]);
            all.extend_from_slice(m.data());
        }
        write_numbers(path, &all)
    }
}

/// Writes numbers as they lie in memory, lowest byte first.
fn write_numbers(path: &Path, numbers: &[f64]) -> std::io::Result<()> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    std::fs::File::create(path)?.write_all(&bytes)
}

/// A row taken up: something with calls to check and to time.
pub trait Subject {
    /// The kinds of calls, with spaces between.
    fn kinds(&self) -> &str;

    /// One call.
    ///
    /// # Errors
    /// What went wrong, for people.
    fn run(&mut self, kind: &str) -> Result<(), String>;

    /// What the last call found.
    fn numbers(&self, kind: &str) -> Vec<f64>;

    /// What else is to be said of the last call.
    fn remark(&self) -> String {
        String::new()
    }
}

/// A row that is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its name.
    pub name: String,
    /// The order.
    pub n: usize,
    /// Where to write what it works on.
    pub path: PathBuf,
}

/// The requests that come from standard input.
#[derive(Debug)]
pub struct Requests {
    lines: std::io::Lines<StdinLock<'static>>,
    /// A line that is still to be answered.
    next: Option<String>,
}

impl Default for Requests {
    fn default() -> Self {
        Requests { lines: std::io::stdin().lines(), next: None }
    }
}

impl Requests {
    fn line(&mut self) -> Option<String> {
        self.next.take().or_else(|| self.lines.next()?.ok())
    }

    /// Answers what is about no row, until a row is asked for or nobody asks any more.
    pub fn next_row(&mut self, names: &[&str]) -> Option<Asked> {
        loop {
            let line = self.line()?;
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["rows"] => answer(Ok(names.join(" "))),
                ["row", name, n, path] if n.parse::<usize>().is_ok() => {
                    let n = n.parse().unwrap_or_default();
                    return Some(Asked { name: name.to_string(), n, path: path.into() });
                }
                _ => answer(Err(format!("expected `rows` or `row NAME N PATH`, got `{line}`"))),
            }
        }
    }

    /// Answers that there is no such row.
    pub fn no_such_row(&self) {
        answer(Ok("none".into()));
    }

    /// Writes what a row works on, and answers what is asked of it until something else is asked.
    pub fn serve(&mut self, asked: &Asked, problem: &Problem, subject: &mut dyn Subject) {
        answer(problem.write(&asked.path).map(|()| subject.kinds().to_string()).map_err(|e| e.to_string()));
        while let Some(line) = self.line() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["numbers", kind, path] => answer(subject.run(kind).and_then(|()| {
                    write_numbers(Path::new(path), &subject.numbers(kind)).map_err(|e| e.to_string())?;
                    Ok(format!("ok {}", subject.remark()))
                })),
                ["time", kind, reps] => answer(timed(kind, reps, subject)),
                _ => {
                    self.next = Some(line);
                    return;
                }
            }
        }
    }
}

fn timed(kind: &str, reps: &str, subject: &mut dyn Subject) -> Result<String, String> {
    let reps: usize = reps.parse().map_err(|_| format!("expected a number of calls, got `{reps}`"))?;
    let start = Instant::now();
    for _ in 0..reps {
        subject.run(kind)?;
    }
    Ok(start.elapsed().as_secs_f64().to_string())
}

fn answer(a: Result<String, String>) {
    let mut out = std::io::stdout().lock();
    let said = match a {
        Ok(said) => writeln!(out, "{said}"),
        Err(why) => writeln!(out, "error {}", why.replace('\n', " ")),
    };
    // Whoever asked is gone if this fails, and the next read ends the program.
    said.and_then(|()| out.flush()).ok();
}
