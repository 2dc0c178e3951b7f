//! Windows: the order in which the bytes of convolution windows are read, and the shape of each
//! vector of them.
//!
//! ```text
//!  MATRIX    --> matrix::MatrixIssue ---------+
//!                                             +--> position --> shape::WindowShape --> scratchpad
//!  DEPTHWISE --> depthwise::DepthwiseIssue ---+
//! ```

pub mod depthwise;
pub mod matrix;
pub mod shape;
