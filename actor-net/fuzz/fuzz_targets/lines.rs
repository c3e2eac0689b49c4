#![no_main]

use actor_fuzz::{debug, same};
use actor_net::Lines;

libfuzzer_sys::fuzz_target!(|data: &[u8]| same(|| Lines::new(50), b"", data, |frame| debug(frame)));
