//! The target `cayley`: see `families::matrix_functions::cayley`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::matrix_functions::cayley::cayley(&drawn.into()));
