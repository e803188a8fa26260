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

/// The files that a row names, by a name or by `folder/*.rs`.
fn files(name: &str) -> Vec<PathBuf> {
    match name.strip_suffix("/*.rs") {
        None => vec![source().join(name)],
        Some(folder) => {
            let entries = std::fs::read_dir(source().join(folder)).expect("a folder of the page exists");
            let all = entries.map(|e| e.expect("a readable folder").path());
            all.filter(|p| !p.ends_with("mod.rs") && !p.ends_with("about.rs") && !p.ends_with("direct.rs")).collect()
        }
    }
}

/// The modules of this crate that a file names outside of comments and tests; those of `ops` as `ops::file`.
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
        "rule" => import.strip_prefix("ops::").is_some_and(|f| f != "direct" && f.chars().all(|c| !c.is_uppercase())),
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
    let all = std::fs::read_dir(source()).expect("the sources").map(|e| e.expect("readable").path());
    let missing: Vec<_> = all.filter(|p| p.extension().is_some_and(|e| e == "rs") && !named.contains(p)).collect();
    let expected = ["lib.rs", "error.rs"].map(|f| source().join(f));
    assert!(missing.iter().all(|p| expected.contains(p)), "{missing:?}");
}

#[test]
fn an_import_is_seen() {
    let sweep = imports(&source().join("sweep.rs"));
    assert!(sweep.contains("record") && sweep.contains("value") && !sweep.contains("tape"), "{sweep:?}");
    assert!(imports(&source().join("dead.rs")).contains("ops::select"));
    assert!(imports(&source().join("views.rs")).contains("tape"));
    assert!(breaks("ops::select", "rule") && !breaks("ops::direct", "rule") && !breaks("ops", "rule"));
    assert!(breaks("tape", "tape") && breaks("ops::select", "ops") && !breaks("Shape", "anything"));
}
