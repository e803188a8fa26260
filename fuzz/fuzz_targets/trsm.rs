//! The target `trsm`: see `families::solves::trsm`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::solves::trsm::trsm(&drawn.into()));
