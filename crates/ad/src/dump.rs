//! What a tape holds, for people: a table and a graph, with the time and bytes of every operation.

use crate::error::Line;
use crate::{Result, Scalar, Shape, Tape};
use std::fmt;
use std::time::Duration;

/// One operation of a tape.
#[derive(Debug, Clone)]
pub struct DumpRow {
    /// The primitive.
    pub primitive: &'static str,
    /// Numbers of the values it takes.
    pub inputs: Vec<u32>,
    /// Numbers and shapes of the values it makes.
    pub outputs: Vec<(u32, Shape)>,
    /// Bytes of what it makes.
    pub bytes: usize,
    /// Time of one evaluation, if it was measured.
    pub time: Option<Duration>,
    /// The source line.
    pub line: Line,
}

/// The operations of a tape. `Display` prints a table; [`Dump::dot`] a graph.
#[derive(Debug, Clone)]
pub struct Dump {
    /// In the order of the program.
    pub rows: Vec<DumpRow>,
}

impl<T: Scalar> Tape<T> {
    /// What was recorded.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// use pullback::{Dump, DumpRow};
    /// let tape = Tape::new();
    /// let x = tape.input(&faer::mat![[1.0, 2.0], [3.0, 4.0]]);
    /// let _y = (x * x).sin().sum();
    /// let dump: Dump = tape.dump();
    /// let largest: &DumpRow = dump.rows.iter().max_by_key(|row| row.bytes).unwrap();
    /// assert_eq!((dump.rows.len(), largest.bytes), (3, 32));
    /// println!("{dump}"); // a line for each operation, with its shapes, bytes and place in the source
    /// ```
    pub fn dump(&self) -> Dump {
        let inner = self.inner();
        let row = |r: &crate::record::OpRec<T>| {
            let outputs: Vec<_> = (r.first..r.first + r.outs).map(|i| (i, inner.vals[i as usize].shape)).collect();
            DumpRow {
                primitive: r.op.name(),
                inputs: r.inputs.to_vec(),
                bytes: outputs.iter().map(|(_, s)| s.len() * size_of::<T>()).sum(),
                outputs,
                time: None,
                line: r.line.line,
            }
        };
        Dump { rows: inner.ops.iter().map(row).collect() }
    }

    /// Replays the tape and measures every operation.
    ///
    /// # Errors
    /// As [`Tape::replay`].
    pub fn profile(&self) -> Result<Dump> {
        let mut dump = self.dump();
        let times = self.replay_timed()?;
        dump.rows.iter_mut().zip(times).for_each(|(r, t)| r.time = Some(t));
        Ok(dump)
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>6}  {:<18} {:<16} {:<14} {:>10} {:>10}  line",
            "value", "operation", "of", "shape", "bytes", "time"
        )?;
        for r in &self.rows {
            let of = r.inputs.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
            let shapes = r.outputs.iter().map(|(_, s)| s.to_string()).collect::<Vec<_>>().join(", ");
            let time = r.time.map(|t| format!("{:.2} us", t.as_secs_f64() * 1e6)).unwrap_or_default();
            let first = r.outputs.first().map_or(0, |o| o.0);
            writeln!(
                f,
                "{first:>6}  {:<18} {of:<16} {shapes:<14} {:>10} {time:>10}  {}",
                r.primitive, r.bytes, r.line
            )?;
        }
        let time: Duration = self.rows.iter().filter_map(|r| r.time).sum();
        write!(f, "{} operations, {} bytes", self.rows.len(), self.rows.iter().map(|r| r.bytes).sum::<usize>())?;
        if time > Duration::ZERO { writeln!(f, ", {:.2} us", time.as_secs_f64() * 1e6) } else { writeln!(f) }
    }
}

impl Dump {
    /// The graph in the DOT language.
    pub fn dot(&self) -> String {
        let mut s = String::from("digraph tape {\n  node [shape=box, fontname=monospace];\n");
        let mut maker = std::collections::BTreeMap::new();
        for (k, r) in self.rows.iter().enumerate() {
            let time = r.time.map(|t| format!("\\n{:.2} us", t.as_secs_f64() * 1e6)).unwrap_or_default();
            let shapes = r.outputs.iter().map(|(_, s)| s.to_string()).collect::<Vec<_>>().join(", ");
            s += &format!("  op{k} [label=\"{}\\n{shapes}\\n{} bytes{time}\"];\n", r.primitive, r.bytes);
            for i in &r.inputs {
                match maker.get(i) {
                    Some(m) => s += &format!("  op{m} -> op{k};\n"),
                    None => s += &format!("  v{i} [label=\"input {i}\", shape=ellipse];\n  v{i} -> op{k};\n"),
                }
            }
            r.outputs.iter().for_each(|(i, _)| {
                maker.insert(*i, k);
            });
        }
        s + "}\n"
    }
}
