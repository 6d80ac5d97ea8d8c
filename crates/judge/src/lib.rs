//! Events to facts to capabilities to findings to verdict.
//!
//! Everything here is a pure function of an [`Observation`]: no clock, no files, no network, so that a
//! stored trace can be judged again by newer rules without running anything.
//!
//! * [`facts`] turns events and flows into normalised statements; two runs of the same package give the
//!   same facts.
//! * [`judge`] subtracts what an empty package does as well (the [`Baseline`]), derives capabilities, and
//!   asks every rule.
//! * [`verdict`] weighs the findings of all artifacts of a package.
//!
//! A rule is one file below `rules/`; [`rules_markdown`] lists them for people.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod baseline;
mod capability;
mod fact;
mod normalise;
mod observation;
mod paths;
mod programs;
mod records;
mod rules;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod testing;
mod verdict;
mod view;

pub use baseline::Baseline;
pub use fact::facts;
pub use observation::{Judgement, Observation, judge};
pub use rules::{STAGE_TWO_PATH, rules_markdown};
pub use verdict::{score, verdict};
