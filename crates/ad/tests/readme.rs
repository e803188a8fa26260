//! The README shows the code of the tour and what it prints: both are held to the example here.

#[path = "../examples/tour.rs"]
#[allow(unreachable_pub)]
mod tour;

const README: &str = include_str!("../../../README.md");

#[test]
fn the_readme_shows_the_tour_as_it_is() {
    let source = include_str!("../examples/tour.rs");
    let body = source.split("use pullback::prelude::*;").nth(1).unwrap();
    for line in body.lines().map(str::trim).filter(|l| l.len() > 20 && l.starts_with("let ")) {
        assert!(README.contains(line), "the README lacks: {line}");
    }
}

#[test]
fn the_readme_prints_what_the_tour_prints() {
    for line in tour::tour().unwrap().lines() {
        // The path of the source line depends on who compiles it.
        let line = line.rsplit("examples/").next().unwrap_or(line);
        assert!(README.contains(line), "the README lacks: {line}");
    }
}
