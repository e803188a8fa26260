//! The progress bar: on standard error, and only if that is a terminal. What progresses is not known here.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar for one stage of a run; it vanishes when the stage ends.
#[derive(Debug)]
pub(crate) struct Stage(ProgressBar);

impl Stage {
    /// A stage of `length` equal pieces.
    pub(crate) fn new(name: &'static str, length: usize) -> Self {
        // Indicatif hides a bar whose target is not a terminal.
        let bar = ProgressBar::with_draw_target(Some(length as u64), ProgressDrawTarget::stderr_with_hz(8));
        if let Ok(style) = ProgressStyle::with_template("{prefix:14} {bar:36} {pos:>6}/{len} {elapsed:>4}  {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(name);
        Stage(bar)
    }

    /// One piece is done.
    pub(crate) fn advance(&self) {
        self.0.inc(1);
    }

    /// Says how it goes. The words are only made if somebody can see them.
    pub(crate) fn say(&self, words: impl FnOnce() -> String) {
        if !self.0.is_hidden() {
            self.0.set_message(words());
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
