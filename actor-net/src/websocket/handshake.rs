//! From HTTP to WebSocket: RFC 6455 section 4.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::http::{self, Request};

/// What the standard has both sides append to the key, so that nobody answers who does not know it.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The length of what a server answers to a key.
pub(super) const ACCEPT: usize = 28;

/// The answer to a key.
pub(super) fn accept(key: &[u8]) -> [u8; ACCEPT] {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut accept = [0; ACCEPT];
    let written = STANDARD.encode_slice(digest, &mut accept);
    debug_assert_eq!(written, Ok(ACCEPT));
    accept
}

/// A key as it is sent.
pub(super) fn key(nonce: [u8; 16]) -> String {
    STANDARD.encode(nonce)
}

/// Whose pages may open a WebSocket.
///
/// A browser lets every page open one to any server and sends the user's cookies along, so a server
/// that does not look at the `Origin` talks to whatever page the user has open, in the user's name. Who
/// is no browser sends none, or any; that is let through.
#[derive(Clone, Debug, Default)]
pub enum Origins {
    /// Those that come from where the WebSocket is: the origin has the host and port of the request.
    #[default]
    Same,
    /// Those of these origins, as browsers write them: `https://chat.example`.
    Only(Arc<[String]>),
    /// All. For services that give and take nothing in anybody's name.
    Any,
}

impl Origins {
    fn allow(&self, request: &Request<'_>) -> bool {
        let mut origins = request.headers().all("origin");
        let (Some(origin), None) = (origins.next(), origins.next()) else {
            // None is right, and two are an attempt at something.
            return request.header("origin").is_none();
        };
        match self {
            Origins::Any => true,
            Origins::Only(allowed) => {
                allowed.iter().any(|allowed| origin.eq_ignore_ascii_case(allowed.as_bytes()))
            }
            Origins::Same => {
                let host = std::str::from_utf8(origin).ok().and_then(|origin| origin.split_once("://"));
                match (host, request.host()) {
                    (Some((_, origin)), Some(host)) => origin.eq_ignore_ascii_case(host),
                    _ => false,
                }
            }
        }
    }
}

/// Whether a request for an upgrade is one that can be accepted, and what to answer.
pub(super) fn check(request: &Request<'_>, origins: &Origins) -> Result<[u8; ACCEPT], http::Error> {
    if !request.body().is_empty() {
        return Err(http::Error::Malformed("a request for an upgrade has a body"));
    }
    if request.header("sec-websocket-version") != Some("13") {
        return Err(http::Error::UpgradeVersion);
    }
    let mut keys = request.headers().all("sec-websocket-key");
    let key = match (keys.next(), keys.next()) {
        (Some(key), None) if STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16) => key,
        _ => return Err(http::Error::Malformed("there is no Sec-WebSocket-Key of 16 bytes in base64")),
    };
    if !origins.allow(request) {
        return Err(http::Error::Forbidden("a WebSocket for pages of this origin"));
    }
    Ok(accept(key))
}
