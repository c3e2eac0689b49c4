//! Requests that must be refused, each with the status it is due.

use proptest::prelude::*;

use super::super::Error;
use super::*;

/// Feeds a stream that is wrong, whole and byte by byte, and says how it was refused.
fn refused(stream: &[u8]) -> (Error, u16) {
    let whole = feed(server(), stream, &[]);
    let bytes = feed(server(), stream, &vec![1; stream.len()]);
    assert_eq!(whole.found, bytes.found, "{}", stream.escape_ascii());
    let Some(Found::Fatal(error)) = whole.found.last() else {
        panic!("not refused: {} gives {:?}", stream.escape_ascii(), whole.found);
    };
    let (status, body) = status(&whole.replies);
    assert_eq!((status, body), (error.status(), format!("{error}\n")));
    assert!(String::from_utf8_lossy(&whole.replies).contains("\r\nConnection: close\r\n"));
    (*error, status)
}

#[track_caller]
fn refuses(status: u16, stream: impl AsRef<[u8]>) {
    let (error, found) = refused(stream.as_ref());
    assert_eq!(found, status, "{}: {error}", stream.as_ref().escape_ascii());
}

/// A head with these lines beside the usual two.
fn with(lines: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: h\r\n{lines}\r\n")
}

#[test]
fn request_lines() {
    for line in [
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /  HTTP/1.1",
        "GET\t/ HTTP/1.1",
        " GET / HTTP/1.1",
        "GET / a HTTP/1.1",
        "GET /\x01 HTTP/1.1",
        "GET /\0 HTTP/1.1",
        "GET /ä HTTP/1.1",
        "G(T / HTTP/1.1",
        "GET x HTTP/1.1",
        "GET * HTTP/1.1",
        "GET ?://x HTTP/1.1",
        "GET /",
        "GET / ",
        "GET / http/1.1",
        "GET / HTTP/1",
        "GET / HTTP/11",
        "GET / ICAP/1.0",
        "\r\rGET / HTTP/1.1",
    ] {
        refuses(400, format!("{line}\r\nHost: h\r\n\r\n"));
    }
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/3.0"] {
        refuses(505, format!("GET / {version}\r\nHost: h\r\n\r\n"));
    }
    refuses(501, "CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n".replace("h:1", "/"));
    refuses(414, format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(8 << 10)));
    refuses(414, format!("GET /{}", "a".repeat(20 << 10)));
    // Another protocol is told apart at once.
    assert_eq!(feed(server(), b"\x16\x03\x01\x02\0\x01", &[1]).found.len(), 1);
    refuses(400, b"\x16");
}

#[test]
fn lines_that_do_not_end_as_they_should() {
    for text in [
        "GET / HTTP/1.1\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n\n",
        "GET / HTTP/1.1\r\nHost: h\n\n",
        "GET / HTTP/1.1\r\nHost: h\r\r\n\r\n",
        "GET / HTTP/1.1\rHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    ] {
        refuses(400, text);
    }
}

#[test]
fn headers() {
    for lines in [
        "A: b\r\n c\r\n",
        "A: b\r\n\tc\r\n",
        " A: b\r\n",
        "A : b\r\n",
        "A\t: b\r\n",
        ": b\r\n",
        "A\r\n",
        "A\0: b\r\n",
        "A: b\0c\r\n",
        "A: b\x01\r\n",
        "A: b\x7F\r\n",
        "A b: c\r\n",
        "\u{e4}: b\r\n",
        "Host: h\r\n",
    ] {
        refuses(400, with(lines));
    }
    refuses(400, "GET / HTTP/1.1\r\nA: b\r\n\r\n");
    for host in ["a b", "a,b", "a/b", "a@b", "a?b", "ä"] {
        refuses(400, format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    }
    // The first line is no header: folded onto it.
    refuses(400, "GET / HTTP/1.1\r\n Host: h\r\n\r\n");
    refuses(431, with(&"A: b\r\n".repeat(100)));
    refuses(431, with(&"A: b\r\n".repeat(10_000)));
    refuses(431, with(&format!("A: {}\r\n", "b".repeat(16 << 10))));
    refuses(431, with(&"b".repeat(16 << 10)));
    refuses(417, with("Expect: the worst\r\n"));
    refuses(417, with("Expect: 100-continue, more\r\n"));
    refuses(417, with("Expect: 100-continue\r\nExpect: more\r\n"));
}

#[test]
fn two_lengths_or_none_that_is_a_number() {
    refuses(400, with("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n") + "abc");
    refuses(400, with("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n") + "abc");
    refuses(400, with("Transfer-Encoding: gzip\r\nContent-Length: 3\r\n") + "abc");
    refuses(400, with("Content-Length: 3\r\nContent-Length: 4\r\n") + "abcd");
    refuses(400, with("Content-Length: 3\r\nContent-Length: 3\r\n") + "abc");
    for length in ["", "-1", "+1", "0x1", "1 2", "3, 3", "1.0", "a", "\u{b2}"] {
        refuses(400, with(&format!("Content-Length: {length}\r\n")));
    }
    for length in ["101", "18446744073709551615", "18446744073709551616", "99999999999999999999999"] {
        refuses(413, with(&format!("Content-Length: {length}\r\n")));
    }
}

#[test]
fn transfer_codings() {
    for coding in ["gzip", "gzip, chunked", "identity", "xchunked", "chunked;q=1", "\"chunked\""] {
        refuses(501, with(&format!("Transfer-Encoding: {coding}\r\n")));
    }
    for coding in ["", ",", "chunked, chunked", "chunked, gzip"] {
        refuses(400, with(&format!("Transfer-Encoding: {coding}\r\n")));
    }
    refuses(400, with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"));
    refuses(400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

#[test]
fn chunks() {
    let head = with("Transfer-Encoding: chunked\r\n");
    for body in [
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "+1\r\n",
        "0x1\r\n",
        " 1\r\na\r\n",
        "1 \r\na\r\n",
        "1\na\n",
        "1\r\nab\r\n",
        "1\r\na\n",
        "1\r\na\r0",
        "1\ra",
        "00000000000000001\r\n",
        ";x\r\n",
        "1;\0\r\n",
        "1;\n",
        "1;a\rb\r\n",
        "0\r\nT\r\n",
        "0\r\n T: x\r\n",
        "0\r\nT : x\r\n",
        "0\r\n: x\r\n",
        "0\r\nT: \0\r\n",
        "0\r\nT: x\n",
        "0\r\n\rx",
        "0\r\n\n",
    ] {
        refuses(400, format!("{head}{body}"));
    }
    refuses(413, format!("{head}65\r\n"));
    refuses(413, format!("{head}ffffffffffffffff\r\n"));
    refuses(413, format!("{head}64\r\n{}\r\n1\r\n", "x".repeat(100)));
    // What is skipped is limited as well.
    refuses(431, format!("{head}1;{}", "x".repeat(20 << 10)));
    refuses(431, format!("{head}0\r\n{}", "T: x\r\n".repeat(20 << 10)));
    refuses(431, format!("{head}{}", format!("1;{}\r\nx\r\n", "y".repeat(1 << 10)).repeat(20)));
}

#[test]
fn an_end_in_the_middle() {
    for text in [
        "G".to_owned(),
        "GET / HTTP/1.1\r\nHost: h\r\n".to_owned(),
        with("Content-Length: 3\r\n") + "ab",
        with("Transfer-Encoding: chunked\r\n"),
        with("Transfer-Encoding: chunked\r\n") + "3\r\nab",
        with("Transfer-Encoding: chunked\r\n") + "0\r\n",
    ] {
        refuses(400, text);
    }
    assert!(feed(server(), b"", &[]).found.is_empty());
    assert!(feed(server(), b"\r\n\r", &[1, 1, 1]).found.is_empty());
}

#[test]
fn a_refusal_of_a_head_has_no_body() {
    for text in
        ["HEAD / HTTP/1.1\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx"]
    {
        let fed = feed(server(), text.as_bytes(), &[]);
        let (status, body) = status(&fed.replies);
        assert_eq!((status, body.as_str()), (400, ""));
    }
}

/// Bytes that are nearly HTTP.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            "GET / HTTP/1.1\r\n", "POST /x?y HTTP/1.0\r\n", "Host: h\r\n", "\r\n", "Content-Length: 5\r\n",
            "Transfer-Encoding: chunked\r\n", "Expect: 100-continue\r\n", "0\r\n\r\n", "5\r\nabcde\r\n", "abcde",
            "Connection: close\r\n", "1", "\r", "\n", " ", ":", "\0",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_comes_is_the_same_in_any_split_and_never_kept(
        stream in nearly(),
        sizes in prop::collection::vec(1usize..30, 0..200),
    ) {
        let server = || Server::new(7).max_head(60).max_headers(4).max_target(9);
        let whole = feed(server(), &stream, &[]);
        let split = feed(server(), &stream, &sizes);
        prop_assert_eq!(&split.found, &whole.found);
        prop_assert!(split.kept < 60 + 7 + 1, "{} bytes are kept", split.kept);
    }
}
