//! The checker under test: right rules pass, wrong ones are found and named, misuse is neither.

mod masked;
mod planted;
mod poles;
mod programs;
mod seeds;
mod single;
mod spaces;
mod ties;
mod triples;
mod ways;
