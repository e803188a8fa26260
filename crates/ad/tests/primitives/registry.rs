//! No primitive is forgotten: each has a line in the table that provably reaches it, a fuzz target, and a row in the documentation.

use super::points::batch;
use super::table::table;
use pullback::{PRIMITIVES, Tape, Var};
use std::collections::BTreeSet;

/// What is on the tape when a line runs and its first and second derivatives are recorded.
fn reached(line: &super::Line) -> BTreeSet<&'static str> {
    let tape = Tape::new();
    let kinds = line.kinds(line.sizes[0]);
    let x: Vec<Var> = kinds.iter().map(|k| tape.input(&batch(&k.generic(1)))).collect();
    let mut y: Var = tape.filled(pullback::Shape::SCALAR, 0.0);
    for out in (line.f)(&x) {
        y = y + out.hadamard(out).sum();
    }
    for x in &x {
        let g = tape.grad_on_tape(y, *x).unwrap();
        let _ = tape.grad_on_tape(g.hadamard(g).sum(), *x).unwrap();
    }
    tape.dump().rows.iter().map(|r| r.primitive).collect()
}

#[test]
fn every_line_reaches_what_it_says() {
    for line in table() {
        let found = reached(&line);
        for name in line.covers {
            assert!(found.contains(name), "{} does not reach {name}; it reaches {found:?}", line.name);
        }
    }
}

#[test]
fn every_primitive_has_a_line() {
    let lines = table();
    let covered: BTreeSet<&str> = lines.iter().flat_map(|l| l.covers.iter().copied()).collect();
    let missing: Vec<_> = PRIMITIVES.iter().filter(|p| !covered.contains(*p)).collect();
    assert!(missing.is_empty(), "no line of crates/ad/tests/primitives/table.rs covers {missing:?}");
}

fn root(path: &str) -> String {
    let path = format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn every_primitive_has_a_row_in_the_documentation() {
    let page = root("docs/primitives.md");
    let rows: BTreeSet<&str> = page.lines().filter_map(|l| l.strip_prefix("| `")?.split('`').next()).collect();
    let missing: Vec<_> = PRIMITIVES.iter().filter(|p| !rows.contains(*p)).collect();
    assert!(missing.is_empty(), "docs/primitives.md has no row for {missing:?}");
    let gone: Vec<_> = rows.iter().filter(|r| !PRIMITIVES.contains(r)).collect();
    assert!(gone.is_empty(), "docs/primitives.md has rows for {gone:?}, which are no primitives");
}

#[test]
fn every_primitive_has_a_fuzz_target() {
    let families = super::families::FAMILIES;
    let fuzzed: BTreeSet<&str> = families.iter().flat_map(|f| f.2.iter().copied()).collect();
    let missing: Vec<_> = PRIMITIVES.iter().filter(|p| !fuzzed.contains(*p)).collect();
    assert!(missing.is_empty(), "no family of fuzz/src/families reaches {missing:?}");
    let manifest = root("fuzz/Cargo.toml");
    for (name, ..) in families {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml has no target {name}");
        let target = root(&format!("fuzz/fuzz_targets/{name}.rs"));
        assert!(target.contains(&format!("families::{name}::{name}(")), "the target {name} does not call its family");
    }
}
