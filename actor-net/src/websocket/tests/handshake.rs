//! From HTTP to WebSocket, as a server sees it.

use std::sync::Arc;

use super::*;
use crate::websocket::Origins;

/// A handshake with other lines, against a server of these origins.
fn shake(head: &str, origins: Origins) -> (Vec<Found<Said, Error>>, String) {
    let fed = serve(server().origins(origins), format!("{head}\r\n").as_bytes(), &[], &["b", "c"]);
    (fed.found, String::from_utf8(fed.replies).expect("text"))
}

#[track_caller]
fn refuses(status: u16, head: &str) -> String {
    let (found, reply) = shake(head, Origins::Same);
    let [Found::Fatal(Error::Http(error))] = found[..] else { panic!("not refused: {found:?}") };
    assert_eq!(error.status(), status, "{error}");
    assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")) && reply.contains("\r\nConnection: close\r\n"));
    reply
}

/// The example of RFC 6455 section 1.3.
#[test]
fn an_upgrade_is_answered_as_in_the_standard() {
    let (found, reply) = shake(UPGRADE, Origins::Same);
    assert_eq!(found, [Found::Frame(Said::Upgrade(Vec::new()))]);
    let expected = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    assert_eq!(reply, expected);
}

#[test]
fn the_first_protocol_that_both_speak_is_chosen() {
    let chosen = |lines: &str| {
        let (found, reply) = shake(&format!("{UPGRADE}{lines}"), Origins::Same);
        let chosen = reply.split_once("Sec-WebSocket-Protocol: ").map(|(_, rest)| rest.trim_end().to_owned());
        (found, chosen)
    };
    let (found, protocol) = chosen("Sec-WebSocket-Protocol: a, c\r\nSec-WebSocket-Protocol: b\r\n");
    assert_eq!(found, [Found::Frame(Said::Upgrade(vec!["a".into(), "c".into(), "b".into()]))]);
    assert_eq!(protocol.as_deref(), Some("c"));
    assert_eq!(chosen("Sec-WebSocket-Protocol: a\r\n").1, None);
}

#[test]
fn an_upgrade_that_is_not_right_is_refused() {
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    refuses(400, &UPGRADE.replace(key, ""));
    refuses(400, &format!("{UPGRADE}{key}"));
    for bad in ["", "dGhlIHNhbXBsZQ==", "!!!!", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZWVlZWU="] {
        refuses(400, &UPGRADE.replace("dGhlIHNhbXBsZSBub25jZQ==", bad));
    }
    for version in ["12", "14", "", "013", "13, 8"] {
        let reply = refuses(426, &UPGRADE.replace("Version: 13", &format!("Version: {version}")));
        assert!(reply.contains("\r\nSec-WebSocket-Version: 13\r\n"), "{reply}");
    }
    refuses(426, &UPGRADE.replace("Sec-WebSocket-Version: 13\r\n", ""));
    let found = serve(server(), format!("{UPGRADE}Content-Length: 1\r\n\r\nx").as_bytes(), &[], &[]).found;
    assert!(matches!(found[..], [Found::Fatal(Error::Http(http::Error::Malformed(_)))]));
}

#[test]
fn pages_of_foreign_origins_are_refused() {
    let is_let_in = |origin: &str, origins: &Origins| {
        let (found, reply) = shake(&format!("{UPGRADE}{origin}"), origins.clone());
        let refused = matches!(found[..], [Found::Fatal(Error::Http(http::Error::Forbidden(_)))]);
        assert_eq!(refused, reply.starts_with("HTTP/1.1 403 "));
        !refused
    };
    let only = Origins::Only(Arc::new(["https://a.example".to_owned()]));
    for (origin, same, listed) in [
        ("", true, true),
        ("Origin: http://h:80\r\n", true, false),
        ("Origin: https://H:80\r\n", true, false),
        ("Origin: https://a.example\r\n", false, true),
        ("Origin: http://a.example\r\n", false, false),
        ("Origin: http://h\r\n", false, false),
        ("Origin: http://h:80.evil.example\r\n", false, false),
        ("Origin: null\r\n", false, false),
        ("Origin:\r\n", false, false),
        ("Origin: http://h:80\r\nOrigin: https://a.example\r\n", false, false),
        ("Origin: http://h:80\r\nOrigin: http://h:80\r\n", false, false),
    ] {
        assert_eq!(is_let_in(origin, &Origins::Same), same, "{origin}");
        assert_eq!(is_let_in(origin, &only), listed, "{origin}");
    }
    assert!(is_let_in("Origin: null\r\n", &Origins::Any));
}

#[test]
fn http_goes_on_until_an_upgrade_is_accepted() {
    let page = "GET /page HTTP/1.1\r\nHost: h\r\n\r\n";
    let stream =
        [page.as_bytes(), page.as_bytes(), UPGRADE.as_bytes(), b"\r\n", &frame(LAST | TEXT, b"hi")].concat();
    let requests = [Said::Request("/page".into()), Said::Request("/page".into()), Said::Upgrade(Vec::new())];
    let expected: Vec<_> = requests.into_iter().map(Found::Frame).chain([Said::text("hi")]).collect();
    for sizes in [vec![], vec![1; stream.len()], vec![7; stream.len()]] {
        assert_eq!(serve(server(), &stream, &sizes, &[]).found, expected);
    }
    // A request that is not accepted is one like any other.
    let mut codec = server();
    let stream = format!("{UPGRADE}\r\n{page}{UPGRADE}Connection: close\r\n\r\n");
    let found = feed::feed(&mut codec, stream.as_bytes(), &[], |found| match found {
        Found::Frame(ServerFrame::Upgrade(upgrade)) => upgrade.request().answer().is_last(),
        Found::Frame(ServerFrame::Request(request)) => request.target() != "/page",
        other => panic!("{other:?}"),
    });
    assert_eq!(found.found, [false, false, true]);
}

#[test]
fn what_is_wrong_with_the_http_is_answered_as_ever() {
    let fed = serve(server(), b"GET / HTTP/1.1\r\n\r\n", &[], &[]);
    assert!(matches!(fed.found[..], [Found::Fatal(Error::Http(http::Error::Malformed(_)))]));
    assert!(fed.replies.starts_with(b"HTTP/1.1 400 "));
}
