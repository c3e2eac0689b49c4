//! What comes from outside: the signals that end a service, or have it look at its files again.
//!
//! On Unix, `SIGINT` and `SIGTERM` end it in good order, and a second one of these at once; `SIGHUP` is for
//! files. Elsewhere signals are left alone: Ctrl-C ends the process at once, and connections break off.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use actor_core::{StopReason, SystemHandle};

/// What has come.
#[derive(Debug)]
enum Cause {
    /// `SIGHUP`.
    #[cfg_attr(not(unix), allow(dead_code))]
    Reload,
    /// The process was sent the signal of this name, to end it.
    #[cfg_attr(not(unix), allow(dead_code))]
    Signal(&'static str),
    /// There is nothing left: the root supervisor has given up.
    Ended(StopReason),
}

/// What a service is told.
#[derive(Debug)]
pub struct Causes(Receiver<Cause>);

impl Causes {
    /// Watches for all of it. `SIGHUP` ends the process as it does others, unless the service `reloads`.
    ///
    /// # Errors
    ///
    /// If signals cannot be watched, or there is no thread to be had for that.
    pub fn watch(system: &SystemHandle, reloads: bool) -> io::Result<Causes> {
        let (sender, causes) = channel();
        watch_signals(sender.clone(), reloads)?;
        let system = system.clone();
        thread::Builder::new().name("end".to_owned()).spawn(move || {
            // Nobody listens any more if a signal was first.
            let _ = sender.send(Cause::Ended(system.wait()));
        })?;
        Ok(Causes(causes))
    }

    /// Waits until the process is told to end or the system ends on its own, and logs which. Calls `reload`
    /// whenever the service is to look at its files again.
    pub fn wait(&self, mut reload: impl FnMut()) {
        loop {
            match self.0.recv() {
                Ok(Cause::Reload) => {
                    reload();
                    continue;
                }
                Ok(Cause::Signal(name)) => tracing::info!("{name}: draining; once more ends it at once"),
                Ok(Cause::Ended(why)) => tracing::error!(%why, "the system has ended on its own"),
                Err(_) => tracing::error!("nobody is left to say when to end"),
            }
            return;
        }
    }
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
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
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
fn watch_signals(_sender: Sender<Cause>, _reloads: bool) -> io::Result<()> {
    Ok(())
}
