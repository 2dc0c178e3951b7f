//! `systole serve` as a process, asked by clients that nobody here wrote, by strangers with nothing good
//! in mind, and by people who want it to end.

#[path = "../common/mod.rs"]
mod common;

mod access;
mod clients;
mod drain;
mod limits;
mod overload;
mod server;
