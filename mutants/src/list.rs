//! The list of errors: its format, and where each replaces what in the sources. Nothing is changed here.
//!
//! ```text
//! [id]
//! file = crates/kernels/src/qr.rs
//! kind = a
//! first = primitives differing_members, kernels:factorisations
//! after = fn qr_thin
//! find = if «x < y» {
//! wrong = x <= y
//! expect = found
//! ```
//!
//! `find` occurs exactly once in the file, or in what comes after the first `after`; the part between guillemets is
//! replaced (all of it where there are none). The replaced text and `wrong` are expressions of one type, or blocks of
//! statements with `form = block`. `first` names test binaries, as `target` or `crate:target`, each with an optional
//! filter; they run before all others. `expect` is `found` or `same`, for an error that changes no result, with a
//! reason in `why`.

use crate::{Error, Result};
use std::ops::Range;

/// What is expected of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// A test finds it.
    Found,
    /// It changes no result that is promised.
    Same,
}

/// An entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    /// Its name.
    pub id: String,
    /// The file, from the root of the workspace.
    pub file: String,
    /// One letter: see `docs/mutation.md`.
    pub kind: char,
    /// Binaries that run first, with a filter.
    pub first: Vec<(String, Option<String>)>,
    /// A text before the one that is replaced.
    pub after: Option<String>,
    /// The text around what is replaced.
    pub find: String,
    /// What takes its place.
    pub wrong: String,
    /// Statements, not an expression?
    pub block: bool,
    /// What is expected.
    pub expect: Expect,
    /// Why, or what the error means.
    pub why: String,
}

/// Reads a list.
///
/// # Errors
/// [`Error::List`] with the line.
pub fn parse(text: &str) -> Result<Vec<Mutant>> {
    let mut list: Vec<Mutant> = vec![];
    for (at, line) in text.lines().enumerate() {
        let wrong = |what: String| Error::List { line: at + 1, what };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(id) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            if list.iter().any(|m| m.id == id) {
                return Err(wrong(format!("`{id}` is there twice")));
            }
            list.push(empty(id));
            continue;
        }
        let (key, value) = line.split_once(" = ").ok_or_else(|| wrong("expected `key = value`".into()))?;
        let m = list.last_mut().ok_or_else(|| wrong("expected `[id]` first".into()))?;
        set(m, key, value).map_err(wrong)?;
    }
    for m in &list {
        if m.file.is_empty() || m.find.is_empty() || m.wrong.is_empty() || m.kind == ' ' {
            return Err(Error::Text { id: m.id.clone(), what: "expected file, kind, find and wrong".into() });
        }
        if m.expect == Expect::Same && m.why.is_empty() {
            return Err(Error::Text { id: m.id.clone(), what: "expected a reason (`why`) why nothing changes".into() });
        }
    }
    Ok(list)
}

fn empty(id: &str) -> Mutant {
    Mutant {
        id: id.into(),
        file: String::new(),
        kind: ' ',
        first: vec![],
        after: None,
        find: String::new(),
        wrong: String::new(),
        block: false,
        expect: Expect::Found,
        why: String::new(),
    }
}

fn set(m: &mut Mutant, key: &str, value: &str) -> std::result::Result<(), String> {
    match key {
        "file" => m.file = value.into(),
        "kind" => m.kind = value.chars().next().unwrap_or(' '),
        "first" => {
            let words = |w: &str| match w.trim().split_once(' ') {
                Some((target, filter)) => (target.to_owned(), Some(filter.trim().to_owned())),
                None => (w.trim().to_owned(), None),
            };
            m.first = value.split(',').map(words).collect();
        }
        "after" => m.after = Some(value.into()),
        "find" => m.find = value.into(),
        "wrong" => m.wrong = value.into(),
        "form" if value == "block" => m.block = true,
        "expect" if value == "found" => m.expect = Expect::Found,
        "expect" if value == "same" => m.expect = Expect::Same,
        "why" => m.why = value.into(),
        _ => return Err(format!("`{key} = {value}` is not known")),
    }
    Ok(())
}

/// Where in the text of its file each error goes: the entries of one file, in the order of the text.
///
/// # Errors
/// [`Error::Text`] if a text is not there, is there more than once, or overlaps with another one without being the
/// same.
pub fn spans<'m>(text: &str, list: &[&'m Mutant]) -> Result<Vec<(Range<usize>, Vec<&'m Mutant>)>> {
    let mut found: Vec<(Range<usize>, Vec<&Mutant>)> = vec![];
    for m in list {
        let span = span(text, m)?;
        match found.iter_mut().find(|(s, _)| *s == span) {
            Some((_, same)) => same.push(m),
            None => found.push((span, vec![m])),
        }
    }
    found.sort_by_key(|(s, _)| s.start);
    for pair in found.windows(2) {
        if pair[0].0.end > pair[1].0.start {
            let what = format!("its text overlaps with that of {}", pair[0].1[0].id);
            return Err(Error::Text { id: pair[1].1[0].id.clone(), what });
        }
    }
    Ok(found)
}

fn span(text: &str, m: &Mutant) -> Result<Range<usize>> {
    let wrong = |what: String| Error::Text { id: m.id.clone(), what };
    let from = match &m.after {
        Some(after) => text.find(after).ok_or_else(|| wrong(format!("`{after}` does not occur in {}", m.file)))?,
        None => 0,
    };
    let plain: String = m.find.chars().filter(|c| !"«»".contains(*c)).collect();
    let mut places = text[from..].match_indices(&plain).map(|(i, _)| from + i);
    let at = places.next().ok_or_else(|| wrong(format!("`{plain}` does not occur in {}", m.file)))?;
    if m.after.is_none() && places.next().is_some() {
        return Err(wrong(format!("`{plain}` occurs more than once in {}", m.file)));
    }
    let (start, end) = match (m.find.find('«'), m.find.find('»')) {
        (Some(a), Some(b)) if a < b => (a, b - '«'.len_utf8()),
        (None, None) => (0, plain.len()),
        _ => return Err(wrong("expected both guillemets or none".into())),
    };
    Ok(at + start..at + end)
}
