//! Errors that a test has the bus answer with, and the log that tells it where to put them.
//!
//! ```text
//!  first run:  log of bursts --> the test picks one, and a beat of it
//!  second run: the same cycles, but this beat is an error
//! ```

/// Whether a burst reads or writes host memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The device reads.
    Read,
    /// The device writes.
    Write,
}

/// AXI's error responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorResponse {
    /// SLVERR: whoever was addressed failed. A write may have taken place; here it has.
    Slave,
    /// DECERR: nobody was addressed. A write has not taken place.
    Decode,
}

impl ErrorResponse {
    /// The code on the bus.
    pub(super) fn code(self) -> u8 {
        match self {
            ErrorResponse::Slave => 2,
            ErrorResponse::Decode => 3,
        }
    }
}

/// An error answer to one burst: the first at an address, once so many have gone before. It strikes
/// once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusFault {
    /// Kind of burst.
    pub direction: Direction,
    /// Bursts of this direction since power-on before which it doesn't strike.
    pub from: u64,
    /// Address of the burst.
    pub address: u64,
    /// Beats of a read that fail, a bit each. A write has one response for all of them.
    pub beats: u64,
    /// The answer.
    pub response: ErrorResponse,
}

/// A burst that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// Kind of burst.
    pub direction: Direction,
    /// Bursts of this direction since power-on, before it.
    pub index: u64,
    /// Address of its first byte.
    pub address: u64,
    /// Its beats of 8 bytes.
    pub beats: usize,
    /// Cycle in which its address was taken.
    pub begin: u64,
    /// Cycle in which its last beat or its response was taken.
    pub end: u64,
}

/// What one direction of the bus knows of faults and bursts.
#[derive(Debug)]
pub(super) struct Ledger {
    direction: Direction,
    faults: Vec<BusFault>,
    begun: u64,
    log: Option<Vec<Burst>>,
}

impl Ledger {
    pub fn new(direction: Direction) -> Self {
        Ledger {
            direction,
            faults: Vec::new(),
            begun: 0,
            log: None,
        }
    }

    pub fn inject(&mut self, fault: BusFault) {
        self.faults.push(fault);
    }

    pub fn forgive(&mut self) -> usize {
        self.faults.drain(..).count()
    }

    pub fn record(&mut self) {
        self.log = Some(Vec::new());
    }

    pub fn take(&mut self) -> Vec<Burst> {
        self.log.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// A burst begins; the fault that strikes it, if one does.
    pub fn begin(&mut self, address: u64, beats: usize, now: u64) -> (Burst, Option<BusFault>) {
        let burst = Burst {
            direction: self.direction,
            index: self.begun,
            address,
            beats,
            begin: now,
            end: now,
        };
        self.begun += 1;
        let strikes = |fault: &BusFault| fault.address == address && fault.from <= burst.index;
        let fault = self.faults.iter().position(strikes);
        (burst, fault.map(|index| self.faults.remove(index)))
    }

    /// A burst has ended.
    pub fn end(&mut self, burst: Burst, now: u64) {
        if let Some(log) = &mut self.log {
            log.push(Burst { end: now, ..burst });
        }
    }
}
