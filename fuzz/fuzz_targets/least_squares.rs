//! The target `least_squares`: see `families::solves::least_squares`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::solves::least_squares::least_squares(&drawn.into()));
