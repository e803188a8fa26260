//! The parts of the tool on a workspace of two files and on test binaries that are scripts: what is planted where, what
//! fails, what hangs.
#![cfg(unix)]

use pullback_mutants::{Binary, Limits, Mutant, Tree, Trial, parse, plant};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A fresh folder of the test.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn list() -> Vec<Mutant> {
    let entry = |id: &str, wrong: &str| {
        format!("[{id}]\nfile = crates/a/src/sum.rs\nkind = g\nfirst = fails\nfind = x + «y»\nwrong = {wrong}\n")
    };
    parse(&(entry("minus", "-y") + &entry("twice", "2 * y"))).unwrap()
}

#[test]
fn errors_are_planted_in_a_copy_and_nothing_else_changes() {
    let root = folder("plant");
    let tree = Tree { from: root.join("from"), to: root.join("to") };
    let write = |path: &str, text: &str| {
        let path = tree.from.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("Cargo.toml", "members = [\"crates/*\", \"mutants\"]\n");
    write("mutants/src/lib.rs", "");
    write("target/junk", "");
    write("crates/a/src/lib.rs", "mod sum;\n");
    write("crates/a/src/sum.rs", "fn sum(x: i32, y: i32) -> i32 {\n    x + y\n}\n");
    let list = list();
    let planted = plant(&tree, &list, &BTreeSet::new()).unwrap();
    let read = |path: &str| fs::read_to_string(tree.to.join(path)).unwrap();
    let expected = "x + (if crate::planted::on(0) { -y } else if crate::planted::on(1) { 2 * y } else { y })\n";
    let text = read("crates/a/src/sum.rs");
    assert!(text.contains(expected), "{text}");
    assert!(read("crates/a/src/lib.rs").starts_with("mod sum;\n\nmod planted {"));
    assert_eq!(read("Cargo.toml"), "members = [\"crates/*\"]\n");
    assert!(!tree.to.join("mutants").exists() && !tree.to.join("target").exists());
    // Where each is, for the messages of the compiler.
    let wrong: Vec<&str> = planted.iter().map(|(_, range, _)| &text[range.clone()]).collect();
    assert!(wrong[0].contains("{ -y }") && wrong[1].contains("{ 2 * y }"), "{wrong:?}");
    // Again: a file that does not change is not written; one that is gone is removed; an error can be left out.
    let time = || fs::metadata(tree.to.join("crates/a/src/lib.rs")).unwrap().modified().unwrap();
    let before = time();
    fs::remove_file(tree.from.join("Cargo.toml")).unwrap();
    plant(&tree, &list, &BTreeSet::from([0])).unwrap();
    assert!(time() == before && !tree.to.join("Cargo.toml").exists());
    assert!(read("crates/a/src/sum.rs").contains("x + (if crate::planted::on(1) { 2 * y } else { y })\n"));
    assert_eq!(fs::read_to_string(tree.from.join("crates/a/src/sum.rs")).unwrap().matches("planted").count(), 0);
}

/// A test binary that is a script.
fn script(root: &Path, name: &str, body: &str) -> Binary {
    let program = root.join(name);
    fs::write(&program, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    Binary { name: format!("a:{name}"), program, folder: root.into(), harness: true }
}

/// One test for all scripts: a file that one thread writes cannot be run while another one starts a process.
#[test]
fn trials_of_scripts() {
    the_first_failure_a_crash_and_a_hanging_test_are_findings();
    a_test_that_fails_without_an_error_ends_the_run();
}

fn the_first_failure_a_crash_and_a_hanging_test_are_findings() {
    let root = folder("trial");
    let limits = Limits { least: Duration::from_secs(3), times: 0 };
    let list = list();
    let with = |number: usize, then: &str| format!("if [ \"$PULLBACK_PLANTED\" = {number} ]; then {then}; fi; exit 0");
    let fine = script(&root, "fine", "exit 0");
    let found = |body: String, number: usize| {
        let binaries = [fine.clone(), script(&root, "fails", &body)];
        Trial::new(&binaries, limits, |_| {}).unwrap().run(&list[number], number, |_| {}).unwrap()
    };
    assert_eq!(found(with(1, "true"), 1), None);
    assert_eq!(found(with(1, "exit 101"), 0), None);
    let failing = "echo test b::c ... ok; echo test b::d ... FAILED; exec sleep 100";
    assert_eq!(found(with(1, failing), 1).as_deref(), Some("a:fails b::d"));
    assert!(found(with(0, "exit 101"), 0).unwrap().starts_with("a:fails (exit status: 101"));
    assert_eq!(found(with(0, "exec sleep 100"), 0).as_deref(), Some("a:fails (does not end)"));
}

fn a_test_that_fails_without_an_error_ends_the_run() {
    let root = folder("baseline");
    let binaries = [script(&root, "fails", "echo 'test always ... FAILED'; exit 101")];
    let e = Trial::new(&binaries, Limits::default(), |_| {}).unwrap_err();
    assert!(e.to_string().contains("a:fails always"), "{e}");
    let trial = Trial::untried(&binaries, Limits::default());
    assert!(trial.check_first(list().iter(), |_| {}).is_err());
    let unknown = Mutant { first: vec![("none".into(), None)], ..list().swap_remove(0) };
    assert!(trial.run(&unknown, 0, |_| {}).unwrap_err().to_string().contains("no test binary is called `none`"));
}
