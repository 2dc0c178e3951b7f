//! The page: tables that a person reads.

use std::fmt::{Display, Write};

use crate::report::Report;

/// The report in Markdown.
pub(super) fn write(report: &Report) -> String {
    let mut text = format!("# {} on {}\n\n", report.design, report.board);
    overview(report, &mut text);
    resources(report, &mut text);
    modules(report, &mut text);
    timing(report, &mut text);
    made(report, &mut text);
    text
}

/// The figures that matter most, for a terminal.
pub(super) fn summary(report: &Report) -> String {
    let mut text = format!("{} on {} ({})\n", report.design, report.board, report.part);
    for usage in &report.usage {
        let _ = writeln!(
            text,
            "  {:<24} {:>7} of {:>7}  {:>5.1} %",
            usage.resource,
            usage.routed,
            usage.available,
            usage.routed as f64 * 100.0 / usage.available as f64
        );
    }
    for clock in &report.clocks {
        let verdict = if clock.achieved_mhz >= clock.wanted_mhz {
            "met"
        } else {
            "MISSED"
        };
        let _ = writeln!(
            text,
            "  clock {}: {:.1} MHz of {:.1} MHz, {verdict}",
            clock.name, clock.achieved_mhz, clock.wanted_mhz
        );
    }
    text
}

fn overview(report: &Report, text: &mut String) {
    let clock = &report.clock;
    let exact = if clock.is_exact() {
        String::new()
    } else {
        format!(
            " ({} was asked for: {})",
            mhz(f64::from(clock.wanted_khz)),
            match clock.pll {
                Some(_) => "the nearest below that the PLL makes",
                None => "the board's own clock is used",
            }
        )
    };
    let _ = writeln!(
        text,
        "Part {}. The design runs at {}{exact}. **{}**\n",
        report.part,
        mhz(clock.khz),
        if report.met {
            "Every clock is met."
        } else {
            "The clock is MISSED: the bitstream, if there is one, may compute wrongly."
        }
    );
    if let (Some(elements), Some(clock), Some(fmax)) =
        (report.elements, report.gmacs_at_clock, report.gmacs_at_fmax)
    {
        let _ = writeln!(
            text,
            "{elements} multiplications a cycle are at most {clock:.2} GMAC/s at the design's clock, {fmax:.2} at the frequency reached.\n"
        );
    }
}

fn resources(report: &Report, text: &mut String) {
    let _ = writeln!(
        text,
        "## Resources\n\n![utilization]({}.svg)\n",
        report.file_stem()
    );
    let rows = report.usage.iter().map(|usage| {
        vec![
            usage.resource.clone(),
            usage.synthesized.to_string(),
            usage.routed.to_string(),
            usage.available.to_string(),
            format!(
                "{:.1} %",
                usage.routed as f64 * 100.0 / usage.available as f64
            ),
        ]
    });
    table(
        text,
        &["resource", "after synthesis", "placed", "of the part", ""],
        rows,
    );
    let passes: Vec<_> = report
        .passes
        .iter()
        .map(|pass| format!("{} ({})", pass.name, pass.changes))
        .collect();
    if !passes.is_empty() {
        let _ = writeln!(
            text,
            "Passes between, and what they changed: {}.\n",
            passes.join(", ")
        );
    }
}

fn modules(report: &Report, text: &mut String) {
    let _ = writeln!(
        text,
        "## By module\n\nAfter synthesis. yosys flattens the design and names each cell after the nearest register or \
         net of the RTL; a cell counts for the instance that its name begins with. Registers, memories and multipliers \
         are therefore where the RTL has them; LUTs that logic of several modules was merged into are counted for one \
         of these. Instances below 2% of everything are part of the one around them.\n"
    );
    let mut header = vec!["instance"];
    header.extend(report.usage.iter().map(|usage| usage.resource.as_str()));
    let rows = report.modules.iter().map(|module| {
        let name = if module.path.is_empty() {
            "(top)".to_owned()
        } else {
            format!("`{}`", module.path)
        };
        let mut row = vec![name];
        row.extend(module.used.iter().map(u64::to_string));
        row
    });
    table(text, &header, rows);
}

fn timing(report: &Report, text: &mut String) {
    let _ = writeln!(text, "## Timing\n");
    let rows = report.clocks.iter().map(|clock| {
        vec![
            format!("`{}`", clock.name),
            format!("{:.2}", clock.wanted_mhz),
            format!("{:.2}", clock.achieved_mhz),
        ]
    });
    table(text, &["clock", "wanted, MHz", "reached, MHz"], rows);
    let seeds: Vec<_> = report
        .seeds
        .iter()
        .map(|seed| format!("{}: {:.1} %", seed.seed, seed.margin * 100.0))
        .collect();
    let _ = writeln!(
        text,
        "Best seed: {}. Reached of what is wanted, by seed: {}. {}.\n",
        report.best_seed,
        seeds.join(", "),
        report.timing_note
    );
    let _ = writeln!(text, "Longest paths, between any two clocks:\n");
    let rows = report.paths.iter().map(|path| {
        vec![
            format!("`{}`", path.from),
            format!("`{}`", path.to),
            path.levels.to_string(),
            format!("{:.2}", path.nanoseconds),
            format!("{:.2}", path.routing_nanoseconds),
            path.through
                .iter()
                .map(|net| format!("`{net}`"))
                .collect::<Vec<_>>()
                .join(" "),
        ]
    });
    table(
        text,
        &["from", "to", "levels", "ns", "of them wires", "through"],
        rows,
    );
}

fn made(report: &Report, text: &mut String) {
    let _ = writeln!(text, "## How it was made\n");
    let rows = report.steps.iter().map(|step| {
        vec![
            step.name.clone(),
            format!("{:.1}", step.seconds),
            step.processor_seconds
                .map_or_else(|| "?".to_owned(), |seconds| format!("{seconds:.1}")),
            step.peak_memory_mib
                .map_or_else(|| "?".to_owned(), |mib| mib.to_string()),
        ]
    });
    table(
        text,
        &["step", "seconds", "processor seconds", "peak memory, MiB"],
        rows,
    );
    let _ = writeln!(text, "{:.0} seconds in all.\n", report.seconds);
    for (name, version) in &report.tools {
        let _ = writeln!(text, "- {name}: {version}");
    }
    if let Some(hash) = &report.build_hash {
        let _ = writeln!(text, "- build hash of the accelerator: {hash}");
    }
    let _ = writeln!(text, "- hash of all Verilog: {}", report.verilog_hash);
    if let Some(bitstream) = &report.bitstream {
        let _ = writeln!(
            text,
            "- bitstream: {}, {} bytes",
            bitstream.file, bitstream.bytes
        );
    }
}

fn mhz(khz: f64) -> String {
    format!("{} MHz", (khz * 1000.0).round() / 1_000_000.0)
}

fn table(text: &mut String, header: &[impl Display], rows: impl Iterator<Item = Vec<String>>) {
    for cell in header {
        let _ = write!(text, "| {cell} ");
    }
    text.push_str("|\n");
    text.push_str(&"|---".repeat(header.len()));
    text.push_str("|\n");
    for row in rows {
        for cell in row {
            let _ = write!(text, "| {cell} ");
        }
        text.push_str("|\n");
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_missed_clock_cannot_be_overlooked() {
        let report = crate::report::tests::report();
        let text = report.page();
        assert!(text.contains("MISSED"), "{text}");
        assert!(
            text.contains("| `lane.right5` | `lane.scaled6` |"),
            "{text}"
        );
        assert!(
            text.contains("| `block.lane` | 900 | 500 | 0 | 4 |"),
            "{text}"
        );
        assert!(text.contains("The design runs at 100 MHz."), "{text}");
    }
}
