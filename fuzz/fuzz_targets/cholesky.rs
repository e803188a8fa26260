//! The target `cholesky`: see `families::factorisations::cholesky`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::factorisations::cholesky::cholesky(&drawn.into()));
