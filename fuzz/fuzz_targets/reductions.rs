//! The target `reductions`: see `families::reductions`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::reductions::reductions(&drawn.into()));
