//! The family `trsm`: see `families::trsm`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::trsm::trsm(&drawn.into()));
