//! The reader of learned optimisers (safetensors): see `parsing::optimizers`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::parsing;

fuzz_target!(|bytes: &[u8]| parsing::optimizers::file(bytes));
