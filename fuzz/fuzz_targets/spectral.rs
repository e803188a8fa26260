//! The family `spectral`: see `families::spectral`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::spectral::spectral(&drawn.into()));
