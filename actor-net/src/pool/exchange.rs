//! Protocols of requests and responses.

use bytes::BytesMut;

use crate::codec::{Codec, LineError, Lines};
use crate::http::{self, ClientRequest, ClientResponse};

/// A protocol in which each request has one response, and responses come in the order of the requests. There is
/// one of it for each connection.
pub trait Exchange: Send + 'static {
    /// What finds the frames in what the backend sends.
    type Codec: Codec;

    /// What is asked.
    type Request: Send + 'static;

    /// What is answered.
    type Response: Send + 'static;

    /// The codec of the connection; asked for once.
    fn codec(&self) -> Self::Codec;

    /// Appends the bytes of a request to `out`.
    ///
    /// # Errors
    ///
    /// If it is no request of the protocol; `out` is as it was.
    fn send(
        &mut self,
        request: Self::Request,
        out: &mut BytesMut,
    ) -> Result<(), <Self::Codec as Codec>::Error>;

    /// What a frame is; asked only while a response is due.
    fn receive(&mut self, frame: <Self::Codec as Codec>::Frame<'_>) -> Received<Self::Response>;
}

/// What a frame is to an [`Exchange`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received<R> {
    /// The whole response to the first request that has none yet.
    Response(R),
    /// The same, and the last of its connection.
    Last(R),
    /// A part of one; more frames follow.
    Part,
}

/// HTTP/1.1: a request, and its response.
#[derive(Debug)]
pub struct HttpExchange {
    client: http::Client,
}

impl HttpExchange {
    /// With this codec, which is to be a new one for each connection.
    #[must_use]
    pub fn new(client: http::Client) -> HttpExchange {
        HttpExchange { client }
    }
}

impl Exchange for HttpExchange {
    type Codec = http::Client;
    type Request = ClientRequest;
    type Response = ClientResponse;

    fn codec(&self) -> http::Client {
        self.client.clone()
    }

    fn send(&mut self, request: ClientRequest, out: &mut BytesMut) -> Result<(), http::Error> {
        self.client.encode(&request, out)
    }

    fn receive(&mut self, response: ClientResponse) -> Received<ClientResponse> {
        if response.is_last() { Received::Last(response) } else { Received::Response(response) }
    }
}

/// A line, and a line as its response.
#[derive(Debug)]
pub struct LineExchange {
    lines: Lines,
}

impl LineExchange {
    /// With this codec.
    #[must_use]
    pub fn new(lines: Lines) -> LineExchange {
        LineExchange { lines }
    }
}

impl Exchange for LineExchange {
    type Codec = Lines;
    type Request = String;
    type Response = String;

    fn codec(&self) -> Lines {
        self.lines.clone()
    }

    fn send(&mut self, line: String, out: &mut BytesMut) -> Result<(), LineError> {
        self.lines.encode(&line, out)
    }

    fn receive(&mut self, line: &str) -> Received<String> {
        Received::Response(line.to_owned())
    }
}
