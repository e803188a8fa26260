//! The target `general`: see `families::matrix_functions::general`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::matrix_functions::general::general(&drawn.into()));
