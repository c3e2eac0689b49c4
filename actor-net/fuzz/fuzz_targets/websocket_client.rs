#![no_main]

use actor_fuzz::{accept, cut, debug, feed, server};
use actor_net::websocket::{Client, ClientFrame, ClientRequest, Deflate};
use actor_net::{Codec, Decoded};

/// A client whose handshake is over: each has a key of its own, so a server answers it.
fn client() -> Client {
    let request = ClientRequest::new("a", "/").expect("a request").deflate(Deflate::new().contexts(true));
    let mut client = Client::new(&request, actor_fuzz::MAX).max_fragments(20);
    let request = client.replies().expect("a request");
    let mut response = Vec::new();
    feed(&mut server().deflate(Deflate::new().contexts(true)), &request, &[], |frame| {
        if let actor_net::websocket::ServerFrame::Upgrade(upgrade) = frame {
            response.extend_from_slice(&upgrade.accept());
            return String::new();
        }
        accept(frame)
    });
    let all = response.len();
    match client.decode(&mut response, false) {
        Decoded::Frame { frame: ClientFrame::Open { .. }, used } if used == all => {}
        _ => panic!("the server did not accept"),
    }
    client
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((sizes, stream)) = cut(data) else { return };
    // What a client answers is masked with keys that are random.
    let whole = feed(&mut client(), stream, &[], |frame| debug(frame));
    let pieces = feed(&mut client(), stream, sizes, |frame| debug(frame));
    assert_eq!((whole.found, whole.replies.len()), (pieces.found, pieces.replies.len()));
});
