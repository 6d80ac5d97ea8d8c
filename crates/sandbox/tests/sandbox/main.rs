//! Real sandboxes. This program is also the helper that the back end starts, hence its own small harness:
//! `cargo test -p apa-sandbox --test sandbox [-- PART-OF-A-NAME…]`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod doctor;
mod hidden;
mod lab;
mod life;
mod limits;
mod network;
mod unprivileged;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// A test and what it is called.
pub(crate) type Test = (&'static str, fn());

/// Names the functions of a module as tests.
#[macro_export]
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub(crate) const TESTS: &[$crate::Test] = &[$((concat!(module_path!(), "::", stringify!($name)), $name)),*];
    };
}

fn main() {
    apa_sandbox::run_helper_role();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments
        .iter()
        .any(|argument| argument == life::OWN_A_SANDBOX)
    {
        life::own_a_sandbox();
        return;
    }
    let filters: Vec<_> = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let all = [
        doctor::TESTS,
        hidden::TESTS,
        network::TESTS,
        life::TESTS,
        limits::TESTS,
        unprivileged::TESTS,
    ]
    .concat();
    let chosen: Vec<_> = all
        .into_iter()
        .filter(|(name, _)| {
            filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
        })
        .collect();
    if let Err(error) = lab::Lab::open() {
        println!("SKIPPED: {} sandbox tests: {error}", chosen.len());
        return;
    }
    let failed = chosen
        .iter()
        .filter(|(name, test)| !passes(name, *test))
        .count();
    println!("{} passed, {failed} failed", chosen.len() - failed);
    std::process::exit(i32::from(failed > 0));
}

fn passes(name: &str, test: fn()) -> bool {
    let start = Instant::now();
    let passed = catch_unwind(AssertUnwindSafe(test)).is_ok();
    println!(
        "test {name} ... {} ({} ms)",
        if passed { "ok" } else { "FAILED" },
        start.elapsed().as_millis()
    );
    passed
}
