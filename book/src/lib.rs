//! What turns the pages of `docs/` into a book, and what must hold of the pages before.
//!
//! The pages are Markdown that GitHub shows as it stands, formulas between dollar signs included. For the book a
//! preprocessor of mdBook makes MathML of the formulas ([`formulas`]), so that no reader needs a network or a script,
//! and names files of the repository where a page links to them ([`links`]). Nothing here knows HTML beyond that.

pub mod formulas;
pub mod links;

use serde_json::Value;

/// What is wrong with a page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A formula that is no LaTeX.
    #[error("the formula `{formula}`: {why}")]
    Formula {
        /// As it is written.
        formula: String,
        /// What the parser says.
        why: String,
    },
    /// What mdBook hands over is something else than a book.
    #[error("expected `[context, book]` as JSON from mdBook, got {0}")]
    Input(String),
    /// Standard input or output.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Not JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// A page as the book shows it.
///
/// # Errors
/// A formula that cannot be read.
pub fn page(markdown: &str) -> Result<String, Error> {
    formulas::to_mathml(&links::name_files(markdown))
}

/// What mdBook asks of a preprocessor: `[context, book]`, of which the book comes back with every chapter's text as
/// [`page`] makes it.
///
/// # Errors
/// A formula that cannot be read, or another input.
pub fn preprocess(input: &str) -> Result<String, Error> {
    let mut input: Value = serde_json::from_str(input)?;
    let book = input.get_mut(1).ok_or_else(|| Error::Input("one value".into()))?;
    chapters(book)?;
    Ok(book.to_string())
}

/// Rewrites the text of every chapter, at any depth.
fn chapters(value: &mut Value) -> Result<(), Error> {
    match value {
        Value::Array(all) => all.iter_mut().try_for_each(chapters),
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("content") {
                *text = page(text)?;
            }
            fields.values_mut().try_for_each(chapters)
        }
        _ => Ok(()),
    }
}
