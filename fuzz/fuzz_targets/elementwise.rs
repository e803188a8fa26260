//! The family `elementwise`: see `families::elementwise`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::elementwise::elementwise(&drawn.into()));
