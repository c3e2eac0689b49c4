//! The page that chats: three files, which are in the binary, and how they are served.

use actor_net::Conn;
use actor_net::http::{Request, Response};

/// Where the page's WebSocket is.
pub(crate) const WEBSOCKET: &str = "/ws";

/// What the page may do: run its own script and connect to where it comes from. So a line that somehow
/// became markup would still do nothing.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Answers a request that is not for WebSocket.
pub(crate) fn answer(request: &Request<'_>, conn: &mut Conn) {
    let response = match (request.method(), find(request.path())) {
        (_, None) => text(404, "There is nothing here; the chat is at /\n"),
        ("GET" | "HEAD", Some((kind, body))) => Response::new(200)
            .header("Content-Type", kind)
            .header("Content-Security-Policy", POLICY)
            .header("Referrer-Policy", "no-referrer")
            // Another version of the service may have another page.
            .header("Cache-Control", "no-cache")
            .body(body),
        (_, Some(_)) => text(405, "The page can only be read\n").header("Allow", "GET, HEAD"),
    };
    request.answer().send(response.header("X-Content-Type-Options", "nosniff"), conn);
}

/// The file at a path, and what it is.
fn find(path: &str) -> Option<(&'static str, &'static str)> {
    match path {
        "/" => Some(("text/html; charset=utf-8", include_str!("../web/index.html"))),
        "/chat.css" => Some(("text/css; charset=utf-8", include_str!("../web/chat.css"))),
        "/chat.js" => Some(("text/javascript; charset=utf-8", include_str!("../web/chat.js"))),
        _ => None,
    }
}

fn text(status: u16, body: &'static str) -> Response {
    Response::new(status).header("Content-Type", "text/plain; charset=utf-8").body(body)
}
