//! The target `qr`: see `families::factorisations::qr`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::factorisations::qr::qr(&drawn.into()));
