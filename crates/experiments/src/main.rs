//! The papers' tasks on real data: tables, curves, saved optimisers.
//!
//! Each command is a module; what `pca` prints is in [`report`], what the others do together in [`contest`], and what
//! can go wrong in [`error`].

mod bilevel;
mod classical;
mod cli;
mod clustering;
mod contest;
mod course;
mod covariances;
mod curves;
mod data;
mod error;
mod faces;
mod fading;
mod files;
mod free;
mod gap;
mod lessons;
mod memory;
mod meta;
mod orthonet;
mod output;
mod pca;
mod plots;
mod practice;
mod progress;
mod ranks;
mod report;
mod second;
mod tables;
mod task;
mod third;

use clap::Parser;
use ranks::Crew;
use std::process::ExitCode;

fn main() -> ExitCode {
    // It parts after the last word: a rank that ends with an error lets `mpirun` end the others.
    let mut crew = Crew::alone();
    let done = match cli::Cli::parse().command {
        cli::Command::Pca(args) => pca::run(&args, &mut crew),
        cli::Command::Memory(args) => memory::run(&args),
        cli::Command::Faces(args) => faces::run(&args, &mut crew),
        cli::Command::Clustering(args) => clustering::run(&args, &mut crew),
        cli::Command::Bilevel(args) => bilevel::run(&args),
        cli::Command::Orthonet(args) => orthonet::run(&args, &mut crew),
        cli::Command::Tables(args) => tables::run(&args),
        cli::Command::TablesRow(args) => tables::measure::run(&args),
        cli::Command::Equivariant(args) => gap::run(&args, &mut crew),
        cli::Command::Evaluate(args) => gap::evaluate::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            match crew.helper() {
                None => eprintln!("error: {e}"),
                Some(rank) => eprintln!("error of rank {rank}: {e}"),
            }
            ExitCode::FAILURE
        }
    }
}
