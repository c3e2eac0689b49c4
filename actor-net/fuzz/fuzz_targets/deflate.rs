#![no_main]

use actor_fuzz::{UPGRADE, accept, same, server};
use actor_net::websocket::Deflate;

// The frames have no mask to speak of, so that what the fuzzer changes is what is inflated.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((contexts, data)) = data.split_first() else { return };
    let Some((sizes, payloads)) = actor_fuzz::cut(data) else { return };
    let mut stream = vec![sizes.len() as u8];
    stream.extend(sizes);
    for payload in payloads.chunks(120) {
        stream.extend([0xC2, 0x80 | payload.len() as u8, 0, 0, 0, 0]);
        stream.extend(payload);
    }
    let deflate = Deflate::new().contexts(contexts & 1 == 1);
    same(|| server().deflate(deflate), UPGRADE, &stream, accept);
});
