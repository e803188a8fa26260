//! The reader of known answers (JSON): see `parsing::known_answers`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pullback_fuzz::parsing;

fuzz_target!(|bytes: &[u8]| parsing::known_answers::file(bytes));
