//! Where a handler is that does not return: its thread's stack, for people to look at.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// The stack of a thread that runs a handler; made by
/// [`SystemHandle::stack_of`](crate::SystemHandle::stack_of).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stack {
    /// The name of the thread.
    pub thread: String,
    /// The system call that it waits in; `None` if it computes.
    pub call: Option<SystemCall>,
    /// The functions that have been called and have not returned, innermost first, and with them perhaps some that have.
    /// A function that was inlined is one of its own where there is debug information.
    pub frames: Vec<Frame>,
}

/// A system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SystemCall {
    /// Its number; -1 for a wait that is none, such as for memory that is to be read from a disk.
    pub number: i64,
    /// Its name, for those that handlers commonly wait in.
    pub name: Option<&'static str>,
}

/// A function on a stack.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Frame {
    /// The address of the instruction that comes next in it.
    pub address: usize,
    /// The name of the function, if the program has it.
    pub function: Option<String>,
    /// The source file, if the program has debug information.
    pub file: Option<PathBuf>,
    /// The line in there.
    pub line: Option<u32>,
}

/// Why a stack cannot be had.
#[derive(Debug)]
#[non_exhaustive]
pub enum StackError {
    /// The turn has ended.
    Ended,
    /// There is a way on Linux on x86-64 only.
    Unsupported,
    /// What the kernel tells of threads could not be read.
    Unreadable(io::Error),
    /// The thread neither waited in one call nor computed for long enough to be looked at. It may be tried again.
    Restless,
    /// The thread computes, and the program has a handler of its own for the signal by which one that does is asked.
    SignalTaken,
    /// The thread computes, and has not answered the signal within a second: it gets no processor, or blocks the signal.
    Silent,
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StackError::Ended => f.write_str("the turn has ended"),
            StackError::Unsupported => {
                f.write_str("stacks of other threads can be had on Linux on x86-64 only")
            }
            StackError::Unreadable(error) => {
                write!(
                    f,
                    "what /proc/self tells of threads could not be read: {error}; is it mounted, and allowed?"
                )
            }
            StackError::Restless => f.write_str("the thread goes from one wait to the next: try again"),
            StackError::SignalTaken => f.write_str(
                "the thread computes, and the program handles SIGURG itself, by which it would be asked",
            ),
            StackError::Silent => {
                f.write_str("the thread has not answered: it gets no processor, or blocks SIGURG; try again")
            }
        }
    }
}

impl Error for StackError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            StackError::Unreadable(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.thread)?;
        match self.call {
            Some(SystemCall { name: Some(name), .. }) => writeln!(f, ", in {name}:")?,
            Some(SystemCall { number: -1, .. }) => writeln!(f, ", waiting for memory:")?,
            Some(SystemCall { number, .. }) => writeln!(f, ", in system call {number}:")?,
            None => writeln!(f, ", computing:")?,
        }
        for (number, frame) in self.frames.iter().enumerate() {
            writeln!(f, "{number:>4}: {frame}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.function {
            Some(function) => f.write_str(function)?,
            None => write!(f, "{:#x}", self.address)?,
        }
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, " at {}:{line}", file.display()),
            _ => Ok(()),
        }
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64", not(any(loom, shuttle))))]
mod made {
    use super::{Frame, Stack, StackError, SystemCall};
    use crate::platform::stack::{self, NoPlace, NoSample};
    use crate::platform::thread::ThreadId;

    impl Stack {
        /// The stack of a thread of ours, which has `outer` near its outer end.
        pub(crate) fn of(name: String, thread: ThreadId, outer: usize) -> Result<Stack, StackError> {
            let place = stack::place(thread, outer)?;
            let mut frames = Vec::new();
            for (index, address) in place.addresses.into_iter().enumerate() {
                // A call may be the last instruction of its function: what comes next is another's then.
                let within = if index == 0 { address } else { address - 1 };
                resolve(address, within, &mut frames);
            }
            Ok(Stack { thread: name, call: place.call.map(SystemCall::with_number), frames })
        }
    }

    /// Adds the function that has the address, and those that it is inlined in.
    fn resolve(address: usize, within: usize, frames: &mut Vec<Frame>) {
        let before = frames.len();
        backtrace::resolve(std::ptr::without_provenance_mut(within), |symbol| {
            let function = symbol.name().map(|name| format!("{name:#}"));
            let file = symbol.filename().map(Into::into);
            frames.push(Frame { address, function, file, line: symbol.lineno() });
        });
        if frames.len() == before {
            frames.push(Frame { address, function: None, file: None, line: None });
        }
    }

    impl From<NoPlace> for StackError {
        fn from(why: NoPlace) -> Self {
            match why {
                NoPlace::Unreadable(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    StackError::Ended
                }
                NoPlace::Unreadable(error) => StackError::Unreadable(error),
                NoPlace::Restless => StackError::Restless,
                NoPlace::NoSample(NoSample::Taken) => StackError::SignalTaken,
                NoPlace::NoSample(NoSample::Silent) => StackError::Silent,
            }
        }
    }

    impl SystemCall {
        fn with_number(number: i64) -> Self {
            let known = NAMES.iter().find(|(known, _)| *known == number);
            SystemCall { number, name: known.map(|(_, name)| *name) }
        }
    }

    const NAMES: [(i64, &str); 24] = [
        (libc::SYS_read, "read"),
        (libc::SYS_write, "write"),
        (libc::SYS_readv, "readv"),
        (libc::SYS_writev, "writev"),
        (libc::SYS_pread64, "pread64"),
        (libc::SYS_pwrite64, "pwrite64"),
        (libc::SYS_openat, "openat"),
        (libc::SYS_fsync, "fsync"),
        (libc::SYS_flock, "flock"),
        (libc::SYS_fcntl, "fcntl"),
        (libc::SYS_poll, "poll"),
        (libc::SYS_ppoll, "ppoll"),
        (libc::SYS_select, "select"),
        (libc::SYS_epoll_wait, "epoll_wait"),
        (libc::SYS_connect, "connect"),
        (libc::SYS_accept4, "accept4"),
        (libc::SYS_recvfrom, "recvfrom"),
        (libc::SYS_sendto, "sendto"),
        (libc::SYS_recvmsg, "recvmsg"),
        (libc::SYS_sendmsg, "sendmsg"),
        (libc::SYS_futex, "futex"),
        (libc::SYS_nanosleep, "nanosleep"),
        (libc::SYS_clock_nanosleep, "clock_nanosleep"),
        (libc::SYS_wait4, "wait4"),
    ];
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(any(loom, shuttle)))))]
impl Stack {
    pub(crate) fn of(_: String, _: crate::platform::thread::ThreadId, _: usize) -> Result<Stack, StackError> {
        Err(StackError::Unsupported)
    }
}
