//! `apa`: tells whether a package is malicious by running it and watching.

mod args;
mod commands;
mod config;
mod output;
mod progress;

use std::process::ExitCode;

use apa_model::ExitCode as Code;
use clap::Parser;

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    // When this binary was started as one of its own sandbox helpers, it never comes back from here.
    apa_sandbox::run_helper_role();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                code(Code::Usage)
            } else {
                code(Code::Clean)
            };
        }
    };
    start_log(cli.verbose);
    match run(cli.command) {
        Ok(outcome) => code(outcome),
        Err(failure) => {
            output::failure(&failure.error);
            code(failure.code)
        }
    }
}

fn run(command: Command) -> Result<Code, commands::Failure> {
    match command {
        Command::Analyze(args) if args.static_only => commands::statics::run(&args),
        Command::Analyze(args) => commands::analyze::run(&args),
        Command::Scan(args) => commands::scan::run(&args),
        Command::Eval(args) => commands::eval::run(&args),
        Command::Report(args) => commands::report::run(&args),
        Command::Image(args) => commands::image::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::Schema(args) => commands::schema::run(&args),
    }
}

fn start_log(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::new(level))
        .init();
}

fn code(code: Code) -> ExitCode {
    ExitCode::from(u8::from(code))
}
