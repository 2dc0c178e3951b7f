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
//! The same serves for the scratchpad, in bytes, and for streamed weights, in tiles. A tensor may
//! be alive more than once: the next group's input is at the end of a pass and at its beginning.

/// What one tensor asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Size, at least 1.
    pub bytes: usize,
    /// Steps in which it is alive, from the first to the last of each span.
    pub spans: Vec<(usize, usize)>,
}

impl Request {
    /// Alive from one step to another.
    pub fn new(bytes: usize, first: usize, last: usize) -> Self {
        Request {
            bytes,
            spans: vec![(first, last)],
        }
    }

    /// Whether it is alive in a step.
    pub fn is_alive(&self, step: usize) -> bool {
        self.spans
            .iter()
            .any(|&(first, last)| first <= step && step <= last)
    }

    /// First step of all.
    fn first(&self) -> usize {
        self.spans.iter().map(|span| span.0).min().unwrap_or(0)
    }

    /// Last step of all.
    fn last(&self) -> usize {
        self.spans.iter().map(|span| span.1).max().unwrap_or(0)
    }

    fn meets(&self, other: &Request) -> bool {
        self.spans.iter().any(|&(first, last)| {
            let mut others = other.spans.iter();
            others.any(|span| first <= span.1 && span.0 <= last)
        })
    }
}

/// Where each request's bytes begin, and how many bytes that takes in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Allocation {
    /// One for each request.
    pub offsets: Vec<usize>,
    /// End of the highest buffer.
    pub peak: usize,
}

/// Places all requests: optimally where they form a chain, else by the best of two best-fit
/// orders. Offsets are sums and differences of sizes, so they are aligned if all sizes are.
pub(super) fn allocate(requests: &[Request]) -> Allocation {
    alternate(requests).unwrap_or_else(|| {
        let mut by_size: Vec<usize> = (0..requests.len()).collect();
        by_size.sort_by_key(|&index| (usize::MAX - requests[index].bytes, requests[index].first()));
        let mut by_time: Vec<usize> = (0..requests.len()).collect();
        by_time.sort_by_key(|&index| (requests[index].first(), usize::MAX - requests[index].bytes));
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
    requests
        .iter()
        .flat_map(|request| &request.spans)
        .map(|span| alive_bytes(requests, span.0))
        .max()
        .unwrap_or(0)
}

/// Bytes of everything that is alive in a step.
pub(super) fn alive_bytes(requests: &[Request], step: usize) -> usize {
    let alive = requests.iter().filter(|request| request.is_alive(step));
    alive.map(|request| request.bytes).sum()
}

/// Requests in the order of their beginnings, in turn at the low and at the high end. Layers that
/// form a chain have two tensors alive at a time, so this needs no more than the lower bound.
fn alternate(requests: &[Request]) -> Option<Allocation> {
    let peak = lower_bound(requests);
    let mut order: Vec<usize> = (0..requests.len()).collect();
    order.sort_by_key(|&index| (requests[index].first(), requests[index].last()));
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
        let span = (0_usize..12, 0_usize..5).prop_map(|(first, length)| (first, first + length));
        (1_usize..40, prop::collection::vec(span, 1..3)).prop_map(|(units, spans)| Request {
            bytes: units * 8,
            spans,
        })
    }

    fn chain(sizes: &[usize]) -> Vec<Request> {
        let request = |(step, &bytes)| Request::new(bytes, step, step + 1);
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
        let always = |bytes| Request::new(bytes, 0, 9);
        // Gaps of 32 and 16 open when the second and fourth buffers have died.
        let requests = [
            always(8),
            Request::new(32, 0, 0),
            always(8),
            Request::new(16, 0, 0),
            always(8),
            Request::new(16, 1, 2),
        ];
        let allocation = best_fit(&requests, &[0, 1, 2, 3, 4, 5]);
        assert_eq!(allocation.offsets, [0, 8, 40, 48, 64, 48]);
        assert_eq!(allocation.peak, 72);
    }
}
