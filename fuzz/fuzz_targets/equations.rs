//! The target `equations`: see `families::solves::equations`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::solves::equations::equations(&drawn.into()));
