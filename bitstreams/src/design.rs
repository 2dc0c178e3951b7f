//! What is built: the Verilog of one configuration, or of a block, on one board.

use systole_hdl::emit;
use systole_hdl::primitive::{definitions, takes_double_clock};

use crate::board::Board;
use crate::error::FlowError;
use crate::passes::Placement;
use crate::top::{self, ClockPlan};

/// Verilog that makes up a design, and what is known of it.
#[derive(Clone, Debug)]
pub struct Design {
    /// Name in reports and files: the configuration's, or the block's.
    pub name: String,
    /// Files: name and text.
    pub files: Vec<(String, String)>,
    /// Hash of the accelerator, as in its BUILD_HASH registers.
    pub build_hash: Option<u64>,
    /// Multiplications that it starts each cycle.
    pub elements: Option<usize>,
    /// Its clock.
    pub clock: ClockPlan,
    /// Where cells go, if that is not the placer's choice.
    pub placement: Option<Placement>,
}

impl Design {
    /// The accelerator of a configuration, at its own clock or another.
    ///
    /// # Errors
    /// If there is no such configuration, or the board can't make the clock.
    pub fn accelerator(
        configuration: &str,
        board: &Board,
        clock_khz: Option<u32>,
    ) -> Result<Design, FlowError> {
        let emitted = emit::emit(configuration)?;
        let wanted = clock_khz.unwrap_or(emitted.configuration.clock_khz);
        let doubles = takes_double_clock(&emitted.design, board.part.family.technology);
        let clock = ClockPlan::of(board, wanted, doubles)?;
        let clock_khz = clock.khz.round() as u32;
        let link = emit::serial_link(clock_khz, board.baud).map_err(|reason| FlowError::Link {
            baud: board.baud,
            clock_khz,
            reason,
        })?;
        let primitives = emitted.primitives(board.part.family.technology);
        let body = top::accelerator(&emitted.design, emit::TOP, &link, emit::SERIAL_LINK)?;
        Ok(Design {
            name: configuration.to_owned(),
            files: vec![
                ("accelerator.v".to_owned(), emitted.design),
                ("primitives.v".to_owned(), primitives),
                ("serial_link.v".to_owned(), link),
                ("board.v".to_owned(), top::shell(board, &clock, &body)),
            ],
            build_hash: Some(emitted.build_hash),
            elements: Some(emitted.configuration.elements()),
            clock,
            placement: board.part.placement.map(|bel| Placement {
                configuration: emitted.configuration,
                bel,
            }),
        })
    }

    /// One block, fed by a shift register: what it takes, and how fast it is by itself. `verilog`
    /// is without definitions of primitives.
    ///
    /// # Errors
    /// If there is no such module, or the board can't make the clock.
    pub fn block(
        name: &str,
        verilog: &str,
        module: &str,
        board: &Board,
        clock_khz: u32,
    ) -> Result<Design, FlowError> {
        let doubles = takes_double_clock(verilog, board.part.family.technology);
        let clock = ClockPlan::of(board, clock_khz, doubles)?;
        let body = top::block(verilog, module)?;
        let primitives = definitions(verilog, board.part.family.technology);
        Ok(Design {
            name: name.to_owned(),
            files: vec![
                ("block.v".to_owned(), verilog.to_owned()),
                ("primitives.v".to_owned(), primitives),
                ("board.v".to_owned(), top::shell(board, &clock, &body)),
            ],
            build_hash: None,
            elements: None,
            clock,
            placement: None,
        })
    }

    /// Hash of all its Verilog (FNV-1a, 64 bits): reports carry it to say what they belong to.
    pub fn verilog_hash(&self) -> u64 {
        let all: Vec<_> = self.files.iter().map(|(_, text)| text.as_str()).collect();
        emit::fnv1a(all.join("\n").as_bytes())
    }
}
