//! What comes from outside: the signals that end the service, or have it look at its files again.
//!
//! On Unix, `SIGINT` and `SIGTERM` end it in good order, and a second one of these at once; `SIGHUP` has files
//! opened anew. Elsewhere signals are left alone: Ctrl-C ends the process at once, and connections break off.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use actor_core::{StopReason, SystemHandle};

/// What has come.
#[derive(Debug)]
pub(crate) enum Cause {
    /// `SIGHUP`.
    #[cfg_attr(not(unix), allow(dead_code))]
    Reload,
    /// The process was sent the signal of this name, to end it.
    #[cfg_attr(not(unix), allow(dead_code))]
    Signal(&'static str),
    /// There is nothing left: the root supervisor has given up.
    Ended(StopReason),
}

/// Watches for all of it.
pub(crate) fn watch(system: &SystemHandle) -> io::Result<Receiver<Cause>> {
    let (sender, causes) = channel();
    watch_signals(sender.clone())?;
    let system = system.clone();
    thread::Builder::new().name("gateway-end".to_owned()).spawn(move || {
        // Nobody listens any more if a signal was first.
        let _ = sender.send(Cause::Ended(system.wait()));
    })?;
    Ok(causes)
}

#[cfg(unix)]
fn watch_signals(sender: Sender<Cause>) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    /// What a shell reports of a process that a signal has killed, less the signal's number.
    const KILLED: i32 = 128;

    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    thread::Builder::new().name("gateway-signals".to_owned()).spawn(move || {
        let mut ending = false;
        for signal in signals.forever() {
            if signal == SIGHUP {
                let _ = sender.send(Cause::Reload);
                continue;
            }
            if std::mem::replace(&mut ending, true) {
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
