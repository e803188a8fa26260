//! The public interface is the one that is written down: who changes it sees what changes.

use std::path::Path;

const CRATES: [&str; 8] = ["ad", "check", "geometry", "manifolds", "optim", "implicit", "learned", "kernels"];

/// The first line in which two texts differ.
fn difference(old: &str, new: &str) -> String {
    let mut lines = old.lines().zip(new.lines()).enumerate();
    match lines.find(|(_, (a, b))| a != b) {
        Some((k, (a, b))) => format!("line {}: {a:?} has become {b:?}", k + 1),
        None => format!("{} lines have become {}", old.lines().count(), new.lines().count()),
    }
}

#[test]
fn the_public_interface_is_the_one_that_is_written_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let bless = std::env::var_os("PULLBACK_BLESS").is_some();
    let mut changed = Vec::new();
    for name in CRATES {
        let now = pullback_api::interface(&root.join("crates").join(name).join("src")).unwrap();
        let file = root.join("docs/api").join(format!("{name}.rs.txt"));
        if bless {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, &now).unwrap();
        }
        let old = std::fs::read_to_string(&file).unwrap_or_default();
        if old != now {
            changed.push(format!("docs/api/{name}.rs.txt, {}", difference(&old, &now)));
        }
    }
    let how = "if it is meant, run `PULLBACK_BLESS=1 cargo test -p pullback-api` and look at the difference";
    assert!(changed.is_empty(), "the public interface has changed; {how}\n{}", changed.join("\n"));
}

#[test]
fn what_is_not_public_is_not_listed() {
    let dir = std::env::temp_dir().join(format!("pullback-api-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let text = "
        /// Documented.
        pub struct A { pub x: f64, y: f64 }
        struct B;
        impl A { pub fn shown(&self) -> f64 { self.y } fn not(&self) {} #[doc(hidden)] pub fn hidden(&self) {} }
        impl Clone for A { fn clone(&self) -> A { A { ..*self } } }
        #[cfg(test)] mod tests { pub fn inside() {} }
        mod below { pub(crate) fn near() {} pub fn far() {} }
        pub use below::far;
        pub const TABLE: [u8; 3] = [1, 2, 3];
        macro_rules! made { ($x:item) => { $x } }
        made! { /// Told.
            pub fn by_macro() {} }
        made! { fn kept_inside() {} }
        impl A { methods! { /// Told too.
            method_of_macro => 1; } }
    ";
    std::fs::write(dir.join("lib.rs"), text).unwrap();
    let found = pullback_api::interface(&dir).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    for shown in [
        "pub struct A",
        "pub x: f64",
        "pub fn shown(&self) -> f64",
        "impl Clone for A",
        "pub fn far()",
        "pub use below::far",
        "pub const TABLE: [u8; 3]",
        "pub fn by_macro()",
        "method_of_macro",
    ] {
        assert!(found.contains(shown), "{shown} is not in\n{found}");
    }
    for hidden in [
        "y: f64",
        "struct B",
        "fn not",
        "hidden",
        "inside",
        "near",
        "Documented",
        "1, 2, 3",
        "Told",
        "kept_inside",
        "macro_rules",
    ] {
        assert!(!found.contains(hidden), "{hidden} is in\n{found}");
    }
}
