//! What ends the service: Ctrl-C, or the service itself; and what has it read its certificates again.
//!
//! On Unix, `SIGINT` and `SIGTERM` end it in good order, and a second one at once. Elsewhere signals
//! are left alone: Ctrl-C ends the process at once, and connections break off.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use actor_core::{StopReason, SystemHandle};

/// Why the service is to end, or to do something else.
#[derive(Debug)]
pub(crate) enum Cause {
    /// The process was sent the signal of this name.
    #[cfg_attr(not(unix), allow(dead_code))]
    Signal(&'static str),
    /// The process was sent `SIGHUP`, and has certificates to read again.
    #[cfg_attr(not(unix), allow(dead_code))]
    Reload,
    /// There is nothing left: the root supervisor has given up.
    Ended(StopReason),
}

/// Watches for whatever comes. If there is something to reload, `SIGHUP` asks for that; otherwise it ends the
/// process, as it does others.
pub(crate) fn watch(system: &SystemHandle, reloads: bool) -> io::Result<Receiver<Cause>> {
    let (sender, causes) = channel();
    watch_signals(sender.clone(), reloads)?;
    let system = system.clone();
    thread::Builder::new().name("chat-end".to_owned()).spawn(move || {
        // Nobody listens any more if a signal was first.
        let _ = sender.send(Cause::Ended(system.wait()));
    })?;
    Ok(causes)
}

#[cfg(unix)]
fn watch_signals(sender: Sender<Cause>, reloads: bool) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    /// What a shell reports of a process that a signal has killed, less the signal's number.
    const KILLED: i32 = 128;

    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    if reloads {
        signals.add_signal(SIGHUP)?;
    }
    thread::Builder::new().name("chat-signals".to_owned()).spawn(move || {
        let mut ends = false;
        for signal in signals.forever() {
            if signal == SIGHUP {
                let _ = sender.send(Cause::Reload);
                continue;
            }
            if std::mem::replace(&mut ends, true) {
                std::process::exit(KILLED + signal);
            }
            let name = if signal == SIGINT { "SIGINT" } else { "SIGTERM" };
            let _ = sender.send(Cause::Signal(name));
        }
    })?;
    Ok(())
}

#[cfg(not(unix))]
fn watch_signals(_sender: Sender<Cause>, _reloads: bool) -> io::Result<()> {
    Ok(())
}
