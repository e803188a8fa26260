//! Every example runs, and what it asserts holds. Each is a program that somebody new would write, in at most 60 lines.
#![allow(unreachable_pub)]

use pullback_optim::History;

macro_rules! runs {
    ($($name:ident $path:literal)*) => {
        $(
            #[path = $path]
            mod $name;

            #[test]
            fn $name() {
                plotted(stringify!($name), &$name::run().unwrap());
            }
        )*

        const LISTED: &[&str] = &[$(stringify!($name)),*];
    };
}
runs! {
    dictionary "../examples/dictionary.rs"
    gaussian_mixture "../examples/gaussian_mixture.rs"
    karcher_mean "../examples/karcher_mean.rs"
    matrix_completion "../examples/matrix_completion.rs"
    max_cut "../examples/max_cut.rs"
    own_manifold "../examples/own_manifold.rs"
    pose_averaging "../examples/pose_averaging.rs"
    procrustes "../examples/procrustes.rs"
    rayleigh "../examples/rayleigh.rs"
    sparse_pca "../examples/sparse_pca.rs"
    tree_embedding "../examples/tree_embedding.rs"
}

#[test]
fn none_is_forgotten_and_each_is_short() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(LISTED.contains(&name), "{name} is run by no test");
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 60, "{name} has {lines} lines");
    }
}

/// Every example has its curve on the page. `PULLBACK_BLESS=1` with `--features plot` draws them anew.
fn plotted(name: &str, (printed, history): &(String, History)) {
    println!("{printed}");
    let path = format!("{}/../../docs/plots/{name}.svg", env!("CARGO_MANIFEST_DIR"));
    #[cfg(feature = "plot")]
    if std::env::var_os("PULLBACK_BLESS").is_some() {
        history.save_svg(&path, &name.replace('_', " ")).unwrap();
    }
    assert!(history.gradients().len() > 1, "{name} has no history");
    assert!(
        std::fs::read_to_string(&path).is_ok_and(|svg| svg.contains("</svg>")),
        "{name} has no plot: run with --features plot and PULLBACK_BLESS=1"
    );
    assert!(PAGE.contains(&format!("(plots/{name}.svg)")), "docs/optimisation.md does not show the plot of {name}");
}

const PAGE: &str = include_str!("../../../docs/optimisation.md");

/// Gradients and numbers of steps are those of one machine: the rest of each line is held to the page.
#[test]
fn the_page_shows_what_the_examples_print() {
    for printed in [rayleigh::run(), karcher_mean::run(), max_cut::run()] {
        for line in printed.unwrap().0.lines() {
            let line = line.split(", gradient").next().unwrap();
            assert!(PAGE.contains(line), "docs/optimisation.md lacks: {line}");
        }
    }
}

#[test]
fn the_page_shows_the_examples_as_they_are() {
    let sources = [
        include_str!("../examples/rayleigh.rs"),
        include_str!("../examples/karcher_mean.rs"),
        include_str!("../examples/max_cut.rs"),
    ];
    let mut lines = 0;
    for excerpt in PAGE.split("```rust,ignore").skip(1) {
        for line in excerpt.split("```").next().unwrap().lines().filter(|l| !l.trim().is_empty()) {
            assert!(sources.iter().any(|s| s.contains(line)), "no example has: {line}");
            lines += 1;
        }
    }
    assert!(lines > 10, "the page shows {lines} lines of code");
    for name in LISTED {
        assert!(PAGE.contains(&format!("examples/{name}.rs")), "docs/optimisation.md does not name {name}");
    }
}
