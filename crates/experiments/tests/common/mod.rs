//! What the tests of commands share: running the built program, reading what it printed, and killing it in the middle.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder of its own for each test of a suite, below the folder that Cargo keeps for tests.
pub(crate) fn folder(suite: &str, test: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(suite).join(test);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pullback-experiments"));
    command.args(args).env_remove("PULLBACK_DATA");
    command
}

pub(crate) fn program(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn path(p: &Path) -> &str {
    p.to_str().unwrap()
}

/// The summary of a run that printed it as JSON.
#[track_caller]
pub(crate) fn json(run: &Output) -> serde_json::Value {
    assert!(run.status.success(), "{}", text(&run.stderr));
    serde_json::from_slice(&run.stdout).unwrap()
}

/// The program failed with this status, printed nothing but a message, and the message has these words.
#[track_caller]
pub(crate) fn fails(out: &Output, status: i32, words: &[&str]) {
    let message = text(&out.stderr);
    assert_eq!(out.status.code(), Some(status), "{message}");
    assert!(message.starts_with("error: "), "{message}");
    assert!(!message.contains("panicked") && !message.contains("RUST_BACKTRACE"), "{message}");
    assert!(out.stdout.is_empty(), "{}", text(&out.stdout));
    for w in words {
        assert!(message.contains(w), "`{w}` is not in: {message}");
    }
}

/// Runs the program until `unfinished` is there, and kills it before `finished` is.
#[track_caller]
pub(crate) fn killed_in_the_middle(args: &[&str], unfinished: &Path, finished: &Path) {
    let mut child = command(args).stdout(Stdio::null()).spawn().unwrap();
    while !unfinished.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(unfinished.exists() && !finished.exists(), "killed in the middle");
}
