//! The remainders of a report as one SVG: logarithmic, with the rounding floor, so that slopes can be seen.

use crate::Report;
use kuva::prelude::*;

const COLORS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

impl Report {
    /// The Taylor remainders over the step, on logarithmic axes, each with its rounding floor (dashed). An empty plot
    /// if there are none.
    ///
    /// Needs the feature `plot`.
    #[must_use]
    pub fn svg(&self) -> String {
        let mut plots = Vec::new();
        for (row, color) in self.taylor.iter().zip(COLORS.iter().cycle()) {
            // Zero has no logarithm, and is at the floor.
            let shown = |y: f64, floor: f64| y.max(floor * 1e-2).max(f64::MIN_POSITIVE);
            let line = LinePlot::new()
                .with_data(row.curve.iter().map(|s| (s.h, shown(s.remainder, s.floor).log10())))
                .with_color(*color)
                .with_stroke_width(2.0)
                .with_legend(format!("{} (slope {} expected)", row.what, row.expected));
            let floor = LinePlot::new()
                .with_data(row.curve.iter().map(|s| (s.h, s.floor.max(f64::MIN_POSITIVE).log10())))
                .with_color(*color)
                .with_dashed()
                .with_stroke_width(1.0);
            plots.extend([Plot::Line(line), Plot::Line(floor)]);
        }
        // The axis is made of exponents: a logarithmic one of `kuva` ends at 1e-10, where remainders go on.
        let decades = TickFormat::Custom(std::sync::Arc::new(|k| format!("1e{k}")));
        let layout = Layout::auto_from_plots(&plots)
            .with_title("Taylor remainders")
            .with_x_label("step")
            .with_y_label("remainder")
            .with_log_x()
            .with_y_tick_format(decades);
        render_to_svg(plots, layout)
    }
}
