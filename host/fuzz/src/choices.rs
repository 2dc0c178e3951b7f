//! Bytes of the fuzzer as choices, of which there is no end: zeroes follow the last one. A choice of
//! zero is always the harmless one.

use arbitrary::Unstructured;

/// Numbers that are limits of something, or just beside one.
const NUMBERS: [i64; 20] = [
    0,
    1,
    2,
    3,
    7,
    16,
    127,
    128,
    255,
    256,
    4095,
    4096,
    1 << 16,
    1 << 24,
    1 << 31,
    i32::MAX as i64,
    i64::MAX,
    -1,
    -2,
    i64::MIN,
];

/// What is left of the fuzzer's bytes.
pub(crate) struct Choices<'a>(Unstructured<'a>);

impl<'a> Choices<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Choices(Unstructured::new(data))
    }

    /// Whether there is nothing left but zeroes.
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.0.arbitrary().unwrap_or(0)
    }

    /// One of so many, the first being the harmless one.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count.max(1)
    }

    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// Something that is rarely so.
    pub(crate) fn rarely(&mut self) -> bool {
        self.byte() >= 0xfe
    }

    /// Something that is so every other time.
    pub(crate) fn coin(&mut self) -> bool {
        self.byte() & 1 != 0
    }

    /// A number that is mostly the right one.
    pub(crate) fn mostly(&mut self, right: i64) -> i64 {
        if self.rarely() { self.number() } else { right }
    }

    /// Any number, often a limit.
    pub(crate) fn number(&mut self) -> i64 {
        match self.below(NUMBERS.len() + 4) {
            index if index < NUMBERS.len() => NUMBERS[index],
            _ => self.0.arbitrary().unwrap_or(0),
        }
    }

    /// A scale, mostly one that is usual.
    pub(crate) fn scale(&mut self) -> f32 {
        if self.rarely() {
            return f32::from_bits(self.0.arbitrary().unwrap_or(0));
        }
        let steps = [64, 1, 3, 16, 100, 250, 1000, 60_000];
        self.pick(&steps) as f32 / 4096.0
    }

    /// So many bytes, of which the first few are the fuzzer's and the others repeat them.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let pattern = [0; 5].map(|_: u8| self.byte());
        pattern.iter().copied().cycle().take(count).collect()
    }

    /// A file with a few bytes changed, and perhaps cut short, if the fuzzer wants it.
    pub(crate) fn damage(&mut self, mut file: Vec<u8>) -> Vec<u8> {
        if !self.rarely() {
            return file;
        }
        for _ in 0..=self.below(8) {
            let at = self.0.arbitrary::<u32>().unwrap_or(0) as usize % file.len().max(1);
            let byte = self.byte();
            if let Some(place) = file.get_mut(at) {
                *place = byte;
            }
        }
        if self.rarely() {
            file.truncate(self.0.arbitrary::<u32>().unwrap_or(0) as usize % (file.len() + 1));
        }
        file
    }
}
