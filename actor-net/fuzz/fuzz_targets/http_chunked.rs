#![no_main]

use actor_fuzz::{debug, same};
use actor_net::http::Server;

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    same(
        || Server::new(100),
        HEAD,
        data,
        |request| debug((request.method(), request.target(), request.body())),
    );
});
