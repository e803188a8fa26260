//! The target `spectral`: see `families::matrix_functions::spectral`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::matrix_functions::spectral::spectral(&drawn.into()));
