//! Pins and clocks, in the formats of the families' tools.

use std::fmt::Write;

use crate::board::{Board, Pin};
use crate::family::ConstraintFormat;

/// The constraint file of a board.
pub fn write(board: &Board) -> String {
    let mut text = String::new();
    match board.part.family.constraints {
        ConstraintFormat::Lpf => lpf(board, &mut text),
        ConstraintFormat::Cst => cst(board, &mut text),
    }
    text
}

/// Name of the file.
pub fn file_name(format: ConstraintFormat) -> &'static str {
    match format {
        ConstraintFormat::Lpf => "board.lpf",
        ConstraintFormat::Cst => "board.cst",
    }
}

fn lpf(board: &Board, text: &mut String) {
    // Reset is made asynchronously and synchronized; that path has no clock to meet.
    *text += "BLOCK RESETPATHS;\nBLOCK ASYNCPATHS;\n";
    for (
        port,
        Pin {
            site,
            standard,
            pull,
        },
        _,
    ) in board.connections()
    {
        let pull = match pull {
            "" => String::new(),
            pull => format!(" PULLMODE={pull}"),
        };
        let _ = writeln!(text, "LOCATE COMP \"{port}\" SITE \"{site}\";");
        let _ = writeln!(text, "IOBUF PORT \"{port}\" IO_TYPE={standard}{pull};");
    }
    let _ = writeln!(
        text,
        "FREQUENCY PORT \"clock_pin\" {} MHZ;",
        f64::from(board.clock_khz) / 1000.0
    );
}

fn cst(board: &Board, text: &mut String) {
    for (
        port,
        Pin {
            site,
            standard,
            pull,
        },
        _,
    ) in board.connections()
    {
        let pull = match pull {
            "" => String::new(),
            pull => format!(" PULL_MODE={pull}"),
        };
        let _ = writeln!(text, "IO_LOC \"{port}\" {site};");
        let _ = writeln!(text, "IO_PORT \"{port}\" IO_TYPE={standard}{pull};");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::BOARDS;
    use crate::top;

    #[test]
    fn every_port_of_the_top_has_exactly_one_pin() {
        for board in BOARDS {
            let text = write(board);
            let plan =
                top::ClockPlan::of(board, board.clock_khz, false).expect("every board has a clock");
            let shell = top::shell(board, &plan, "");
            let ports = crate::verilog::ports(&shell, top::NAME).expect("the top has ports");
            assert_eq!(ports.len(), board.connections().len(), "{}", board.name);
            for port in &ports {
                let named = format!("\"{}\" ", port.name);
                let located = text
                    .lines()
                    .filter(|line| line.starts_with("LOCATE COMP") || line.starts_with("IO_LOC"))
                    .filter(|line| line.contains(&named))
                    .count();
                assert_eq!(located, 1, "{}: {}", board.name, port.name);
            }
            let mut sites: Vec<_> = board.connections().map(|(_, pin, _)| pin.site).to_vec();
            sites.sort_unstable();
            sites.dedup();
            assert_eq!(sites.len(), board.connections().len(), "{}", board.name);
        }
    }

    #[test]
    fn the_clock_of_an_lpf_is_the_boards() {
        let text = write(crate::board::DEFAULT);
        assert!(
            text.contains("FREQUENCY PORT \"clock_pin\" 12 MHZ;"),
            "{text}"
        );
        assert!(text.contains("LOCATE COMP \"clock_pin\" SITE \"A10\";"));
    }
}
