use proptest::prelude::*;

use super::*;
use crate::codec::feed::{Found, feed};

/// A codec that awaits the responses to these requests.
fn asked(requests: &[&ClientRequest]) -> Client {
    let client = Client::new(1000);
    for request in requests {
        client.encode(request, &mut BytesMut::new()).unwrap();
    }
    client
}

fn get() -> ClientRequest {
    ClientRequest::new("GET", "example.org", "/")
}

fn head() -> ClientRequest {
    ClientRequest::new("HEAD", "example.org", "/")
}

/// What a stream is taken for, in words.
fn read(client: &mut Client, stream: &str, sizes: &[usize]) -> Vec<String> {
    let fed = feed(client, stream.as_bytes(), sizes, |found| match found {
        Found::Frame(response) => {
            let body = String::from_utf8_lossy(response.body()).into_owned();
            let last = if response.is_last() { ", the last" } else { "" };
            format!("{} {body:?}{last}", response.status())
        }
        Found::Refused(error) | Found::Fatal(error) => error.to_string(),
        Found::End => "end".to_owned(),
    });
    fed.found
}

#[test]
fn bodies_end_where_they_should() {
    let table = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", r#"200 "hello""#),
        ("HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n", r#"200 """#),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nT: x\r\n\r\n",
            r#"200 "hello""#,
        ),
        ("HTTP/1.1 200 OK\r\n\r\nto the end", r#"200 "to the end", the last"#),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", r#"200 "hi", the last"#),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", r#"200 "hi""#),
        (
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhiignored",
            r#"200 "hi", the last"#,
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", r#"204 """#),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", r#"304 """#),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!",
            r#"200 "!""#,
        ),
    ];
    for (stream, expected) in table {
        assert_eq!(read(&mut asked(&[&get()]), stream, &[]), [expected], "{stream:?}");
    }
    let stream = "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n";
    assert_eq!(
        read(&mut Client::new(9999), stream, &[]),
        ["this is not HTTP as it should be: a response that nobody has asked for"]
    );
}

#[test]
fn a_response_to_head_has_no_body_and_the_next_follows_it() {
    let stream =
        "HTTP/1.1 200 OK\r\nContent-Length: 123\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno";
    assert_eq!(read(&mut asked(&[&head(), &get()]), stream, &[]), [r#"200 """#, r#"404 "no""#]);
}

#[test]
fn what_has_two_readings_or_is_too_much_is_refused() {
    let long = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(1001));
    let heads = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(17 << 10));
    let table: [(&str, &str); 12] = [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            "more than one Content-Length",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "both"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "transfer codings"),
        ("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", "not a number"),
        ("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "carriage return"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", "longer than 1000"),
        (&long, "longer than 1000"),
        (&heads, "head is longer"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "ended in the middle"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "ended in the middle"),
        ("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "switches"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "neither HTTP"),
    ];
    for (stream, expected) in table {
        let found = read(&mut asked(&[&get()]), stream, &[]);
        assert!(found.len() == 1 && found[0].contains(expected), "{stream:.60?}: {found:?}");
    }
    let unasked = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!HTTP/1.1 200 OK\r\n";
    let found = read(&mut asked(&[&get()]), unasked, &[]);
    assert!(found[1].contains("nobody has asked"), "{found:?}");
}

#[test]
fn requests_are_what_servers_take() {
    let encode = |request: ClientRequest| {
        let mut out = BytesMut::new();
        Client::new(0).encode(&request, &mut out).map(|()| String::from_utf8(out.to_vec()).unwrap())
    };
    let request =
        ClientRequest::new("PUT", "example.org:8080", "/a?b=c").header("X-Y", "z").body("hi").close();
    let expected = "PUT /a?b=c HTTP/1.1\r\nHost: example.org:8080\r\nX-Y: z\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    assert_eq!(encode(request).unwrap(), expected);
    assert_eq!(encode(get()).unwrap(), "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n");
    assert!(encode(ClientRequest::new("POST", "h", "/")).unwrap().contains("Content-Length: 0"));
    let bad = [
        ClientRequest::new("GE T", "h", "/"),
        ClientRequest::new("CONNECT", "h", "/"),
        ClientRequest::new("GET", "h\r\nX: y", "/"),
        ClientRequest::new("GET", "h", "/ HTTP/1.1\r\nX: y"),
        ClientRequest::new("GET", "h", "path"),
        get().header("X", "y\r\nZ: z"),
        get().header("Content-Length", "7"),
    ];
    for request in bad {
        assert!(matches!(encode(request.clone()), Err(Error::Unsendable(_))), "{request:?}");
    }
    let refused = Client::new(0);
    assert!(refused.encode(&get().header("", ""), &mut BytesMut::new()).is_err());
    assert!(refused.asked().is_empty(), "what was not sent is not awaited");
}

proptest! {
    /// However the stream is cut into reads, it is the same responses.
    #[test]
    fn cuts_make_no_difference(sizes in prop::collection::vec(0..40_usize, 0..60)) {
        let stream = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\
            HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n\
            HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\nHTTP/1.1 500 No\r\nX: y\r\n\r\nto the end";
        let requests = [&get(), &get(), &head(), &get()];
        let whole = read(&mut asked(&requests), stream, &[]);
        prop_assert_eq!(whole.len(), 4);
        prop_assert_eq!(read(&mut asked(&requests), stream, &sizes), whole);
    }

    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), sizes in prop::collection::vec(0..40_usize, 0..20)) {
        let mut stream = b"HTTP/1.1 200 OK\r\n".to_vec();
        stream.extend(bytes);
        feed(&mut asked(&[&get()]), &stream, &sizes, |_| ());
    }
}
