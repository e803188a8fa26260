//! The target `entries`: see `families::entries`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::entries::entries(&drawn.into()));
