//! The commands `faces` and `clustering` as a user meets them: the built program, its output, its files, and what it
//! says when data are missing or wrong.

mod common;
use common::{fails, killed_in_the_middle, path, program, text};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

fn folder(test: &str) -> PathBuf {
    common::folder("contests", test)
}

/// A `.npy` as `numpy.save` writes it, but for the padding.
fn npy(descr: &str, shape: &str, entries: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), entries].concat()
}

fn doubles(values: impl IntoIterator<Item = f64>) -> Vec<u8> {
    values.into_iter().flat_map(f64::to_le_bytes).collect()
}

const METHODS: [&str; 12] = [
    "RSGD",
    "momentum",
    "momentum, decaying",
    "RAdam",
    "RAMSGrad",
    "RASA-LR",
    "cRMSProp",
    "R-SVRG",
    "R-SRG",
    "L-BFGS",
    "conjugate gradients",
    "trust regions",
];

fn median(value: &serde_json::Value) -> f64 {
    value["median"].as_f64().unwrap_or_else(|| panic!("expected a finite median: {value}"))
}

/// An optimiser that was trained before the contest: its cost is counted and its file is there.
fn learned(m: &serde_json::Value, out: &Path) {
    let s = &m["schooling"];
    // What fades has a factor on its steps: nine were tried from one start, each for a third of the six passes.
    let factors = if m["name"].as_str().unwrap().ends_with("fading") { 9 } else { 0 };
    let number = |v: &serde_json::Value| v.as_u64().unwrap();
    assert_eq!((number(&s["outer_steps"]), number(&m["tuned"]["tried"])), (3, 3 + factors));
    assert!(number(&s["passes"]) > 0, "{m}");
    assert_eq!(number(&m["tuned"]["passes"]), number(&s["passes"]) + 2 * factors, "{m}");
    assert_eq!(m["tuned"]["step"].as_f64().unwrap() > 0.0, factors > 0, "{m}");
    assert!(m["failed"].as_array().unwrap().is_empty(), "{m}");
    let after = m["after"].as_array().unwrap();
    assert!(median(&after[6]["loss"]) < median(&after[0]["loss"]), "{m}");
    let file = out.join(format!("{}.safetensors", s["network"].as_str().unwrap()));
    assert!(file.exists() && !out.join("subspace.training.json").exists());
}

/// A short run as JSON, checked for what holds whatever the task.
fn short(command: &str, more: &[&str]) -> serde_json::Value {
    let out = folder(&format!("{command}_short"));
    let args =
        [command, "--quick", "--passes", "6", "--starts", "2", "--seed", "5", "--out", path(&out), "--json", "-"];
    let run = program(&[&args, more].concat());
    assert!(run.status.success() && run.stderr.is_empty(), "{}", text(&run.stderr));
    let summary: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let methods = summary["methods"].as_array().unwrap();
    assert_eq!(methods.iter().map(|m| m["name"].as_str().unwrap()).collect::<Vec<_>>()[..12], METHODS);
    let (methods, pupils) = methods.split_at(12);
    pupils.iter().for_each(|m| learned(m, &out));
    let claims = summary["claims"].as_array().unwrap();
    assert_eq!(claims.len(), if pupils.is_empty() { 0 } else { 2 });
    let first = median(&methods[0]["after"][0]["loss"]);
    for m in methods {
        let after = m["after"].as_array().unwrap();
        assert_eq!(after.len(), 7);
        assert!((median(&after[0]["loss"]) - first).abs() < 1e-9 * first, "all begin at the same points: {m}");
        // A failed run makes the mean infinite, which is `null`, and says why.
        let failed = m["failed"].as_array().unwrap();
        assert_eq!(failed.is_empty(), !after[6]["loss"]["mean"].is_null(), "{m}");
        assert!(failed.len() <= 2 && failed.iter().all(|f| !f.as_str().unwrap().is_empty()));
        // What scales rows, columns or entries does not know the affine-invariant metric, and may diverge on it.
        let blind = command == "clustering" && (m["name"] == "RASA-LR" || m["name"] == "cRMSProp");
        assert!(blind || (failed.is_empty() && median(&after[6]["loss"]) < first), "{m}");
        let tuned = &m["tuned"];
        let settings = tuned["tried"].as_u64().unwrap();
        assert_eq!(tuned["passes"].as_u64().unwrap(), 6 * settings, "one start and six passes for each: {m}");
        assert_eq!(settings, if m["stochastic"].as_bool().unwrap() { 8 } else { 0 });
        assert!(m["seconds"].as_f64().unwrap() > 0.0 && (blind || m["steps"].as_f64().unwrap() > 0.0), "{m}");
        let accuracy = &m["test_accuracy"];
        assert!((0.0..=1.0).contains(&median(accuracy)) && accuracy["worst"].as_f64().unwrap() <= median(accuracy));
    }
    // A rule takes one minibatch a step.
    assert_eq!(methods[0]["steps"].as_f64().unwrap(), 6.0 * summary["minibatches"].as_f64().unwrap());
    let svg = fs::read_to_string(out.join("curves.svg")).unwrap();
    assert!(svg.starts_with("<svg") && METHODS.iter().all(|m| svg.contains(m)));
    summary
}

#[test]
fn faces_tells_the_built_in_digits_apart() {
    let summary = short("faces", &["--learned", "subspace,gm-lstm", "--steps", "3"]);
    let networks: Vec<_> =
        summary["methods"].as_array().unwrap()[12..].iter().map(|m| &m["schooling"]["network"]).collect();
    // Each as it was trained, and with steps that become shorter.
    assert_eq!(networks, ["subspace", "subspace", "gm-lstm", "gm-lstm"]);
    assert_eq!((&summary["train"], &summary["test"], &summary["classes"]), (&1297.into(), &500.into(), &10.into()));
    let best = summary["methods"].as_array().unwrap().iter().map(|m| median(&m["test_accuracy"])).fold(0.0, f64::max);
    assert!(best > 0.8, "{best}");
}

#[test]
fn clustering_finds_centres_of_the_built_in_textures_and_repeats_itself() {
    let flags = ["--learned", "matrix-lstm", "--steps", "3"];
    let summary = short("clustering", &flags);
    assert_eq!((&summary["train"], &summary["test"], &summary["classes"]), (&576.into(), &192.into(), &3.into()));
    let best = summary["methods"].as_array().unwrap().iter().map(|m| median(&m["test_accuracy"])).fold(0.0, f64::max);
    assert!(best > 0.6, "{best}");
    // The same seed gives the same numbers, times apart.
    let numbers = |s: &serde_json::Value| -> Vec<serde_json::Value> {
        let list = s["methods"].as_array().unwrap();
        list.iter().flat_map(|m| ["after", "tuned", "test_loss", "test_accuracy"].map(|k| m[k].clone())).collect()
    };
    assert_eq!(numbers(&short("clustering", &flags)), numbers(&summary));
}

#[test]
fn tables_for_people_name_what_was_done() {
    let out = folder("tables");
    let run =
        program(&["clustering", "--quick", "--passes", "1", "--starts", "1", "--classical-only", "--out", path(&out)]);
    assert!(run.status.success(), "{}", text(&run.stderr));
    let tables = text(&run.stdout);
    for words in
        ["576 training examples", "passes for it", "accuracy, test: median", "Lowest median training loss", "Wrote"]
    {
        assert!(tables.contains(words), "{tables}");
    }
}

#[test]
fn missing_data_are_named_with_format_and_origin() {
    let nowhere = folder("missing").join("nowhere");
    let at = path(&nowhere);
    let faces = ["images_32_u8.npy", at, "n x 32 x 32", "Extended Yale", "--data DIR"];
    fails(&program(&["faces", "--data", at]), 1, &faces);
    let clustering = ["train_spd5_f64.npy", at, "n x 5 x 5", "Kylberg", "--data DIR"];
    fails(&program(&["clustering", "--data", at]), 1, &clustering);
}

/// A data set in the form of Kylberg: one matrix for each of 20 classes, a multiple of the identity.
fn small_kylberg(at: &Path) {
    let matrices =
        || (0..20).flat_map(|c| (0..25).map(move |k| if k % 6 == 0 { 0.05 * f64::from(c + 1) } else { 0.0 }));
    let labels: Vec<u8> = (1..=20).collect();
    for part in ["train", "test"] {
        fs::write(at.join(format!("{part}_spd5_f64.npy")), npy("<f8", "(20, 5, 5)", &doubles(matrices()))).unwrap();
        fs::write(at.join(format!("{part}_labels_1to20_u8.npy")), npy("|u1", "(20,)", &labels)).unwrap();
    }
}

#[test]
fn clustering_reads_kylberg_and_refuses_wrong_files() {
    let top = folder("kylberg");
    let data = top.join("kylberg_spd5");
    fs::create_dir_all(&data).unwrap();
    small_kylberg(&data);
    let run = |at: &Path| {
        let args = ["clustering", "--quick", "--passes", "1", "--starts", "1", "--classical-only"];
        program(&[&args[..], &["--data", path(at), "--out", path(&top)]].concat())
    };
    // The folder itself, or the one above it.
    for at in [&data, &top] {
        let out = run(at);
        assert!(out.status.success(), "{}", text(&out.stderr));
        assert!(text(&out.stdout).contains("20 training examples") && text(&out.stdout).contains("20 classes"));
    }
    let wrong = |file: &str, bytes: Vec<u8>, words: &[&str]| {
        let whole = fs::read(data.join(file)).unwrap();
        fs::write(data.join(file), bytes).unwrap();
        fails(&run(&data), 1, &[&[file, path(&data), "numpy.save"], words].concat());
        fs::write(data.join(file), whole).unwrap();
    };
    let mut labels: Vec<u8> = (1..=20).collect();
    labels[3] = 21;
    wrong("test_labels_1to20_u8.npy", npy("|u1", "(20,)", &labels), &["the label 21"]);
    labels[3] = 0;
    wrong("train_labels_1to20_u8.npy", npy("|u1", "(20,)", &labels), &["the label 0"]);
    labels[3] = 1;
    wrong("train_labels_1to20_u8.npy", npy("|u1", "(20,)", &labels), &["no example has the label 4"]);
    wrong("train_labels_1to20_u8.npy", npy("|u1", "(4,)", &labels[..4]), &["shape [4] for 20 matrices"]);
    let zeros = npy("<f8", "(20, 5, 5)", &doubles(vec![0.0; 500]));
    wrong("train_spd5_f64.npy", zeros, &["matrix 0 is not positive definite"]);
    let nan = npy("<f8", "(20, 5, 5)", &doubles(vec![f64::NAN; 500]));
    wrong("train_spd5_f64.npy", nan, &["matrix 0 has an entry that is not finite"]);
    let short = npy("<f8", "(20, 5, 5)", &doubles(vec![1.0; 499]));
    wrong("test_spd5_f64.npy", short, &["ends before that, after 499"]);
    wrong("test_spd5_f64.npy", npy("<f4", "(20, 5, 5)", &[0; 2000]), &["of type <f4, expected <f8"]);
    wrong("test_spd5_f64.npy", npy("<f8", "(1, 4, 4)", &doubles(vec![1.0; 16])), &["shape [1, 4, 4]"]);
}

/// A data set in the form of Extended Yale B: two images of each of 38 persons, the first to train on.
fn small_yale(at: &Path) {
    let images: Vec<u8> =
        (0..76u32 * 1024).map(|k| ((k / 2048 * 37 + k % 1024 * (k / 2048 + 3)) % 251) as u8).collect();
    let labels: Vec<u8> = (0..76).map(|k| k / 2 + 1).collect();
    let rows = |odd: u16| (0..38u16).flat_map(|k| (2 * k + odd).to_le_bytes()).collect::<Vec<u8>>();
    fs::write(at.join("images_32_u8.npy"), npy("|u1", "(76, 32, 32)", &images)).unwrap();
    fs::write(at.join("labels_1to38_u8.npy"), npy("|u1", "(76,)", &labels)).unwrap();
    fs::write(at.join("split_train_idx_u16.npy"), npy("<u2", "(38,)", &rows(0))).unwrap();
    fs::write(at.join("split_test_idx_u16.npy"), npy("<u2", "(38,)", &rows(1))).unwrap();
}

#[test]
fn faces_refuses_wrong_files() {
    let data = folder("yale");
    small_yale(&data);
    let wrong = |file: &str, bytes: Vec<u8>, words: &[&str]| {
        let whole = fs::read(data.join(file)).unwrap();
        fs::write(data.join(file), bytes).unwrap();
        let out = program(&["faces", "--quick", "--data", path(&data), "--out", path(&data)]);
        fails(&out, 1, &[&[file, path(&data), "numpy.save"], words].concat());
        fs::write(data.join(file), whole).unwrap();
    };
    let mut labels: Vec<u8> = (0..76).map(|k| k / 2 + 1).collect();
    labels[75] = 39;
    wrong("labels_1to38_u8.npy", npy("|u1", "(76,)", &labels), &["the label 39"]);
    labels[75] = 38;
    labels[74] = 1;
    wrong("labels_1to38_u8.npy", npy("|u1", "(76,)", &labels), &["no training image has the label 38"]);
    wrong("images_32_u8.npy", npy("|u1", "(2, 8, 8)", &[0; 128]), &["shape [2, 8, 8]"]);
    let rows = |list: &[u16]| {
        npy("<u2", &format!("({},)", list.len()), &list.iter().flat_map(|r| r.to_le_bytes()).collect::<Vec<_>>())
    };
    wrong("split_train_idx_u16.npy", rows(&[0, 2, 76]), &["names row 76 of 76 images"]);
    wrong("split_train_idx_u16.npy", rows(&[0, 2, 2]), &["names row 2 twice"]);
    wrong("split_test_idx_u16.npy", rows(&[1, 0]), &["row 0 is among the training images"]);
    wrong("split_test_idx_u16.npy", npy("|u1", "(2,)", &[1, 3]), &["of type |u1, expected <u2"]);
    fs::remove_file(data.join("split_test_idx_u16.npy")).unwrap();
    let out = program(&["faces", "--quick", "--data", path(&data), "--out", path(&data)]);
    fails(&out, 1, &["split_test_idx_u16.npy", "rows of the test images"]);
}

#[test]
fn a_network_that_does_not_fit_the_points_is_named() {
    let out = folder("misfit");
    let args = ["faces", "--quick", "--passes", "1", "--starts", "1", "--learned", "matrix-lstm", "--out", path(&out)];
    fails(&program(&args), 1, &["matrix-lstm", "64x10", "--learned"]);
}

#[test]
fn what_fades_may_be_trained_in_runs_that_fade() {
    let out = folder("runs");
    let flags = ["clustering", "--quick", "--passes", "3", "--starts", "1", "--learned", "gm-lstm", "--steps", "20"];
    let run = |how: &str| -> (serde_json::Value, Vec<u8>) {
        let run = program(&[&flags[..], &["--practise", how, "--out", path(&out), "--json", "-"]].concat());
        assert!(run.status.success() && run.stderr.is_empty(), "{}", text(&run.stderr));
        let summary: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
        (summary["methods"][13].clone(), fs::read(out.join("gm-lstm.safetensors")).unwrap())
    };
    let ((runs, file), (_, again), (pieces, other)) = (run("runs"), run("runs"), run("pieces"));
    assert!(file == again && file != other);
    for m in [&runs, &pieces] {
        assert_eq!(m["name"], "generalised matrix LSTM, fading");
        // It rests after the first of three passes, lower than it began.
        let after: Vec<f64> = m["after"].as_array().unwrap().iter().map(|l| median(&l["loss"])).collect();
        assert!(after[1] < after[0] && after[2..].iter().all(|l| (l - after[1]).abs() < 1e-12 * after[1]), "{after:?}");
    }
    // No point is warmed up, but inner loops are longer.
    assert_ne!(runs["schooling"]["passes"], pieces["schooling"]["passes"]);
}

#[test]
fn an_interrupted_training_goes_on_bit_for_bit() {
    let (whole, parts) = (folder("resume_whole"), folder("resume_parts"));
    let flags = ["faces", "--quick", "--passes", "3", "--starts", "1", "--learned", "subspace", "--steps", "40"];
    let at = |out: &Path, more: &[&str]| {
        [&flags[..], &["--out", path(out)], more].concat().iter().map(|s| s.to_string()).collect::<Vec<_>>()
    };
    let run = |out: &Path, more: &[&str]| {
        let args = at(out, more);
        program(&args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let first = run(&whole, &["--json", "-"]);
    assert!(first.status.success(), "{}", text(&first.stderr));
    // Killed as soon as something of the training is written.
    let unfinished = parts.join("subspace.training.json");
    let args = at(&parts, &[]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    killed_in_the_middle(&args, &unfinished, &parts.join("subspace.safetensors"));
    let kept = fs::read(&unfinished).unwrap();

    let again = run(&parts, &["--resume", "--json", "-"]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    let file = |out: &Path| fs::read(out.join("subspace.safetensors")).unwrap();
    assert!(file(&whole) == file(&parts), "the same file, byte for byte");
    let pupil = |run: &Output| {
        let summary: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
        let m = &summary["methods"][12];
        ["after", "test_after", "tuned"].map(|k| m[k].clone())
    };
    assert_eq!(pupil(&first), pupil(&again));
    assert!(!unfinished.exists());

    // One that belongs to other flags, and one cut short.
    fs::write(&unfinished, &kept).unwrap();
    fails(&run(&parts, &["--resume", "--seed", "9"]), 1, &["subspace.training.json", "expected", "--resume"]);
    fs::write(&unfinished, &kept[..kept.len() / 2]).unwrap();
    fails(&run(&parts, &["--resume"]), 1, &["subspace.training.json", "EOF", "--resume"]);
}

#[test]
fn wrong_flags_say_what_would_be_right() {
    fails(&program(&["faces", "--passes", "0"]), 2, &["give 1 to 1000"]);
    fails(&program(&["clustering", "--starts", "0"]), 2, &["give 1 to 100"]);
    let help = text(&program(&["clustering", "--help"]).stdout);
    for flag in [
        "--learned",
        "--steps",
        "--resume",
        "--practise",
        "--classical-only",
        "--seed",
        "--passes",
        "--starts",
        "--quick",
        "--out",
        "--json",
        "--data",
        "PULLBACK_DATA",
        "Examples:",
    ] {
        assert!(help.contains(flag), "{help}");
    }
}
