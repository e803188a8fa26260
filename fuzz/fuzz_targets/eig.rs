//! The target `eig`: see `families::spectra::eig`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::spectra::eig::eig(&drawn.into()));
