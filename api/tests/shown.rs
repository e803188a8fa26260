//! What the crates export is in the prelude or in an example, or stands with its reason in `docs/api/unshown.txt`.
//!
//! Examples are the programs of `crates/*/examples`, the Rust blocks of the pages and of the READMEs, and the examples
//! in the documentation of the sources. A name is shown if it occurs there; methods and fields are not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const CRATES: [&str; 7] = ["ad", "check", "geometry", "manifolds", "optim", "implicit", "learned"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All files below a folder with this ending.
fn below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return vec![] };
    let paths = entries.map(|e| e.expect("a readable folder").path());
    let files = paths.flat_map(|p| if p.is_dir() { below(&p, ending) } else { vec![p] });
    files.filter(|p| p.to_string_lossy().ends_with(ending)).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty())
}

/// The code of the blocks between fences that are Rust.
fn rust_blocks<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let (mut code, mut rust, mut inside) = (String::new(), false, false);
    for line in lines {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            (inside, rust) = (!inside, ["", "rust", "no_run"].contains(&language.trim()));
        } else if inside && rust {
            code += line;
            code.push('\n');
        }
    }
    code
}

/// The words of every example.
fn shown() -> BTreeSet<String> {
    let root = root();
    let mut all = vec![];
    for folder in below(&root.join("crates"), ".rs") {
        let source = text(&folder);
        if folder.components().any(|c| c.as_os_str() == "examples") {
            all.push(source);
        } else if folder.components().any(|c| c.as_os_str() == "src") {
            let documentation = source.lines().map(str::trim_start);
            all.push(rust_blocks(documentation.filter_map(|l| l.strip_prefix("///").or(l.strip_prefix("//!")))));
        }
    }
    let pages = below(&root.join("docs"), ".md").into_iter().chain(below(&root.join("crates"), "README.md"));
    all.extend(pages.chain([root.join("README.md")]).map(|p| rust_blocks(text(&p).lines())));
    all.iter().flat_map(|t| words(t)).map(str::to_string).collect()
}

/// What a crate exports at its root, or in a public module, by the snapshot of its interface.
fn exported(name: &str) -> BTreeSet<String> {
    let snapshot = text(&root().join(format!("docs/api/{name}.rs.txt")));
    let uses = snapshot.split("pub use ").skip(1).filter_map(|u| u.split(';').next());
    let items = uses.flat_map(|u| match u.split_once('{') {
        Some((_, list)) => list.trim_end().trim_end_matches('}').split(',').collect::<Vec<_>>(),
        None => vec![u],
    });
    // `a::b as c` exports `c`, `a::b` exports `b`.
    let last = |item: &str| words(item).last().map(str::to_string);
    items.filter_map(last).collect()
}

/// The names of the prelude of the engine.
fn prelude() -> BTreeSet<String> {
    let source = text(&root().join("crates/ad/src/lib.rs"));
    let list = source.split("pub mod prelude").nth(1).and_then(|rest| rest.split('}').next()).expect("a prelude");
    words(list).map(str::to_string).collect()
}

/// `crate: Name Name` below reasons; lines of the latter begin with `#`.
fn stated(list: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in list.lines().filter(|l| !l.starts_with('#') && !l.is_empty()) {
        let (name, items) =
            line.split_once(": ").unwrap_or_else(|| panic!("expected `crate: Name Name`, got `{line}`"));
        for item in items.split(' ') {
            assert!(all.entry(name.into()).or_default().insert(item.into()), "{name}: {item} stands twice");
        }
    }
    all
}

#[test]
fn what_is_exported_is_shown_or_stated() {
    let (shown, prelude) = (shown(), prelude());
    let mut stated = stated(&text(&root().join("docs/api/unshown.txt")));
    let (mut of, mut mistakes) = (0, vec![]);
    for name in CRATES {
        let all = exported(name);
        of += all.len();
        let found: BTreeSet<String> =
            all.iter().filter(|i| !shown.contains(*i) && !prelude.contains(*i)).cloned().collect();
        let listed = stated.remove(name).unwrap_or_default();
        println!(
            "{name}: {} of {} exported names are neither in the prelude nor in an example",
            found.len(),
            all.len()
        );
        mistakes.extend(
            found.difference(&listed).map(|i| format!("{name}: show {i} in an example, or hide it, or list it")),
        );
        mistakes.extend(listed.difference(&found).map(|i| format!("{name}: {i} is listed and is shown, or gone")));
    }
    assert!(stated.is_empty(), "expected the crates {CRATES:?}, got {:?}", stated.keys());
    assert!(mistakes.is_empty(), "docs/api/unshown.txt, of {of} names:\n{}", mistakes.join("\n"));
}

#[test]
fn blocks_and_lists_are_read() {
    let code = rust_blocks("a\n```rust\nlet b;\n```\nc\n```text\nd\n```\n```\ne\n```".lines());
    assert_eq!(words(&code).collect::<Vec<_>>(), ["let", "b", "e"]);
    assert!(exported("ad").is_superset(&["Batch", "Lu", "faer"].map(String::from).into()));
    assert!(prelude().contains("Var") && !prelude().contains("Batch2"));
    assert_eq!(stated("# why\na: B C\n")["a"].len(), 2);
}
