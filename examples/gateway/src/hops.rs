//! Headers that are for the next hop alone, and what a gateway makes of a request on its way.

use std::net::IpAddr;

use actor_net::http::{ClientRequest, ClientResponse, Request, Response};
use bytes::Bytes;

/// Headers that belong to one connection (RFC 9110 section 7.6.1), and those that whoever sends a
/// message makes anew.
const OURS: [&str; 10] = [
    "connection",
    "content-length",
    "date",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a header is not to be passed on; `connection` is what the message's `Connection` headers say.
#[must_use]
pub fn ends_here(name: &str, connection: &[&[u8]]) -> bool {
    let is_listed = |list: &&[u8]| {
        list.split(|byte| *byte == b',').any(|other| other.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
    };
    OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) || connection.iter().any(is_listed)
}

/// A request as a backend gets it: without what was for the client's connection, and with where it comes from.
/// `scheme` is what the client has come by.
pub fn request(request: &Request<'_>, client: IpAddr, scheme: &str) -> ClientRequest {
    let target = match request.query() {
        Some(query) => format!("{}?{query}", request.path()),
        None => request.path().to_owned(),
    };
    // HTTP/1.0 knows no hosts, and backends want one.
    let host = request.host().filter(|host| !host.is_empty()).unwrap_or("gateway");
    let mut out = ClientRequest::new(request.method(), host, &target);
    let connection: Vec<_> = request.headers().all("connection").collect();
    let mut forwarded: Vec<u8> = Vec::new();
    for (name, value) in request.headers() {
        if name.eq_ignore_ascii_case("x-forwarded-for") {
            forwarded.extend_from_slice(value);
            forwarded.extend_from_slice(b", ");
        } else if !name.eq_ignore_ascii_case("host")
            && !name.eq_ignore_ascii_case("x-forwarded-proto")
            && !ends_here(name, &connection)
        {
            out = out.header(name, value);
        }
    }
    forwarded.extend_from_slice(client.to_string().as_bytes());
    out = out.header("X-Forwarded-For", forwarded).header("X-Forwarded-Proto", scheme);
    out.header("Via", "1.1 gateway").body(Bytes::copy_from_slice(request.body()))
}

/// A response as a client gets it: without what was for the backend's connection.
pub fn response(response: &ClientResponse) -> Response {
    let mut out = Response::new(response.status());
    let connection: Vec<_> = response.headers().all("connection").collect();
    for (name, value) in response.headers() {
        if !ends_here(name, &connection) {
            out = out.header(name, value);
        }
    }
    // What there is of a body that only `HEAD` has asked for.
    if let Some(length) = response.header("content-length").and_then(|length| length.parse().ok()) {
        out = out.length(length);
    }
    out.body(response.body().clone())
}

/// Whether a request that may or may not have been acted on can be made again.
#[must_use]
pub fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS")
}

#[cfg(test)]
mod tests {
    use actor_net::http::{Client, Server};
    use actor_net::{BytesMut, Codec, Decoded};

    use super::*;

    /// What a backend gets of a request.
    fn passed_on(bytes: &str) -> String {
        passed_on_by("http", bytes)
    }

    fn passed_on_by(scheme: &str, bytes: &str) -> String {
        let mut bytes = bytes.as_bytes().to_vec();
        let mut server = Server::new(1024);
        loop {
            match server.decode(&mut bytes, false) {
                Decoded::Frame { frame, .. } => {
                    let passed = request(&frame, IpAddr::from([10, 0, 0, 7]), scheme);
                    let mut out = BytesMut::new();
                    Client::new(0).encode(&passed, &mut out).expect("it can be sent");
                    return String::from_utf8(out.to_vec()).expect("text");
                }
                Decoded::Used(used) => drop(bytes.drain(..used)),
                other => panic!("no request: {other:?}"),
            }
        }
    }

    /// What a client gets of a response to this method.
    fn passed_back(method: &str, response: &str) -> String {
        let mut client = Client::new(1024);
        client.encode(&ClientRequest::new(method, "a", "/"), &mut BytesMut::new()).expect("it can be sent");
        let mut bytes = response.as_bytes().to_vec();
        let Decoded::Frame { frame, .. } = client.decode(&mut bytes, false) else { panic!("no response") };
        let mut request = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
        let mut server = Server::new(0);
        let Decoded::Frame { frame: asked, .. } = server.decode(&mut request, false) else {
            panic!("no request")
        };
        let mut out = BytesMut::new();
        asked.answer().encode(&super::response(&frame), &mut out).expect("it can be sent");
        let text = String::from_utf8(out.to_vec()).expect("text");
        let lines = text.split("\r\n").filter(|line| !line.starts_with("Date: "));
        lines.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn of_a_response_too() {
        let response = "HTTP/1.1 200 Fine\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nServer: s\r\n\
                        Date: x\r\nContent-Length: 5\r\n\r\n";
        let whole = format!("{response}hello");
        assert_eq!(passed_back("GET", &whole), "HTTP/1.1 200 OK|Server: s|Content-Length: 5||hello");
        assert_eq!(passed_back("HEAD", response), "HTTP/1.1 200 OK|Server: s|Content-Length: 5||");
    }

    #[test]
    fn what_is_for_one_connection_stays() {
        let passed = passed_on(
            "GET /a/b?c=d HTTP/1.1\r\nHost: a.example:80\r\nConnection: keep-alive, X-Mine\r\nX-Mine: 1\r\n\
             Keep-Alive: timeout=5\r\nTE: trailers\r\nAccept: */*\r\nUpgrade: h2c\r\n\r\n",
        );
        assert_eq!(
            passed,
            "GET /a/b?c=d HTTP/1.1\r\nHost: a.example:80\r\nAccept: */*\r\nX-Forwarded-For: 10.0.0.7\r\n\
             X-Forwarded-Proto: http\r\nVia: 1.1 gateway\r\n\r\n"
        );
    }

    #[test]
    fn a_body_in_chunks_is_passed_on_whole() {
        let passed = passed_on(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX-Forwarded-For: 1.2.3.4\r\n\
             X-Forwarded-Proto: https\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        );
        assert_eq!(
            passed,
            "POST / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4, 10.0.0.7\r\n\
             X-Forwarded-Proto: http\r\nVia: 1.1 gateway\r\nContent-Length: 5\r\n\r\nabcde"
        );
    }

    #[test]
    fn the_gateway_says_what_the_client_has_come_by() {
        let passed = passed_on_by("https", "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: http\r\n\r\n");
        assert!(passed.contains("\r\nX-Forwarded-Proto: https\r\n"), "{passed}");
    }

    #[test]
    fn a_url_as_the_target_becomes_a_path() {
        let passed = passed_on("GET http://b.example?x HTTP/1.1\r\nHost: a.example\r\n\r\n");
        assert!(passed.starts_with("GET /?x HTTP/1.1\r\nHost: b.example\r\n"), "{passed}");
    }
}
