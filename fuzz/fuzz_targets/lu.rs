//! The family `lu`: see `families::lu`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::lu::lu(&drawn.into()));
