//! The target `rotations`: see `families::matrix_functions::rotations`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::matrix_functions::rotations::rotations(&drawn.into()));
