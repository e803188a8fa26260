//! Writes the seed corpora: `cargo run --example seeds`, in this folder. The same files every time.

use pullback_fuzz::families::targets;
use pullback_fuzz::parsing::{arrays, damage};
use pullback_learned::{Each, GmLstm, GmLstmOptions, Provenance, Trained, Update};
use pullback_manifolds::{Euclidean, rng};
use std::io::Result;
use std::path::Path;

fn main() -> Result<()> {
    for (name, ..) in targets() {
        write(name, &cases())?;
    }
    let whole =
        [arrays::npy(&[2, 3], &[1, 2, 3, 4, 5, 6]), arrays::npy(&[], &[7]), arrays::idx(&[2, 2], &[1, 2, 3, 4])];
    write("arrays", &with_damage(&whole))?;
    let net = Each::new(GmLstm::new(GmLstmOptions { hidden: 1, ..GmLstmOptions::new(1, 1) }), Update::new(0.1));
    let params = net.init(&mut rng(1));
    let from = Provenance::new(&Euclidean::new(1, 1), "none");
    let file = Trained::new(net, params).to_bytes(&from).map_err(std::io::Error::other)?;
    write("optimizers", &with_damage(&[file]))?;
    let known = br#"[{"id": "a", "op": "qr", "params": {}, "inputs": [{"rows": 2, "cols": 1, "data": [1.0, -2e0]}], "outputs": null,
        "tangents": [], "jvp": null, "cotangents": [], "vjp": [{"rows": 0, "cols": 0, "data": []}], "hvp": null}]"#;
    write("known_answers", &with_damage(&[known.to_vec()]))
}

/// As `Drawn` reads them: the seed in eight bytes, then rows, columns, batch, kind, distance and operation in one each.
/// Every kind of matrix and sixteen operations, at sizes from 1 up.
fn cases() -> Vec<Vec<u8>> {
    let case = |k: u8| {
        let choices = [1 + k % 5, 1 + k / 2 % 5, k % 3, k % 8, k, k];
        [&u64::from(k).to_le_bytes()[..], &choices].concat()
    };
    (0..16).map(case).collect()
}

/// The files, and a few of each that are damaged.
fn with_damage(whole: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let damaged = whole.iter().flat_map(|f| (0..4).map(|seed| damage::damaged(f, seed)));
    whole.iter().cloned().chain(damaged).collect()
}

fn write(target: &str, files: &[Vec<u8>]) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    std::fs::create_dir_all(&folder)?;
    files.iter().enumerate().try_for_each(|(k, f)| std::fs::write(folder.join(format!("seed-{k:02}")), f))
}
