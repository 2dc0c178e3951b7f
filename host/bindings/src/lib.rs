//! What bindings for other languages share, so that they do the same under the same names and codes.
//!
//! ```text
//!  C      --handles, pointers--+                            +--> serving::Fleet, serving::Model
//!                              +--> open, Model, Request  --+
//!  Python --objects, arrays----+         |                  +--> Code and sentence, for every failure
//!                                        +--> values: int8, uint8 or float, as the model file has them
//! ```

mod code;
mod model;
mod open;

pub use code::{Code, Failure};
pub use model::{Completion, Model, Options, Prediction, Source, Urgency};
pub use open::open;
