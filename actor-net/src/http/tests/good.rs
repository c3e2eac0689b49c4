//! Requests that are as they should be.

use proptest::prelude::*;

use super::super::Error;
use super::*;

#[test]
fn a_request_is_what_was_sent() {
    let text =
        "GET /a/b?c=d?e HTTP/1.1\r\nHost: example.com:80\r\nX-One: 1\r\nx-empty:\r\nX-One: \t two \t\r\n\r\n";
    looked(text, |request| {
        assert_eq!((request.method(), request.target()), ("GET", "/a/b?c=d?e"));
        assert_eq!((request.path(), request.query()), ("/a/b", Some("c=d?e")));
        assert_eq!(request.host(), Some("example.com:80"));
        assert_eq!((request.header("x-one"), request.header("X-EMPTY")), (Some("1"), Some("")));
        assert_eq!(request.headers().all("X-One").collect::<Vec<_>>(), [&b"1"[..], b"two"]);
        assert_eq!((request.headers().count(), request.header("none")), (4, None));
        assert!(request.body().is_empty() && !request.answer().is_last());
        assert!(format!("{request:?}").contains("X-One"));
    });
}

#[test]
fn a_url_as_the_target_names_the_host() {
    for (target, host, path, query) in [
        ("http://other.org:8/p?q", "other.org:8", "/p", Some("q")),
        ("http://other.org", "other.org", "/", None),
        ("http://other.org?q", "other.org", "/", Some("q")),
    ] {
        looked(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"), |request| {
            assert_eq!((request.host(), request.path(), request.query()), (Some(host), path, query));
        });
    }
    // A URL in a path is a path.
    looked("GET /http://x HTTP/1.1\r\nHost: h\r\n\r\n", |request| {
        assert_eq!((request.host(), request.path()), (Some("h"), "/http://x"));
    });
    looked("OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n", |request| {
        assert_eq!((request.host(), request.path()), (Some(""), "*"));
    });
}

#[test]
fn a_value_need_not_be_text() {
    let stream = b"GET / HTTP/1.1\r\nHost: h\r\nX: \xFF\xFE\r\n\r\n";
    let found = feed(server(), stream, &[]).found;
    let [Found::Frame(request)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(request.headers[1], ("X".to_owned(), b"\xFF\xFE".to_vec()));
}

#[test]
fn requests_come_one_behind_the_other() {
    let one = "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
    let two = "POST /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let three = "GET /3 HTTP/1.1\r\nHost: h\r\n\r\n";
    let seen = requests(&format!("{one}{two}\r\n{three}").repeat(20));
    assert_eq!(seen.len(), 60);
    for (i, request) in seen.iter().enumerate() {
        assert_eq!(request.target, format!("/{}", i % 3 + 1));
        assert_eq!(request.body, if i % 3 == 2 { &b""[..] } else { b"abc" });
    }
}

#[test]
fn nothing_is_looked_at_behind_the_last_request() {
    for last in [
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, close\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nConnection: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let seen = requests(&format!("{last}{last}\0rubbish"));
        assert_eq!(seen.len(), 1, "{last}");
        assert!(seen[0].answer.is_last());
    }
    let kept = "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n";
    assert_eq!(requests(&kept.repeat(2)).len(), 2);
}

#[test]
fn chunks_are_put_together() {
    let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (body, whole) in [
        ("0\r\n\r\n", ""),
        ("1\r\na\r\n0\r\n\r\n", "a"),
        ("1;x=y\r\na\r\n000A;\"q; r\"\r\nbcdefghijk\r\n00;z\r\n\r\n", "abcdefghijk"),
        ("3\r\n\r\n\n\r\n0\r\nTrailer: dropped\r\nAnother:\r\n\r\n", "\r\n\n"),
        ("0000000000000001\r\na\r\n0\r\n\r\n", "a"),
    ] {
        let seen = requests(&format!("{head}{body}{head}0\r\n\r\n"));
        assert_eq!(seen.len(), 2, "{body:?}");
        assert_eq!(String::from_utf8_lossy(&seen[0].body), whole);
    }
}

#[test]
fn who_expects_to_be_told_to_go_on_is() {
    let head = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n";
    let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
    let fed = feed(server(), format!("{head}abc").as_bytes(), &[head.len()]);
    assert_eq!(fed.replies, go_on);
    assert_eq!(fed.found.len(), 1);
    let chunked = head.replace("Content-Length: 3", "Transfer-Encoding: chunked");
    let fed = feed(server(), format!("{chunked}0\r\n\r\n").as_bytes(), &[chunked.len()]);
    assert_eq!(fed.replies, go_on);
    // Not who has begun already, nor who has nothing to send, nor one of the older version.
    let empty = head.replace(": 3", ": 0");
    let old = format!("{}abc", head.replace("HTTP/1.1", "HTTP/1.0"));
    for (stream, cut) in
        [(format!("{head}abc"), head.len() + 1), (empty.clone(), empty.len()), (old, head.len())]
    {
        let fed = feed(server(), stream.as_bytes(), &[cut]);
        assert_eq!((fed.found.len(), fed.replies.len()), (1, 0), "{stream}");
    }
}

#[test]
fn a_wish_for_websocket_counts_where_the_rules_allow_one() {
    let head = |line: &str, connection: &str| {
        format!("{line}\r\nHost: h\r\nConnection: {connection}\r\nUpgrade: h2c, WebSocket\r\n\r\n")
    };
    let wants = |text: String| requests(&text)[0].websocket;
    assert!(wants(head("GET / HTTP/1.1", "keep-alive, Upgrade")));
    assert!(!wants(head("GET / HTTP/1.1", "keep-alive")));
    assert!(!wants(head("POST / HTTP/1.1", "Upgrade")));
    assert!(!wants(head("GET / HTTP/1.0", "Upgrade")));
}

#[test]
fn limits_are_kept_to_the_byte() {
    let head = "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
    let fits = server().max_head(head.len()).max_headers(2).max_target(1);
    assert!(matches!(feed(fits, head.as_bytes(), &[]).found[..], [Found::Frame(_)]));
    let error = Error::HeadTooLong { limit: head.len() - 1 };
    assert_eq!(feed(server().max_head(head.len() - 1), head.as_bytes(), &[]).found, [Found::Fatal(error)]);
    let error = Error::TooManyHeaders { limit: 1 };
    assert_eq!(feed(server().max_headers(1), head.as_bytes(), &[]).found, [Found::Fatal(error)]);
    let error = Error::TargetTooLong { limit: 0 };
    assert_eq!(feed(server().max_target(0), head.as_bytes(), &[]).found, [Found::Fatal(error)]);
    let most: String = (0..127).map(|n| format!("A{n}: b\r\n")).collect();
    let most = format!("GET / HTTP/1.1\r\nHost: h\r\n{most}\r\n");
    let seen = feed(server().max_headers(usize::MAX), most.as_bytes(), &[]).found;
    assert!(matches!(&seen[..], [Found::Frame(request)] if request.headers.len() == 128));
    for (length, fits) in [(100, true), (101, false)] {
        let text =
            format!("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(length));
        let chunked = format!(
            "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n32\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
            "x".repeat(50),
            length - 50,
            "x".repeat(length - 50),
        );
        for text in [text, chunked] {
            let seen = feed(server(), text.as_bytes(), &[]).found;
            match (&seen[..], fits) {
                ([Found::Frame(request)], true) => assert_eq!(request.body.len(), length),
                ([Found::Fatal(Error::BodyTooLong { limit: 100 })], false) => {}
                _ => panic!("{length}: {seen:?}"),
            }
        }
    }
}

/// A request that is as it should be.
fn request() -> impl Strategy<Value = String> {
    let header = ("[A-Za-z-]{1,8}", "[ -~]{0,12}").prop_map(|(name, value)| format!("X{name}: {value}\r\n"));
    let chunk = "[a-z\r\n]{1,20}".prop_map(|data| format!("{:x}\r\n{data}\r\n", data.len()));
    let body = prop_oneof![
        Just("\r\n".to_owned()),
        "[a-z\r\n]{0,40}".prop_map(|body| format!("Content-Length: {}\r\n\r\n{body}", body.len())),
        prop::collection::vec(chunk, 0..4).prop_map(|chunks| format!(
            "Transfer-Encoding: chunked\r\n\r\n{}0\r\nT: x\r\n\r\n",
            chunks.concat()
        )),
    ];
    let line = prop::sample::select(vec!["GET /", "POST /a?b", "HEAD http://h/x", "OPTIONS *"]);
    let headers = prop::collection::vec(header, 0..4);
    (line, headers, body)
        .prop_map(|(line, headers, body)| format!("{line} HTTP/1.1\r\nHost: h\r\n{}{body}", headers.concat()))
}

proptest! {
    #[test]
    fn any_split_gives_the_same_requests(
        requests in prop::collection::vec(request(), 1..6),
        sizes in prop::collection::vec(1usize..30, 0..200),
    ) {
        let stream = requests.concat();
        let whole = feed(server(), stream.as_bytes(), &[]);
        prop_assert_eq!(whole.found.len(), requests.len());
        prop_assert!(whole.found.iter().all(|found| matches!(found, Found::Frame(_))), "{:?}", whole.found);
        prop_assert_eq!(feed(server(), stream.as_bytes(), &sizes).found, whole.found);
    }
}
