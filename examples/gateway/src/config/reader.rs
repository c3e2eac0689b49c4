//! Reading the tables of a configuration file: each value with its bounds, each mistake with its line.
//!
//! Reading goes on after a mistake, so that all of them are told at once. Whoever reads a table asks for
//! each key that there may be; what is in the table and was not asked for is a mistake, and what was
//! asked for is what is allowed.

use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use service::time::{self, YEAR};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Its line, from 1.
    pub line: usize,
    /// The key, with those of the tables around it; empty if the file is no TOML.
    pub key: String,
    /// What is wrong, and what is allowed.
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mistake { line, key, text } = self;
        if key.is_empty() {
            write!(f, "line {line}: {text}")
        } else {
            write!(f, "line {line}: {key}: {text}")
        }
    }
}

/// A file that is read.
pub(super) struct File<'a> {
    text: &'a str,
    mistakes: RefCell<Vec<Mistake>>,
}

impl<'a> File<'a> {
    pub(super) fn new(text: &'a str) -> File<'a> {
        File { text, mistakes: RefCell::default() }
    }

    /// Takes down a mistake in what is at `span`.
    pub(super) fn mistake(&self, span: Range<usize>, key: impl Into<String>, text: impl fmt::Display) {
        let before = self.text.as_bytes().get(..span.start).unwrap_or(self.text.as_bytes());
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        self.mistakes.borrow_mut().push(Mistake { line, key: key.into(), text: text.to_string() });
    }

    /// All mistakes, by their lines.
    pub(super) fn mistakes(self) -> Vec<Mistake> {
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort_by_key(|mistake| mistake.line);
        mistakes
    }
}

/// One table of it. Read all that there may be in it, and then [`end`](Self::end).
pub(super) struct Section<'a> {
    file: &'a File<'a>,
    path: String,
    span: Range<usize>,
    /// `None` if the file does not have the table: then all is as it is without.
    table: Option<&'a DeTable<'a>>,
    allowed: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) fn root(file: &'a File<'a>, table: &'a DeTable<'a>) -> Section<'a> {
        Section { file, path: String::new(), span: 0..0, table: Some(table), allowed: RefCell::default() }
    }

    /// Whether the file has it.
    pub(super) fn exists(&self) -> bool {
        self.table.is_some()
    }

    /// Where it is, for mistakes about all of it.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The key with its path.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Takes down a mistake in the value of `key`, or that it is not there.
    pub(super) fn mistake(&self, key: &str, text: impl fmt::Display) {
        let value = self.table.and_then(|table| table.get(key));
        let span = value.map_or(self.span(), Spanned::span);
        self.file.mistake(span, self.path_of(key), text);
    }

    fn get(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.allowed.borrow_mut().push(key);
        self.table?.get(key)
    }

    /// The value as `read` reads it; what is `wanted` is said if it cannot.
    fn value<T>(
        &self,
        key: &'static str,
        wanted: impl fmt::Display,
        read: impl FnOnce(&'a DeValue<'a>) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(key)?.get_ref();
        let read = read(value);
        if read.is_none() {
            let text = format!("{} is not allowed here; it must be {wanted}", shown(value));
            self.mistake(key, text);
        }
        read
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    pub(super) fn text(&self, key: &'static str) -> Option<&'a str> {
        self.value(key, "a text", |value| value.as_str().filter(|text| !text.is_empty()))
    }

    pub(super) fn required_text(&self, key: &'static str) -> Option<&'a str> {
        if !self.has(key) {
            self.mistake(key, "is missing; it must be a text");
        }
        self.text(key)
    }

    pub(super) fn switch(&self, key: &'static str) -> bool {
        self.value(key, "true or false", DeValue::as_bool).unwrap_or(false)
    }

    pub(super) fn number(&self, key: &'static str, bounds: RangeInclusive<u32>) -> Option<u32> {
        let wanted = format!("a number from {} to {}", bounds.start(), bounds.end());
        self.value(key, wanted, |value| {
            integer(value).and_then(|n| n.try_into().ok()).filter(|n| bounds.contains(n))
        })
    }

    /// A number of bytes, with or without a unit.
    pub(super) fn size(&self, key: &'static str, bounds: RangeInclusive<usize>) -> Option<usize> {
        let (least, most) = (bounds.start(), bounds.end());
        let wanted = format!("a size from {least} to {most} bytes, such as 4096, \"64KiB\" or \"1MiB\"");
        self.value(key, wanted, |value| {
            let bytes = value.as_str().map_or_else(|| integer(value), size);
            bytes.and_then(|bytes| bytes.try_into().ok()).filter(|bytes| bounds.contains(bytes))
        })
    }

    /// A time of at least `least` and at most a year.
    pub(super) fn time(&self, key: &'static str, least: Duration) -> Option<Duration> {
        let wanted = format!("a time from {least:?} to a year, such as \"500ms\", \"30s\", \"5m\" or \"2h\"");
        let allowed = |time: &Duration| (least..=YEAR).contains(time);
        self.value(key, wanted, |value| value.as_str().and_then(time::parse).filter(allowed))
    }

    pub(super) fn address(&self, key: &'static str) -> Option<SocketAddr> {
        self.value(key, ADDRESS, |value| value.as_str()?.parse().ok())
    }

    /// A list of addresses, with at least one in it.
    pub(super) fn addresses(&self, key: &'static str) -> Vec<SocketAddr> {
        if !self.has(key) {
            self.mistake(key, "is missing; it must be a list of addresses, such as [\"127.0.0.1:9001\"]");
        }
        let wanted = "a list of at least one address, such as [\"127.0.0.1:9001\"]";
        let list = self.value(key, wanted, |value| value.as_array().filter(|list| !list.is_empty()));
        let mut addresses = Vec::new();
        for (at, value) in list.into_iter().flat_map(|list| list.iter().enumerate()) {
            let key = format!("{}[{at}]", self.path_of(key));
            match value.get_ref().as_str().map(str::parse) {
                Some(Ok(address)) if addresses.contains(&address) => {
                    self.file.mistake(value.span(), key, format!("{address} is in the list already"));
                }
                Some(Ok(address)) => addresses.push(address),
                _ => {
                    let text =
                        format!("{} is not allowed here; it must be {ADDRESS}", shown(value.get_ref()));
                    self.file.mistake(value.span(), key, text);
                }
            }
        }
        addresses
    }

    /// One of these words.
    pub(super) fn choice<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let names: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let wanted = names.join(" or ");
        if !self.has(key) {
            self.mistake(key, format!("is missing; it must be {wanted}"));
        }
        self.value(key, wanted, |value| {
            let text = value.as_str()?;
            words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning)
        })
    }

    /// A table in this one, which is empty if the file does not have it.
    pub(super) fn section(&self, key: &'static str) -> Section<'a> {
        let span = self.table.and_then(|table| table.get(key)).map_or(self.span(), Spanned::span);
        let table = self.value(key, format!("a table: [{}]", self.path_of(key)), DeValue::as_table);
        Section { file: self.file, path: self.path_of(key), span, table, allowed: RefCell::default() }
    }

    /// The tables of a list: `[[key]]`.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        let wanted = format!("a list of tables, each of which begins with [[{}]]", self.path_of(key));
        let is_table = |value: &Spanned<DeValue<'_>>| value.get_ref().is_table();
        let list = self.value(key, wanted, |value| value.as_array().filter(|list| list.iter().all(is_table)));
        let tables = list.into_iter().flat_map(|list| list.iter().enumerate());
        let section = |(at, value): (usize, &'a Spanned<DeValue<'a>>)| Section {
            file: self.file,
            path: format!("{}[{at}]", self.path_of(key)),
            span: value.span(),
            table: value.get_ref().as_table(),
            allowed: RefCell::default(),
        };
        tables.map(section).collect()
    }

    /// All that may be in it was read.
    pub(super) fn end(self) {
        let mut allowed = self.allowed.into_inner();
        allowed.sort_unstable();
        allowed.dedup();
        for key in self.table.into_iter().flat_map(DeTable::keys) {
            let name: &str = key.get_ref();
            if !allowed.contains(&name) {
                let path =
                    if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
                let text = format!("there is no such key; allowed here are {}", allowed.join(", "));
                self.file.mistake(key.span(), path, text);
            }
        }
    }
}

const ADDRESS: &str = "an IP address with a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"";

/// A value as one would find it in the file, if it is short.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if text.chars().count() <= 60 => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(on) => on.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::String(_) => "a text so long".to_owned(),
        DeValue::Array(list) if list.is_empty() => "an empty list".to_owned(),
        DeValue::Array(_) => "this list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

fn integer(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}
