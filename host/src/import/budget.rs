//! How much an import may copy, so that a small file can't fill the memory.
//!
//! Files name weights and shapes once and use them as often as they like, and grouped weights are
//! filled up with zeros: what a file makes is out of proportion to its size, unless somebody counts.

/// Bytes that any file may make.
const BYTES_MIN: usize = 1 << 28;

/// Bytes that a file may make for each of its own.
const FACTOR: usize = 16;

/// Bytes that may still be copied.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
}

impl Budget {
    /// The budget of a file of so many bytes.
    pub(super) fn new(file: usize) -> Budget {
        Budget {
            left: file.saturating_mul(FACTOR).max(BYTES_MIN),
        }
    }

    /// Takes so many bytes out of it; the error is a reason.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), String> {
        let left = self.left.checked_sub(bytes);
        self.left =
            left.ok_or("its layers use its constants so often that they take too much memory")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends() {
        let mut budget = Budget::new(1000);
        assert!(budget.spend(BYTES_MIN - 1).is_ok());
        assert!(budget.spend(2).is_err());
        assert!(budget.spend(1).is_ok());
        assert!(budget.spend(1).is_err());
        assert!(Budget::new(1 << 28).spend(FACTOR << 28).is_ok());
    }
}
