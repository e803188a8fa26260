//! The gradient-free optimiser as a user meets it: trained by `pca`, `faces` and `clustering`, with one thread or four,
//! interrupted or not, read again, evaluated, and refused where it does not fit.

mod common;
use common::{fails, json, killed_in_the_middle, path, program, text};
use std::fs;
use std::path::{Path, PathBuf};

fn folder(test: &str) -> PathBuf {
    common::folder("gradient-free", test)
}

/// A short run of a command that trains it.
fn trained(command: &str, out: &Path, more: &[&str]) -> serde_json::Value {
    let flags: &[&str] = match command {
        "pca" => &["--steps", "3", "--components", "3"],
        _ => &["--passes", "2", "--starts", "1", "--steps", "3"],
    };
    let args = ["--quick", "--learned", "gradient-free", "--seed", "5", "--out", path(out), "--json", "-"];
    json(&program(&[&[command], &args[..], flags, more].concat()))
}

fn file(command: &str, out: &Path) -> PathBuf {
    out.join(if command == "pca" { "optimizer.safetensors" } else { "gradient-free.safetensors" })
}

#[test]
fn contests_train_it_on_what_they_show_and_four_threads_give_the_same_file() {
    for (command, parameters) in [("faces", 180_353 + 11 + 64 * 64 + 7 * 10 + 2 * 64 * 64), ("clustering", 2_579 + 94)]
    {
        let (out, other) = (folder(command), folder(&format!("{command}_threads")));
        let summary = trained(command, &out, &[]);
        let m = &summary["methods"][12];
        assert_eq!((&m["name"], &m["stochastic"]), (&"gradient-free".into(), &true.into()));
        let s = &m["schooling"];
        assert_eq!(
            (&s["network"], &s["parameters"], &s["round"]),
            (&"gradient-free".into(), &parameters.into(), &10.into())
        );
        // One gradient of a minibatch a step, as the rules take.
        assert_eq!(m["steps"].as_f64().unwrap(), 2.0 * summary["minibatches"].as_f64().unwrap());
        let loss = |k: usize| m["after"][k]["loss"]["median"].as_f64().unwrap();
        assert!(loss(2) < loss(0) && m["failed"].as_array().unwrap().is_empty(), "{m}");
        let again = trained(command, &other, &["--threads", "4"]);
        assert_eq!(again["methods"][12]["after"], m["after"]);
        let bytes = |out: &Path| fs::read(file(command, out)).unwrap();
        assert!(bytes(&out) == bytes(&other), "the same file, byte for byte");
    }
}

#[test]
fn an_interrupted_training_goes_on_bit_for_bit() {
    let (whole, parts) = (folder("resume_whole"), folder("resume_parts"));
    let flags = ["faces", "--quick", "--passes", "1", "--starts", "1", "--learned", "gradient-free", "--steps", "40"];
    let first = program(&[&flags[..], &["--out", path(&whole)]].concat());
    assert!(first.status.success(), "{}", text(&first.stderr));
    let unfinished = parts.join("gradient-free.training.json");
    let finished = file("faces", &parts);
    killed_in_the_middle(&[&flags[..], &["--out", path(&parts)]].concat(), &unfinished, &finished);
    let again = program(&[&flags[..], &["--out", path(&parts), "--resume", "--threads", "2"]].concat());
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert!(fs::read(file("faces", &whole)).unwrap() == fs::read(&finished).unwrap(), "the same file, byte for byte");
}

#[test]
fn what_pca_trains_is_loaded_and_evaluated_on_problems_that_show_images() {
    let out = folder("pca");
    let summary = trained("pca", &out, &[]);
    let parameters = &summary["learned"]["parameters"];
    assert_eq!(parameters, &(34 * 64 * 64 + 64 * (64 * 3 + 2) + 1 + 36 + 64 * 3));
    let saved = file("pca", &out);
    let args = ["pca", "--quick", "--components", "3", "--seed", "5", "--load", path(&saved), "--out", path(&out)];
    let again = json(&program(&[&args[..], &["--json", "-"]].concat()));
    for (a, b) in again["tasks"].as_array().unwrap().iter().zip(summary["tasks"].as_array().unwrap()) {
        // The equivariant one, which is last, is trained and not loaded.
        assert_eq!(a["methods"].as_array().unwrap()[..], b["methods"].as_array().unwrap()[..8]);
    }
    let wrong = ["pca", "--quick", "--components", "4", "--load", path(&saved), "--out", path(&out)];
    fails(&program(&wrong), 1, &["64x3", "64x4", "--components 3"]);

    let axes = "home,bases,rotated,loss x4,condition x10,objective";
    let args =
        ["evaluate", path(&saved), "--quick", "--starts", "2", "--axes", axes, "--json", "-", "--out", path(&out)];
    let report = json(&program(&args));
    assert_eq!(
        (&report["optimiser"]["kind"], &report["optimiser"]["parameters"]),
        (&"gradient-free".into(), parameters)
    );
    for axis in report["axes"].as_array().unwrap() {
        let learned = &axis["rows"][0];
        let left = learned["at"][1]["mean"].as_f64().unwrap();
        assert!(learned["failed"].is_null() && left < 1.0, "{learned}");
    }
    assert!(report["left_out"].as_array().unwrap().iter().any(|l| l["axis"] == "dimension x4"));
}

#[test]
fn what_clustering_trains_is_evaluated_and_what_faces_trains_is_refused_with_the_reason() {
    let (centres, faces) = (folder("to_evaluate"), folder("to_refuse"));
    trained("clustering", &centres, &[]);
    let saved = file("clustering", &centres);
    let args = ["evaluate", path(&saved), "--quick", "--starts", "2", "--axes", "home,congruence", "--json", "-"];
    let report = json(&program(&[&args[..], &["--out", path(&centres)]].concat()));
    assert_eq!(report["optimiser"]["kind"], "gradient-free");
    assert_eq!(report["axes"].as_array().unwrap().len(), 2);

    trained("faces", &faces, &[]);
    let saved = file("faces", &faces);
    fails(&program(&["evaluate", path(&saved)]), 1, &["looks at images with labels", "`pca` and `clustering`"]);
    // It is gradient-free, and looks at something else than `pca` shows.
    let load = ["pca", "--quick", "--load", path(&saved), "--out", path(&faces)];
    fails(&program(&load), 1, &["features", "labelled", "convolved"]);
}

/// Runs over ranks are checked by `.ci/mpi`, with a program that was built for them.
#[cfg(not(feature = "mpi"))]
#[test]
fn every_command_that_trains_knows_ranks_and_threads() {
    for command in ["faces", "clustering", "equivariant", "orthonet", "pca"] {
        let out = folder(&format!("ranks_{command}"));
        fails(&program(&[command, "--quick", "--ranks", "--out", path(&out)]), 1, &["`--ranks`", "--features mpi"]);
        fails(&program(&[command, "--threads", "0"]), 2, &["0 threads do not work"]);
        let help = text(&program(&[command, "--help"]).stdout);
        assert!(["--threads", "--ranks", "--rank-seconds"].iter().all(|flag| help.contains(flag)), "{help}");
    }
    let help = text(&program(&["faces", "--help"]).stdout);
    assert!(help.contains("gradient-free") && help.contains("--learned"), "{help}");
}
