//! Timing that can be trusted on a noisy machine: candidates take many short turns within one run, and what is compared
//! is the time that a tenth of the turns stayed below, since a neighbour can only slow a turn down.
//!
//! Where instructions are counted instead of nanoseconds (`compare --instructions` says so by the variable
//! `PULLBACK_COUNT`), each candidate is called a few times where a profiler sees it. This file needs no other, so that
//! an older checkout can be built with it.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Something to time. Each call is one operation.
pub struct Candidate<'a> {
    name: &'a str,
    run: Box<dyn FnMut() + 'a>,
    per_turn: u32,
    times: Vec<f64>,
}

/// Candidates that are compared.
#[derive(Default)]
pub struct Race<'a> {
    candidates: Vec<Candidate<'a>>,
}

impl<'a> Race<'a> {
    /// No candidate yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one. What it returns is kept from being optimised away.
    pub fn with<R>(mut self, name: &'a str, mut run: impl FnMut() -> R + 'a) -> Self {
        let run = Box::new(move || {
            black_box(run());
        });
        self.candidates.push(Candidate { name, run, per_turn: 1, times: vec![] });
        self
    }

    /// The candidates as they were added, for another way to measure.
    pub fn into_candidates(self) -> impl Iterator<Item = (&'a str, Box<dyn FnMut() + 'a>)> {
        self.candidates.into_iter().map(|c| (c.name, c.run))
    }

    /// Runs all of them in turns for about `budget` and returns what was measured.
    pub fn run(mut self, budget: Duration) -> Measured {
        if std::env::var_os("PULLBACK_COUNT").is_some() {
            return self.count();
        }
        const TURNS: u32 = 400;
        let slice = budget.as_secs_f64() / f64::from(TURNS) / self.candidates.len() as f64;
        for c in &mut self.candidates {
            let mut n = 1u32;
            let once = loop {
                let t = Instant::now();
                (0..n).for_each(|_| (c.run)());
                let s = t.elapsed().as_secs_f64();
                if s > slice / 8.0 || n > 1 << 28 {
                    break s / f64::from(n);
                }
                n *= 2;
            };
            c.per_turn = ((slice / once) as u32).max(1);
        }
        // Of what takes long, fewer turns: the budget is not overdrawn by hundreds of calls of a hundred milliseconds.
        const LEAST: u32 = 50;
        let start = Instant::now();
        for _ in (0..TURNS).take_while(|&turn| turn < LEAST || start.elapsed() < budget * 2) {
            for c in &mut self.candidates {
                let t = Instant::now();
                (0..c.per_turn).for_each(|_| (c.run)());
                c.times.push(t.elapsed().as_secs_f64() / f64::from(c.per_turn));
            }
        }
        Measured { rows: self.candidates.into_iter().map(|c| (c.name.to_string(), c.times)).collect() }
    }

    /// Calls each where a profiler counts, and says which; there is nothing to be read off a clock meanwhile. The first
    /// calls are not counted, for they make buffers, and what takes long is left out.
    fn count(self) -> Measured {
        const LONG: Duration = Duration::from_millis(100);
        let mut rows = vec![];
        for mut c in self.candidates {
            let t = Instant::now();
            (c.run)();
            if t.elapsed() < LONG {
                (0..2).for_each(|_| (c.run)());
                counted_calls(&mut *c.run);
                println!("counted {}", c.name);
            }
            rows.push((c.name.to_string(), vec![1e-9]));
        }
        Measured { rows }
    }
}

/// How many calls the counts of `compare --instructions` are of.
pub const COUNTED: u32 = 4;

/// What a profiler is told to look at, by name.
#[inline(never)]
fn counted_calls(run: &mut dyn FnMut()) {
    (0..COUNTED).for_each(|_| run());
}

/// Times of every candidate, turn by turn, in seconds.
#[derive(Debug)]
pub struct Measured {
    rows: Vec<(String, Vec<f64>)>,
}

impl Measured {
    fn times(&self, name: &str) -> &[f64] {
        let found = self.rows.iter().find(|(n, _)| n == name);
        &found.unwrap_or_else(|| panic!("no candidate {name}")).1
    }

    /// The time in seconds that a tenth of the turns stayed below.
    pub fn time(&self, name: &str) -> f64 {
        let mut v = self.times(name).to_vec();
        v.sort_by(f64::total_cmp);
        v[v.len() / 10]
    }

    /// The ratio of two candidates' times.
    pub fn ratio(&self, a: &str, b: &str) -> f64 {
        self.time(a) / self.time(b)
    }

    /// The faster of two candidates.
    pub fn faster<'n>(&self, a: &'n str, b: &'n str) -> &'n str {
        if self.time(a) <= self.time(b) { a } else { b }
    }
}

/// A time for people.
pub fn pretty(seconds: f64) -> String {
    match seconds {
        s if s < 1e-6 => format!("{:.0} ns", s * 1e9),
        s if s < 1e-3 => format!("{:.2} us", s * 1e6),
        s => format!("{:.2} ms", s * 1e3),
    }
}

/// A figure beside its target, marked when it misses.
pub fn against(x: f64, target: f64) -> String {
    format!("{x:>6.2} (<= {target}){}", if x <= target { "" } else { "  MISSED" })
}

/// A seeded matrix with entries in (-1/2, 1/2), column-major.
pub fn entries(n: usize, seed: u64) -> Vec<f64> {
    let mut s = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..n)
        .map(|_| {
            s ^= s << 13;
            s ^= s >> 7;
            s ^= s << 17;
            (s >> 11) as f64 / (1u64 << 53) as f64 - 0.5
        })
        .collect()
}
