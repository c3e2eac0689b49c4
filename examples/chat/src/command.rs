//! What a line means: a pure parser, which knows nothing of sockets and actors.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// What `/help` shows, and what an unknown command points to.
pub const HELP: &str = "\
* /nick NAME      take a name, or another one
* /join ROOM      enter a room, and leave the one you are in
* /leave          leave the room
* /who            who is in the room
* /msg NAME TEXT  say something to one person
* /help           this list
* /quit           say goodbye
* Anything else is said to everyone in the room; // begins a line that shall begin with a slash.
";

/// What someone wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Nothing: a blank line.
    Nothing,
    /// To say this to the room.
    Say(Arc<str>),
    /// To be called this.
    Nick(Name),
    /// To be in this room.
    Join(Name),
    /// To be in no room.
    Leave,
    /// To know who is in the room.
    Who,
    /// To say something to one person.
    Msg {
        /// To whom.
        to: Name,
        /// What.
        text: Arc<str>,
    },
    /// To know what there is.
    Help,
    /// To go.
    Quit,
}

impl Command {
    /// Reads one line.
    ///
    /// # Errors
    /// Says what is wrong with the line, in words for the one who wrote it.
    pub fn parse(line: &str) -> Result<Command, BadLine> {
        let line = line.trim_end();
        if let Some(at) = line.chars().position(|c| c.is_control() && c != '\t') {
            return Err(BadLine::Control { at: at + 1 });
        }
        match line.strip_prefix('/') {
            None if line.is_empty() => Ok(Command::Nothing),
            None => Ok(Command::Say(line.into())),
            Some(said) if said.starts_with('/') => Ok(Command::Say(said.into())),
            Some(command) => Command::parse_command(command),
        }
    }

    fn parse_command(command: &str) -> Result<Command, BadLine> {
        let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let rest = rest.trim_start();
        let alone = |command, usage| {
            if rest.is_empty() { Ok(command) } else { Err(BadLine::Usage(usage)) }
        };
        match word {
            "nick" => Ok(Command::Nick(Name::argument(rest, "/nick NAME")?)),
            "join" => Ok(Command::Join(Name::argument(rest, "/join ROOM")?)),
            "leave" => alone(Command::Leave, "/leave"),
            "who" => alone(Command::Who, "/who"),
            "msg" => {
                const USAGE: &str = "/msg NAME TEXT";
                let (to, text) = rest.split_once(char::is_whitespace).ok_or(BadLine::Usage(USAGE))?;
                Ok(Command::Msg { to: Name::argument(to, USAGE)?, text: text.trim_start().into() })
            }
            "help" => alone(Command::Help, "/help"),
            "quit" => alone(Command::Quit, "/quit"),
            _ => Err(BadLine::Unknown(word.to_owned())),
        }
    }
}

/// The name of a person or a room. Compared without regard to case, so that nobody can pass for
/// somebody else with a capital letter; shown as it was first written.
#[derive(Clone)]
pub struct Name(Arc<str>);

impl Name {
    /// The most characters of a name.
    pub const MAX: usize = 20;

    /// Makes a name of a text.
    ///
    /// # Errors
    /// If the text is not a name.
    pub fn new(text: &str) -> Result<Name, BadLine> {
        let fits = (1..=Name::MAX).contains(&text.len());
        if fits && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_') {
            Ok(Name(text.into()))
        } else {
            Err(BadLine::Name)
        }
    }

    /// The one argument of a command.
    fn argument(text: &str, usage: &'static str) -> Result<Name, BadLine> {
        if text.is_empty() || text.contains(char::is_whitespace) {
            return Err(BadLine::Usage(usage));
        }
        Name::new(text)
    }

    /// The name in the form in which it is unique.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Name {}

impl Ord for Name {
    fn cmp(&self, other: &Name) -> Ordering {
        let [own, others] = [self, other].map(|name| name.0.bytes().map(|byte| byte.to_ascii_lowercase()));
        own.cmp(others)
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Name) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Why a line could not be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadLine {
    /// There is no such command.
    Unknown(String),
    /// The command is there, but is used like this.
    Usage(&'static str),
    /// Not a name.
    Name,
    /// A control character, which might do anything to the terminals of those who read it.
    Control {
        /// Which character of the line it is, from 1.
        at: usize,
    },
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadLine::Unknown(word) => write!(f, "there is no command /{word}; /help lists those there are"),
            BadLine::Usage(usage) => write!(f, "usage: {usage}"),
            BadLine::Name => write!(f, "a name is 1 to {} of the letters a-z, digits, - and _", Name::MAX),
            BadLine::Control { at } => {
                write!(f, "character {at} of the line is a control character; the line was not sent")
            }
        }
    }
}

impl std::error::Error for BadLine {}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).expect("a name")
    }

    #[test]
    fn lines_are_understood() {
        let say = |text: &str| Command::Say(text.into());
        let table = [
            ("", Command::Nothing),
            ("  \t ", Command::Nothing),
            ("hello there ", say("hello there")),
            ("  indented", say("  indented")),
            ("a\ttab", say("a\ttab")),
            ("//etc is a path", say("/etc is a path")),
            ("/nick bob", Command::Nick(name("bob"))),
            ("/join   rust-users ", Command::Join(name("rust-users"))),
            ("/leave", Command::Leave),
            ("/who", Command::Who),
            ("/msg bob  how are you?", Command::Msg { to: name("bob"), text: "how are you?".into() }),
            ("/help", Command::Help),
            ("/quit ", Command::Quit),
        ];
        for (line, command) in table {
            assert_eq!(Command::parse(line), Ok(command), "{line:?}");
        }
    }

    #[test]
    fn wrong_lines_say_what_is_wrong() {
        let table = [
            ("/dance now", BadLine::Unknown("dance".into())),
            ("/", BadLine::Unknown(String::new())),
            ("/NICK bob", BadLine::Unknown("NICK".into())),
            ("/nick", BadLine::Usage("/nick NAME")),
            ("/nick two words", BadLine::Usage("/nick NAME")),
            ("/nick smörgås", BadLine::Name),
            ("/nick abcdefghijklmnopqrstu", BadLine::Name),
            ("/join", BadLine::Usage("/join ROOM")),
            ("/join #rust", BadLine::Name),
            ("/leave me", BadLine::Usage("/leave")),
            ("/msg bob", BadLine::Usage("/msg NAME TEXT")),
            ("/msg b:b hi", BadLine::Name),
            ("ding\x07", BadLine::Control { at: 5 }),
            ("/nick \x1b[31mred", BadLine::Control { at: 7 }),
        ];
        for (line, error) in table {
            assert_eq!(Command::parse(line), Err(error), "{line:?}");
        }
    }

    #[test]
    fn every_command_is_in_the_help() {
        for word in ["nick", "join", "leave", "who", "msg", "help", "quit"] {
            assert!(HELP.contains(&format!("* /{word} ")), "{word}");
            assert!(!matches!(Command::parse(&format!("/{word}")), Err(BadLine::Unknown(_))), "{word}");
        }
        assert!(HELP.lines().all(|line| line.starts_with("* ")));
    }

    #[test]
    fn names_differ_by_more_than_case() {
        use std::collections::BTreeSet;
        let names = BTreeSet::from([name("Bob")]);
        assert!(names.contains(&name("bOB")));
        assert!(!names.contains(&name("bobby")));
        assert_eq!(name("Bob").to_string(), "Bob");
    }
}
