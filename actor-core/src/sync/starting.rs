//! Starting threads, which can be made to fail where that is tested.

use std::io;

use super::thread;

/// Starts a thread with this name, which nobody joins.
pub(crate) fn start(name: String, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    #[cfg(all(test, not(loom)))]
    failing::check(&name)?;
    thread::Builder::new().name(name).spawn(run).map(drop)
}

/// Threads that cannot be started, by what they are called.
#[cfg(all(test, not(loom)))]
pub(crate) mod failing {
    use std::io;
    // From the standard library even in simulations, which end while this stays.
    use std::sync::{Arc, Mutex, PoisonError};

    type Plan = Arc<dyn Fn() -> bool + Send + Sync>;

    static PLANS: Mutex<Vec<(String, Plan)>> = Mutex::new(Vec::new());

    fn plans() -> std::sync::MutexGuard<'static, Vec<(String, Plan)>> {
        PLANS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// While it lives, threads whose names begin so cannot be started if `fails` says so, which is asked each time.
    pub(crate) struct Failing(String);

    impl Failing {
        pub(crate) fn of(names: &str, fails: impl Fn() -> bool + Send + Sync + 'static) -> Failing {
            plans().push((names.to_owned(), Arc::new(fails)));
            Failing(names.to_owned())
        }
    }

    impl Drop for Failing {
        fn drop(&mut self) {
            plans().retain(|(names, _)| *names != self.0);
        }
    }

    pub(super) fn check(name: &str) -> io::Result<()> {
        let plan = plans().iter().find(|(names, _)| name.starts_with(names)).map(|(_, plan)| plan.clone());
        match plan {
            Some(fails) if fails() => Err(io::Error::other("on purpose")),
            _ => Ok(()),
        }
    }
}
