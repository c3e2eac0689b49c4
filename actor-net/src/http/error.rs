//! What can be wrong with a request, and the status that says so.

use std::fmt;

/// Why bytes are not a request that can be answered or the response to one, or what cannot be sent.
///
/// The codec of a server answers by itself what is wrong with a request, with its [`status`](Self::status), and then the
/// connection is closed: where the next request begins is unknown, or a matter of opinion, and that
/// is how one is smuggled past a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// It breaks the grammar, or says two things at once.
    Malformed(&'static str),
    /// The target has more bytes than the maximum.
    TargetTooLong {
        /// The maximum, in bytes.
        limit: usize,
    },
    /// The head has more bytes than the maximum.
    HeadTooLong {
        /// The maximum, in bytes with all line breaks.
        limit: usize,
    },
    /// There are more headers than the maximum.
    TooManyHeaders {
        /// The maximum.
        limit: usize,
    },
    /// The body has more bytes than the maximum.
    BodyTooLong {
        /// The maximum, in bytes.
        limit: usize,
    },
    /// It expects something else than `100-continue`.
    Expectation,
    /// It needs something that this server does not do.
    Unsupported(&'static str),
    /// It is of a version that is neither 1.0 nor 1.1.
    Version,
    /// The stream ended before the request did.
    Truncated,
    /// It, or its first byte, did not come in time.
    Late,
    /// It is a request for an upgrade from a page that is not allowed to make one.
    Forbidden(&'static str),
    /// It is a request for an upgrade to a version of WebSocket that is not 13.
    UpgradeVersion,
    /// Only from encoding: it says what only the encoder may, or breaks the grammar.
    Unsendable(&'static str),
}

impl Error {
    /// The status that tells the peer of this error.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Error::Malformed(_) | Error::Truncated => 400,
            Error::Forbidden(_) => 403,
            Error::Late => 408,
            Error::BodyTooLong { .. } => 413,
            Error::TargetTooLong { .. } => 414,
            Error::Expectation => 417,
            Error::UpgradeVersion => 426,
            Error::HeadTooLong { .. } | Error::TooManyHeaders { .. } => 431,
            Error::Unsendable(_) => 500,
            Error::Unsupported(_) => 501,
            Error::Version => 505,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Malformed(what) => write!(f, "this is not HTTP as it should be: {what}"),
            Error::TargetTooLong { limit } => write!(f, "the target is longer than {limit} bytes"),
            Error::HeadTooLong { limit } => write!(f, "the head is longer than {limit} bytes"),
            Error::TooManyHeaders { limit } => write!(f, "there are more than {limit} headers"),
            Error::BodyTooLong { limit } => write!(f, "the body is longer than {limit} bytes"),
            Error::Expectation => f.write_str("nothing but 100-continue can be expected"),
            Error::Unsupported(what) => write!(f, "not supported: {what}"),
            Error::Version => f.write_str("the version is neither HTTP/1.0 nor HTTP/1.1"),
            Error::Truncated => f.write_str("the stream ended in the middle of a request or response"),
            Error::Late => f.write_str("the request did not come in time"),
            Error::Forbidden(what) => write!(f, "forbidden: {what}"),
            Error::UpgradeVersion => f.write_str("the version of WebSocket that is spoken here is 13"),
            Error::Unsendable(what) => write!(f, "it cannot be sent: {what}"),
        }
    }
}

impl std::error::Error for Error {}
