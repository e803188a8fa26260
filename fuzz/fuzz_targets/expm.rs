//! The family `expm`: see `families::expm`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::expm::expm(&drawn.into()));
