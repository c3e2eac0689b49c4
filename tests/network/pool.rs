//! Pools of connections to a backend.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{AskError, System};
use actor_net::http::{self, ClientRequest, Request, Response};
use actor_net::{
    Backend, Choice, CloseReason, Conn, Connection, HttpExchange, LineExchange, Lines, Listener, PoolError,
    PoolExchange, PoolRef,
};

use crate::setup::{Setup, eventually};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn system() -> System {
    actor_net::builder().workers(2).build().unwrap()
}

/// A backend that is tried again soon.
fn backend(addr: SocketAddr) -> Backend {
    Backend::at(addr).backoff(ms(1)..ms(20))
}

fn lines(backend: Backend, system: &System) -> PoolRef<LineExchange> {
    backend.spawn(system, || LineExchange::new(Lines::new(1024))).unwrap()
}

type Answer = Result<String, AskError<PoolExchange<LineExchange>>>;

fn ask(pool: &PoolRef<LineExchange>, line: &str) -> Answer {
    pool.exchange(line.to_owned()).wait()
}

/// Why an ask was answered with an error.
fn failure(answer: Answer) -> PoolError {
    match answer {
        Err(AskError::Failed(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// The next connection to a backend that the test plays, and the first line that comes.
fn accept(listener: &TcpListener) -> (BufReader<TcpStream>, String) {
    let mut read = BufReader::new(listener.accept().unwrap().0);
    let mut line = String::new();
    read.read_line(&mut line).unwrap();
    (read, line)
}

/// Sends many requests in one turn.
#[derive(Actor)]
struct Flood {
    pool: PoolRef<LineExchange>,
}

#[messages]
impl Flood {
    /// How many of them are taken.
    #[message]
    fn send(&mut self, n: usize) -> usize {
        (0..n).filter(|n| self.pool.exchange(n.to_string()).tell().is_ok()).count()
    }
}

#[test]
fn what_may_wait_may_come_at_once() {
    const WAITING: usize = 5000;
    let served = Setup::default().serve();
    // With one worker the pool has no turn while they come.
    let system = actor_net::builder().workers(1).build().unwrap();
    let pool = lines(backend(served.server.local_addr()).connections(2).waiting(WAITING), &system);
    let flood = system.spawn(move || Flood { pool: pool.clone() }).unwrap();
    let taken = flood.send(WAITING).wait().unwrap();
    assert_eq!(taken, WAITING, "none is refused because of how fast they come");
}

#[test]
fn many_requests_share_few_connections() {
    for choice in [Choice::LeastLoaded, Choice::RoundRobin] {
        let served = Setup::default().serve();
        let pool = lines(backend(served.server.local_addr()).connections(4).choose(choice), &served.system);
        thread::scope(|scope| {
            for n in 0..20 {
                let pool = &pool;
                scope.spawn(move || {
                    for round in 0..20 {
                        let line = format!("{n} {round}");
                        assert_eq!(ask(pool, &line).unwrap(), line);
                    }
                });
            }
        });
        let state = pool.health().wait().unwrap();
        assert!((1..=4).contains(&state.up), "{state:?}");
        assert_eq!((state.in_flight, state.waiting, state.down), (0, 0, None));
        assert_eq!(served.server.accepted(), state.up as u64);
        pool.stop();
        eventually("its connections end with it", || served.server.connections() == 0);
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let served = Setup::default().serve();
    let pool = lines(backend(served.server.local_addr()).connections(1).in_flight(16), &served.system);
    thread::scope(|scope| {
        for n in 0..50 {
            let pool = &pool;
            scope.spawn(move || assert_eq!(ask(pool, &n.to_string()).unwrap(), n.to_string()));
        }
    });
    assert_eq!(served.server.accepted(), 1);
}

#[test]
fn so_many_may_wait_and_the_next_is_refused() {
    let (listener, system) = (TcpListener::bind("127.0.0.1:0").unwrap(), system());
    let pool = lines(backend(listener.local_addr().unwrap()).connections(1).waiting(1), &system);
    thread::scope(|scope| {
        let first = scope.spawn(|| ask(&pool, "first"));
        let (mut peer, line) = accept(&listener);
        assert_eq!(line, "first\n");
        let second = scope.spawn(|| ask(&pool, "second"));
        eventually("it waits", || pool.health().wait().unwrap().waiting == 1);
        assert_eq!(failure(ask(&pool, "third")), PoolError::Full { waiting: 1 });
        peer.get_mut().write_all(b"1\n").unwrap();
        assert_eq!(first.join().unwrap().unwrap(), "1");
        let mut line = String::new();
        peer.read_line(&mut line).unwrap();
        assert_eq!(line, "second\n");
        peer.get_mut().write_all(b"2\n").unwrap();
        assert_eq!(second.join().unwrap().unwrap(), "2");
    });
}

#[test]
fn a_backend_that_is_down_is_said_to_be_and_comes_back() {
    let (addr, system) = (TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap(), system());
    let pool = lines(backend(addr), &system);
    for _ in 0..3 {
        let error = failure(ask(&pool, "anybody?"));
        assert!(matches!(&error, PoolError::Down { why: CloseReason::ConnectFailed { .. } }), "{error:?}");
        assert!(error.to_string().starts_with("the backend is down"), "{error}");
    }
    assert!(pool.health().wait().unwrap().down.is_some());
    let listener = TcpListener::bind(addr).unwrap();
    // It is found again without being asked for anything.
    let mut peer = BufReader::new(listener.accept().unwrap().0);
    eventually("it is up", || pool.health().wait().unwrap().up == 1);
    thread::scope(|scope| {
        let asked = scope.spawn(|| ask(&pool, "back?"));
        let mut line = String::new();
        peer.read_line(&mut line).unwrap();
        peer.get_mut().write_all(b"yes\n").unwrap();
        assert_eq!(asked.join().unwrap().unwrap(), "yes");
    });
    assert_eq!(pool.health().wait().unwrap().down, None);
}

#[test]
fn requests_wait_for_a_backend_that_is_down_if_they_may() {
    let (addr, system) = (TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap(), system());
    let pool = lines(backend(addr).queue_while_down().waiting(1), &system);
    thread::scope(|scope| {
        let asked = scope.spawn(|| ask(&pool, "patient"));
        eventually("it is down", || pool.health().wait().unwrap().down.is_some());
        assert_eq!(failure(ask(&pool, "one too many")), PoolError::Full { waiting: 1 });
        let listener = TcpListener::bind(addr).unwrap();
        let (mut peer, line) = accept(&listener);
        assert_eq!(line, "patient\n");
        peer.get_mut().write_all(b"served\n").unwrap();
        assert_eq!(asked.join().unwrap().unwrap(), "served");
    });
}

#[test]
fn one_that_is_lost_concerns_only_what_was_under_way_on_it() {
    let (listener, system) = (TcpListener::bind("127.0.0.1:0").unwrap(), system());
    let pool = lines(backend(listener.local_addr().unwrap()).connections(2), &system);
    thread::scope(|scope| {
        let first = scope.spawn(|| ask(&pool, "first"));
        let (lost, _) = accept(&listener);
        let second = scope.spawn(|| ask(&pool, "second"));
        let (mut kept, _) = accept(&listener);
        drop(lost);
        assert!(matches!(failure(first.join().unwrap()), PoolError::Lost { .. }));
        kept.get_mut().write_all(b"2\n").unwrap();
        assert_eq!(second.join().unwrap().unwrap(), "2");
        // It comes back by itself.
        let _back = listener.accept().unwrap();
        eventually("both are up", || pool.health().wait().unwrap().up == 2);
    });
}

#[test]
fn a_response_that_takes_too_long_is_given_up() {
    let (listener, system) = (TcpListener::bind("127.0.0.1:0").unwrap(), system());
    let pool = lines(backend(listener.local_addr().unwrap()).answer_within(ms(50)), &system);
    assert_eq!(failure(ask(&pool, "anybody?")), PoolError::Lost { why: CloseReason::TimedOut });
}

#[test]
fn what_is_no_request_is_not_sent() {
    let served = Setup::default().serve();
    let pool = lines(backend(served.server.local_addr()).connections(1), &served.system);
    let error = failure(ask(&pool, "two\nlines"));
    assert!(matches!(&error, PoolError::Unsendable(why) if why.contains("line break")), "{error:?}");
    assert_eq!(ask(&pool, "one line").unwrap(), "one line");
}

/// Says of every third response that it is the last.
#[derive(Actor)]
struct Site {
    conn: Conn,
    served: u32,
}

#[messages]
impl Site {}

impl Connection for Site {
    type Codec = http::Server;

    fn codec(&self) -> http::Server {
        http::Server::new(1024)
    }

    fn frame(&mut self, request: Request<'_>, _ctx: &mut Context<Self>) {
        self.served += 1;
        let response = Response::new(200).body(request.path().to_owned());
        let response = if self.served == 3 { response.close() } else { response };
        request.answer().send(response, &mut self.conn);
    }
}

#[test]
fn http_connections_are_used_until_the_server_says_that_it_is_over() {
    let system = system();
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let server = listener.spawn(&system, |conn| Site { conn, served: 0 }).unwrap();
    let backend = backend(server.local_addr()).connections(3);
    let pool = backend.spawn(&system, || HttpExchange::new(http::Client::new(1024))).unwrap();
    thread::scope(|scope| {
        for n in 0..10 {
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..30 {
                    let path = format!("/{n}/{round}");
                    let request = ClientRequest::new("GET", "localhost", &path);
                    let response = pool.exchange(request).wait().unwrap();
                    assert_eq!((response.status(), &response.body()[..]), (200, path.as_bytes()));
                }
            });
        }
    });
    assert!(server.accepted() >= 100, "300 requests, three on each connection");
}
