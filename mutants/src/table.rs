//! The table of verdicts, in Markdown.

use crate::{Expect, Mutant, Results, Verdict};

/// A row for every entry of the list, and a line with the sums.
#[must_use]
pub fn table(list: &[Mutant], results: &Results) -> String {
    let mut t = String::from("| error | kind | file | found by |\n|---|---|---|---|\n");
    let [mut found, mut same, mut survived, mut open] = [0; 4];
    for m in list {
        let verdict = match results.get(m).map(|(v, _)| v) {
            Some(Verdict::Found(test)) => {
                found += 1;
                format!("`{test}`")
            }
            Some(Verdict::Survived) if m.expect == Expect::Same => {
                same += 1;
                format!("changes nothing: {}", m.why)
            }
            Some(Verdict::Survived) => {
                survived += 1;
                "**survived**".into()
            }
            Some(Verdict::NotCompiled) => {
                open += 1;
                "does not compile".into()
            }
            None => {
                open += 1;
                "not run".into()
            }
        };
        let file = m.file.trim_start_matches("crates/");
        t.push_str(&format!("| {} | {} | `{file}` | {verdict} |\n", m.id, m.kind));
    }
    let all = list.len();
    format!("{t}\n{all} errors: {found} found, {same} change nothing, {survived} survived, {open} without a verdict.")
}
