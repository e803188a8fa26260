//! The curves of a contest as one SVG: the training loss above the lowest one that any run reached, over passes, on a
//! logarithmic axis.

use super::report::Summary;
use kuva::prelude::*;

/// Colours that are told apart in print and by the colour-blind, then again with thinner lines.
const COLORS: [&str; 8] = ["#000000", "#0072b2", "#56b4e9", "#d55e00", "#e69f00", "#009e73", "#cc79a7", "#999999"];

/// Below this part of the largest distance, distances are not shown.
const FLOOR: f64 = 1e-8;

/// Medians over the starts, one line for each method.
pub(crate) fn svg(summary: &Summary) -> String {
    let finite = |v: &f64| v.is_finite();
    let all = || summary.methods.iter().flat_map(|m| m.after.iter().map(|l| l.loss.median)).filter(finite);
    let (lowest, highest) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let floor = FLOOR * (highest - lowest).max(f64::MIN_POSITIVE);
    let plots: Vec<Plot> = (0..)
        .zip(&summary.methods)
        .filter_map(|(k, m): (usize, _)| {
            let shown = m.after.iter().filter(|l| l.loss.median.is_finite());
            let data: Vec<(f64, f64)> = shown.map(|l| (l.passes as f64, (l.loss.median - lowest).max(floor))).collect();
            let width = if k < COLORS.len() { 2.0 } else { 1.0 };
            let line = LinePlot::new().with_data(data).with_color(COLORS[k % COLORS.len()]).with_stroke_width(width);
            (!m.after.is_empty()).then(|| Plot::Line(line.with_legend(m.name)))
        })
        .collect();
    let layout = Layout::auto_from_plots(&plots)
        .with_title(summary.about.title.clone())
        .with_x_label("passes over the training examples")
        .with_y_label("training loss above the lowest one")
        .with_log_y();
    render_to_svg(plots, layout)
}
