//! The family `qr`: see `families::qr`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::qr::qr(&drawn.into()));
