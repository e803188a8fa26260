//! The boundaries that `docs/architecture.md` draws, held against what the files import.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What is imported from the root of the crate, and the file that it stands in.
const ROOT: [(&str, &str); 5] =
    [("Tape", "tape"), ("Var", "var"), ("Batch", "batch"), ("grad", "drivers"), ("jvp", "drivers")];

/// `(files, what they do not import)` of each row of the engine's table.
fn rows(page: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let table = page.split("## The engine, file by file").nth(1).expect("the engine's table");
    let lines = table.split("## ").next().unwrap_or_default().lines();
    let rows = lines.filter(|l| l.starts_with("| `")).map(|l| l.split(" | ").collect::<Vec<_>>());
    let list =
        |cell: &str| cell.trim_matches(['|', ' ']).split(", ").map(|w| w.trim_matches('`').to_string()).collect();
    rows.map(|cells| (list(cells[0]), list(cells[cells.len() - 1]))).collect()
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The files that a row names, by a name or by `folder/*.rs`: all files below the folder but for its `mod.rs`, and
/// those of `ops` that are no rules.
fn files(name: &str) -> Vec<PathBuf> {
    let Some(folder) = name.strip_suffix("/*.rs") else { return vec![source().join(name)] };
    let other = ["mod.rs", "documentation.rs", "direct.rs", "primitive.rs"].map(|f| source().join(folder).join(f));
    below(&source().join(folder)).into_iter().filter(|p| !other.contains(p)).collect()
}

/// All Rust files below a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = entries.map(|e| e.expect("a readable folder").path());
    paths
        .flat_map(|p| if p.is_dir() { below(&p) } else { vec![p] })
        .filter(|p| p.extension().is_some_and(|e| e == "rs"))
        .collect()
}

/// The modules of this crate that a file names outside of comments and tests; those of `ops` as `ops::family` or
/// `ops::file`.
fn imports(path: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let code: Vec<&str> = text.split("#[cfg(test)]").next().unwrap_or_default().lines().collect();
    let code: Vec<&str> = code.into_iter().map(|l| l.split("//").next().unwrap_or_default()).collect();
    let word =
        |s: &str| s.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_string();
    let mut found = BTreeSet::new();
    for piece in code.join("\n").split("crate::").skip(1) {
        // `a`, `a::b`, `{a, b}` or `a::{b, c}`.
        let (first, rest) = piece.split_once("::").filter(|(f, _)| word(f) == *f).unwrap_or((piece, ""));
        for first in members(first) {
            let first = ROOT.iter().find(|(name, _)| *name == word(first)).map_or(word(first), |(_, f)| f.to_string());
            if first == "ops" && !rest.is_empty() {
                found.extend(members(rest).into_iter().map(|m| format!("ops::{}", word(m))));
            } else {
                found.insert(first);
            }
        }
    }
    found
}

/// What a list in braces has, or the one thing that is there.
fn members(list: &str) -> Vec<&str> {
    match list.strip_prefix('{').and_then(|list| list.split('}').next()) {
        Some(list) => list.split(',').collect(),
        None => vec![list],
    }
}

/// Does an import break a boundary?
fn breaks(import: &str, word: &str) -> bool {
    let lower = import.chars().next().is_some_and(char::is_lowercase);
    match word {
        "anything" => lower,
        // Types that stand in the registry are capitalised.
        "rule" => import.strip_prefix("ops::").is_some_and(|f| {
            !["by_members", "direct", "documentation", "evaluation", "primitive"].contains(&f)
                && f.chars().all(|c| !c.is_uppercase())
        }),
        "ops" => import == "ops" || import.starts_with("ops::"),
        word => import == word,
    }
}

#[test]
fn no_file_imports_what_the_page_says_it_does_not() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/architecture.md");
    let rows = rows(&std::fs::read_to_string(page).expect("the architecture page"));
    let mut wrong = vec![];
    for (names, forbidden) in &rows {
        for path in names.iter().flat_map(|n| files(n)) {
            for (import, word) in imports(&path).iter().flat_map(|i| forbidden.iter().map(move |w| (i, w))) {
                // `rule` in a row of a rule is its neighbours.
                if breaks(import, word) {
                    wrong.push(format!("{}: expected no import of `{word}`, got `crate::{import}`", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_page_has_every_file() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/architecture.md");
    let rows = rows(&std::fs::read_to_string(page).expect("the architecture page"));
    let named: BTreeSet<PathBuf> = rows.iter().flat_map(|(names, _)| names).flat_map(|n| files(n)).collect();
    let expected = ["lib.rs", "error.rs"].map(|f| source().join(f));
    let missing: Vec<_> =
        below(&source()).into_iter().filter(|p| !named.contains(p) && !expected.contains(p)).collect();
    assert!(missing.is_empty(), "docs/architecture.md does not name {missing:?}");
}

/// The most lines of a source file that gives no reason for more.
const LINES: usize = 450;
/// How a reason for more begins.
const REASON: &str = "Longer than 450 lines because";

/// Why a file is too long, if it is.
fn too_long(text: &str) -> bool {
    let head = text.lines().take_while(|l| l.starts_with("//!")).collect::<Vec<_>>().join("\n");
    text.lines().count() > LINES && !head.contains(REASON)
}

#[test]
fn no_source_file_is_long_without_a_reason() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = std::fs::read_dir(crates).expect("the crates").map(|e| e.expect("readable").path().join("src"));
    let files: Vec<PathBuf> = folders.filter(|p| p.is_dir()).flat_map(|p| below(&p)).collect();
    assert!(files.len() > 200, "expected the sources of all crates, got {} files", files.len());
    let long: Vec<_> = files.iter().filter(|p| too_long(&std::fs::read_to_string(p).expect("a text"))).collect();
    assert!(long.is_empty(), "split by idea, or say in the head `{REASON} ...`: {long:?}");
}

#[test]
fn a_long_file_is_seen() {
    let lines = |head: &str, n: usize| format!("//! {head}\n{}", "fn f() {}\n".repeat(n));
    assert!(!too_long(&lines("What lives here.", LINES - 1)) && too_long(&lines("What lives here.", LINES)));
    assert!(!too_long(&lines(&format!("{REASON} it is one table."), LINES)));
    assert!(too_long(&format!("//! What lives here.\n// {REASON} ...\n{}", "\n".repeat(LINES))));
}

#[test]
fn families_have_one_name() {
    let names: Vec<String> = pullback::SECTIONS.iter().map(|s| s.title.to_lowercase().replace(' ', "_")).collect();
    let stems = |folder: PathBuf| -> BTreeSet<String> {
        let entries = std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("readable").path());
        let stems = entries.map(|p| p.file_stem().expect("a name").to_string_lossy().into_owned());
        stems.filter(|s| s != "mod").collect()
    };
    let families: BTreeSet<String> = names.iter().cloned().collect();
    assert_eq!(stems(source().join("var")), families, "methods (crates/ad/src/var) and the registry differ");
    let rules: BTreeSet<String> = stems(source().join("ops"))
        .into_iter()
        .filter(|s| !["by_members", "direct", "documentation", "evaluation", "primitive"].contains(&s.as_str()))
        .collect();
    assert_eq!(rules, families, "rules (crates/ad/src/ops) and the registry differ");
    for (name, doc) in pullback::SECTIONS.iter().zip(&names).flat_map(|(s, f)| s.rows.iter().map(move |r| (f, r))) {
        let (path, outside) = (doc.1.file, ["src/custom.rs", "src/checkpoint.rs"]);
        let at_home = path.contains(&format!("src/ops/{name}/")) || outside.iter().any(|f| path.ends_with(f));
        assert!(at_home, "the rule of `{}` is of the family {name} and stands in {path}", doc.0);
    }
    let fuzzed = stems(source().join("../../../fuzz/src/families"));
    let fuzzed: BTreeSet<String> = fuzzed.into_iter().filter(|s| !["case", "property"].contains(&s.as_str())).collect();
    assert_eq!(fuzzed, families, "fuzz targets (fuzz/src/families) and the registry differ");
    let kernels = stems(source().join("../../kernels/src/list"));
    let numeric: BTreeSet<String> = families.iter().filter(|f| *f != "control").cloned().collect();
    assert_eq!(kernels, numeric, "kernels (crates/kernels/src/list) and the registry differ");
    let table = source().join("../tests/primitives/table.rs");
    let table = std::fs::read_to_string(table).expect("the table of tests");
    let missing: Vec<&String> =
        names.iter().filter(|n| !table.contains(&format!("// ---- {}", n.replace('_', " ")))).collect();
    assert!(missing.is_empty(), "crates/ad/tests/primitives/table.rs has no heading for {missing:?}");
}

#[test]
fn an_import_is_seen() {
    let sweep = imports(&source().join("sweep.rs"));
    assert!(sweep.contains("record") && sweep.contains("value") && !sweep.contains("tape"), "{sweep:?}");
    assert!(imports(&source().join("dead.rs")).contains("ops::entries"));
    assert!(imports(&source().join("views.rs")).contains("tape"));
    assert!(breaks("ops::entries", "rule") && !breaks("ops::direct", "rule") && !breaks("ops", "rule"));
    assert!(breaks("tape", "tape") && breaks("ops::entries", "ops") && !breaks("Shape", "anything"));
}
