//! The command `pca` as a user meets it: the built program, its output, its files, and what it says when something is
//! wrong.

mod common;
use common::{fails, killed_in_the_middle, path, text};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn folder(test: &str) -> PathBuf {
    common::folder("experiments", test)
}

fn pca(args: &[&str]) -> Output {
    common::program(&[&["pca"], args].concat())
}

const IMAGES: &str = "digits_images_8x8_u8.npy";
const LABELS: &str = "digits_labels_u8.npy";

/// The repository's copy of the digits.
fn digits() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/digits")
}

/// A folder with a copy of the digits, to be damaged.
fn copied_digits(test: &str) -> PathBuf {
    let folder = folder(test);
    for f in [IMAGES, LABELS] {
        fs::copy(digits().join(f), folder.join(f)).unwrap();
    }
    folder
}

/// Bytes that do not fill a screen when they differ.
#[derive(PartialEq)]
struct Bytes(Vec<u8>);
impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

#[test]
fn a_short_run_prints_tables_and_writes_files_that_can_be_evaluated_again() {
    let out = folder("short_run");
    let run = pca(&["--quick", "--steps", "3", "--components", "4", "--seed", "7", "--out", path(&out), "--json", "-"]);
    assert!(run.status.success() && run.stderr.is_empty(), "{}", text(&run.stderr));
    let summary: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(summary["learned"]["training"]["outer_steps"], 3);
    assert_eq!((&summary["data"]["train"], &summary["data"]["held_out"]), (&1297.into(), &500.into()));
    for task in summary["tasks"].as_array().unwrap() {
        let best = task["optimum"]["train"].as_f64().unwrap();
        for method in task["methods"].as_array().unwrap() {
            let losses: Vec<f64> =
                method["at"].as_array().unwrap().iter().map(|a| a["train"]["median"].as_f64().unwrap()).collect();
            assert_eq!(losses.len(), 4);
            // Every method descends from the same starts, and nobody is below the exact optimum.
            assert!(losses[0] > losses[2] && losses.iter().all(|l| *l > best - 1e-9), "{method}");
            assert_eq!(losses[0], task["methods"][0]["at"][0]["train"]["median"].as_f64().unwrap());
        }
    }
    let svg = fs::read_to_string(out.join("curves.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("momentum, decaying") && svg.contains("equivariant"));
    for task in summary["tasks"].as_array().unwrap() {
        // The claim on held-out and on training images, and every rule of the papers with what it cost.
        assert_eq!((task["claims"].as_array().unwrap().len(), task["methods"].as_array().unwrap().len()), (2, 9));
    }
    let evaluations = |m: &serde_json::Value| m["gradient_evaluations"].as_u64().unwrap();
    for (list, steps) in [("tuned", 30), ("sooner", 10)] {
        for m in summary[list].as_array().unwrap() {
            assert_eq!(evaluations(m), m["tried"].as_u64().unwrap() * 8 * steps, "{m}");
        }
    }
    assert!(evaluations(&summary["equivariant"]["training"]) > 0);

    // Two threads give the same file, byte for byte.
    let two = folder("short_run_two_threads");
    let run =
        pca(&["--quick", "--steps", "3", "--components", "4", "--seed", "7", "--threads", "2", "--out", path(&two)]);
    assert!(run.status.success(), "{}", text(&run.stderr));
    let optimizer = |dir: &Path| Bytes(fs::read(dir.join("optimizer.safetensors")).unwrap());
    assert_eq!(optimizer(&two), optimizer(&out));
    let equivariant = |dir: &Path| Bytes(fs::read(dir.join("equivariant.safetensors")).unwrap());
    assert_eq!(equivariant(&two), equivariant(&out));

    // The saved optimiser gives the same numbers again, here with the digits read from a folder, and tables for people.
    let saved = out.join("optimizer.safetensors");
    let json = out.join("again.json");
    let again = pca(&[
        "--quick",
        "--components",
        "4",
        "--seed",
        "7",
        "--load",
        path(&saved),
        "--out",
        path(&out),
        "--json",
        path(&json),
        "--data",
        path(&digits()),
    ]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    let tables = text(&again.stdout);
    for words in [
        "exact optimum (SVD)",
        "held out",
        "gradient evaluations",
        "Held out, after 30 steps",
        "claim of a third of the steps",
        "randomly rotated",
    ] {
        assert!(tables.contains(words), "{tables}");
    }
    let second: serde_json::Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    for (a, b) in second["tasks"].as_array().unwrap().iter().zip(summary["tasks"].as_array().unwrap()) {
        // The equivariant one, which is last, is trained and not loaded.
        assert_eq!(a["methods"].as_array().unwrap()[..], b["methods"].as_array().unwrap()[..8]);
    }
    assert!(second["learned"]["training"].is_null());

    // A file cut short, one for points of another shape, and one that is something else.
    let whole = fs::read(&saved).unwrap();
    let cut = out.join("cut.safetensors");
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    fails(
        &pca(&["--components", "4", "--load", path(&cut), "--out", path(&out)]),
        1,
        &["cut.safetensors", "what to do"],
    );
    fails(
        &pca(&["--components", "5", "--load", path(&saved), "--out", path(&out)]),
        1,
        &["64x4", "64x5", "--components 4"],
    );
    fails(&pca(&["--load", path(&json), "--out", path(&out)]), 1, &["again.json", "optimizer.safetensors"]);
    fails(&pca(&["--load", "nowhere.safetensors", "--out", path(&out)]), 1, &["nowhere.safetensors", "No such file"]);
}

#[test]
fn an_interrupted_training_goes_on_bit_for_bit() {
    let (whole, parts) = (folder("resume_whole"), folder("resume_parts"));
    let flags = |out: &Path| {
        let args = ["--quick", "--steps", "70", "--components", "2", "--seed", "3", "--out"];
        args.iter().map(|a| a.to_string()).chain([path(out).to_string()]).collect::<Vec<_>>()
    };
    let run = |out: &Path, more: &[&str]| {
        let args = flags(out);
        pca(&args.iter().map(String::as_str).chain(more.iter().copied()).collect::<Vec<_>>())
    };
    let first = run(&whole, &[]);
    assert!(first.status.success(), "{}", text(&first.stderr));
    let unfinished = parts.join("optimizer.training.json");
    let args = flags(&parts);
    let args: Vec<&str> = ["pca"].into_iter().chain(args.iter().map(String::as_str)).collect();
    killed_in_the_middle(&args, &unfinished, &parts.join("optimizer.safetensors"));
    let kept = fs::read(&unfinished).unwrap();
    // Any number of threads goes on.
    let again = run(&parts, &["--resume", "--threads", "2"]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    let optimizer = |dir: &Path| Bytes(fs::read(dir.join("optimizer.safetensors")).unwrap());
    assert_eq!(optimizer(&parts), optimizer(&whole));

    fails(&run(&parts, &["--resume"]), 1, &["optimizer.training.json", "No such file", "leave out `--resume`"]);
    fs::write(&unfinished, &kept).unwrap();
    fails(&run(&parts, &["--resume", "--estimator", "unroll"]), 1, &["option estimator", "expected \"Unroll\""]);
    fs::write(&unfinished, &kept[..kept.len() - 9]).unwrap();
    fails(&run(&parts, &["--resume"]), 1, &["optimizer.training.json", "EOF"]);
}

#[test]
fn a_missing_data_folder_or_file_is_named_with_format_and_origin() {
    let nowhere = folder("missing_data").join("nowhere");
    let words = [IMAGES, path(&nowhere), "8 x 8", "unsigned bytes", "UCI Machine Learning Repository", "--data DIR"];
    fails(&pca(&["--data", path(&nowhere)]), 1, &words);
    // The environment variable is another way to say the same.
    let out = Command::new(env!("CARGO_BIN_EXE_pullback-experiments"))
        .arg("pca")
        .env("PULLBACK_DATA", &nowhere)
        .output()
        .unwrap();
    fails(&out, 1, &words);
    let half = copied_digits("missing_labels");
    fs::remove_file(half.join(LABELS)).unwrap();
    fails(&pca(&["--data", path(&half)]), 1, &[LABELS, path(&half), "labels 0..9"]);
}

#[test]
fn a_damaged_data_file_is_told_from_a_missing_one() {
    let data = copied_digits("damaged_data");
    let whole = fs::read(data.join(IMAGES)).unwrap();
    let labels = fs::read(data.join(LABELS)).unwrap();
    let with_images = |bytes: &[u8], words: &[&str]| {
        fs::write(data.join(IMAGES), bytes).unwrap();
        fails(&pca(&["--data", path(&data)]), 1, &[&[IMAGES, path(&data), "numpy.save"], words].concat());
    };
    with_images(b"not an array", &["no .npy header"]);
    with_images(&[], &["no .npy header"]);
    with_images(&whole[..40], &["no .npy header"]);
    with_images(&whole[..whole.len() - 100], &["ends before that"]);
    with_images(&labels, &["shape [1797]"]);
    let mut bright = whole.clone();
    *bright.last_mut().unwrap() = 200;
    with_images(&bright, &["a pixel of 200"]);
    fs::write(data.join(IMAGES), &whole).unwrap();
    let mut wrong = labels.clone();
    *wrong.last_mut().unwrap() = 11;
    fs::write(data.join(LABELS), &wrong).unwrap();
    fails(&pca(&["--data", path(&data)]), 1, &[LABELS, "the label 11"]);
}

#[test]
fn an_output_that_cannot_be_written_is_found_before_the_work() {
    let place = folder("unwritable");
    let file = place.join("a_file");
    fs::write(&file, "").unwrap();
    let below = file.join("out");
    fails(&pca(&["--out", path(&below)]), 1, &[path(&below), "--out DIR"]);
    let json = place.join("no_such_folder").join("summary.json");
    fails(&pca(&["--out", path(&place), "--json", path(&json)]), 1, &[path(&json), "--json PATH"]);
}

#[test]
fn wrong_flags_say_what_would_be_right() {
    fails(&pca(&["--steps", "0"]), 2, &["0 outer steps train nothing", "at least 1"]);
    fails(&pca(&["--steps", "many"]), 2, &["`many` is not a whole number"]);
    fails(&pca(&["--components", "64"]), 2, &["1 to 32"]);
    fails(&pca(&["--threads", "0"]), 2, &["0 threads do not work"]);
    fails(&pca(&["--estimator", "magic"]), 2, &["fixed-point", "one-step", "unroll"]);
    fails(&pca(&["--load", "a", "--steps", "3"]), 2, &["cannot be used with"]);
}

#[test]
fn help_names_every_flag() {
    let help = text(&pca(&["--help"]).stdout);
    for flag in [
        "--seed",
        "--steps",
        "--components",
        "--quick",
        "--threads",
        "--ranks",
        "--rank-seconds",
        "--estimator",
        "--train-on",
        "--out",
        "--json",
        "--data",
        "--load",
        "--resume",
    ] {
        assert!(help.contains(flag), "{help}");
    }
    assert!(help.contains("PULLBACK_DATA") && help.contains("Examples:"));
}

#[test]
fn the_memory_of_optimisers_is_printed_from_the_shapes() {
    let run =
        Command::new(env!("CARGO_BIN_EXE_pullback-experiments")).args(["memory", "--count-only"]).output().unwrap();
    let out = text(&run.stdout);
    assert!(run.status.success() && out.contains("24926.7 MiB") && out.contains("0.020 MiB"), "{out}");
    assert!(out.contains("1.2465e6") && out.contains("4608x512"), "{out}");
}

/// Runs over ranks are checked by `.ci/mpi`, with a program that was built for them.
#[cfg(not(feature = "mpi"))]
#[test]
fn a_program_without_mpi_says_how_to_build_one_with_it() {
    let out = folder("ranks");
    fails(&pca(&["--quick", "--ranks", "--out", path(&out)]), 1, &["`--ranks`", "--features mpi", "`--threads`"]);
    for (flag, words) in [("0", "0.1 to 1000000"), ("NaN", "no time limit"), ("soon", "not a number")] {
        fails(&pca(&["--rank-seconds", flag, "--out", path(&out)]), 2, &[flag, words]);
    }
}
