//! The services of `examples`, as their users see them.

mod binary;
mod certificates;
mod chat_binary;
mod chat_crowd;
mod chat_hostile;
mod chat_support;
mod chat_talk;
mod chat_tls;
mod chat_web;
mod gateway_backends;
mod gateway_clients;
mod gateway_config;
mod gateway_crowd;
mod gateway_end;
mod gateway_support;
mod gateway_tls;
#[path = "../support.rs"]
#[allow(dead_code, reason = "not all of it is of interest here")]
mod support;
#[path = "../tls_peer.rs"]
#[allow(dead_code, reason = "not all of it is of interest here")]
mod tls_peer;
