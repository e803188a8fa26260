//! The family `cholesky`: see `families::cholesky`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::{Drawn, families};

fuzz_target!(|drawn: Drawn| families::cholesky::cholesky(&drawn.into()));
