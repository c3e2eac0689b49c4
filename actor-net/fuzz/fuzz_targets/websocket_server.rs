#![no_main]

use actor_fuzz::{UPGRADE, accept, same, server};

libfuzzer_sys::fuzz_target!(|data: &[u8]| same(server, UPGRADE, data, accept));
