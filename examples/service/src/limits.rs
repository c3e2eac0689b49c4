//! What the operating system lets a process have.

/// Lets the process have as many open files, and so connections, as it may raise its limit to. The limit that a process
/// is given is often 1024, for programs whose `select` knows no more.
#[cfg(unix)]
pub fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    // If it is refused, the limit that there is holds, and the listener waits for descriptors.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// There is no such limit here.
#[cfg(not(unix))]
pub fn raise_open_files() {}
