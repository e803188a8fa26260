//! No primitive is forgotten: each has a line in the table that provably reaches it, a fuzz target, and a row in the
//! documentation.

use super::points::batch;
use super::table::table;
use pullback::{COMPOSED, COMPOSITIONS, SECTIONS, Tape, Var};
use std::collections::BTreeSet;

/// The names of all primitives.
fn primitives() -> impl Iterator<Item = &'static str> {
    SECTIONS.iter().flat_map(|s| s.rows).map(|(name, _)| *name)
}

/// What is on the tape when a line runs and its first and second derivatives are recorded.
fn reached(line: &super::Line) -> BTreeSet<&'static str> {
    let tape = Tape::new();
    let kinds = line.kinds(line.sizes[0]);
    let x: Vec<Var> = kinds.iter().map(|k| tape.input(&batch(&k.generic(1)))).collect();
    let mut y: Var = tape.filled(pullback::Shape::SCALAR, 0.0);
    for out in (line.f)(&x) {
        y += out.hadamard(out).sum();
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
    let missing: Vec<_> = primitives().filter(|p| !covered.contains(p)).collect();
    assert!(missing.is_empty(), "no line of crates/ad/tests/primitives/table.rs covers {missing:?}");
}

fn root(path: &str) -> String {
    let path = format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The path of a rule's file below `src/ops`, or below `src`.
fn file(path: &str) -> &str {
    let below = |folder: &str| path.split_once(folder).map(|(_, rest)| rest);
    below("src/ops/").or_else(|| below("src/")).unwrap_or(path)
}

#[test]
fn every_row_says_what_there_is_to_say() {
    let names: BTreeSet<&str> = primitives().collect();
    assert_eq!(names.len(), primitives().count(), "a name is used twice");
    for (name, doc) in SECTIONS.iter().flat_map(|s| s.rows) {
        assert!(!doc.operation.is_empty(), "{name}: the operations that reach it are not said");
        assert!(doc.cost.len() == 3 || doc.cost.len() == 1, "{name}: value, JVP and VJP, or one word for all");
    }
    for [operation, .., file] in COMPOSITIONS {
        let path = format!("{}/src/{file}", env!("CARGO_MANIFEST_DIR"));
        assert!(std::path::Path::new(&path).is_file(), "{operation}: there is no file {file}");
    }
}

/// `docs/primitives.md`, from the data beside the registry.
fn page() -> String {
    let mut page = String::from(INTRODUCTION);
    let table = |heads: &[&str]| format!("| {} |\n|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    let text = |t: &str| if t.is_empty() { String::new() } else { format!("{t}\n\n") };
    for s in SECTIONS {
        page += &format!("\n## {}\n\n{}", s.title, text(s.text));
        page +=
            &table(&["primitive", "operation", "conditions", "gauge", "cost", "degenerate points", "source", "file"]);
        for (name, r) in s.rows {
            let (name, file, cost) = (format!("`{name}`"), format!("`{}`", file(r.file)), r.cost.join(" / "));
            let cells = [&name, r.operation, r.conditions, r.gauge, &cost, r.degenerate, r.source, &file];
            page += &format!("| {} |\n", cells.join(" | ")).replace("|  |", "| |");
        }
    }
    page += &format!("\n## Compositions\n\n{}", text(COMPOSED));
    page += &table(&["operation", "made of", "conditions", "file"]);
    for [name, parts, conditions, file] in COMPOSITIONS {
        page += &format!("| {name} | {parts} | {conditions} | `{file}` |\n");
    }
    page
}

const INTRODUCTION: &str = "\
# The primitives

Every operation of the engine is one of these primitives or a composition of them. Each primitive is in a file of `crates/ad/src/ops/<family>` with its
derivation; users call it through the operation in the second column. This page is generated from the constant `DOC` beside each rule and from
`crates/ad/src/ops/documentation.rs`: a test compares them, and `PULLBACK_BLESS=1 cargo test -p pullback --test primitives registry` writes the page anew.
Tests also fail when a primitive has no row here, no line in `crates/ad/tests/primitives/table.rs`, or no target in `fuzz/`.

- *Conditions*: what the data must satisfy; else the value is marked as failed (poisoned) and the driver returns the typed error named here.
- *Gauge*: what the value is unique up to, and the normal form that fixes it. \"-\" where there is nothing to fix.
- *Cost*: value / JVP / VJP in multiples of n³ for square arguments; \"pass\" is one pass over the entries.
- *Degenerate points*: what happens where textbook rules divide by zero.
";

#[test]
fn the_page_is_what_it_is_made_of() {
    let path = format!("{}/../../docs/primitives.md", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("PULLBACK_BLESS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let lines = |text: &str| text.lines().map(str::to_string).collect::<Vec<_>>();
    let (found, made) = (lines(&root("docs/primitives.md")), lines(&page()));
    let differs = found.iter().zip(&made).position(|(a, b)| a != b);
    let at = differs.or((found.len() != made.len()).then_some(found.len().min(made.len())));
    assert!(at.is_none(), "docs/primitives.md, line {}: run the tests with PULLBACK_BLESS=1", at.unwrap_or(0) + 1);
}

#[test]
fn every_primitive_has_a_fuzz_target() {
    use super::families::{FAMILIES, targets};
    let fuzzed: BTreeSet<&str> = targets().flat_map(|t| t.2.iter().copied()).collect();
    let missing: Vec<_> = primitives().filter(|p| !fuzzed.contains(p)).collect();
    assert!(missing.is_empty(), "no target of fuzz/src/families reaches {missing:?}");
    let manifest = root("fuzz/Cargo.toml");
    for (family, targets) in FAMILIES {
        for (name, _, reached) in *targets {
            assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml has no target {name}");
            let seed = format!("{}/../../fuzz/corpus/{name}/seed-00", env!("CARGO_MANIFEST_DIR"));
            assert!(
                std::path::Path::new(&seed).exists(),
                "{name} has no seeds: `cargo run --example seeds` in fuzz/ writes them"
            );
            let target = root(&format!("fuzz/fuzz_targets/{name}.rs"));
            assert!(target.contains(&format!("{name}::{name}(")), "the target {name} does not call its property");
            let rows =
                SECTIONS.iter().find(|s| s.title.to_lowercase() == *family).expect("a family of the registry").rows;
            assert!(reached.iter().any(|p| rows.iter().any(|(n, _)| n == p)), "{name} reaches nothing of {family}");
        }
    }
}
