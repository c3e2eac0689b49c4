//! What ends the service: Ctrl-C, or the service itself.
//!
//! On Unix, `SIGINT` and `SIGTERM` end it in good order, and a second one at once. Elsewhere signals
//! are left alone: Ctrl-C ends the process at once, and connections break off.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use actor_core::{StopReason, SystemHandle};

/// Why the service is to end.
#[derive(Debug)]
pub(crate) enum Cause {
    /// The process was sent the signal of this name.
    #[cfg_attr(not(unix), allow(dead_code))]
    Signal(&'static str),
    /// There is nothing left: the root supervisor has given up.
    Ended(StopReason),
}

/// Watches for whatever comes first.
pub(crate) fn watch(system: &SystemHandle) -> io::Result<Receiver<Cause>> {
    let (sender, causes) = channel();
    watch_signals(sender.clone())?;
    let system = system.clone();
    thread::Builder::new().name("chat-end".to_owned()).spawn(move || {
        // Nobody listens any more if a signal was first.
        let _ = sender.send(Cause::Ended(system.wait()));
    })?;
    Ok(causes)
}

#[cfg(unix)]
fn watch_signals(sender: Sender<Cause>) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    /// What a shell reports of a process that a signal has killed, less the signal's number.
    const KILLED: i32 = 128;

    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new().name("chat-signals".to_owned()).spawn(move || {
        for (count, signal) in signals.forever().enumerate() {
            if count > 0 {
                std::process::exit(KILLED + signal);
            }
            let name = if signal == SIGINT { "SIGINT" } else { "SIGTERM" };
            let _ = sender.send(Cause::Signal(name));
        }
    })?;
    Ok(())
}

#[cfg(not(unix))]
fn watch_signals(_sender: Sender<Cause>) -> io::Result<()> {
    Ok(())
}
