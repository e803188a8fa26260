//! The target `expm`: see `families::matrix_functions::expm`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::matrix_functions::expm::expm(&drawn.into()));
