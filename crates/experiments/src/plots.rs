//! Convergence curves as one SVG: what each method still has above the exact optimum, on a logarithmic axis.

use crate::curves::On;
use crate::report::{EQUIVARIANT, FREE, HORIZON, LSTM, Summary, TaskSummary};
use kuva::prelude::*;
use kuva::render::annotations::ReferenceLine;
use kuva::render::figure::Figure;

/// Below this a difference of two losses is rounding.
const FLOOR: f64 = 1e-8;

/// The curves of every task side by side. Solid lines are medians over the starts; bands reach from the best to the
/// worst.
pub(crate) fn convergence(summary: &Summary) -> String {
    let tasks = &summary.tasks;
    let panels: Vec<Vec<Plot>> = tasks.iter().map(panel).collect();
    let layouts = panels.iter().zip(tasks).map(|(plots, task)| {
        Layout::auto_from_plots(plots)
            .with_title(task.title)
            .with_x_label("steps")
            .with_y_label("training loss above the exact optimum")
            .with_log_y()
            .with_reference_line(ReferenceLine::vertical(HORIZON as f64).with_color("#999999"))
    });
    let layouts: Vec<Layout> = layouts.collect();
    let figure = Figure::new(1, panels.len())
        .with_plots(panels)
        .with_layouts(layouts)
        .with_shared_y_all()
        .with_cell_size(460.0, 380.0)
        .with_shared_legend_bottom();
    SvgBackend::new().render_scene(&figure.render())
}

fn panel(task: &TaskSummary) -> Vec<Plot> {
    task.methods
        .iter()
        .map(|m| {
            let color = match m.name {
                LSTM | FREE => "#d55e00",
                EQUIVARIANT => "#009e73",
                "momentum" => "#0072b2",
                "momentum, decaying" => "#56b4e9",
                "RSGD" => "#666666",
                _ => "#cccccc",
            };
            let above = |loss: f64| (loss - task.optimum.train).max(FLOOR);
            let spreads: Vec<_> = (0..=m.curves.steps()).map(|t| m.curves.at(t, On::Train)).collect();
            let line = LinePlot::new()
                .with_data(spreads.iter().enumerate().map(|(t, s)| (t as f64, above(s.median))))
                .with_color(color)
                .with_band(spreads.iter().map(|s| above(s.lowest)), spreads.iter().map(|s| above(s.highest)))
                .with_stroke_width(2.0)
                .with_legend(m.name);
            Plot::Line(line)
        })
        .collect()
}
