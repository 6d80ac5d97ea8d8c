//! The contract of the gateway, against a registry on the loopback device.

#![allow(clippy::unwrap_used)]

mod clients;
mod fetch;
mod serve;
mod support;
