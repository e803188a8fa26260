//! The target `polar`: see `families::factorisations::polar`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::factorisations::polar::polar(&drawn.into()));
