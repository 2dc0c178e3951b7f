//! One plot: lines of contenders over something. What was measured is drawn with full lines and filled
//! marks, what was simulated with dashes and hollow marks, and the legend says which is which.
//!
//! ```text
//!  +---------------------------+
//!  | axes, lines, marks        |
//!  |---------------------------|
//!  | legend, below: no line    |      black is drawn in the page's own colour, so that plots can be
//!  | lies under it             |      read on light and on dark pages
//!  +---------------------------+
//! ```

mod axis;
mod charts;

use plotters::element::DashedPathElement;
use plotters::prelude::*;

use crate::report::Kind;

pub(crate) use axis::Axis;
pub(crate) use charts::{distribution, latencies, throughputs, times};

const WIDTH: u32 = 960;
/// Height without the legend.
const HEIGHT: u32 = 480;
/// Height of a line of the legend, and its entries.
const LEGEND_LINE: u32 = 22;
const LEGEND_COLUMNS: usize = 2;
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
const MARK: i32 = 4;
const DASH: i32 = 8;
const GAP: i32 = 5;
const TEXT: i32 = 14;

/// Why there is no plot.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw a plot: {0}")]
pub(crate) struct PlotError(String);

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for PlotError {
    fn from(error: DrawingAreaErrorKind<E>) -> PlotError {
        PlotError(error.to_string())
    }
}

/// The line of one contender.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Place in the list of all contenders, which says its colour in every plot.
    pub(crate) place: usize,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Series {
    fn label(&self) -> String {
        format!("{} ({})", self.name, self.kind)
    }

    fn colour(&self) -> RGBColor {
        COLOURS[self.place % COLOURS.len()]
    }
}

/// What is drawn.
pub(crate) struct Plot {
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) x_name: &'static str,
    pub(crate) y_name: &'static str,
    pub(crate) series: Vec<Series>,
    /// Whether each point has a mark.
    pub(crate) marks: bool,
}

impl Plot {
    /// The plot as an SVG element.
    pub(crate) fn draw(&self) -> Result<String, PlotError> {
        let lines = self.series.len().div_ceil(LEGEND_COLUMNS) as u32;
        let mut svg = String::new();
        {
            let size = (WIDTH, HEIGHT + (lines + 1) * LEGEND_LINE);
            let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            let (above, below) = area.split_vertically(HEIGHT);
            let mut chart = ChartBuilder::on(&above)
                .margin(12)
                .x_label_area_size(48)
                .y_label_area_size(80)
                .build_cartesian_2d(self.x.clone(), self.y.clone())?;
            chart
                .configure_mesh()
                .x_desc(self.x_name)
                .y_desc(self.y_name)
                .label_style(("sans-serif", TEXT))
                .light_line_style(TRANSPARENT)
                .bold_line_style(BLACK.mix(0.15))
                .draw()?;
            for one in &self.series {
                let line = one.colour().stroke_width(2);
                let points = || one.points.iter().copied();
                match one.kind {
                    Kind::Measured => {
                        chart.draw_series(LineSeries::new(points(), line))?;
                        let mark = |point| Circle::new(point, MARK, one.colour().filled());
                        chart.draw_series(points().filter(|_| self.marks).map(mark))?;
                    }
                    Kind::Simulated => {
                        chart.draw_series(DashedLineSeries::new(points(), DASH, GAP, line))?;
                        let corners = [(-MARK, -MARK), (MARK, MARK)];
                        let mark = |point| EmptyElement::at(point) + Rectangle::new(corners, line);
                        chart.draw_series(points().filter(|_| self.marks).map(mark))?;
                    }
                }
            }
            for (index, one) in self.series.iter().enumerate() {
                let column = (WIDTH as usize / LEGEND_COLUMNS * (index % LEGEND_COLUMNS)) as i32;
                let line = LEGEND_LINE as i32 * (index / LEGEND_COLUMNS) as i32;
                let (x, y) = (column + 92, line + LEGEND_LINE as i32 / 2);
                let style = one.colour().stroke_width(2);
                let ends = [(x, y), (x + 36, y)];
                match one.kind {
                    Kind::Measured => below.draw(&PathElement::new(ends, style))?,
                    Kind::Simulated => {
                        below.draw(&DashedPathElement::new(ends, DASH, GAP, style))?;
                    }
                }
                let text = ("sans-serif", TEXT).into_text_style(&below);
                below.draw(&Text::new(one.label(), (x + 44, y - TEXT / 2), text))?;
            }
            area.present()?;
        }
        // Labels are escaped, and none of them is an attribute of this form.
        Ok(svg.replace("=\"#000000\"", "=\"currentColor\"").replacen(
            "<svg ",
            "<svg role=\"img\" ",
            1,
        ))
    }
}
