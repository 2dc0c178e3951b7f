//! Wires: joins equal parts into one vector, what `{a, b, c}` is in Verilog, and makes vectors
//! wider or narrower.

use rust_hdl::prelude::*;

use crate::bits::{concatenate, slice};

/// `N` parts of `W` bits side by side in `T` = N x W bits.
#[derive(LogicBlock)]
pub struct Join<const N: usize, const W: usize, const T: usize> {
    /// The parts.
    pub parts: [Signal<In, Bits<W>>; N],
    /// All of them, part 0 lowest.
    pub joined: Signal<Out, Bits<T>>,
}

impl<const N: usize, const W: usize, const T: usize> Default for Join<N, W, T> {
    fn default() -> Self {
        assert!(T == N * W);
        Self {
            parts: std::array::from_fn(|_| Signal::default()),
            joined: Signal::default(),
        }
    }
}

impl<const N: usize, const W: usize, const T: usize> Logic for Join<N, W, T> {
    fn update(&mut self) {
        let values: Vec<u64> = self
            .parts
            .iter()
            .map(|part| slice(part.val(), 0, W))
            .collect();
        self.joined.next = concatenate(W, values);
    }

    fn connect(&mut self) {
        self.joined.connect();
    }

    fn hdl(&self) -> Verilog {
        let parts: Vec<_> = (0..N).rev().map(|part| format!("parts${part}")).collect();
        Verilog::Custom(format!("always @(*) joined = {{{}}};\n", parts.join(", ")))
    }
}

/// The low bits of a vector, or the vector with zeros above, without delay.
#[derive(LogicBlock, Default)]
pub struct Resize<const N: usize, const M: usize> {
    /// The vector.
    pub vector: Signal<In, Bits<N>>,
    /// As many of its bits as there are, from the lowest on.
    pub resized: Signal<Out, Bits<M>>,
}

impl<const N: usize, const M: usize> Logic for Resize<N, M> {
    fn update(&mut self) {
        let value = self.vector.val();
        let bits = (0..N.min(M)).map(|index| slice(value, index, 1));
        self.resized.next = concatenate(1, bits);
    }

    fn connect(&mut self) {
        self.resized.connect();
    }

    fn hdl(&self) -> Verilog {
        let value = if N > M {
            format!("vector[{}:0]", M - 1)
        } else if N == M {
            "vector".to_owned()
        } else {
            format!("{{{}'d0, vector}}", M - N)
        };
        Verilog::Custom(format!("always @(*) resized = {value};\n"))
    }
}
