//! Where tensors live in the scratchpad: tensors that are never alive together share bytes.
//!
//! ```text
//!  step      0      1      2      3
//!  offset +------+------+------+
//!   640   |      |  b   |      |      bytes per row; a pass of g rows takes g times as many
//!   128   |  a   +------+  c   |
//!     0   |      |             |
//!         +------+------+------+------+
//! ```
//!
//! Everything is counted for one row. Each buffer holds the rows of a pass one after the other,
//! so offsets for any number of rows are those for one row times that number.

/// What one tensor asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Bytes per row, at least 1.
    pub bytes: usize,
    /// Step that fills it.
    pub first: usize,
    /// Last step that reads it, at least `first`.
    pub last: usize,
}

impl Request {
    fn meets(&self, other: &Request) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// Where each request's bytes begin, and how many bytes that takes in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Allocation {
    /// One for each request, in bytes per row.
    pub offsets: Vec<usize>,
    /// End of the highest buffer, in bytes per row.
    pub peak: usize,
}

/// Places all requests: optimally where they form a chain, else by the best of two best-fit
/// orders. Offsets are sums and differences of sizes, so they are aligned if all sizes are.
pub(super) fn allocate(requests: &[Request]) -> Allocation {
    alternate(requests).unwrap_or_else(|| {
        let mut by_size: Vec<usize> = (0..requests.len()).collect();
        by_size.sort_by_key(|&index| (usize::MAX - requests[index].bytes, requests[index].first));
        let mut by_time: Vec<usize> = (0..requests.len()).collect();
        by_time.sort_by_key(|&index| (requests[index].first, usize::MAX - requests[index].bytes));
        let [by_size, by_time] = [by_size, by_time].map(|order| best_fit(requests, &order));
        if by_time.peak < by_size.peak {
            by_time
        } else {
            by_size
        }
    })
}

/// The most bytes that are alive in one step: no allocation can do with less.
fn lower_bound(requests: &[Request]) -> usize {
    // The maximum is reached where some request begins.
    let alive_at = |step: usize| {
        let alive = requests
            .iter()
            .filter(|r| r.first <= step && step <= r.last);
        alive.map(|r| r.bytes).sum::<usize>()
    };
    requests
        .iter()
        .map(|request| alive_at(request.first))
        .max()
        .unwrap_or(0)
}

/// Requests in the order of their beginnings, in turn at the low and at the high end. Layers that
/// form a chain have two tensors alive at a time, so this needs no more than the lower bound.
fn alternate(requests: &[Request]) -> Option<Allocation> {
    let peak = lower_bound(requests);
    let mut order: Vec<usize> = (0..requests.len()).collect();
    order.sort_by_key(|&index| (requests[index].first, requests[index].last));
    let mut offsets = vec![0; requests.len()];
    for (turn, &index) in order.iter().enumerate() {
        offsets[index] = if turn % 2 == 0 {
            0
        } else {
            peak - requests[index].bytes
        };
    }
    let allocation = Allocation { offsets, peak };
    is_sound(requests, &allocation).then_some(allocation)
}

/// Whether no two requests that are alive together share a byte.
fn is_sound(requests: &[Request], allocation: &Allocation) -> bool {
    let range = |index: usize| {
        let start: usize = allocation.offsets[index];
        start..start + requests[index].bytes
    };
    (0..requests.len()).all(|left| {
        range(left).end <= allocation.peak
            && (0..left).all(|right| {
                !requests[left].meets(&requests[right])
                    || range(left).end <= range(right).start
                    || range(right).end <= range(left).start
            })
    })
}

/// Places requests in this order, each in the smallest gap that holds it between the buffers that
/// are alive with it.
fn best_fit(requests: &[Request], order: &[usize]) -> Allocation {
    let mut offsets = vec![0; requests.len()];
    let mut peak = 0;
    for (position, &index) in order.iter().enumerate() {
        let request = &requests[index];
        let mut taken: Vec<(usize, usize)> = order[..position]
            .iter()
            .filter(|&&other| request.meets(&requests[other]))
            .map(|&other| (offsets[other], offsets[other] + requests[other].bytes))
            .collect();
        taken.sort_unstable();
        let mut end = 0;
        let mut best: Option<(usize, usize)> = None;
        for (start, stop) in taken {
            let gap = start.saturating_sub(end);
            if gap >= request.bytes && best.is_none_or(|(smallest, _)| gap < smallest) {
                best = Some((gap, end));
            }
            end = end.max(stop);
        }
        offsets[index] = best.map_or(end, |(_, offset)| offset);
        peak = peak.max(offsets[index] + request.bytes);
    }
    Allocation { offsets, peak }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_request() -> impl Strategy<Value = Request> {
        (1_usize..40, 0_usize..12, 0_usize..5).prop_map(|(units, first, length)| Request {
            bytes: units * 8,
            first,
            last: first + length,
        })
    }

    fn chain(sizes: &[usize]) -> Vec<Request> {
        let request = |(step, &bytes)| Request {
            bytes,
            first: step,
            last: step + 1,
        };
        sizes.iter().enumerate().map(request).collect()
    }

    proptest! {
        #[test]
        fn buffers_that_are_alive_together_are_apart(
            requests in prop::collection::vec(any_request(), 0..24)
        ) {
            let allocation = allocate(&requests);
            prop_assert!(is_sound(&requests, &allocation));
            prop_assert!(allocation.offsets.iter().all(|offset| offset.is_multiple_of(8)));
            prop_assert!(allocation.peak >= lower_bound(&requests));
        }

        #[test]
        fn best_fit_is_sound_in_any_order(
            requests in prop::collection::vec(any_request(), 0..24), seed: u64
        ) {
            let mut order: Vec<usize> = (0..requests.len()).collect();
            order.sort_by_key(|&index| (index as u64 + 1).wrapping_mul(seed | 1));
            prop_assert!(is_sound(&requests, &best_fit(&requests, &order)));
        }

        #[test]
        fn a_chain_needs_its_two_largest_neighbours_only(
            sizes in prop::collection::vec((1_usize..100).prop_map(|units| units * 16), 2..20)
        ) {
            let largest = sizes.windows(2).map(|pair| pair[0] + pair[1]).max().unwrap_or(0);
            prop_assert_eq!(allocate(&chain(&sizes)).peak, largest);
        }
    }

    #[test]
    fn the_smallest_gap_that_fits_is_taken() {
        let always = |bytes| Request {
            bytes,
            first: 0,
            last: 9,
        };
        // Gaps of 32 and 16 open when the second and fourth buffers have died.
        let requests = [
            always(8),
            Request {
                bytes: 32,
                first: 0,
                last: 0,
            },
            always(8),
            Request {
                bytes: 16,
                first: 0,
                last: 0,
            },
            always(8),
            Request {
                bytes: 16,
                first: 1,
                last: 2,
            },
        ];
        let allocation = best_fit(&requests, &[0, 1, 2, 3, 4, 5]);
        assert_eq!(allocation.offsets, [0, 8, 40, 48, 64, 48]);
        assert_eq!(allocation.peak, 72);
    }
}
