//! The family `eigen`: see `families::eigen`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::eigen::eigen(&drawn.into()));
