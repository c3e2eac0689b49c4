//! Which pool a request, a WebSocket or a line goes to.
//!
//! Pure. Of several routes that fit, one that names the host goes before one that does not, and then the
//! one with the longest path. A path fits what is at it and below it: `/api` fits `/api` and `/api/users`,
//! and not `/apis`.

use std::collections::HashMap;
use std::fmt;

/// Where a route leads: the number of its pool, in the order of the configuration.
pub type PoolId = usize;

/// One route, as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// For requests and WebSockets.
    Path {
        /// The host that it is for, without a port; all hosts if there is none.
        host: Option<String>,
        /// Begins with a slash, and does not end with one unless it is the root.
        path: String,
        /// Whether it is for WebSockets, which talk to a pool of lines, or for requests.
        websocket: bool,
        /// Its pool.
        pool: PoolId,
    },
    /// For lines that begin with this word, or for all others if there is none.
    Lines {
        /// The word.
        word: Option<String>,
        /// Its pool.
        pool: PoolId,
    },
}

/// All routes.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// Those that go before others first.
    paths: Vec<At>,
    words: HashMap<String, PoolId>,
    /// For lines with other words.
    others: Option<PoolId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct At {
    host: Option<String>,
    path: String,
    websocket: bool,
    pool: PoolId,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// An answer of a backend that speaks HTTP.
    Answer(PoolId),
    /// A WebSocket, to talk to a backend that speaks lines.
    WebSocket(PoolId),
}

/// Why a request goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// Its path is one that the gateway and a backend may read differently.
    Ambiguous,
    /// No route fits.
    Unknown,
}

impl fmt::Display for NoRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoRoute::Ambiguous => "the path has . or .. in it, or a backslash; ask for what it means",
            NoRoute::Unknown => "nothing is here",
        })
    }
}

impl Routes {
    /// The routes of a configuration; of two for the same, the first counts.
    #[must_use]
    pub fn new(routes: impl IntoIterator<Item = Route>) -> Routes {
        let mut all = Routes::default();
        for route in routes {
            match route {
                Route::Path { host, path, websocket, pool } => {
                    let host = host.map(|host| host.to_ascii_lowercase());
                    all.paths.push(At { host, path, websocket, pool });
                }
                Route::Lines { word: Some(word), pool } => drop(all.words.entry(word).or_insert(pool)),
                Route::Lines { word: None, pool } => drop(all.others.get_or_insert(pool)),
            }
        }
        all.paths.sort_by_key(|at| (at.host.is_none(), std::cmp::Reverse(at.path.len())));
        all
    }

    /// Where a request goes, by its host as it was sent and its path as it was sent.
    ///
    /// # Errors
    ///
    /// If it goes nowhere.
    pub fn request(&self, host: Option<&str>, path: &str) -> Result<Goal, NoRoute> {
        if !is_plain(path) {
            return Err(NoRoute::Ambiguous);
        }
        let host = host.map(without_port);
        let fits = |at: &&At| {
            let here = |wanted: &String| host.is_some_and(|host| host.eq_ignore_ascii_case(wanted));
            at.host.as_ref().is_none_or(here) && is_below(path, &at.path)
        };
        let at = self.paths.iter().find(fits).ok_or(NoRoute::Unknown)?;
        Ok(if at.websocket { Goal::WebSocket(at.pool) } else { Goal::Answer(at.pool) })
    }

    /// Where a line goes, by its first word.
    #[must_use]
    pub fn line(&self, line: &str) -> Option<PoolId> {
        let word = line.split_ascii_whitespace().next().unwrap_or_default();
        self.words.get(word).copied().or(self.others)
    }
}

/// Whether `path` is at `root` or below it.
fn is_below(path: &str, root: &str) -> bool {
    let root = root.trim_end_matches('/');
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A host as it is sent, without the port and the dot at its end.
fn without_port(host: &str) -> &str {
    // In an IPv6 address, which is in brackets, there are colons as well.
    let end = host.rfind(']').map_or(0, |at| at + 1);
    let host = host[end..].find(':').map_or(host, |colon| &host[..end + colon]);
    host.strip_suffix('.').unwrap_or(host)
}

/// Whether a path means to everybody what it says: it begins with a slash, and no segment of it is `.` or
/// `..`, even when somebody decodes it first or takes off what comes behind a semicolon. Otherwise `/public/../admin` would come by the route of
/// `/public` to a backend that takes it for `/admin`.
#[must_use]
pub fn is_plain(path: &str) -> bool {
    let Some(path) = path.strip_prefix('/') else { return false };
    let decoded = decode(path.as_bytes());
    let climbs = |part: &[u8]| {
        let name = part.split(|byte| *byte == b';').next();
        matches!(name, Some(b"." | b".."))
    };
    !decoded.contains(&b'\\') && !decoded.split(|byte| *byte == b'/').any(climbs)
}

/// With `%` escapes resolved, those that are none as they are.
fn decode(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [first, after @ ..] = rest {
        let escaped = match after {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                out.push(high << 4 | low);
                rest = &after[2..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests;
