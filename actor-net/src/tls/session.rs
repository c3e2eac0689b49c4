//! One connection's TLS, as a function from bytes to bytes. Does no input or output of its own.
//!
//! Of rustls this is the interface without buffers: what comes in is in a buffer that connections share, and a
//! session that is idle keeps none. The other one keeps 4 KiB for each connection.

use std::io::IoSlice;

use rustls::Error;
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus, WriteTraffic,
};

use super::Agreed;

/// The most bytes of one record's content (RFC 8446, 5.1).
const RECORD: usize = 16 << 10;

/// What a record has beside its content, in either version: header, explicit nonce, type, tag.
const AROUND: usize = 32;

/// The most content that is sealed at a time.
pub(crate) const BATCH: usize = 4 * RECORD;

/// The most bytes of a record, or of a handshake message in several records, that wait for the rest. A whole record needs 16 KiB
/// and a bit; nobody's hello or chain of certificates is as long as this.
const PARTIAL: usize = 32 << 10;

/// Either end of a connection.
pub(crate) struct Session {
    end: End,
    /// What came and is not a whole record yet, or not a whole handshake message.
    partial: Vec<u8>,
    /// Records to be sent. Has no memory while there are none.
    out: Vec<u8>,
    /// So many bytes of them are sent.
    sent: usize,
    peer_closed: bool,
    closed: bool,
    failed: bool,
}

enum End {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// The same of both ends.
trait Half {
    type Data;
    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
    /// Whether there is something that the next call gives to be sent, before it looks at its input.
    fn wants_write(&self) -> bool;
}

impl Half for UnbufferedServerConnection {
    type Data = rustls::server::ServerConnectionData;
    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(input)
    }
    fn wants_write(&self) -> bool {
        rustls::CommonState::wants_write(self)
    }
}

impl Half for UnbufferedClientConnection {
    type Data = rustls::client::ClientConnectionData;
    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(input)
    }
    fn wants_write(&self) -> bool {
        rustls::CommonState::wants_write(self)
    }
}

/// What is to be done when all that came is taken.
enum Job<'a> {
    Read,
    Seal(&'a [u8]),
    Close,
}

/// What became of some bytes that came in.
#[derive(Default)]
struct Taken {
    /// So many of them are used up.
    used: usize,
    /// So many bytes of content they had.
    content: usize,
    /// The peer will send no more.
    closed: bool,
}

impl Session {
    pub(crate) fn server(end: UnbufferedServerConnection) -> Session {
        Session::new(End::Server(end))
    }

    pub(crate) fn client(end: UnbufferedClientConnection) -> Session {
        Session::new(End::Client(end))
    }

    fn new(end: End) -> Session {
        Session {
            end,
            partial: Vec::new(),
            out: Vec::new(),
            sent: 0,
            peer_closed: false,
            closed: false,
            failed: false,
        }
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.state().is_handshaking()
    }

    /// Whether the peer has broken the protocol: then there is an alert to be sent, and nothing else ever.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether the peer has said that it will send no more.
    pub(crate) fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    pub(crate) fn agreed(&self) -> Agreed {
        let state = self.state();
        Agreed {
            version: state.protocol_version(),
            protocol: state.alpn_protocol().map(<[u8]>::to_vec),
            certificates: state.peer_certificates().unwrap_or_default().to_vec(),
        }
    }

    fn state(&self) -> &rustls::CommonState {
        match &self.end {
            End::Server(end) => end,
            End::Client(end) => end,
        }
    }

    /// What came earlier and has to be in front of what comes next: it is put there.
    pub(crate) fn put_partial(&self, input: &mut [u8]) -> usize {
        input[..self.partial.len()].copy_from_slice(&self.partial);
        self.partial.len()
    }

    /// Takes `input`, which begins with what [`put_partial`](Self::put_partial) has put there, and says how many bytes of content
    /// it had, which are in `content` then. There must be as much room there as `input` has bytes.
    ///
    /// # Errors
    ///
    /// If it makes no sense. What there is to say to the peer of that is ready to be sent.
    pub(crate) fn open(&mut self, input: &mut [u8], content: &mut [u8]) -> Result<usize, Error> {
        let taken = self.take(input, content, Job::Read).inspect_err(|_| self.fail())?;
        self.peer_closed |= taken.closed;
        let rest = &input[taken.used..];
        if rest.len() > PARTIAL {
            self.fail();
            return Err(Error::General("a handshake message is too long".to_owned()));
        }
        if rest.is_empty() || self.peer_closed {
            self.partial = Vec::new();
        } else {
            self.partial.clear();
            self.partial.extend_from_slice(rest);
        }
        Ok(taken.content)
    }

    /// After an error: nothing but the alert is left to send.
    fn fail(&mut self) {
        self.partial = Vec::new();
        self.failed = true;
        match &mut self.end {
            End::Server(end) => last_words(end, &mut self.out),
            End::Client(end) => last_words(end, &mut self.out),
        }
    }

    /// Seals what is in `slices`, at most [`BATCH`] bytes of it, and says how much that was. Not to be called before the
    /// handshake is over.
    ///
    /// # Errors
    ///
    /// If the keys are used up and cannot be changed, which needs terabytes of TLS 1.2.
    pub(crate) fn seal(&mut self, slices: &[IoSlice<'_>]) -> Result<usize, Error> {
        let mut taken = 0;
        let mut gathered = Vec::new();
        for (i, slice) in slices.iter().enumerate() {
            let mut rest = &slice[..slice.len().min(BATCH - taken)];
            taken += rest.len();
            while !rest.is_empty() {
                let (piece, more) = rest.split_at(rest.len().min(RECORD - gathered.len()));
                rest = more;
                if gathered.is_empty() && (piece.len() == RECORD || i + 1 == slices.len()) {
                    self.write(Job::Seal(piece))?;
                    continue;
                }
                gathered.extend_from_slice(piece);
                if gathered.len() == RECORD {
                    self.write(Job::Seal(&gathered))?;
                    gathered.clear();
                }
            }
        }
        if !gathered.is_empty() {
            self.write(Job::Seal(&gathered))?;
        }
        Ok(taken)
    }

    /// Says that this side will send no more. Once, and not before the handshake is over.
    ///
    /// # Errors
    ///
    /// As [`seal`](Self::seal).
    pub(crate) fn close(&mut self) -> Result<(), Error> {
        if self.closed || self.is_handshaking() {
            return Ok(());
        }
        self.closed = true;
        self.write(Job::Close)
    }

    fn write(&mut self, job: Job<'_>) -> Result<(), Error> {
        // With what is partial, since rustls remembers how far in there it has come.
        let mut partial = std::mem::take(&mut self.partial);
        let taken = self.take(&mut partial, &mut [], job);
        self.partial = partial;
        taken.map(|_| ())
    }

    /// Has rustls take what came as far as it gets, then does the job.
    fn take(&mut self, input: &mut [u8], content: &mut [u8], job: Job<'_>) -> Result<Taken, Error> {
        match &mut self.end {
            End::Server(end) => take(end, input, content, &mut self.out, job),
            End::Client(end) => take(end, input, content, &mut self.out, job),
        }
    }

    /// Puts what rustls has to send by itself where it is sent from: the first hello, which it has from the start.
    ///
    /// # Errors
    ///
    /// None while nothing new has come.
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        self.write(Job::Read)
    }

    /// What is to be sent.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.out[self.sent..]
    }

    /// So many bytes more are sent.
    pub(crate) fn sent(&mut self, n: usize) {
        self.sent += n;
        if self.sent == self.out.len() {
            (self.out, self.sent) = (Vec::new(), 0);
        }
    }
}

fn take<H: Half>(
    end: &mut H,
    input: &mut [u8],
    content: &mut [u8],
    out: &mut Vec<u8>,
    job: Job<'_>,
) -> Result<Taken, Error> {
    let mut taken = Taken::default();
    loop {
        let UnbufferedStatus { mut discard, state } = end.process(&mut input[taken.used..]);
        let done = match state? {
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    discard += record.discard;
                    content[taken.content..][..record.payload.len()].copy_from_slice(record.payload);
                    taken.content += record.payload.len();
                }
                false
            }
            ConnectionState::EncodeTlsData(mut data) => {
                grow(out, RECORD, |room| data.encode(room)).map_err(unsent)?;
                false
            }
            // It is in `out`, which is sent in its order.
            ConnectionState::TransmitTlsData(data) => {
                data.done();
                false
            }
            ConnectionState::PeerClosed => {
                taken.closed = true;
                false
            }
            ConnectionState::WriteTraffic(traffic) => {
                write(traffic, out, &job)?;
                true
            }
            // The handshake goes on when more has come; or nothing goes on, since both ends have closed.
            _ => true,
        };
        taken.used += discard;
        if done {
            return Ok(taken);
        }
    }
}

/// What there is to say after an error. Nothing more is taken from the input then.
fn last_words<H: Half>(end: &mut H, out: &mut Vec<u8>) {
    while end.wants_write() {
        let Ok(ConnectionState::EncodeTlsData(mut data)) = end.process(&mut []).state else { return };
        if grow(out, RECORD, |room| data.encode(room)).is_err() {
            return;
        }
    }
}

fn write<D>(mut traffic: WriteTraffic<'_, D>, out: &mut Vec<u8>, job: &Job<'_>) -> Result<(), Error> {
    match job {
        Job::Read => Ok(()),
        Job::Seal(content) => grow(out, content.len() + AROUND, |room| traffic.encrypt(content, room)),
        Job::Close => grow(out, 2 * AROUND, |room| traffic.queue_close_notify(room)),
    }
    .map_err(unsent)
}

/// Appends to `out` what `work` writes into the room that it is given: so much, or as much as it says that it needs.
fn grow<E: Into<TooSmall>>(
    out: &mut Vec<u8>,
    guess: usize,
    mut work: impl FnMut(&mut [u8]) -> Result<usize, E>,
) -> Result<(), TooSmall> {
    let (at, mut room) = (out.len(), guess);
    loop {
        out.resize(at + room, 0);
        match work(&mut out[at..]).map_err(Into::into) {
            Ok(written) => {
                out.truncate(at + written);
                return Ok(());
            }
            Err(TooSmall(Some(needed))) if needed > room => room = needed,
            Err(error) => {
                out.truncate(at);
                return Err(error);
            }
        }
    }
}

/// Why rustls has written nothing: how much room it needs, or something else.
struct TooSmall(Option<usize>);

impl From<EncodeError> for TooSmall {
    fn from(error: EncodeError) -> TooSmall {
        match error {
            EncodeError::InsufficientSize(InsufficientSizeError { required_size }) => {
                TooSmall(Some(required_size))
            }
            EncodeError::AlreadyEncoded => TooSmall(None),
        }
    }
}

impl From<EncryptError> for TooSmall {
    fn from(error: EncryptError) -> TooSmall {
        match error {
            EncryptError::InsufficientSize(InsufficientSizeError { required_size }) => {
                TooSmall(Some(required_size))
            }
            EncryptError::EncryptExhausted => TooSmall(None),
        }
    }
}

fn unsent(_: TooSmall) -> Error {
    Error::General("the keys have sealed as much as they may".to_owned())
}
