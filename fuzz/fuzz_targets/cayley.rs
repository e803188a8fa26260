//! The family `cayley`: see `families::cayley`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::cayley::cayley(&drawn.into()));
