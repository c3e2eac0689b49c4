//! HTTP/1.1 as a client: our client against our server.

use std::sync::mpsc::{Sender, channel};

use actor_core::prelude::*;
use actor_net::http::{self, ClientRequest, ClientResponse, Request, Response};
use actor_net::{BytesMut, Client, CloseReason, Codec, Conn, Connection, Listener};

use crate::setup::PATIENCE;

/// Answers with the method and the body that it got.
#[derive(Actor)]
struct Site {
    conn: Conn,
}

#[messages]
impl Site {}

impl Connection for Site {
    type Codec = http::Server;

    fn codec(&self) -> http::Server {
        http::Server::new(1 << 20)
    }

    fn frame(&mut self, request: Request<'_>, _ctx: &mut Context<Self>) {
        let body = [request.method().as_bytes(), b" ", request.body()].concat();
        let response = Response::new(200).header("X-Path", request.path()).body(body);
        request.answer().send(response, &mut self.conn);
    }
}

/// Sends all its requests at once.
#[derive(Actor)]
struct Fetch {
    conn: Conn,
    http: http::Client,
    requests: Vec<ClientRequest>,
    found: Sender<Result<ClientResponse, CloseReason>>,
}

#[messages]
impl Fetch {}

impl Connection for Fetch {
    type Codec = http::Client;

    fn codec(&self) -> http::Client {
        self.http.clone()
    }

    fn opened(&mut self, _ctx: &mut Context<Self>) {
        let mut out = BytesMut::new();
        for request in &self.requests {
            self.http.encode(request, &mut out).unwrap();
        }
        self.conn.write(out);
    }

    fn frame(&mut self, response: ClientResponse, _ctx: &mut Context<Self>) {
        let _ = self.found.send(Ok(response));
    }

    fn closed(&mut self, why: &CloseReason, _ctx: &mut Context<Self>) {
        let _ = self.found.send(Err(why.clone()));
    }
}

#[test]
fn responses_come_whole_and_in_the_order_of_the_requests() {
    let system = actor_net::builder().workers(2).build().unwrap();
    let server = Listener::bind("127.0.0.1:0").unwrap().spawn(&system, |conn| Site { conn }).unwrap();
    let large = "x".repeat(300_000);
    let requests = vec![
        ClientRequest::new("GET", "localhost", "/one"),
        ClientRequest::new("HEAD", "localhost", "/two"),
        ClientRequest::new("POST", "localhost", "/three?four").body(large.clone()),
        ClientRequest::new("GET", "localhost", "/last").close(),
    ];
    let (found, responses) = channel();
    let make = move |conn| Fetch { conn, http: http::Client::new(1 << 20), requests, found };
    Client::connect(server.local_addr()).spawn(&system, make).unwrap();
    let next = || responses.recv_timeout(PATIENCE).unwrap();
    for (path, body, last) in [
        ("/one", "GET ".to_owned(), false),
        ("/two", String::new(), false),
        ("/three", format!("POST {large}"), false),
        ("/last", "GET ".to_owned(), true),
    ] {
        let response = next().unwrap();
        assert_eq!(
            (response.status(), response.header("x-path"), response.is_last()),
            (200, Some(path), last)
        );
        assert!(response.body() == body.as_bytes(), "{path}");
    }
    assert_eq!(next().unwrap_err(), CloseReason::Eof);
}
