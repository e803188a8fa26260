//! The family `spectra`: see `families::spectra`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::spectra::spectra(&drawn.into()));
