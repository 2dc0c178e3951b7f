//! Depthwise path: a lane for each of R channels, beside the array, for what has no sums over
//! channels: depthwise convolution and pooling.
//!
//! ```text
//!  vector ------------> lane 0 --+
//!  weights of row 0 --> (3 x)    +--> collect --> accumulator rows of C sums
//!  vector ------------> lane 1 --+
//!  weights of row 1 --> (3 x)   ...
//! ```

pub mod collect;
pub mod lane;
pub mod unit;
pub mod weights;
