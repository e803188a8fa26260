//! Time and memory over the length of the inner loop, as one SVG: a row of panels for each task, double logarithmic.

use super::args::How;
use super::measure::Row;
use super::printed::Work;
use kuva::prelude::*;
use kuva::render::figure::Figure;

/// Two panels for each task that was measured.
pub(crate) fn svg(rows: &[Row]) -> String {
    let works: Vec<Work> = Work::ALL.into_iter().filter(|w| rows.iter().any(|r| r.work == *w)).collect();
    let mut panels = vec![];
    let mut layouts = vec![];
    for work in &works {
        for (label, value) in [("seconds of a meta-gradient", seconds as fn(&Row) -> f64), ("MiB held", mib)] {
            let plots = panel(rows, *work, value);
            layouts.push(
                Layout::auto_from_plots(&plots)
                    .with_title(work.flag())
                    .with_x_label("T, steps of the inner loop")
                    .with_y_label(label)
                    .with_log_x()
                    .with_log_y(),
            );
            panels.push(plots);
        }
    }
    let figure = Figure::new(works.len(), 2)
        .with_plots(panels)
        .with_layouts(layouts)
        .with_cell_size(460.0, 320.0)
        .with_shared_legend_bottom();
    SvgBackend::new().render_scene(&figure.render())
}

fn seconds(r: &Row) -> f64 {
    r.seconds
}

fn mib(r: &Row) -> f64 {
    r.held as f64 / (1024.0 * 1024.0)
}

fn panel(rows: &[Row], work: Work, value: fn(&Row) -> f64) -> Vec<Plot> {
    How::ALL
        .into_iter()
        .filter_map(|how| {
            let data: Vec<(f64, f64)> =
                rows.iter().filter(|r| r.work == work && r.how == how).map(|r| (r.steps as f64, value(r))).collect();
            let color = match how {
                How::Unroll => "#666666",
                How::Checkpointed => "#009e73",
                How::GradientFree => "#0072b2",
                How::Implicit => "#d55e00",
            };
            let line = LinePlot::new().with_color(color).with_stroke_width(2.0).with_legend(how.name());
            (!data.is_empty()).then(|| Plot::Line(line.with_data(data)))
        })
        .collect()
}
