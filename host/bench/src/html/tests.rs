use super::*;
use crate::testing::{report, simulation};

/// Rows of the bodies of tables.
fn table_rows(page: &str) -> Vec<&str> {
    page.split("<tbody>")
        .skip(1)
        .filter_map(|part| part.split("</tbody>").next())
        .flat_map(|body| body.split("<tr").skip(1))
        .collect()
}

/// Texts of the plots' legends: what ends with a kind.
fn svg_texts(page: &str) -> Vec<&str> {
    page.split("<svg")
        .skip(1)
        .filter_map(|part| part.split("</svg>").next())
        .flat_map(|svg| svg.split("<text").skip(1))
        .filter_map(|text| text.split('>').nth(1)?.split('<').next())
        .map(str::trim)
        .collect()
}

#[test]
fn every_row_and_every_entry_of_a_legend_says_its_kind() {
    let page = page(&report()).expect("there are figures");
    let rows = table_rows(&page);
    // Batches, device, rates, agreement, driver, inner part.
    assert!(rows.len() >= 9, "{rows:?}");
    for row in &rows {
        let kinds = ["measured", "simulated"];
        let named = |kind: &&str| row.contains(&format!("<td>{kind}</td>"));
        assert_eq!(kinds.iter().filter(|kind| named(kind)).count(), 1, "{row}");
        assert_eq!(
            row.contains("sim:small"),
            row.contains("<td>simulated</td>"),
            "{row}"
        );
    }
    let texts = svg_texts(&page);
    let entries = |end: &str| texts.iter().filter(|text| text.ends_with(end)).count();
    // Two plots over batches, two distributions, two over rates, which one of three has not held.
    assert_eq!(entries("(simulated)"), 6, "{texts:?}");
    assert_eq!(entries("(measured)"), 6, "{texts:?}");
    for text in texts.iter().filter(|text| text.contains("sim:")) {
        assert!(text.ends_with("(simulated)"), "{text}");
    }
}

#[test]
fn what_the_report_says_is_on_the_page() {
    let mut report = report();
    let page = page(&report).expect("there are figures");
    for text in [
        "systole bench --output x",
        "2026-01-02T03:04:05Z",
        "not held; 17 dropped",
        "3,125",
        "there are no counters",
        "not known: never measured on a board",
        "layers/128x8/1",
        "LiteRT: install it",
        "samples.csv",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("J for 1,000 rows"));
    report.energy.reason = None;
    let page = super::page(&report).expect("there are figures");
    assert!(page.contains("J for 1,000 rows"));
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let page = page(&report()).expect("there are figures");
    for forbidden in ["<script", "<link", "@import", "url(", "src=", "<iframe"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    // The only addresses are the names of SVG's elements, and the files beside the page.
    let addresses = page.matches("://").count();
    assert_eq!(
        addresses,
        page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count()
    );
}

#[test]
fn names_that_look_like_html_are_text() {
    let hostile = "<script>alert('x')</script>\"&";
    let mut report = report();
    report.model.name = hostile.into();
    report.model.file = hostile.into();
    report.command = hostile.into();
    report.not_available[0].reason = hostile.into();
    report.criterion[0].name = hostile.into();
    report.energy.reason = Some(hostile.into());
    report.versions.litert = Some(hostile.into());
    report.measured[0].contender = hostile.into();
    report.simulated.push(crate::report::Simulation {
        contender: hostile.into(),
        ..simulation()
    });
    let page = page(&report).expect("there are figures");
    assert!(!page.contains("<script"), "it would run");
    assert!(page.matches("alert(").count() >= 9);
}

#[test]
fn a_report_without_figures_is_a_page_without_plots() {
    let mut report = report();
    report.measured.clear();
    report.simulated.clear();
    report.rates.clear();
    let page = page(&report).expect("nothing is no error");
    assert!(!page.contains("<svg"));
}
