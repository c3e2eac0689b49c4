//! Pieces of the grammar of headers, which are the same everywhere.

use memchr::memchr;

/// Whether a byte may be in a token: a method, a header's name, an option.
pub(crate) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Whether a byte may be in a header's value. Bytes over 127 may, and mean nothing in particular.
pub(crate) const fn is_value(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7F)
}

/// Writes a header line, unless it breaks the grammar or is one of `ours`, which the encoder writes itself. Says what
/// is wrong then.
pub(super) fn put_header(
    out: &mut Vec<u8>,
    name: &str,
    value: &[u8],
    ours: &[&str],
) -> Result<(), &'static str> {
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("the name of a header is none");
    }
    if !value.iter().all(|byte| is_value(*byte)) {
        return Err("the value of a header has a control character in it");
    }
    if ours.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
        return Err("a header is the encoder's own");
    }
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
    Ok(())
}

/// The members of a list with commas between them; empty ones do not count.
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim).filter(|member| !member.is_empty())
}

/// Without the spaces and tabs around it.
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let start = value.iter().position(|byte| !is_blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
    &value[start..end]
}

/// The headers of a request or response, in their order.
///
/// Names are as the peer has written them; they are compared without regard to case.
#[derive(Clone, Copy)]
pub struct Headers<'a> {
    /// Lines that are known to be headers, each with its line break.
    lines: &'a [u8],
}

impl<'a> Headers<'a> {
    /// `lines` have been parsed already, and end with the empty line or before it.
    pub(crate) fn new(lines: &'a [u8]) -> Headers<'a> {
        Headers { lines }
    }

    /// The value of the first header of this name, if it has one that is UTF-8.
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'a str> {
        let value = self.all(name).next()?;
        std::str::from_utf8(value).ok()
    }

    /// The values of all headers of this name.
    pub fn all<'n>(self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.filter_map(move |(other, value)| other.eq_ignore_ascii_case(name).then_some(value))
    }

    /// Whether one of the headers of this name, which are lists, has this member.
    pub(crate) fn lists(self, name: &str, member: &str) -> bool {
        self.all(name).flat_map(list).any(|other| other.eq_ignore_ascii_case(member.as_bytes()))
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<(&'a str, &'a [u8])> {
        let end = memchr(b'\r', self.lines)?;
        let line = &self.lines[..end];
        self.lines = self.lines.get(end + 2..).unwrap_or_default();
        let colon = memchr(b':', line)?;
        let name = std::str::from_utf8(&line[..colon]).ok()?;
        Some((name, trim(&line[colon + 1..])))
    }
}

impl std::fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |value| String::from_utf8_lossy(value).into_owned();
        f.debug_map().entries(self.map(|(name, value)| (name, text(value)))).finish()
    }
}
