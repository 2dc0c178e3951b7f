//! The plot: time of a batch over its size. What was measured is drawn with full lines and filled
//! marks, what was simulated with dashes and hollow marks, and the legend says which is which.

use std::path::Path;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::element::DashedPathElement;
use plotters::prelude::*;

use crate::report::{Kind, Report};

const SIZE: (u32, u32) = (960, 600);
/// Colours that people with the common colour blindnesses tell apart (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];
const MARK: i32 = 5;
const DASH: i32 = 9;
const GAP: i32 = 6;

/// Why there is no plot.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct PlotError(String);

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for PlotError {
    fn from(error: DrawingAreaErrorKind<E>) -> PlotError {
        PlotError(error.to_string())
    }
}

/// The points of one contender.
struct Series {
    name: String,
    kind: Kind,
    points: Vec<(f64, f64)>,
}

/// The batch sizes as marks of a logarithmic axis.
struct Batches {
    range: LogCoord<f64>,
    sizes: Vec<usize>,
}

impl Ranged for Batches {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.range.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.sizes.iter().map(|&size| size as f64).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.range.range()
    }
}

impl ValueFormatter<f64> for Batches {
    fn format_ext(&self, value: &f64) -> String {
        format!("{value:.0}")
    }
}

/// Draws a report's figures into an SVG file.
pub(crate) fn draw(report: &Report, path: &Path) -> Result<(), PlotError> {
    let series = series(report);
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let times = || series.iter().flat_map(|one| &one.points);
    let (least, greatest) = times().fold((f64::MAX, 0.0_f64), |(least, greatest), point| {
        (least.min(point.1), greatest.max(point.1))
    });
    let mut sizes: Vec<usize> = times().map(|point| point.0 as usize).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let (Some(&first), Some(&last)) = (sizes.first(), sizes.last()) else {
        return Err(PlotError("there are no figures to draw".into()));
    };
    // Room at both ends, also where there is one size only.
    let batches = Batches {
        range: (first as f64 / 1.3..last as f64 * 1.3).log_scale().into(),
        sizes,
    };
    let mut chart = ChartBuilder::on(&area)
        .caption(
            format!("{}: time of a batch", report.model.name),
            ("sans-serif", 22),
        )
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(72)
        .build_cartesian_2d(batches, (least / 2.0..greatest * 2.0).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("rows of a batch")
        .y_desc("microseconds")
        .y_label_formatter(&|value| format!("{value}"))
        .light_line_style(BLACK.mix(0.05))
        .bold_line_style(BLACK.mix(0.15))
        .draw()?;
    for (one, colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let line = colour.stroke_width(2);
        let label = format!("{} ({})", one.name, one.kind);
        match one.kind {
            Kind::Measured => {
                let marks = one
                    .points
                    .iter()
                    .map(|&point| Circle::new(point, MARK, colour.filled()));
                chart
                    .draw_series(LineSeries::new(one.points.iter().copied(), line))?
                    .label(label)
                    .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], line));
                chart.draw_series(marks)?;
            }
            Kind::Simulated => {
                let marks = one.points.iter().map(|&point| {
                    EmptyElement::at(point)
                        + Rectangle::new([(-MARK, -MARK), (MARK, MARK)], WHITE.filled())
                        + Rectangle::new([(-MARK, -MARK), (MARK, MARK)], line)
                });
                let dashes = DashedLineSeries::new(one.points.iter().copied(), DASH, GAP, line);
                chart
                    .draw_series(dashes)?
                    .label(label)
                    .legend(move |(x, y)| {
                        DashedPathElement::new([(x, y), (x + 20, y)], DASH, GAP, line)
                    });
                chart.draw_series(marks)?;
            }
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}

/// The figures by contender, in the order of the report, with rising batch sizes.
fn series(report: &Report) -> Vec<Series> {
    let mut series: Vec<Series> = Vec::new();
    for figure in report.figures() {
        let point = (figure.batch as f64, figure.median_us);
        match series
            .iter_mut()
            .find(|one| one.name == figure.contender && one.kind == figure.kind)
        {
            Some(one) => one.points.push(point),
            None => series.push(Series {
                name: figure.contender.to_owned(),
                kind: figure.kind,
                points: vec![point],
            }),
        }
    }
    for one in &mut series {
        one.points.sort_by(|left, right| left.0.total_cmp(&right.0));
    }
    series
}
