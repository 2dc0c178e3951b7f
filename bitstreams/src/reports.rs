//! Reports that are committed: what the named configurations take, without building them. Each
//! carries the hash of the Verilog that it was made from, so that a test tells when it is stale.

use std::path::{Path, PathBuf};

use crate::board::Board;
use crate::design::Design;
use crate::error::FlowError;
use crate::report::{Report, file_stem};

/// What remakes them.
pub const REMAKE: &str = "make reports";

/// A board and a configuration whose report is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Name of the board.
    pub board: &'static str,
    /// Name of the configuration.
    pub configuration: &'static str,
}

/// Every committed report.
pub const COMMITTED: &[Committed] = &[
    Committed {
        board: "ecp5-evn",
        configuration: "tiny",
    },
    Committed {
        board: "ecp5-evn",
        configuration: "ecp5-85f",
    },
];

/// Why a report doesn't belong to today's Verilog.
#[derive(Debug, thiserror::Error)]
pub enum Stale {
    /// There is none.
    #[error("{path} can't be read ({reason}); `{REMAKE}` makes it")]
    Missing {
        /// Where it should be.
        path: PathBuf,
        /// Why it can't be read.
        reason: String,
    },
    /// It belongs to other Verilog.
    #[error("{path} was made from Verilog {was}, today's is {is}; `{REMAKE}` remakes it")]
    Other {
        /// The report.
        path: PathBuf,
        /// Hash in the report.
        was: String,
        /// Hash of today's Verilog.
        is: String,
    },
}

impl std::fmt::Display for Committed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on {}", self.configuration, self.board)
    }
}

impl Committed {
    /// Its board.
    ///
    /// # Errors
    /// If no board has this name.
    pub fn board(&self) -> Result<&'static Board, FlowError> {
        Board::by_name(self.board).ok_or(FlowError::UnknownBoard(self.board))
    }

    /// Its design, from today's Verilog.
    ///
    /// # Errors
    /// If board or configuration is unknown.
    pub fn design(&self) -> Result<Design, FlowError> {
        Design::accelerator(self.configuration, self.board()?, None)
    }

    /// Name of its files, without what they end in.
    pub fn file_stem(&self) -> String {
        file_stem(self.board, self.configuration)
    }

    /// Checks that the report in a folder belongs to a design.
    ///
    /// # Errors
    /// If it doesn't, or there is none.
    pub fn check(&self, folder: &Path, design: &Design) -> Result<(), Stale> {
        let path = folder.join(self.file_stem()).with_extension("json");
        let missing = |reason: String| Stale::Missing {
            path: path.clone(),
            reason,
        };
        let text = std::fs::read_to_string(&path).map_err(|error| missing(error.to_string()))?;
        let report: Report =
            serde_json::from_str(&text).map_err(|error| missing(error.to_string()))?;
        let is = format!("{:016x}", design.verilog_hash());
        if report.verilog_hash == is {
            Ok(())
        } else {
            Err(Stale::Other {
                path,
                was: report.verilog_hash,
                is,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report;

    const LANE: &str = "module lane(a);\n input wire [1:0] a;\n output wire [1:0] b;\nendmodule\n";

    #[test]
    fn boards_and_configurations_exist() {
        for committed in COMMITTED {
            assert!(committed.board().is_ok(), "{committed}");
            assert!(
                systole_regs::configuration::by_name(committed.configuration).is_some(),
                "{committed}"
            );
        }
    }

    #[test]
    fn a_report_of_other_verilog_is_found_out() {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let committed = Committed {
            board: "ecp5-evn",
            configuration: "lane",
        };
        let board = committed.board().expect("the board is known");
        let mut design =
            Design::block("lane", LANE, "lane", board, 100_000).expect("the block has ports");
        let missing = committed
            .check(folder.path(), &design)
            .expect_err("there is no report");
        assert!(missing.to_string().contains(REMAKE), "{missing}");

        report::write(&report::tests::report(), folder.path()).expect("there is room for it");
        assert!(committed.check(folder.path(), &design).is_ok());
        // One gate more, anywhere.
        design.files[0].1.push_str("\nmodule more(); endmodule\n");
        let stale = committed
            .check(folder.path(), &design)
            .expect_err("the Verilog has changed");
        assert!(matches!(stale, Stale::Other { .. }), "{stale}");
        assert!(stale.to_string().contains(REMAKE), "{stale}");
    }
}
