//! The commands `tables`, `orthonet` and `bilevel` as a user meets them: the built program, its output, its files, and
//! what it says when something is wrong.

mod common;
use common::{json, program, text};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

fn folder(test: &str) -> PathBuf {
    common::folder("tables", test)
}

/// A run whose summary is JSON on standard output, and nothing else anywhere.
#[track_caller]
fn summary(args: &[&str]) -> Value {
    let out = program(&[args, &["--json", "-"]].concat());
    assert!(out.stderr.is_empty(), "{}", text(&out.stderr));
    json(&out)
}

#[track_caller]
fn fails(args: &[&str], status: i32, words: &[&str]) {
    common::fails(&program(args), status, words);
}

fn list<'v>(value: &'v Value, name: &str) -> &'v Vec<Value> {
    value[name].as_array().unwrap_or_else(|| panic!("no list `{name}` in {value}"))
}

#[test]
fn the_table_of_clustering_measures_rows_in_processes_and_decides_claims_by_them() {
    let out = folder("clustering");
    let s = summary(&["tables", "--quick", "--only", "clustering", "--seed", "4", "--out", out.to_str().unwrap()]);
    let rows = list(&s, "rows");
    // Two lengths, three ways.
    assert_eq!(rows.len(), 6);
    let of = |how: &str| rows.iter().filter(|r| r["how"] == how).collect::<Vec<_>>();
    let (implicit, unroll, checkpointed) = (of("implicit"), of("unroll"), of("checkpointed"));
    assert_eq!((&implicit[0]["steps"], &implicit[1]["steps"]), (&25.into(), &75.into()));
    // The bytes do not depend on the length; those of an unroll do.
    assert_eq!((&implicit[0]["tapes"], &implicit[0]["held"]), (&implicit[1]["tapes"], &implicit[1]["held"]));
    assert!(unroll[1]["tapes"].as_u64().unwrap() > 2 * unroll[0]["tapes"].as_u64().unwrap());
    assert!(checkpointed[1]["tapes"].as_u64().unwrap() < unroll[0]["tapes"].as_u64().unwrap());
    // All see the same loop.
    let value = |r: &Value| r["value"].as_f64().unwrap();
    assert!((value(implicit[1]) - value(unroll[1])).abs() < 1e-9 * value(unroll[1]).abs());
    assert!((value(checkpointed[1]) - value(unroll[1])).abs() < 1e-9 * value(unroll[1]).abs());
    for r in rows {
        assert!(r["seconds"].as_f64().unwrap() > 0.0 && r["parameters"] == 1551, "{r}");
        assert_eq!(r["how"] == "implicit", !r["inner_seconds"].is_null(), "{r}");
    }
    let claims = list(&s, "claims");
    let claim = |words: &str| {
        let found = claims.iter().find(|c| c["claim"].as_str().unwrap().contains(words));
        found.unwrap_or_else(|| panic!("nothing is said of {words}"))
    };
    assert_eq!(claim("bytes of the recording")["holds"], true);
    // The inner loop runs, so a whole outer step cannot take the same time.
    assert_eq!(claim("a whole outer step")["holds"], false);
    assert!(fs::read_to_string(out.join("costs.svg")).unwrap().starts_with("<svg"));
}

#[test]
fn a_row_that_cannot_be_measured_is_an_error_with_its_reason() {
    let out = folder("no_data");
    let missing = out.join("nowhere");
    let args =
        ["tables", "--quick", "--only", "faces", "--out", out.to_str().unwrap(), "--data", missing.to_str().unwrap()];
    fails(&args, 1, &["a row could not be measured", "images_32_u8.npy", "--data DIR"]);
    fails(&["tables", "--only", "nothing"], 2, &["components", "accuracy"]);
}

#[test]
fn the_accuracies_stand_beside_the_printed_ones() {
    let out = folder("accuracy");
    let run = program(&["tables", "--quick", "--only", "accuracy", "--out", out.to_str().unwrap()]);
    assert!(run.status.success(), "{}", text(&run.stderr));
    let report = text(&run.stdout);
    for words in ["Table 6", "RSGD", "I-RMM", "95.1", "86.7", "other data, other numbers"] {
        assert!(report.contains(words), "`{words}` is not in: {report}");
    }
    assert!(!report.contains("Shown:"), "nothing was measured: {report}");
}

#[test]
fn the_network_is_moved_by_all_methods_and_by_the_shared_optimiser() {
    let out = folder("orthonet");
    let args =
        ["orthonet", "--quick", "--steps", "20", "--starts", "2", "--outer", "4", "--layers", "20,12", "--seed", "3"];
    let args = [&args[..], &["--out", out.to_str().unwrap()]].concat();
    let s = summary(&args);
    let methods = list(&s, "methods");
    assert_eq!(methods.len(), 7);
    for m in methods {
        for run in list(m, "runs") {
            let end = &run["end"];
            assert!(end["train"].as_f64().unwrap() < run["along"][0][1].as_f64().unwrap(), "{m}");
            assert_eq!(end["defect"].as_f64().unwrap() < 1e-12, m["orthogonal"].as_bool().unwrap(), "{m}");
        }
        assert_eq!(m["tuned"].is_null(), m["name"] == "subspace, learned");
    }
    // All begin at the same points.
    assert!(methods.iter().all(|m| m["runs"][1]["along"][0] == methods[0]["runs"][1]["along"][0]));
    let learning = &s["learning"];
    assert_eq!(learning["parameters"], 5242);
    assert!(learning["gradients"].as_u64().unwrap() > 0 && learning["products"] == 4 * 4 * 10);
    assert!(fs::metadata(out.join("optimizer.safetensors")).unwrap().len() > 8 * 5242);
    assert!(fs::read_to_string(out.join("curves.svg")).unwrap().starts_with("<svg"));
    // The same seed gives the same numbers, with two threads too.
    let again = summary(&[&args[..], &["--threads", "2"]].concat());
    let ends = |s: &Value| list(s, "methods").iter().map(|m| m["runs"][0]["end"].clone()).collect::<Vec<_>>();
    assert_eq!(ends(&s), ends(&again));
    fails(&["orthonet", "--layers", "12,20", "--out", out.to_str().unwrap()], 1, &["12x20", "--layers"]);
    fails(&["orthonet", "--layers", "5"], 2, &["10..=64"]);
}

#[test]
fn estimators_of_data_weights_are_as_wrong_as_they_say() {
    let out = folder("bilevel");
    let args = ["bilevel", "--quick", "--only", "weights", "--steps", "200", "--outer", "3"];
    let s = summary(&[&args[..], &["--out", out.to_str().unwrap()]].concat());
    let task = &s["tasks"][0];
    assert!(task["truth"]["differences"].as_f64().unwrap() < 1e-6, "{}", task["truth"]);
    let compared = list(task, "compared");
    let of = |name: &str| compared.iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    let error = |name: &str| of(name)["error"].as_f64().unwrap();
    for name in ["implicit, solved", "full unroll", "checkpointed unroll"] {
        assert!(error(name) < 1e-8, "{name}: {}", error(name));
    }
    assert!(error("one step") > error("series, K = 5") && error("series, K = 5") > error("series, K = 20"));
    // The printed formula has the opposite sign, and its certificate does not call it sound.
    let printed = of("AAAI 2022 as printed");
    assert!(printed["cosine"].as_f64().unwrap() < 0.0 && printed["sound"] == false);
    // What is called sound is off by at most a factor of two.
    for c in compared.iter().filter(|c| c["sound"] == true) {
        let (own, error) = (c["own"].as_f64().unwrap(), c["error"].as_f64().unwrap());
        assert!(error.max(own) < 1e-7 || (own < 2.0 * error && error < 2.0 * own), "{c}");
    }
    let learned = list(task, "learned");
    let after = |name: &str| {
        let l = learned.iter().find(|l| l["name"] == name).unwrap_or_else(|| panic!("no {name}"));
        l["after"]["loss"].as_f64().unwrap() - l["before"]["loss"].as_f64().unwrap()
    };
    assert!(after("implicit, solved") < 0.0 && after("AAAI 2022 as printed") > 0.0);
    assert!(fs::read_to_string(out.join("outer.svg")).unwrap().starts_with("<svg"));
}
