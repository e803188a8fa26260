//! The target `layout`: see `families::layout`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::layout::layout(&drawn.into()));
