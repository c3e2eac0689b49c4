//! Other runtimes that handlers use: what a thread that runs actors has to enter for them.

/// The runtimes that the system was built with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runtimes {
    #[cfg(feature = "tokio")]
    pub(crate) tokio: Option<tokio::runtime::Handle>,
}

/// A thread that has entered them, for as long as this is there. Entered once, for the thread's life: tokio's guard
/// belongs to a thread and nests, and a turn then costs nothing more.
pub(crate) struct Entered<'a> {
    #[cfg(feature = "tokio")]
    _tokio: Option<tokio::runtime::EnterGuard<'a>>,
    #[cfg(not(feature = "tokio"))]
    _none: std::marker::PhantomData<&'a ()>,
}

impl Runtimes {
    /// Enters them, on a thread that is to run actors.
    pub(crate) fn enter(&self) -> Entered<'_> {
        Entered {
            #[cfg(feature = "tokio")]
            _tokio: self.tokio.as_ref().map(tokio::runtime::Handle::enter),
            #[cfg(not(feature = "tokio"))]
            _none: std::marker::PhantomData,
        }
    }
}
