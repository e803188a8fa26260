//! Accuracies of learned optimisers from the summaries that `faces` and `clustering` write with `--json`: this command
//! trains nobody. What is done with them is in `accuracy.rs`.

use crate::error::{Error, Result};
use serde::Deserialize;
use std::path::Path;

/// Of a summary, what is read.
#[derive(Debug, Deserialize)]
struct Summary {
    command: String,
    title: String,
    methods: Vec<Method>,
}

#[derive(Debug, Deserialize)]
struct Method {
    name: String,
    schooling: Option<Schooling>,
    test_accuracy: Over,
}

#[derive(Debug, Deserialize)]
struct Schooling {
    outer_steps: usize,
}

#[derive(Debug, Deserialize)]
struct Over {
    median: f64,
}

/// A learned optimiser of a summary.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Learned {
    pub(crate) name: String,
    pub(crate) outer_steps: usize,
    /// Median over starts, in per cent.
    pub(crate) accuracy: f64,
    /// 0 for faces and 1 for clustering.
    pub(crate) task: usize,
}

/// The learned optimisers of a summary. `titles` are what the two tasks of this run say of their data: a summary of
/// other data is refused.
///
/// # Errors
/// A file that cannot be read or is no summary of `faces` or `clustering`; one of other data; one in which nobody
/// learned.
pub(crate) fn read(path: &Path, titles: [&str; 2]) -> Result<Vec<Learned>> {
    let wrong = |found: String| Error::Flag {
        found: format!("`--learned {}`: {found}", path.display()),
        advice: "give files that `faces` or `clustering` wrote with `--json` on the same data",
    };
    let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    let summary: Summary = serde_json::from_str(&text).map_err(|e| wrong(format!("it is no summary: {e}")))?;
    let task = match summary.command.as_str() {
        "faces" => 0,
        "clustering" => 1,
        other => return Err(wrong(format!("it is a summary of `{other}`"))),
    };
    if summary.title != titles[task] {
        return Err(wrong(format!("it is about \"{}\", and this run about \"{}\"", summary.title, titles[task])));
    }
    let learned: Vec<Learned> = summary.methods.into_iter().filter_map(|m| learned(m, task)).collect();
    match learned.is_empty() {
        true => Err(wrong("nobody learned in it".into())),
        false => Ok(learned),
    }
}

/// Those with steps that fade are the same optimisers once more.
fn learned(m: Method, task: usize) -> Option<Learned> {
    let Schooling { outer_steps } = m.schooling.filter(|_| !m.name.ends_with("fading"))?;
    Some(Learned { name: m.name, outer_steps, accuracy: 100.0 * m.test_accuracy.median, task })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(command: &str, title: &str, schooling: &str) -> std::path::PathBuf {
        let method = |name: &str| {
            format!(
                r#"{{"name":"{name}","schooling":{schooling},"test_accuracy":{{"median":0.5,"mean":0.4,"worst":0.1}}}}"#
            )
        };
        let methods = [method("LSTM"), method("LSTM, fading")].join(",");
        let text = format!(r#"{{"command":"{command}","title":"{title}","seconds":1.0,"methods":[{methods}]}}"#);
        let name = format!("pullback-saved-{}-{command}-{title}-{}", std::process::id(), schooling.len());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn summaries_of_the_same_data_give_the_learned_ones_and_others_are_refused() {
        let titles = ["digits", "textures"];
        let found = |command: &str, title: &str, schooling: &str| {
            let path = summary(command, title, schooling);
            let found = read(&path, titles).map_err(|e| e.to_string());
            std::fs::remove_file(path).unwrap();
            found
        };
        let one = found("clustering", "textures", r#"{"outer_steps":7}"#).unwrap();
        assert_eq!(one, [Learned { name: "LSTM".into(), outer_steps: 7, accuracy: 50.0, task: 1 }]);
        assert!(found("faces", "textures", r#"{"outer_steps":7}"#).unwrap_err().contains("this run about \"digits\""));
        assert!(found("pca", "digits", r#"{"outer_steps":7}"#).unwrap_err().contains("a summary of `pca`"));
        assert!(found("faces", "digits", "null").unwrap_err().contains("nobody learned"));
        let missing = read(Path::new("nowhere.json"), titles).unwrap_err().to_string();
        assert!(missing.contains("--learned nowhere.json") && missing.contains("with `--json`"), "{missing}");
    }
}
