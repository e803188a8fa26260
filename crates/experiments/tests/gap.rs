//! The commands `equivariant` and `evaluate` as a user meets them: the built program, its output, its files, and what
//! it says of an optimiser that it cannot use.

mod common;
use common::{fails, json, path, program, text};
use std::fs;
use std::path::PathBuf;

fn folder(test: &str) -> PathBuf {
    common::folder("gap", test)
}

/// The factor of a family against an opponent after so many steps.
fn factor(family: &serde_json::Value, opponent: &str, steps: u64) -> f64 {
    let all = family["factors"].as_array().unwrap();
    let found = all.iter().find(|f| f["opponent"] == opponent && f["steps"] == steps);
    found.unwrap_or_else(|| panic!("{opponent} {steps}: {family}"))["factor"].as_f64().unwrap()
}

#[test]
fn an_equivariant_optimiser_is_trained_judged_and_then_evaluated() {
    let out = folder("both");
    let flags = ["--quick", "--steps", "2", "--starts", "3", "--seed", "4", "--json", "-", "--out", path(&out)];
    let some = ["--families", "unseen-digits,robust,hundred"];
    let summary = json(&program(&[&["equivariant"], &flags[..], &some].concat()));
    let families = summary["families"].as_array().unwrap();
    assert_eq!(
        families.iter().map(|f| f["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["unseen-digits", "robust", "hundred"]
    );
    let all = "unseen-digits, robust, spectra, large, hundred";
    fails(&program(&["equivariant", "--families", "nowhere", "--out", path(&out)]), 1, &[all, "`nowhere`"]);
    for f in families {
        for row in f["rows"].as_array().unwrap() {
            let left: Vec<f64> = row["at"].as_array().unwrap().iter().map(|a| a["mean"].as_f64().unwrap()).collect();
            assert!(left.iter().all(|l| (1e-13..2.0).contains(l)), "{row}");
        }
        // Two steps of training leave L-BFGS about as it was, and that is far ahead of plain descent after a hundred
        // steps.
        assert!(factor(f, "gradient descent", 100) > 10.0, "{f}");
        assert!((0.1..10.0).contains(&factor(f, "L-BFGS, tuned", 10)), "{f}");
        // Opponents paid for their numbers.
        let tuned = f["rows"].as_array().unwrap().iter().filter(|r| !r["tuning"].as_array().unwrap().is_empty());
        assert!(tuned.clone().count() == 8 && tuned.clone().all(|r| r["tuning"][0]["gradients"].as_u64().unwrap() > 0));
    }
    let judged =
        families.iter().flat_map(|f| f["factors"].as_array().unwrap()).filter(|f| !f["goal"].is_null()).count();
    assert_eq!(judged, 2 * 6 + 1);
    assert!(fs::read_to_string(out.join("curves.svg")).unwrap().contains("unseen-digits"));
    assert!(!out.join("equivariant-0.training.json").exists());

    let saved = out.join("equivariant-0.safetensors");
    let report = |axes: &str| {
        let flags = ["--quick", "--starts", "2", "--axes", axes, "--json", "-", "--out", path(&out)];
        program(&[&["evaluate", path(&saved)], &flags[..]].concat())
    };
    let all = "home, bases, rotated, unseen, loss x0.8, loss x1.2, loss x4, horizon x10, condition x10, \
               condition x100, noise, objective, dimension x4";
    fails(&report("nowhere"), 1, &[all, "`nowhere`"]);
    let report = json(&report("home,bases,loss x0.8,loss x1.2,loss x4,noise"));
    let axes = report["axes"].as_array().unwrap();
    assert_eq!((axes.len(), report["left_out"].as_array().unwrap().len()), (6, 0));
    // What is equivariant does not see a basis or a unit: what is left is the same, to rounding.
    let mean = |axis: &serde_json::Value| axis["rows"][0]["at"][1]["mean"].as_f64().unwrap();
    let named = |name: &str| axes.iter().find(|a| a["name"] == name).unwrap();
    for same in ["bases", "loss x0.8", "loss x1.2", "loss x4"] {
        assert!((mean(named(same)) / mean(named("home")) - 1.0).abs() < 1e-4, "{same}");
    }
    assert!(report["other_bases"].as_f64().unwrap() < 1.001);
    // Every factor below one is named.
    let below =
        axes.iter().flat_map(|a| a["factors"].as_array().unwrap()).filter(|f| f["factor"].as_f64().unwrap() < 1.0);
    assert_eq!(report["loses"].as_array().unwrap().len(), below.count());

    // Cut short, or something else.
    let whole = fs::read(&saved).unwrap();
    let cut = out.join("cut.safetensors");
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    fails(&program(&["evaluate", path(&cut)]), 1, &["cut.safetensors", "not a whole safetensors file"]);
    fails(&program(&["evaluate", path(&out.join("curves.svg"))]), 1, &["curves.svg", "safetensors"]);
    // It is not of the kind that `pca` trains.
    fails(
        &program(&["pca", "--load", path(&saved)]),
        1,
        &["equivariant-0.safetensors", "gm-lstm", "equivariant-lbfgs"],
    );
}

#[test]
fn optimisers_for_other_places_are_refused_or_judged_where_they_belong() {
    let out = folder("other_places");
    let contest = |command: &str, network: &str| {
        let args = [command, "--quick", "--passes", "1", "--starts", "1", "--steps", "1", "--learned", network];
        let run = program(&[&args[..], &["--out", path(&out)]].concat());
        assert!(run.status.success(), "{}", text(&run.stderr));
    };
    // Frames: Brockett's cost, on all axes but the robust loss of subspaces.
    contest("faces", "subspace");
    let frames = out.join("subspace.safetensors");
    let run = [
        "evaluate",
        path(&frames),
        "--quick",
        "--starts",
        "2",
        "--axes",
        "home,noise",
        "--json",
        "-",
        "--out",
        path(&out),
    ];
    let report = json(&program(&run));
    assert_eq!(report["optimiser"]["kind"], "subspace");
    let left_out = report["left_out"].as_array().unwrap();
    assert_eq!((left_out.len(), &left_out[0]["axis"]), (1, &"objective".into()));
    assert!(report["other_bases"].is_null() && !report["loses"].as_array().unwrap().is_empty());
    fails(&program(&["evaluate", "nowhere.safetensors"]), 1, &["nowhere.safetensors", "No such file"]);
}

/// Positive definite matrices: the equivariant one does not see a congruence or a unit, and a matrix LSTM does and has
/// one size.
#[test]
fn optimisers_for_positive_definite_matrices_are_evaluated_on_centres_of_covariances() {
    let out = folder("definite");
    let args = ["clustering", "--quick", "--passes", "1", "--starts", "1", "--steps", "1"];
    let run = program(&[&args[..], &["--learned", "equivariant,gm-lstm", "--out", path(&out)]].concat());
    assert!(run.status.success(), "{}", text(&run.stderr));
    let report = |network: &str, axes: &str| {
        let file = out.join(format!("{network}.safetensors"));
        let flags = ["--quick", "--starts", "2", "--axes", axes, "--json", "-", "--out", path(&out)];
        program(&[&["evaluate", path(&file)], &flags[..]].concat())
    };
    let mean = |axis: &serde_json::Value, k: usize| axis["rows"][0]["at"][k]["mean"].as_f64().unwrap();
    let named = |report: &serde_json::Value, name: &str| {
        let axes = report["axes"].as_array().unwrap();
        axes.iter().find(|a| a["name"] == name).unwrap_or_else(|| panic!("{name}")).clone()
    };
    let all = "home, congruence, rotated, regions, unseen, loss x0.8, loss x1.2, loss x4, horizon x10, condition x10, \
               condition x100, noise, objective, dimension x4";
    fails(&report("equivariant", "nowhere"), 1, &[all, "`nowhere`"]);
    let geometric = json(&report("equivariant", "home,congruence,loss x0.8,loss x1.2,loss x4"));
    assert_eq!(geometric["axes"].as_array().unwrap().len(), 5);
    assert!(geometric["left_out"].as_array().unwrap().is_empty());
    let home = named(&geometric, "home");
    for same in ["congruence", "loss x0.8", "loss x1.2", "loss x4"] {
        for k in 0..2 {
            assert!((mean(&named(&geometric, same), k) / mean(&home, k) - 1.0).abs() < 1e-4, "{same}");
        }
    }
    assert!(geometric["other_bases"].as_f64().unwrap() < 1.001);
    // Gradient descent that is tuned here solves it, and the report says so.
    let descent = home["rows"].as_array().unwrap().iter().find(|r| r["name"] == "gradient descent").unwrap();
    assert!(descent["at"][2]["mean"].as_f64().unwrap() < 1e-6, "{descent}");
    let loses = geometric["loses"].as_array().unwrap();
    assert!(loses.iter().any(|l| l.as_str().unwrap().starts_with("home, 10 steps: gradient descent")), "{loses:?}");
    let tall = json(&report("gm-lstm", "home,noise"));
    assert_eq!((tall["axes"].as_array().unwrap().len(), &tall["left_out"][0]["axis"]), (2, &"dimension x4".into()));
    assert_eq!(tall["optimiser"]["manifold"], "SPD(5), affine-invariant");
    // After one outer step it is about gradient descent, which a congruence takes along, but for what was learned.
    assert!(tall["other_bases"].as_f64().unwrap() >= 1.0);
}

#[test]
fn a_network_for_frames_is_not_loaded_for_subspaces() {
    let out = folder("frames");
    let args = ["faces", "--quick", "--passes", "1", "--starts", "1", "--steps", "1", "--learned", "gm-lstm"];
    let run = program(&[&args[..], &["--out", path(&out)]].concat());
    assert!(run.status.success(), "{}", text(&run.stderr));
    let frames = out.join("gm-lstm.safetensors");
    let load = ["pca", "--components", "10", "--load", path(&frames), "--out", path(&out)];
    fails(&program(&load), 1, &["St(64, 10)", "Gr(64, 10)", "gm-lstm.safetensors"]);
}

#[test]
fn help_names_every_flag() {
    let help = text(&program(&["evaluate", "--help"]).stdout);
    for flag in ["--seed", "--starts", "--quick", "--out", "--json", "--data", "OPTIMISER", "Examples:"] {
        assert!(help.contains(flag), "{help}");
    }
    let help = text(&program(&["equivariant", "--help"]).stdout);
    for flag in [
        "--seed",
        "--steps",
        "--trainings",
        "--starts",
        "--families",
        "--quick",
        "--resume",
        "--out",
        "--json",
        "--data",
    ] {
        assert!(help.contains(flag), "{help}");
    }
    fails(&program(&["equivariant", "--trainings", "0"]), 2, &["1 to 100"]);
}
