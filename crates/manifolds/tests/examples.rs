//! The example of all spaces runs, and leaves none out.
#![allow(unreachable_pub)]

#[path = "../examples/spaces.rs"]
mod spaces;

#[test]
fn every_space_of_the_page_is_in_the_example() {
    let table = spaces::run().unwrap();
    println!("{table}");
    let (page, example) = (include_str!("../../../docs/manifolds.md"), include_str!("../examples/spaces.rs"));
    let rows = page.lines().take_while(|l| !l.starts_with("## ")).filter(|l| l.starts_with("| `"));
    let names = rows.filter_map(|l| l[3..].split([':', '`', '(']).next());
    let names: Vec<&str> = names.filter(|n| n.starts_with(char::is_uppercase)).collect();
    assert!(names.len() > 20, "expected the table of docs/manifolds.md, got {names:?}");
    for name in names {
        assert!(example.contains(&format!("{name}::new")), "{name} is not in crates/manifolds/examples/spaces.rs");
    }
}
