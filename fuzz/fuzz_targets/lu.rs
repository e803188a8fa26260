//! The target `lu`: see `families::solves::lu`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::solves::lu::lu(&drawn.into()));
