//! The target `eigh`: see `families::spectra::eigh`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::spectra::eigh::eigh(&drawn.into()));
