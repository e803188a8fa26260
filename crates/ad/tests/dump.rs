//! What a tape tells people about itself.

mod common;
use common::*;
use pullback::prelude::*;
use std::time::Duration;

#[test]
fn a_table_of_operations() {
    let tape = Tape::new();
    let x = tape.input(&rnd(5, 3, 1));
    let line = line!() + 1;
    let (q, _r) = x.qr();
    let _y = q.t_mul(q.tanh()).trace();
    let dump = tape.dump();
    let names: Vec<&str> = dump.rows.iter().map(|r| r.primitive).collect();
    assert_eq!(names, ["qr", "unary", "matmul", "diag", "sum"]);
    let qr = &dump.rows[0];
    assert_eq!((qr.inputs.clone(), qr.bytes, qr.time), (vec![0], 8 * (15 + 9), None));
    assert_eq!(
        qr.outputs.iter().map(|(i, s)| (*i, s.to_string())).collect::<Vec<_>>(),
        [(1, "5x3".into()), (2, "3x3".into())]
    );
    assert_eq!((qr.line.file(), qr.line.line()), (file!(), line));
    assert_eq!(dump.rows[2].inputs, [1, 3]);
    let text = dump.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1 + 5 + 1, "{text}");
    for word in ["value", "operation", "of", "shape", "bytes", "time", "line"] {
        assert!(lines[0].contains(word), "{text}");
    }
    for word in ["qr", "5x3, 3x3", "192", &format!("{}:{line}:", file!())] {
        assert!(lines[1].contains(word), "{text}");
    }
    assert!(lines[3].contains("matmul") && lines[3].contains("1 3") && lines[3].contains("3x3"), "{text}");
    assert_eq!(lines[6], format!("5 operations, {} bytes", 192 + 120 + 72 + 24 + 8));
}

#[test]
fn a_graph_in_dot() {
    let tape = Tape::new();
    let (x, c) = (tape.input(&rnd(2, 2, 1)), tape.constant(&rnd(2, 2, 2)));
    let _ = (x * c).sin() + x;
    let dot = tape.dump().dot();
    assert!(dot.starts_with("digraph tape {\n") && dot.ends_with("}\n"), "{dot}");
    let has = |s: &str| assert!(dot.contains(s), "`{s}` is missing in\n{dot}");
    has("op0 [label=\"matmul\\n2x2\\n32 bytes\"];");
    has("v0 [label=\"input 0\", shape=ellipse];");
    has("v0 -> op0;");
    has("v1 -> op0;");
    has("op0 -> op1;");
    has("op1 -> op2;");
    has("v0 -> op2;");
    assert_eq!(dot.matches("->").count(), 5, "{dot}");
    assert_eq!(dot.matches("[label").count(), 6, "three operations, two inputs, one of them drawn twice\n{dot}");
}

#[test]
fn a_profile_measures_each_operation() {
    let tape = Tape::new();
    let x = tape.input(&rnd(120, 120, 1));
    let _ = (x * x).exp().sum();
    let profile = tape.profile().unwrap();
    let times: Vec<Duration> = profile.rows.iter().map(|r| r.time.expect("a time")).collect();
    assert_eq!(times.len(), 3);
    assert!(times[0] > Duration::from_micros(5) && times[0] < Duration::from_secs(5), "{times:?}");
    let text = profile.to_string();
    assert!(text.lines().skip(1).all(|l| l.contains(" us")), "{text}");
    assert!(profile.dot().matches(" us\"]").count() == 3);
    // What cannot be replayed cannot be profiled.
    let _ = if x.scalar_of_corner() > 0.0 { x.sin() } else { x };
    assert!(tape.profile().is_err());
}

trait Corner {
    fn scalar_of_corner(&self) -> f64;
}
impl Corner for Var<'_> {
    fn scalar_of_corner(&self) -> f64 {
        self.value().data()[0].abs() + 1.0
    }
}

#[test]
fn values_print_themselves() {
    let tape = Tape::new();
    let x = tape.input(&faer::mat![[1.0, 2.0]]);
    assert_eq!(
        format!("{x:?}").split_whitespace().collect::<Vec<_>>(),
        ["Var", "#0", "Batch", "1x2", "1.00000e0", "2.00000e0"]
    );
    tape.replay().unwrap();
    let _ = x.sin();
    tape.replay().expect("printing is not reading");
}
