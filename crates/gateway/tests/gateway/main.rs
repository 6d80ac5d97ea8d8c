//! The contract of the gateway, against a registry on the loopback device.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod apk;
mod clients;
mod crates;
mod faults;
mod fetch;
mod maven;
mod serve;
mod support;
