//! The papers' tasks on real data: tables, curves, saved optimisers.
//!
//! Each command is a module; what it prints is in [`report`], what can go wrong in [`error`].

mod classical;
mod cli;
mod curves;
mod data;
mod error;
mod meta;
mod output;
mod pca;
mod plots;
mod progress;
mod report;
mod task;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli::Cli { command: cli::Command::Pca(args) } = cli::Cli::parse();
    match pca::run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}
