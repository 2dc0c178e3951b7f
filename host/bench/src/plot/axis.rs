//! Axes: logarithmic for what lies decades apart, linear for parts of a whole.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// Decades from which on only their beginnings are named.
const FEW_DECADES: f64 = 2.5;

/// An axis with its marks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    is_logarithmic: bool,
    range: Range<f64>,
    marks: Vec<f64>,
}

impl Axis {
    /// A logarithmic axis for these values, which are above 0; `None` if there are none.
    pub(crate) fn logarithmic(values: impl Iterator<Item = f64>) -> Option<Axis> {
        let (least, greatest) = ends(values)?;
        let range = least / 1.3..greatest * 1.3;
        let many = (range.end / range.start).log10() > FEW_DECADES;
        let steps: &[f64] = if many { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let decades = range.start.log10().floor() as i32..=range.end.log10().ceil() as i32;
        let marks = decades
            .flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)))
            .filter(|mark| range.contains(mark))
            .collect();
        Some(Axis {
            is_logarithmic: true,
            range,
            marks,
        })
    }

    /// A logarithmic axis on which just these values are named; `None` if there are none above 0.
    pub(crate) fn of_values(values: &[f64]) -> Option<Axis> {
        Some(Axis {
            marks: values.to_vec(),
            ..Axis::logarithmic(values.iter().copied())?
        })
    }

    /// 0 to 100.
    pub(crate) fn percent() -> Axis {
        Axis {
            is_logarithmic: false,
            range: 0.0..100.0,
            marks: (0..=10).map(|tenth| f64::from(tenth) * 10.0).collect(),
        }
    }
}

/// Least and greatest of what can be drawn.
fn ends(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values
        .filter(|&value| value > 0.0 && value.is_finite())
        .fold(None, |ends, value| {
            let (least, greatest) = ends.unwrap_or((value, value));
            Some((value.min(least), value.max(greatest)))
        })
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, &value: &f64, limit: (i32, i32)) -> i32 {
        let Range { start, end } = self.range;
        let part = if self.is_logarithmic {
            (value / start).ln() / (end / start).ln()
        } else {
            (value - start) / (end - start)
        };
        limit.0 + (part * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.marks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, &value: &f64) -> String {
        // 0.30000000000000004 is no label.
        let short = |value: f64| ((value * 1e6).round() / 1e6).to_string();
        if value >= 1e6 {
            format!("{}M", short(value / 1e6))
        } else if value >= 1e4 {
            format!("{}k", short(value / 1e3))
        } else {
            short(value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_decades_have_more_marks_each() {
        let axis = Axis::logarithmic([3.0, 30.0].into_iter()).expect("there are values");
        assert_eq!(axis.marks, [5.0, 10.0, 20.0]);
        let axis = Axis::logarithmic([0.5, 5e4].into_iter()).expect("there are values");
        assert_eq!(axis.marks, [1.0, 10.0, 100.0, 1000.0, 10_000.0]);
        assert_eq!(axis.map(&axis.range.start.clone(), (0, 100)), 0);
        assert_eq!(axis.map(&axis.range.end.clone(), (0, 100)), 100);
    }

    #[test]
    fn what_has_no_logarithm_is_no_value() {
        assert_eq!(Axis::logarithmic([0.0, -1.0, f64::NAN].into_iter()), None);
        assert_eq!(Axis::of_values(&[]), None);
    }

    #[test]
    fn great_values_have_short_labels() {
        let axis = Axis::percent();
        let label = |value: f64| axis.format_ext(&value);
        assert_eq!(
            [0.1 + 0.2, 9000.0, 25_000.0, 2.5e6].map(label),
            ["0.3", "9000", "25k", "2.5M"]
        );
        assert_eq!(axis.map(&25.0, (200, 0)), 150);
    }
}
