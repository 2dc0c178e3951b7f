//! Rows of a batch, which may come from many requests: pieces of shared memory, never put together.
//!
//! ```text
//!  request --> piece --+
//!  request --> piece --+--> BatchRows --> DMA memory: each value is copied once
//!  request --> piece --+                  |row 0|row 1|row 2|...
//! ```

use bytes::Bytes;

/// Rows that are computed together: pieces of shared memory, one for each request for example. Each
/// piece is whole rows of int8 values, one byte each. Clones share the memory.
///
/// ```
/// use bytes::Bytes;
/// use systole_host::engine::BatchRows;
///
/// let mut rows = BatchRows::from(vec![1_i8, -2, 3]);
/// rows.push(Bytes::from_static(&[4, 5, 6]));
/// assert_eq!(rows.values(), 6);
/// ```
#[derive(Clone, Debug, Default)]
pub struct BatchRows {
    /// None is empty.
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
struct Piece {
    /// Values of this piece and of those before it.
    end: usize,
    bytes: Bytes,
}

impl BatchRows {
    /// Adds rows behind those that are there.
    pub fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.pieces.push(Piece {
                end: self.values() + piece.len(),
                bytes: piece,
            });
        }
    }

    /// Values of all rows.
    pub fn values(&self) -> usize {
        self.pieces.last().map_or(0, |piece| piece.end)
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The pieces, in order, but for those without rows.
    pub fn pieces(&self) -> impl ExactSizeIterator<Item = &Bytes> {
        self.pieces.iter().map(|piece| &piece.bytes)
    }

    /// Size of the first piece that isn't whole rows of `row` values.
    pub(super) fn broken_piece(&self, row: usize) -> Option<usize> {
        let mut sizes = self.pieces().map(Bytes::len);
        sizes.find(|size| !size.is_multiple_of(row))
    }

    /// `count` values from number `first` on, one at least, in as many slices as they have pieces.
    pub(super) fn slices(&self, first: usize, count: usize) -> impl Iterator<Item = &[u8]> {
        let end = first.saturating_add(count);
        let from = self.pieces.partition_point(|piece| piece.end <= first);
        self.pieces[from..].iter().map_while(move |piece| {
            let start = piece.end - piece.bytes.len();
            (start < end)
                .then(|| &piece.bytes[first.max(start) - start..end.min(piece.end) - start])
        })
    }
}

impl From<Bytes> for BatchRows {
    fn from(piece: Bytes) -> Self {
        let mut rows = BatchRows::default();
        rows.push(piece);
        rows
    }
}

impl From<Vec<i8>> for BatchRows {
    /// The memory is taken over.
    fn from(values: Vec<i8>) -> Self {
        let bytes: Vec<u8> = values.into_iter().map(|value| value as u8).collect();
        Bytes::from(bytes).into()
    }
}

impl FromIterator<Bytes> for BatchRows {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Self {
        let mut rows = BatchRows::default();
        pieces.into_iter().for_each(|piece| rows.push(piece));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_the_values_wherever_pieces_end() {
        let values: Vec<u8> = (0..12).collect();
        for sizes in [&[12][..], &[3, 9], &[4, 0, 4, 4], &[1; 12]] {
            let mut rest = &values[..];
            let rows: BatchRows = sizes
                .iter()
                .map(|&size| Bytes::copy_from_slice(rest.split_off(..size).expect("12 in all")))
                .collect();
            assert_eq!(rows.values(), 12);
            for first in 0..=12 {
                for count in 1..=12 - first {
                    let slices: Vec<&[u8]> = rows.slices(first, count).collect();
                    assert_eq!(slices.concat(), values[first..first + count]);
                    assert!(slices.iter().all(|slice| !slice.is_empty()));
                }
            }
        }
    }

    #[test]
    fn every_piece_must_be_whole_rows() {
        let rows: BatchRows = [6, 4, 2]
            .map(|size| Bytes::from(vec![0; size]))
            .into_iter()
            .collect();
        assert_eq!(rows.broken_piece(2), None);
        assert_eq!(rows.broken_piece(3), Some(4));
        assert_eq!(BatchRows::from(vec![]).broken_piece(3), None);
    }

    #[test]
    fn a_vector_is_taken_over_and_not_copied() {
        let values = vec![-1_i8; 100];
        let address = values.as_ptr().addr();
        let rows = BatchRows::from(values);
        let piece = rows.pieces().next().expect("it has a piece");
        assert_eq!((piece.as_ptr().addr(), piece[0]), (address, 0xff));
    }
}
