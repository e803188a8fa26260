//! The family `equations`: see `families::equations`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::equations::equations(&drawn.into()));
