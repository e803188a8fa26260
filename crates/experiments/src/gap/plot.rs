//! What is left of the loss over steps as one SVG, a panel for each family of problems.

use super::contest::Family;
use kuva::prelude::*;
use kuva::render::figure::Figure;

/// Learned ones first, then opponents: colours that are told apart in print and by the colour-blind.
const LEARNED: &str = "#d55e00";
const COLORS: [&str; 8] = ["#bbbbbb", "#999999", "#0072b2", "#e69f00", "#cc79a7", "#56b4e9", "#009e73", "#000000"];
/// Panels in a row.
const COLUMNS: usize = 3;

/// Medians over the starts, one line for each method.
pub(crate) fn curves(families: &[Family]) -> String {
    let panels: Vec<Vec<Plot>> = families.iter().map(panel).collect();
    let layouts: Vec<Layout> = panels
        .iter()
        .zip(families)
        .map(|(plots, f)| {
            Layout::auto_from_plots(plots)
                .with_title(f.name)
                .with_x_label("steps, one gradient each")
                .with_y_label("left of the loss above the optimum")
                .with_log_y()
        })
        .collect();
    let figure = Figure::new(panels.len().div_ceil(COLUMNS), COLUMNS.min(panels.len()))
        .with_plots(panels)
        .with_layouts(layouts)
        .with_cell_size(420.0, 340.0)
        .with_shared_legend_bottom();
    SvgBackend::new().render_scene(&figure.render())
}

fn panel(family: &Family) -> Vec<Plot> {
    let learned = family.curves.iter().filter(|(name, _)| name.starts_with("learned")).count();
    let lines = family.curves.iter().enumerate().map(|(k, (name, curve))| {
        let shown = curve.iter().enumerate().filter(|(_, l)| l.is_finite());
        let data: Vec<(f64, f64)> = shown.map(|(t, l)| (t as f64, *l)).collect();
        let color = if k < learned { LEARNED } else { COLORS[(k - learned) % COLORS.len()] };
        let line =
            LinePlot::new().with_data(data).with_color(color).with_stroke_width(if k < learned { 2.5 } else { 1.5 });
        // One entry of the legend for all trainings.
        Plot::Line(if k == 0 || k >= learned { line.with_legend(if k == 0 { "learned" } else { name }) } else { line })
    });
    lines.collect()
}
