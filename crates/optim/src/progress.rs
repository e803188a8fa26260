//! The progress bar of a run. What progresses is not known here.

use crate::run::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pullback::Scalar;

/// A bar that vanishes when it is dropped.
#[derive(Debug)]
pub(crate) struct Bar(ProgressBar);

/// So often it is drawn, at most.
const PER_SECOND: u8 = 8;

impl Bar {
    /// On standard error, and hidden unless that is a terminal.
    pub(crate) fn on_stderr(iterations: Option<usize>) -> Self {
        Self::on(ProgressDrawTarget::stderr_with_hz(PER_SECOND), iterations)
    }

    /// A bar of a known length, or one that only counts.
    fn on(target: ProgressDrawTarget, iterations: Option<usize>) -> Self {
        let bar = ProgressBar::with_draw_target(iterations.map(|n| n as u64), target);
        let template = match iterations {
            Some(_) => "{bar:30} {pos:>6}/{len} {elapsed:>4}  {msg}",
            None => "{spinner} {pos:>6} steps {elapsed:>4}  {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Bar(bar)
    }

    /// Shows where a run is. The words are only made if somebody can see them.
    pub(crate) fn show<T: Scalar>(&self, at: &Progress<'_, T>) {
        if self.0.is_hidden() {
            return;
        }
        let gradient = if at.gradient.is_nan() { String::new() } else { format!(", gradient {:.1e}", at.gradient) };
        self.0.set_message(format!("cost {:.6e}{gradient}", at.cost));
        self.0.set_position(at.iteration as u64);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};

    /// A terminal that keeps what is written.
    #[derive(Debug, Clone, Default)]
    struct Paper(Arc<Mutex<String>>);

    impl indicatif::TermLike for Paper {
        fn width(&self) -> u16 {
            120
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, s: &str) -> io::Result<()> {
            self.write_str(s)
        }
        fn write_str(&self, s: &str) -> io::Result<()> {
            self.0.lock().map_err(|_| io::Error::other("poisoned"))?.push_str(s);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_bar_tells_iteration_cost_and_gradient() {
        let paper = Paper::default();
        let bar = Bar::on(ProgressDrawTarget::term_like_with_hz(Box::new(paper.clone()), 255), Some(40));
        for iteration in [1, 20] {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let gradient = if iteration == 1 { f64::NAN } else { 0.25 };
            bar.show(&Progress::<f64> { iteration, cost: 1.5, gradient, length: 1.0, point: &[] });
        }
        drop(bar);
        let written = paper.0.lock().unwrap().clone();
        assert!(written.contains("20/40") && written.contains("cost 1.500000e0, gradient 2.5e-1"), "{written}");
        assert!(!written.contains("NaN"), "{written}");
    }
}
