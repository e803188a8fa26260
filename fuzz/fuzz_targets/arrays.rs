//! The reader of arrays of bytes (`.npy`, IDX): see `parsing::arrays`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::parsing;

fuzz_target!(|bytes: &[u8]| parsing::arrays::file(bytes));
