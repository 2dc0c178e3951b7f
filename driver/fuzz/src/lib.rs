//! A device is hardware that somebody else may have built, and it can be broken or hostile. These
//! bodies let the driver meet devices that a fuzzer makes up, and check what it does to them.
//!
//! ```text
//!  bytes of the fuzzer --> plan of a device --> Transport <-- systole_driver
//!                                                  '-- notes every access that must not be
//!
//!  config_space   what a function says about itself: is it believed, what is done to it meanwhile
//!  completions    what a device writes into the completion ring, against a model of the queue pair
//! ```
//!
//! `make fuzz` runs them under libFuzzer and AddressSanitizer; tests run them on the corpora and on
//! bytes at random. All zeroes, and so no bytes at all, mean a device without a fault.

mod completions;
mod config_space;
mod healthy;

pub use completions::completions;
pub use config_space::config_space;

/// What is run on bytes of the fuzzer's choice.
pub type Body = fn(&[u8]);

/// The bodies with the names of their corpora.
pub const TARGETS: [(&str, Body); 2] =
    [("config_space", config_space), ("completions", completions)];
