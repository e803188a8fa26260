//! The pages of `docs/`: the table of contents names them all, links lead somewhere, formulas can be read, plots are
//! shown. mdBook is not needed for this.

use pullback_book::{formulas, links, page, preprocess};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Files of a folder with this ending, by name.
fn files(folder: &str, ending: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(folder)).expect("a folder").map(|e| e.expect("readable").file_name());
    entries.map(|f| f.to_string_lossy().into_owned()).filter(|f| f.ends_with(ending)).collect()
}

#[test]
fn the_table_of_contents_names_every_page() {
    let named: Vec<String> = links::targets(&text(&root().join("docs/SUMMARY.md")));
    let set: BTreeSet<String> = named.iter().cloned().collect();
    assert_eq!(named.len(), set.len(), "a page is named twice");
    let mut pages = files("docs", ".md");
    pages.remove("SUMMARY.md");
    assert_eq!(set, pages, "docs/SUMMARY.md and the pages of docs/ differ");
}

/// Links of a page that lead nowhere.
fn broken(path: &Path) -> Vec<String> {
    let (page, folder) = (text(path), path.parent().expect("a folder"));
    let leads_nowhere = |target: &String| {
        if target.contains("://") {
            return false;
        }
        let (file, heading) = target.split_once('#').map_or((target.as_str(), None), |(f, h)| (f, Some(h)));
        let file = if file.is_empty() { path.to_path_buf() } else { folder.join(file) };
        !file.exists() || heading.is_some_and(|h| !links::anchors(&text(&file)).iter().any(|a| a == h))
    };
    links::targets(&page).into_iter().filter(leads_nowhere).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let pages = files("docs", ".md").into_iter().map(|f| root().join("docs").join(f));
    let others = ["README.md", "fuzz/README.md", "crates/experiments/README.md", "benches/peers/README.md"];
    for path in pages.chain(others.map(|f| root().join(f))) {
        let broken = broken(&path);
        assert!(broken.is_empty(), "{}: links that lead nowhere: {broken:?}", path.display());
    }
}

#[test]
fn a_broken_link_is_seen() {
    let folder = std::env::temp_dir().join(format!("pullback-book-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("page.md");
    std::fs::write(&path, "# A heading, with `code`\n[a](#a-heading-with-code) [b](none.md) [c](page.md#other)")
        .unwrap();
    assert_eq!(broken(&path), ["none.md", "page.md#other"]);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn every_plot_is_shown() {
    let pages = files("docs", ".md").into_iter().map(|f| text(&root().join("docs").join(f)));
    let shown: BTreeSet<String> = pages.flat_map(|p| links::targets(&p)).collect();
    let missing: Vec<_> =
        files("docs/plots", ".svg").into_iter().filter(|f| !shown.contains(&format!("plots/{f}"))).collect();
    assert!(missing.is_empty(), "no page shows {missing:?}");
}

/// Texts outside of code that have a dollar sign left.
fn stray_dollars(made: &str) -> Vec<String> {
    let mut in_code = false;
    let events = Parser::new_ext(made, Options::ENABLE_TABLES);
    let stray = events.filter_map(|event| {
        match event {
            Event::Start(Tag::CodeBlock(_)) => in_code = true,
            Event::End(TagEnd::CodeBlock) => in_code = false,
            Event::Text(text) if !in_code && text.contains('$') => return Some(text.to_string()),
            _ => {}
        }
        None
    });
    stray.collect()
}

#[test]
fn a_formula_that_is_not_closed_is_seen() {
    assert!(stray_dollars("`$a` and\n\n```\n$ ls\n```\n").is_empty());
    assert_eq!(stray_dollars(&page("a $\\frac{a$ b").unwrap()).len(), 1);
}

#[test]
fn every_formula_can_be_read() {
    let mut formulas = 0;
    for name in files("docs", ".md") {
        let made = page(&text(&root().join("docs").join(&name))).unwrap_or_else(|e| panic!("docs/{name}: {e}"));
        formulas += made.matches("<math").count();
        assert!(!made.contains("<merror") && !made.contains("](../"), "docs/{name}");
        let stray = stray_dollars(&made);
        assert!(stray.is_empty(), "docs/{name}: a formula that is not closed, or has an open brace, in {stray:?}");
    }
    assert!(formulas > 20, "expected the formulas of docs/theory.md, got {formulas}");
}

#[test]
fn a_formula_becomes_mathml() {
    let made = page("So $x^2$, and `$y$`:\n\n$$\\mathrm{d}A = \\frac{a}{b}$$\n").unwrap();
    assert!(made.contains("<msup><mi>x</mi><mn>2</mn></msup>") && made.contains("`$y$`"), "{made}");
    assert!(made.contains("<div class=\"formula\"><math display=\"block\">") && made.contains("<mfrac>"), "{made}");
    // A browser drops an ordinary space at the end of a text.
    let made = page("$\\text{for every } x$").unwrap();
    assert!(made.contains("<mtext>for\u{a0}every\u{a0}</mtext>"), "{made:?}");
    let wrong = formulas::to_mathml("a $\\nosuch{a}$ b").unwrap_err().to_string();
    assert!(wrong.contains("\\nosuch{a}"), "{wrong}");
}

#[test]
fn links_out_of_the_book_become_names() {
    let made = page("[max-cut](../a/b.rs), [`a/b.rs`](../a/b.rs), [here](b.md)").unwrap();
    assert_eq!(made, "max-cut (`a/b.rs`), `a/b.rs`, [here](b.md)");
}

#[test]
fn the_book_comes_back_with_every_chapter_made() {
    let book = r#"[{"root": ""}, {"items": [{"Chapter": {"content": "$a$", "sub_items": [{"Chapter": {"content": "$b$"}}]}}]}]"#;
    let made = preprocess(book).unwrap();
    assert!(made.matches("<math").count() == 2 && !made.contains('$') && made.starts_with(r#"{"items""#), "{made}");
    assert!(preprocess("[1]").is_err() && preprocess("no").is_err());
}
