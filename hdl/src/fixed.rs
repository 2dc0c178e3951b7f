//! Constants of a block: a value that is known when the block is made, a `localparam` in Verilog.
//!
//! RustHDL's `Constant` has no default, so a block that holds one must list every other field in
//! its constructor. [`Fixed`] is the same with a default of zero: constructors then name only
//! what isn't zero.

use rust_hdl::prelude::*;

/// A constant of type `T`.
#[derive(Clone, Copy, Debug)]
pub struct Fixed<T: Synth>(Constant<T>);

impl<T: Synth> Fixed<T> {
    /// A constant with this value.
    pub fn new(value: T) -> Self {
        Self(Constant::new(value))
    }

    /// The value; usable in kernels.
    pub fn val(&self) -> T {
        self.0.val()
    }
}

impl<T: Synth> Default for Fixed<T> {
    fn default() -> Self {
        Self(Constant::new(T::default()))
    }
}

impl<T: Synth> Logic for Fixed<T> {
    fn update(&mut self) {}
}

impl<T: Synth> Block for Fixed<T> {
    fn connect_all(&mut self) {}

    fn update_all(&mut self) {}

    fn has_changed(&self) -> bool {
        false
    }

    fn accept(&self, name: &str, probe: &mut dyn Probe) {
        self.0.accept(name, probe);
    }
}
