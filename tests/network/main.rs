//! Sockets bound to actors, driven through the public API: a file per behaviour.

mod acceptor;
mod bad_input;
mod client;
mod deadlines;
mod deflate;
mod drain;
mod echo;
mod end;
mod evicted;
mod failed;
mod heartbeats;
mod http;
mod http_client;
mod length;
mod limits;
mod machine;
mod parallelism;
mod pool;
mod preemption_storm;
mod rebalance;
mod reconnect;
mod rooms;
mod setup;
mod silence;
mod site;
mod slow;
mod stalled;
mod streams;
#[path = "../support.rs"]
#[allow(dead_code, reason = "not all of it is of interest here")]
mod support;
mod tls;
mod tls_client;
mod tls_hostile;
#[path = "../tls_peer.rs"]
mod tls_peer;
mod tls_setup;
mod udp;
#[cfg(unix)]
mod unix;
mod websocket;
