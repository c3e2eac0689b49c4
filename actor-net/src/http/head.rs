//! The head of a request: where it ends, and what in it says how to go on.
//!
//! RFC 9112 lets a server be lenient in many places, and where two servers on the way are lenient in
//! different ways, one request becomes two. So nothing is let through here that has two readings.

use std::mem::MaybeUninit;

use httparse::Status;
use memchr::memchr;

use super::error::Error;
use super::fields;
use super::limits::{Limits, MOST_HEADERS};

/// The longest method there is, with room for those to come.
const LONGEST_METHOD: usize = 32;

/// Looks for the end of a head that comes in pieces, and at each byte once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scan {
    /// Where the line begins that is not complete.
    line: u32,
    /// How far has been looked.
    at: u32,
    /// How many lines are complete.
    lines: u32,
}

impl Scan {
    pub(crate) const fn new() -> Scan {
        Scan { line: 0, at: 0, lines: 0 }
    }

    /// Nothing has been looked at.
    pub(super) fn is_fresh(&self) -> bool {
        self.at == 0
    }

    /// How long the head is, once it is there.
    pub(crate) fn advance(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, Error> {
        // Another protocol is told apart by its first byte as a rule, and some would wait for an answer.
        if input.first().is_some_and(|byte| !fields::is_token(*byte)) {
            return Err(Error::Malformed("no method begins like this"));
        }
        let window = &input[..input.len().min(limits.head as usize)];
        // The longest that a request line can be, without its line break.
        let longest = LONGEST_METHOD + limits.target as usize + " ".len() + " HTTP/1.1".len();
        loop {
            let found = memchr(b'\n', &window[self.at as usize..]).map(|found| self.at as usize + found);
            let seen = found.unwrap_or(window.len());
            if self.lines == 0 && seen > longest + 1 {
                return Err(Error::TargetTooLong { limit: limits.target as usize });
            }
            let Some(end) = found else { break };
            if end == 0 || window[end - 1] != b'\r' {
                return Err(Error::Malformed("a line ends without a carriage return"));
            }
            if end - 1 == self.line as usize {
                return Ok(Some(end + 1));
            }
            self.line = end as u32 + 1;
            self.at = self.line;
            self.lines += 1;
            // The first of the lines is no header.
            if self.lines > limits.headers + 1 {
                return Err(Error::TooManyHeaders { limit: limits.headers as usize });
            }
        }
        self.at = window.len() as u32;
        if window.len() == limits.head as usize {
            return Err(Error::HeadTooLong { limit: limits.head as usize });
        }
        Ok(None)
    }
}

/// How the body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes behind the head.
    Length(usize),
    /// In chunks.
    Chunked,
}

/// What is known of a head. Where things are in it, not the things.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// How many bytes it has.
    pub(super) len: usize,
    pub(super) method: u32,
    pub(super) target: u32,
    /// The `x` of HTTP/1.x.
    pub(super) minor: u8,
    /// The connection may be used for another request.
    pub(super) persistent: bool,
    /// The client waits with the body until it is told to go on.
    pub(super) expects: bool,
    /// The client would like to go on with WebSocket.
    pub(super) websocket: bool,
    pub(super) body: Body,
}

impl Head {
    /// Parses a whole head.
    pub(super) fn parse(input: &[u8], limits: &Limits) -> Result<Head, Error> {
        let mut fields = [const { MaybeUninit::uninit() }; MOST_HEADERS];
        let mut request = httparse::Request::new(&mut []);
        match request.parse_with_uninit_headers(input, &mut fields) {
            Ok(Status::Complete(len)) if len == input.len() => {}
            Ok(_) => return Err(Error::Malformed("the head does not end where its lines do")),
            Err(error) => return Err(reason(error, input)),
        }
        let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
        else {
            return Err(Error::Malformed("there is no request line"));
        };
        let (method_len, target_len) = (method.len(), target.len());
        // The parser allows things before and in the line that would put them elsewhere.
        let line = method_len + target_len + "  HTTP/1.x".len();
        if input.get(line..line + 2) != Some(b"\r\n") {
            return Err(Error::Malformed("the request line has more than three parts"));
        }
        check_target(method, target, limits)?;
        let mut known = Known::default();
        for field in &*request.headers {
            known.read(field.name, field.value)?;
        }
        let body = known.body(minor, limits)?;
        if minor == 1 && !known.host {
            return Err(Error::Malformed("there is no Host"));
        }
        if minor == 1 && known.expects_more {
            return Err(Error::Expectation);
        }
        let persistent = !known.close && (minor == 1 || known.keep_alive);
        Ok(Head {
            len: input.len(),
            method: method_len as u32,
            target: target_len as u32,
            minor,
            persistent,
            // A client of the older version does not wait for what it does not know.
            expects: minor == 1 && known.expects,
            websocket: minor == 1 && known.upgrade && known.websocket && method == "GET",
            body,
        })
    }

    /// Where the headers begin.
    pub(super) fn fields(&self) -> usize {
        self.method as usize + self.target as usize + "  HTTP/1.x\r\n".len()
    }
}

/// What the parser's error means to the peer.
fn reason(error: httparse::Error, input: &[u8]) -> Error {
    let line = &input[..memchr(b'\r', input).unwrap_or(input.len())];
    match error {
        httparse::Error::Version => {
            let mut parts = line.split(|byte| *byte == b' ');
            match (parts.nth(2), parts.next()) {
                (Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor]), None)
                    if major.is_ascii_digit() && minor.is_ascii_digit() =>
                {
                    Error::Version
                }
                _ => Error::Malformed("the request line does not end with a version of HTTP"),
            }
        }
        httparse::Error::TooManyHeaders => Error::TooManyHeaders { limit: MOST_HEADERS },
        httparse::Error::HeaderName => {
            Error::Malformed("the name of a header is none, or has a space after it")
        }
        httparse::Error::HeaderValue => {
            Error::Malformed("the value of a header has a control character in it")
        }
        _ => Error::Malformed("the request line is none"),
    }
}

fn check_target(method: &str, target: &str, limits: &Limits) -> Result<(), Error> {
    if target.len() > limits.target as usize || method.len() > LONGEST_METHOD {
        return Err(Error::TargetTooLong { limit: limits.target as usize });
    }
    if !target.is_ascii() {
        return Err(Error::Malformed("the target is not ASCII"));
    }
    if method == "CONNECT" {
        return Err(Error::Unsupported("CONNECT"));
    }
    let absolute = || target.split_once("://").is_some_and(|(scheme, _)| !scheme.contains(['/', '?']));
    if target.starts_with('/') || (target == "*" && method == "OPTIONS") || absolute() {
        Ok(())
    } else {
        Err(Error::Malformed("the target is neither a path nor a URL"))
    }
}

/// What the headers say that the codec must know.
#[derive(Default)]
pub(super) struct Known {
    host: bool,
    pub(super) length: Option<u64>,
    pub(super) coded: bool,
    chunked: bool,
    other_coding: bool,
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    upgrade: bool,
    websocket: bool,
    expects: bool,
    expects_more: bool,
}

impl Known {
    pub(super) fn read(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("host") {
            if std::mem::replace(&mut self.host, true) {
                return Err(Error::Malformed("there is more than one Host"));
            }
            if !value.iter().all(|byte| is_host(*byte)) {
                return Err(Error::Malformed("the Host is none"));
            }
        } else if is("content-length") {
            // Even twice the same: others on the way may have taken the other one.
            if self.length.replace(length(value)?).is_some() {
                return Err(Error::Malformed("there is more than one Content-Length"));
            }
        } else if is("transfer-encoding") {
            self.coded = true;
            for coding in fields::list(value) {
                if self.chunked {
                    return Err(Error::Malformed("chunked is not the last transfer coding"));
                }
                self.chunked = coding.eq_ignore_ascii_case(b"chunked");
                self.other_coding |= !self.chunked;
            }
        } else if is("connection") {
            for option in fields::list(value) {
                self.close |= option.eq_ignore_ascii_case(b"close");
                self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                self.upgrade |= option.eq_ignore_ascii_case(b"upgrade");
            }
        } else if is("upgrade") {
            self.websocket |= fields::list(value).any(|other| other.eq_ignore_ascii_case(b"websocket"));
        } else if is("expect") {
            let expects = value.eq_ignore_ascii_case(b"100-continue");
            self.expects |= expects;
            self.expects_more |= !expects;
        }
        Ok(())
    }

    pub(super) fn body(&self, minor: u8, limits: &Limits) -> Result<Body, Error> {
        if !self.coded {
            let length = self.length.unwrap_or(0);
            return match usize::try_from(length) {
                Ok(length) if length <= limits.body as usize => Ok(Body::Length(length)),
                _ => Err(Error::BodyTooLong { limit: limits.body as usize }),
            };
        }
        if self.length.is_some() {
            return Err(Error::Malformed("there are both Content-Length and Transfer-Encoding"));
        }
        if minor == 0 {
            return Err(Error::Malformed("HTTP/1.0 has no Transfer-Encoding"));
        }
        if self.other_coding {
            return Err(Error::Unsupported("transfer codings other than chunked"));
        }
        if !self.chunked {
            return Err(Error::Malformed("the Transfer-Encoding is empty"));
        }
        Ok(Body::Chunked)
    }
}

/// Digits and nothing else: no sign, no list, no space within.
fn length(value: &[u8]) -> Result<u64, Error> {
    let digits =
        std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    // One that does not fit is over any limit, and told so if it is a number.
    match digits {
        Some(text) if !text.is_empty() => Ok(text.parse().unwrap_or(u64::MAX)),
        _ => Err(Error::Malformed("the Content-Length is not a number")),
    }
}

/// What may be in a Host: names, addresses and a port. A comma would be two in one.
fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(&byte)
}
