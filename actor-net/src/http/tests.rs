//! Tests of the codec as a whole: streams in, requests and responses out.

mod bad;
mod good;
mod responses;

use super::{Answer, Error, Request, Server};
use crate::codec::feed::{self, Fed, Found};

/// A request with nothing borrowed.
#[derive(Clone, Debug, PartialEq)]
struct Owned {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    answer: Answer,
    websocket: bool,
}

impl Owned {
    fn of(request: &Request<'_>) -> Owned {
        Owned {
            method: request.method().to_owned(),
            target: request.target().to_owned(),
            headers: request.headers().map(|(name, value)| (name.to_owned(), value.to_vec())).collect(),
            body: request.body().to_vec(),
            answer: request.answer(),
            websocket: request.wants_websocket(),
        }
    }
}

type Seen = Found<Owned, Error>;

fn feed(mut server: Server, stream: &[u8], sizes: &[usize]) -> Fed<Seen> {
    feed::feed(&mut server, stream, sizes, |found| match found {
        Found::Frame(request) => Found::Frame(Owned::of(&request)),
        Found::Refused(error) => Found::Refused(error),
        Found::Fatal(error) => Found::Fatal(error),
        Found::End => Found::End,
    })
}

fn server() -> Server {
    Server::new(100)
}

/// The requests in a stream of nothing else.
fn requests(stream: &str) -> Vec<Owned> {
    let frame = |found| match found {
        Found::Frame(request) => request,
        other => panic!("no request: {other:?}"),
    };
    feed(server(), stream.as_bytes(), &[]).found.into_iter().map(frame).collect()
}

/// The one request in a stream, as `look` sees it.
fn looked<T>(stream: &str, mut look: impl FnMut(&Request<'_>) -> T) -> T {
    let mut looked = Vec::new();
    feed::feed(&mut server(), stream.as_bytes(), &[], |found| match found {
        Found::Frame(request) => looked.push(look(&request)),
        other => panic!("no request: {other:?}"),
    });
    assert_eq!(looked.len(), 1, "{stream}");
    looked.remove(0)
}

/// The status line and the body of the first response in these bytes.
fn status(bytes: &[u8]) -> (u16, String) {
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    (status.expect("a status"), body.expect("a head"))
}
