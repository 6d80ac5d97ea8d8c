//! The contract of the gateway, against a registry on the loopback device.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod clients;
mod fetch;
mod maven;
mod serve;
mod support;
