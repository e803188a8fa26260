//! The history of a run, step by step: kept in memory, written to files, plotted.

use crate::view::Counts;
use serde::{Deserialize, Serialize};

/// One point of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Steps taken to reach it.
    pub iteration: usize,
    /// The cost.
    #[serde(with = "crate::numbers::bits")]
    pub cost: f64,
    /// The norm of the Riemannian gradient; NaN where the solver uses none.
    #[serde(with = "crate::numbers::bits")]
    pub gradient: f64,
    /// The length of the step that led here; NaN where it is not known.
    #[serde(with = "crate::numbers::bits")]
    pub length: f64,
    /// Seconds since the start, those of earlier parts of a resumed run included.
    pub seconds: f64,
    /// How often the cost and its derivatives had been computed until then.
    pub counts: Counts,
}

/// The points of a run in order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The first is the start.
    pub rows: Vec<Row>,
}

impl History {
    /// The norms of the gradient, one for each row.
    pub fn gradients(&self) -> Vec<f64> {
        self.rows.iter().map(|r| r.gradient).collect()
    }

    /// The costs, one for each row.
    pub fn costs(&self) -> Vec<f64> {
        self.rows.iter().map(|r| r.cost).collect()
    }

    /// As comma-separated values with a line of names: for a spreadsheet or a plotting program.
    pub fn csv(&self) -> String {
        let mut out = String::from("iteration,cost,gradient,length,seconds,costs,gradients,hessians,retractions\n");
        for r in &self.rows {
            let c = r.counts;
            out += &format!(
                "{},{:e},{:e},{:e},{:.6},{},{},{},{}\n",
                r.iteration, r.cost, r.gradient, r.length, r.seconds, c.costs, c.gradients, c.hessians, c.retractions
            );
        }
        out
    }

    /// Writes [`History::svg`] to a file.
    ///
    /// Needs the feature `plot`.
    ///
    /// # Errors
    /// [`Error::Unwritable`](crate::Error::Unwritable), with the path and what the system says.
    #[cfg(feature = "plot")]
    pub fn save_svg(&self, path: impl AsRef<std::path::Path>, title: &str) -> crate::Result<()> {
        let path = path.as_ref();
        std::fs::write(path, self.svg(title))
            .map_err(|e| crate::Error::Unwritable { path: path.display().to_string(), reason: e.to_string() })
    }

    /// The excess of the cost over the lowest one seen and the norm of the gradient, over the iterations, with a
    /// logarithmic axis. What has no logarithm (the lowest cost itself, the gradients of a solver that uses none)
    /// is left out; of a run without anything to show, the axes are drawn.
    ///
    /// Needs the feature `plot`.
    #[cfg(feature = "plot")]
    #[must_use]
    pub fn svg(&self, title: &str) -> String {
        use kuva::prelude::*;
        let lowest = self.costs().into_iter().filter(|c| c.is_finite()).fold(f64::INFINITY, f64::min);
        let excess = |r: &Row| r.cost - lowest;
        let mut plots = Vec::new();
        for (name, color, of) in [
            ("cost - lowest cost", "#0072b2", &excess as &dyn Fn(&Row) -> f64),
            ("gradient norm", "#d55e00", &|r: &Row| r.gradient),
        ] {
            let shown: Vec<(f64, f64)> =
                self.rows.iter().map(|r| (r.iteration as f64, of(r).log10())).filter(|(_, y)| y.is_finite()).collect();
            if !shown.is_empty() {
                let line = LinePlot::new().with_data(shown).with_color(color).with_stroke_width(2.0).with_legend(name);
                plots.push(Plot::Line(line));
            }
        }
        let layout = match plots.is_empty() {
            // Without data there is no range that could be found.
            true => Layout::new((0.0, 1.0), (-1.0, 0.0)),
            false => Layout::auto_from_plots(&plots),
        };
        // The axis is made of exponents: a logarithmic one of `kuva` ends at 1e-10, where last steps go on.
        let decades = TickFormat::Custom(std::sync::Arc::new(|k| format!("1e{k}")));
        let layout = layout.with_title(title).with_x_label("iteration").with_y_label("").with_y_tick_format(decades);
        render_to_svg(plots, layout)
    }
}
