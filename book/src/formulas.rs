//! Formulas: LaTeX between dollar signs to MathML. Where a formula begins and ends is for the parser of Markdown to
//! say, so that dollar signs in code stay what they are.

use crate::Error;
use math_core::{LatexToMathML, MathCoreConfig, MathDisplay};
use pulldown_cmark::{Event, Options, Parser};

/// A page with its formulas as MathML: `$..$` in the line, `$$..$$` as a block of its own.
///
/// # Errors
/// [`Error::Formula`] with the first that cannot be read.
pub fn to_mathml(markdown: &str) -> Result<String, Error> {
    let mut page = String::with_capacity(markdown.len());
    let mut end = 0;
    for (event, place) in Parser::new_ext(markdown, Options::ENABLE_MATH | Options::ENABLE_TABLES).into_offset_iter() {
        let made = match &event {
            Event::InlineMath(formula) => mathml(formula, MathDisplay::Inline)?,
            Event::DisplayMath(formula) => {
                format!("<div class=\"formula\">{}</div>", mathml(formula, MathDisplay::Block)?)
            }
            _ => continue,
        };
        page += &markdown[end..place.start];
        page += &made;
        end = place.end;
    }
    Ok(page + &markdown[end..])
}

/// One formula.
///
/// # Errors
/// [`Error::Formula`].
pub fn mathml(formula: &str, display: MathDisplay) -> Result<String, Error> {
    let wrong = |why: &dyn std::fmt::Debug| Error::Formula { formula: formula.into(), why: format!("{why:?}") };
    let converter = LatexToMathML::new(MathCoreConfig::default()).map_err(|e| wrong(&e))?;
    let made = converter.convert_with_local_state(formula, display).map_err(|e| wrong(&e))?;
    // An empty line would end a block of HTML within Markdown. Spaces that do not break belong to a text.
    Ok(made.mathml.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
}
