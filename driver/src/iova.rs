//! Bus addresses for DMA mappings: page-aligned, never overlapping, used again after their
//! mapping has ended.
//!
//! ```text
//!  start                                                              end
//!  |[ mapping ][guard]|[ mapping      ][guard]|   free   |[ mapping ][guard]|  free ...
//! ```
//!
//! A page that is never mapped follows each mapping, so that a device that runs past the end of
//! a buffer gets a DMA error instead of the neighbour's bytes.

use std::collections::BTreeMap;

use crate::Iova;

/// First bus address that is given out: above 4 GiB, so that a device or a driver that loses the
/// upper half of an address fails at once and not on the day that addresses grow.
const START: u64 = 1 << 32;

/// End of the bus addresses: 39 bits, the narrowest IOMMU in use.
const END: u64 = 1 << 39;

/// Gives out ranges of bus addresses.
#[derive(Debug)]
pub(crate) struct IovaAllocator {
    /// Free ranges, start to end; no two of them touch.
    free: BTreeMap<u64, u64>,
    page: u64,
}

impl IovaAllocator {
    /// All addresses free. `page` is the size of a page in bytes.
    pub fn new(page: usize) -> Self {
        Self {
            free: BTreeMap::from([(START, END)]),
            page: page as u64,
        }
    }

    /// The addresses of `ranges` free, first and last of each, as an IOMMU reports them; all
    /// addresses where it reports none. Those from 4 GiB on are preferred: lower ones are given out
    /// only if there are no others.
    pub fn within(ranges: &[(u64, u64)], page: usize) -> Self {
        if ranges.is_empty() {
            return Self::new(page);
        }
        let size = page as u64;
        // Whole pages of what a range has between two addresses. The page at 0 is left out: a
        // forgotten address should lead nowhere.
        let part = |&(first, last): &(u64, u64), start: u64, end: u64| {
            let start = first.max(start).checked_next_multiple_of(size)?;
            let end = last.saturating_add(1).min(end) / size * size;
            (start < end).then_some((start, end))
        };
        let parts = |start, end| {
            let parts = ranges.iter().filter_map(|range| part(range, start, end));
            parts.collect::<BTreeMap<_, _>>()
        };
        let mut free = parts(START, u64::MAX);
        if free.is_empty() {
            free = parts(size, START);
        }
        Self { free, page: size }
    }

    #[cfg(test)]
    fn over(start: u64, end: u64, page: usize) -> Self {
        Self {
            free: BTreeMap::from([(start, end)]),
            page: page as u64,
        }
    }

    /// Takes the lowest free range of `bytes` bytes (and its guard page); `None` when no free
    /// range is large enough.
    pub fn allocate(&mut self, bytes: usize) -> Option<Iova> {
        self.allocate_aligned(bytes, 1)
    }

    /// As [`allocate`](Self::allocate), at a multiple of `alignment`, a power of two.
    pub fn allocate_aligned(&mut self, bytes: usize, alignment: usize) -> Option<Iova> {
        let span = self.span(bytes)?;
        let place = |(&start, &end): (&u64, &u64)| {
            let at = start.checked_next_multiple_of(alignment as u64)?;
            (at <= end && end - at >= span).then_some((start, at, end))
        };
        let (start, at, end) = self.free.iter().find_map(place)?;
        self.free.remove(&start);
        if start < at {
            self.free.insert(start, at);
        }
        if at + span < end {
            self.free.insert(at + span, end);
        }
        Some(Iova(at))
    }

    /// Returns a range that [`allocate`](Self::allocate) gave out for `bytes` bytes.
    pub fn release(&mut self, iova: Iova, bytes: usize) {
        let Some(span) = self.span(bytes) else {
            debug_assert!(false, "no range of {bytes} bytes was ever given out");
            return;
        };
        let (mut start, mut end) = (iova.0, iova.0 + span);
        if let Some((&before, &touching)) = self.free.range(..start).next_back()
            && touching == start
        {
            self.free.remove(&before);
            start = before;
        }
        if let Some(after) = self.free.remove(&end) {
            end = after;
        }
        self.free.insert(start, end);
    }

    /// Addresses that a mapping of `bytes` bytes takes up.
    fn span(&self, bytes: usize) -> Option<u64> {
        (bytes as u64)
            .checked_next_multiple_of(self.page)?
            .checked_add(self.page)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAGE: usize = 4096;

    #[test]
    fn the_first_address_needs_more_than_32_bits() {
        let iova = IovaAllocator::new(PAGE).allocate(1).unwrap();
        assert!(iova.0 > u64::from(u32::MAX));
    }

    #[test]
    fn a_released_range_is_given_out_again() {
        let mut addresses = IovaAllocator::new(PAGE);
        let first = addresses.allocate(10 * PAGE).unwrap();
        let second = addresses.allocate(PAGE).unwrap();
        addresses.release(first, 10 * PAGE);
        assert_eq!(addresses.allocate(10 * PAGE), Some(first));
        assert_ne!(first, second);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut addresses = IovaAllocator::over(0, 4 * PAGE as u64, PAGE);
        assert_eq!(addresses.allocate(usize::MAX), None);
        // Three pages and a guard are all there is.
        assert_eq!(addresses.allocate(3 * PAGE + 1), None);
        assert_eq!(addresses.allocate(3 * PAGE), Some(Iova(0)));
        assert_eq!(addresses.allocate(1), None);
    }

    #[test]
    fn addresses_are_those_of_the_iommu() {
        let page = PAGE as u64;
        // What x86 reports: all but the window of interrupts.
        let ranges = [(0, 0xfedf_ffff), (0xfef0_0000, (1 << 39) - 1)];
        let addresses = IovaAllocator::within(&ranges, PAGE);
        assert_eq!(addresses.free, BTreeMap::from([(1 << 32, 1 << 39)]));
        // Narrow ones, and ones that are not whole pages.
        let addresses = IovaAllocator::within(&[(0, 0xffff), (0x2_0001, 0x2_3fff)], PAGE);
        let expected = BTreeMap::from([(page, 0x1_0000), (0x2_1000, 0x2_4000)]);
        assert_eq!(addresses.free, expected);
        let whole = IovaAllocator::within(&[(0, u64::MAX)], PAGE);
        assert_eq!(
            whole.free,
            BTreeMap::from([(1 << 32, u64::MAX / page * page)])
        );
        let unknown = IovaAllocator::within(&[], PAGE);
        assert_eq!(unknown.free, IovaAllocator::new(PAGE).free);
    }

    #[test]
    fn aligned_ranges_leave_the_gap_before_them_free() {
        let huge = 512 * PAGE;
        let mut addresses = IovaAllocator::over(0, 3 * huge as u64, PAGE);
        assert_eq!(addresses.allocate(PAGE), Some(Iova(0)));
        assert_eq!(
            addresses.allocate_aligned(huge, huge),
            Some(Iova(huge as u64))
        );
        assert_eq!(addresses.allocate(PAGE), Some(Iova(2 * PAGE as u64)));
        assert_eq!(addresses.allocate_aligned(huge, huge), None);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Allocate(usize),
        /// Releases one of the live ranges.
        Release(prop::sample::Index),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (1usize..20 * PAGE).prop_map(Step::Allocate),
            2 => any::<prop::sample::Index>().prop_map(Step::Release),
        ];
        prop::collection::vec(step, 1..200)
    }

    proptest! {
        #[test]
        fn ranges_are_aligned_apart_and_all_come_back(steps in steps()) {
            let end = 256 * PAGE as u64;
            let mut addresses = IovaAllocator::over(0, end, PAGE);
            let mut live: Vec<(u64, usize)> = Vec::new();
            for step in steps {
                match step {
                    Step::Allocate(bytes) => {
                        let Some(Iova(start)) = addresses.allocate(bytes) else { continue };
                        prop_assert!(start.is_multiple_of(PAGE as u64));
                        prop_assert!(start + (bytes as u64) < end);
                        for &(other, length) in &live {
                            // A guard page lies between any two.
                            let (low, low_bytes, high) = if start < other {
                                (start, bytes, other)
                            } else {
                                (other, length, start)
                            };
                            prop_assert!(low + low_bytes as u64 + PAGE as u64 <= high);
                        }
                        live.push((start, bytes));
                    }
                    Step::Release(index) => {
                        if !live.is_empty() {
                            let (start, bytes) = live.swap_remove(index.index(live.len()));
                            addresses.release(Iova(start), bytes);
                        }
                    }
                }
            }
            for (start, bytes) in live {
                addresses.release(Iova(start), bytes);
            }
            // Everything is one free range again.
            prop_assert_eq!(addresses.free, BTreeMap::from([(0, end)]));
        }
    }
}
