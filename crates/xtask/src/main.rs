//! Development tasks. `cargo xtask tidy` checks what compilers and linters do not; `cargo xtask bench` measures
//! an analysis against the bare package manager; `cargo xtask corpus` looks for false alarms.
#![allow(
    clippy::print_stdout,
    reason = "the output of a task is what it prints"
)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod bench;
mod corpus;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Development tasks of Advanced Package Analysis.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check the workspace: arrows between crates, unsafe code, leaked names and paths, file sizes, pages.
    Tidy,
    /// Time the bare package manager, the analysis and strace, in turns, and compare medians.
    Bench(bench::Args),
    /// Analyse packages known to be benign and print what was found: nothing should be.
    Corpus(corpus::Args),
}

fn main() -> ExitCode {
    let done = match Args::parse().task {
        Task::Tidy => tidy::run(),
        Task::Bench(args) => bench::run(&args),
        Task::Corpus(args) => corpus::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
