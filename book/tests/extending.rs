//! `docs/extending.md` quotes the repository: each line of its diffs is in the file that the diff names.

use std::path::{Path, PathBuf};

/// A file of the page, lines that are in it in this order, and lines that are not in it any more.
#[derive(Debug, Default)]
struct Quoted {
    file: String,
    there: Vec<String>,
    gone: Vec<String>,
}

/// What the blocks of a page quote. ` // path` names the file of the lines below it; `// ...` stands for lines that are
/// left out.
fn quoted(page: &str) -> Vec<Quoted> {
    let mut all: Vec<Quoted> = vec![];
    for block in page.split("```diff\n").skip(1).filter_map(|b| b.split("```").next()) {
        for line in block.lines() {
            let (sign, text) = line.split_at_checked(1).unwrap_or((" ", ""));
            match (sign, text.trim()) {
                (_, "") => {}
                (_, text) if text.starts_with("// ...") => {}
                (" ", text) if text.starts_with("// ") => {
                    let file = text[3..].split(':').next().unwrap_or_default();
                    all.push(Quoted { file: file.into(), ..Quoted::default() });
                }
                ("+", text) | (" ", text) => all.last_mut().expect("a file first").there.push(text.into()),
                (_, text) => all.last_mut().expect("a file first").gone.push(text.into()),
            }
        }
    }
    all
}

/// Without white space, since the page breaks lines where it likes.
fn dense(text: &str) -> String {
    text.split_whitespace().collect()
}

/// The first line that is not where it should be.
fn mistake(quoted: &Quoted, text: &str) -> Option<String> {
    let text = dense(text);
    let mut at = 0;
    for line in &quoted.there {
        match text[at..].find(&dense(line)) {
            Some(k) => at += k + dense(line).len(),
            None => return Some(format!("expected `{line}` in {}, after the lines quoted before", quoted.file)),
        }
    }
    let back = quoted.gone.iter().find(|line| text.contains(&dense(line)));
    back.map(|line| format!("expected `{line}` to be gone from {}", quoted.file))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn every_quoted_line_is_in_its_file() {
    let all = quoted(&text("docs/extending.md"));
    assert!(all.len() >= 12, "expected the files of four kinds of extension, got {}", all.len());
    let mistakes: Vec<String> = all.iter().filter_map(|q| mistake(q, &text(&q.file))).collect();
    assert!(mistakes.is_empty(), "docs/extending.md:\n{}", mistakes.join("\n"));
}

#[test]
fn a_line_that_changed_is_seen() {
    let all = quoted("```diff\n // a.rs: some words\n+fn f() {\n+    // ... more\n+    g(1);\n-old();\n```\n");
    assert_eq!((all.len(), all[0].file.as_str(), all[0].there.len()), (1, "a.rs", 2));
    assert!(mistake(&all[0], "fn f()\n{ h(); g( 1 ); }").is_none());
    assert!(mistake(&all[0], "fn f() { g(2); }").is_some() && mistake(&all[0], "g(1); fn f() {").is_some());
    assert!(mistake(&all[0], "fn f() { g(1); } old();").is_some());
}
