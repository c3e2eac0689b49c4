#![no_main]

use actor_fuzz::{debug, same};
use actor_net::http::Server;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    same(
        || Server::new(100),
        b"",
        data,
        |request| debug((request.method(), request.target(), request.body())),
    );
});
