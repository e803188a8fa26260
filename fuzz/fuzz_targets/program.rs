//! The family `program`: see `families::program`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::program::program(&drawn.into()));
