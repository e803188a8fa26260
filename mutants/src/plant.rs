//! The copy of the workspace with every error behind its switch. What is compiled and run there is not known here.

use crate::{Error, Mutant, Result, read, spans};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The environment variable that names the error that is switched on, by its number.
pub const VARIABLE: &str = "PULLBACK_PLANTED";

/// The switch that every crate with errors gets as a module of its own.
const SWITCH: &str = r#"
mod planted {
    static ON: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    #[inline]
    pub(crate) fn on(number: u32) -> bool {
        *ON.get_or_init(|| std::env::var("PULLBACK_PLANTED").ok().and_then(|v| v.parse().ok()).unwrap_or(u32::MAX)) == number
    }
}
"#;

/// What is never copied: this tool, builds, history.
const SKIPPED: [&str; 3] = ["target", ".git", "mutants"];

/// A copy of the workspace.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The workspace.
    pub from: PathBuf,
    /// The copy.
    pub to: PathBuf,
}

/// Where the errors are in the copy: file and bytes of each, by its number in the list.
pub type Planted = Vec<(PathBuf, Range<usize>, usize)>;

/// Brings the copy up to date and plants all errors but those in `without`. Files that do not change are not touched,
/// so that Cargo compiles only what did.
///
/// # Errors
/// A file that cannot be read or written; an entry whose text is not there.
pub fn plant(tree: &Tree, list: &[Mutant], without: &BTreeSet<usize>) -> Result<Planted> {
    let mut by_file: BTreeMap<&str, Vec<&Mutant>> = BTreeMap::new();
    for (_, m) in list.iter().enumerate().filter(|(i, _)| !without.contains(i)) {
        by_file.entry(&m.file).or_default().push(m);
    }
    let crates: BTreeSet<PathBuf> = by_file.keys().filter_map(|f| root_of_crate(f)).collect();
    let mut planted = vec![];
    let mut seen = BTreeSet::new();
    for relative in files(&tree.from)? {
        let path = tree.from.join(&relative);
        let name = relative.to_string_lossy().replace('\\', "/");
        let mut bytes = fs::read(&path).map_err(|source| Error::File { path: path.clone(), source })?;
        if name == "Cargo.toml" {
            bytes = without_this_crate(&read(&path)?).into_bytes();
        }
        if let Some(mutants) = by_file.get(&*name) {
            let number = |m: &Mutant| list.iter().position(|other| other.id == m.id).unwrap_or(usize::MAX);
            let (text, places) = rewritten(&read(&path)?, mutants, &number)?;
            planted.extend(places.into_iter().map(|(range, i)| (relative.clone(), range, i)));
            bytes = text.into_bytes();
        }
        if crates.contains(&relative) {
            bytes.extend_from_slice(SWITCH.as_bytes());
        }
        write_if_changed(&tree.to.join(&relative), &bytes)?;
        seen.insert(relative);
    }
    // What is gone from the workspace is gone from the copy.
    for old in files(&tree.to)?.into_iter().filter(|f| !seen.contains(f)) {
        let path = tree.to.join(old);
        fs::remove_file(&path).map_err(|source| Error::File { path, source })?;
    }
    match by_file.keys().find(|f| !seen.contains(Path::new(f))) {
        Some(missing) => {
            Err(Error::Text { id: by_file[missing][0].id.clone(), what: format!("{missing} does not exist") })
        }
        None => Ok(planted),
    }
}

/// The file with every error of it behind its switch, and where they are.
fn rewritten(
    text: &str,
    mutants: &[&Mutant],
    number: &dyn Fn(&Mutant) -> usize,
) -> Result<(String, Vec<(Range<usize>, usize)>)> {
    let (mut out, mut places, mut done) = (String::new(), vec![], 0);
    for (span, same) in spans(text, mutants)? {
        out.push_str(&text[done..span.start]);
        let original = &text[span.clone()];
        let block = same[0].block;
        if !block {
            out.push('(');
        }
        for m in same {
            let start = out.len();
            out.push_str(&format!("if crate::planted::on({}) {{ {} }} else ", number(m), m.wrong));
            places.push((start..out.len(), number(m)));
        }
        out.push_str(&format!("{{ {original} }}"));
        if !block {
            out.push(')');
        }
        done = span.end;
    }
    out.push_str(&text[done..]);
    Ok((out, places))
}

/// `crates/ad/src/lib.rs` for a file of that crate.
fn root_of_crate(file: &str) -> Option<PathBuf> {
    let at = file.find("/src/")?;
    Some(PathBuf::from(&file[..at]).join("src/lib.rs"))
}

fn without_this_crate(manifest: &str) -> String {
    manifest.replace(", \"mutants\"", "")
}

/// All files below a folder, relative to it and in order.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let (mut out, mut open) = (vec![], vec![PathBuf::new()]);
    while let Some(folder) = open.pop() {
        let path = root.join(&folder);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(e) if folder.as_os_str().is_empty() && e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(source) => return Err(Error::File { path, source }),
        };
        for entry in entries {
            let entry = entry.map_err(|source| Error::File { path: path.clone(), source })?;
            let (name, kind) = (entry.file_name(), entry.file_type());
            if SKIPPED.iter().any(|s| name == *s) {
                continue;
            }
            match kind {
                Ok(kind) if kind.is_dir() => open.push(folder.join(name)),
                Ok(kind) if kind.is_file() => out.push(folder.join(name)),
                _ => {}
            }
        }
    }
    out.sort();
    Ok(out)
}

fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |source| Error::File { path: path.into(), source };
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, bytes).map_err(failed)
}
