//! The family `rotations`: see `families::rotations`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::rotations::rotations(&drawn.into()));
