//! The whole path, with real sandboxes and the genuine package managers, through the binary as a user has it.
//! Skipped (loudly) where this machine offers no isolation; `APA_REQUIRE_SANDBOX=1` makes that a failure.

#![allow(clippy::unwrap_used)]

mod bad_input;
mod images;
mod lifetime;
mod real_packages;
mod repacked;
mod report;
mod scan;
mod specimens;
mod support;
