//! The list cannot rot silently: every text that it replaces is in the sources, at one place. And the parts of the
//! tool, on examples.

use pullback_mutants::{Expect, Mutant, parse, spans};
use std::collections::BTreeMap;
use std::path::Path;

fn list() -> Vec<Mutant> {
    parse(include_str!("../list.txt")).unwrap()
}

#[test]
fn every_text_of_the_list_is_in_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let list = list();
    let mut by_file: BTreeMap<&str, Vec<&Mutant>> = BTreeMap::new();
    list.iter().for_each(|m| by_file.entry(&m.file).or_default().push(m));
    let mut wrong = vec![];
    for (file, mutants) in by_file {
        let text = std::fs::read_to_string(root.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        for m in &mutants {
            wrong.extend(spans(&text, &[m]).err().map(|e| e.to_string()));
        }
        wrong.extend(spans(&text, &mutants).err().map(|e| e.to_string()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_entry_is_read_and_its_place_found() {
    let text =
        "[one]\nfile = a.rs\nkind = a\nfirst = x y::z, ad:w\nafter = fn g\nfind = if «a < b» {\nwrong = a <= b\n";
    let m = &parse(text).unwrap()[0];
    assert_eq!(m.first, [("x".to_owned(), Some("y::z".to_owned())), ("ad:w".to_owned(), None)]);
    assert_eq!((m.kind, m.expect, m.block), ('a', Expect::Found, false));
    let source = "fn f() { if a < b {} }\nfn g() { if a < b {} }";
    let span = spans(source, &[m]).unwrap()[0].0.clone();
    assert_eq!((&source[span.clone()], span.start > 22), ("a < b", true));
    assert!(spans("fn g() { if a <= b {} }", &[m]).unwrap_err().to_string().contains("does not occur"));
    let once = Mutant { after: None, ..m.clone() };
    assert!(spans(source, &[&once]).unwrap_err().to_string().contains("more than once"));
}

#[test]
fn a_bad_list_names_the_line_or_the_entry() {
    for (text, says) in [
        ("kind = a", "line 1: expected `[id]` first"),
        ("[x]\nkind", "line 2: expected `key = value`"),
        ("[x]\ncolour = red", "line 2: `colour = red` is not known"),
        ("[x]\n[x]", "line 2: `x` is there twice"),
        ("[x]\nfile = a", "x: expected file, kind, find and wrong"),
        ("[x]\nfile = a\nkind = a\nfind = b\nwrong = c\nexpect = same", "x: expected a reason"),
    ] {
        let e = parse(text).unwrap_err().to_string();
        assert!(e.contains(says), "{e}");
    }
}
