//! The contract of `apa_archive::read`: archives are made byte by byte, also such as no library would make.

#![allow(clippy::unwrap_used)]

mod corpus;
mod errors;
mod hostile;
mod make;
mod tars;
mod uploads;
mod wrapped;
mod zips;
