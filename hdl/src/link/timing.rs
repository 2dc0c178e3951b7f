//! The link's time constants, in cycles of the accelerator's clock.

/// Largest difference between the baud rate asked for and that of a whole divider, in thousandths.
/// A receiver samples the last bit of a byte 9.5 bits after its start, so 2% of difference in all
/// still leave it 0.3 bits from the edge; half of that is left to the other end.
const DEVIATION_MAX: u64 = 10;

/// Least cycles of a bit: two pass in the synchronizer, and samples must be near the middle.
pub const DIVIDER_MIN: u32 = 4;

/// Bits of time that an answer may take: the frames that the host may have under way, and again
/// as much.
const RETRY_BITS: u64 = 1 << 16;

/// Milliseconds that an answer may take besides: adapters hold bytes back for up to 16 ms, and the
/// host has other things to do.
const RETRY_MILLISECONDS: u64 = 50;

/// Time constants of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkTiming {
    /// Cycles of one bit.
    pub divider: u32,
    /// Cycles after which a frame that was not acknowledged is sent again.
    pub retry_cycles: u32,
}

/// Why there are no time constants for a clock and a baud rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimingError {
    /// A bit would have too few cycles.
    TooFast,
    /// A bit, or the time for an answer, would have more cycles than the counters hold.
    TooSlow,
    /// No whole number of cycles is near enough to a bit's time.
    Deviation,
}

impl std::fmt::Display for TimingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TimingError::TooFast => write!(f, "a bit needs at least {DIVIDER_MIN} cycles"),
            TimingError::TooSlow => write!(f, "a bit has at most 65535 cycles"),
            TimingError::Deviation => write!(
                f,
                "no whole number of cycles comes within {}.{}% of a bit",
                DEVIATION_MAX / 10,
                DEVIATION_MAX % 10
            ),
        }
    }
}

impl std::error::Error for TimingError {}

impl LinkTiming {
    /// The constants for a clock in kHz and a baud rate.
    ///
    /// # Errors
    /// If the clock cannot make the baud rate.
    pub fn new(clock_khz: u32, baud: u32) -> Result<Self, TimingError> {
        let clock = u64::from(clock_khz) * 1000;
        let baud = u64::from(baud).max(1);
        let divider = (clock + baud / 2) / baud;
        if divider < u64::from(DIVIDER_MIN) {
            return Err(TimingError::TooFast);
        }
        if divider > u64::from(u16::MAX) {
            return Err(TimingError::TooSlow);
        }
        if (divider * baud).abs_diff(clock) * 1000 > DEVIATION_MAX * clock {
            return Err(TimingError::Deviation);
        }
        let retry = RETRY_BITS * divider + RETRY_MILLISECONDS * u64::from(clock_khz);
        Ok(Self {
            // Both have just been bounded.
            divider: divider as u32,
            retry_cycles: u32::try_from(retry).map_err(|_| TimingError::TooSlow)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_rates_have_constants() {
        let timing = LinkTiming::new(100_000, 115_200).expect("a usual rate");
        assert_eq!(timing.divider, 868);
        assert!(timing.retry_cycles > 5_000_000);
        assert_eq!(
            LinkTiming::new(150_000, 3_000_000).map(|t| t.divider),
            Ok(50)
        );
    }

    #[test]
    fn impossible_rates_are_refused() {
        assert_eq!(
            LinkTiming::new(12_000, 4_000_000),
            Err(TimingError::TooFast)
        );
        assert_eq!(
            LinkTiming::new(12_000, 2_600_000),
            Err(TimingError::Deviation)
        );
        assert_eq!(LinkTiming::new(200_000, 300), Err(TimingError::TooSlow));
    }
}
