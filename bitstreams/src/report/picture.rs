//! The picture: how full the part is, and of what.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::error::FlowError;
use crate::report::Report;

/// Colours that people with the common colour blindnesses tell apart (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
    RGBColor(240, 228, 66),
];
/// What the modules are that have no colour of their own.
const REST: RGBColor = RGBColor(120, 120, 120);
const FREE: RGBColor = RGBColor(236, 236, 236);

const WIDTH: i32 = 900;
const LEFT: i32 = 190;
const BAR: i32 = 560;
const ROW: i32 = 44;
const TOP: i32 = 56;
const LEGEND_ROW: i32 = 22;
const FONT: &str = "sans-serif";

/// A module's name, colour and share of each resource.
struct Band {
    name: String,
    colour: RGBColor,
    used: Vec<u64>,
}

/// Draws one bar for each resource, divided by modules.
pub(super) fn draw(report: &Report, path: &Path) -> Result<(), FlowError> {
    let mut text = String::new();
    paint(report, &mut text).map_err(|reason| FlowError::Picture {
        path: path.to_owned(),
        reason,
    })?;
    std::fs::write(path, text).map_err(|source| FlowError::file(path, source))
}

fn paint(report: &Report, text: &mut String) -> Result<(), String> {
    let bands = bands(report);
    let rows = report.usage.len() as i32;
    let height = TOP + rows * ROW + 16 + bands.len() as i32 * LEGEND_ROW + 12;
    let area = SVGBackend::with_string(text, (WIDTH as u32, height as u32)).into_drawing_area();
    let said = |error: DrawingAreaErrorKind<_>| error.to_string();
    let right = Pos::new(HPos::Right, VPos::Center);
    let left = Pos::new(HPos::Left, VPos::Center);
    let label = |size: i32, pos: Pos| (FONT, size).into_font().color(&BLACK).pos(pos);
    area.fill(&WHITE).map_err(said)?;
    let title = format!(
        "{} on {} ({}): what it takes of the part",
        report.design, report.board, report.part
    );
    area.draw(&Text::new(title, (16, 24), label(18, left)))
        .map_err(said)?;
    for (index, usage) in report.usage.iter().enumerate() {
        let y = TOP + index as i32 * ROW;
        let middle = y + ROW / 2 - 8;
        let bar = |from: i32, to: i32, colour: RGBColor| {
            Rectangle::new(
                [(LEFT + from, y), (LEFT + to, y + ROW - 16)],
                colour.filled(),
            )
        };
        area.draw(&Text::new(
            usage.resource.clone(),
            (LEFT - 10, middle),
            label(14, right),
        ))
        .map_err(said)?;
        area.draw(&bar(0, BAR, FREE)).map_err(said)?;
        let pixels = |used: u64| (used as f64 * f64::from(BAR) / usage.available as f64) as i32;
        let mut sum = 0;
        for band in &bands {
            let from = pixels(sum);
            sum += band.used[index];
            area.draw(&bar(from, pixels(sum).min(BAR), band.colour))
                .map_err(said)?;
        }
        let share = format!(
            "{} ({:.0} %)",
            usage.synthesized,
            usage.synthesized as f64 * 100.0 / usage.available as f64
        );
        area.draw(&Text::new(
            share,
            (LEFT + BAR + 10, middle),
            label(14, left),
        ))
        .map_err(said)?;
    }
    for (index, band) in bands.iter().enumerate() {
        let y = TOP + rows * ROW + 16 + index as i32 * LEGEND_ROW;
        area.draw(&Rectangle::new(
            [(LEFT, y), (LEFT + 14, y + 14)],
            band.colour.filled(),
        ))
        .map_err(said)?;
        area.draw(&Text::new(
            band.name.clone(),
            (LEFT + 22, y + 7),
            label(13, left),
        ))
        .map_err(said)?;
    }
    area.present().map_err(said)
}

/// The modules that take most of any resource have colours; the rest is one.
fn bands(report: &Report) -> Vec<Band> {
    let share = |used: &[u64]| -> f64 {
        used.iter()
            .zip(&report.usage)
            .map(|(used, usage)| *used as f64 / usage.synthesized.max(1) as f64)
            .fold(0.0, f64::max)
    };
    let mut modules: Vec<_> = report.modules.iter().collect();
    modules.sort_by(|a, b| share(&b.used).total_cmp(&share(&a.used)));
    let mut bands: Vec<Band> = modules
        .iter()
        .zip(COLOURS)
        .map(|(module, colour)| Band {
            name: if module.path.is_empty() {
                "top".to_owned()
            } else {
                module.path.clone()
            },
            colour,
            used: module.used.clone(),
        })
        .collect();
    let rest = modules.get(COLOURS.len()..).unwrap_or_default();
    if !rest.is_empty() {
        bands.push(Band {
            name: format!("{} others", rest.len()),
            colour: REST,
            used: (0..report.usage.len())
                .map(|index| rest.iter().map(|module| module.used[index]).sum())
                .collect(),
        });
    }
    bands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resource_has_a_bar_and_every_band_a_legend() {
        let report = crate::report::tests::report();
        let mut text = String::new();
        paint(&report, &mut text).expect("the picture can be drawn");
        for usage in &report.usage {
            assert!(text.contains(&usage.resource), "{}", usage.resource);
        }
        assert!(text.contains("block.lane") && text.contains("<rect"));
    }

    #[test]
    fn modules_without_a_colour_are_added_up() {
        let mut report = crate::report::tests::report();
        let module = report.modules[0].clone();
        report.modules = vec![module; COLOURS.len() + 2];
        let bands = bands(&report);
        let rest = &bands[COLOURS.len()];
        assert_eq!(rest.name, "2 others");
        assert_eq!(rest.used[0], 200);
    }
}
