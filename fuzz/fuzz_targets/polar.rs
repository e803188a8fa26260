//! The family `polar`: see `families::polar`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::polar::polar(&drawn.into()));
