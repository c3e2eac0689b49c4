//! Why a system could not be started.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::system::builder::MOST_WORKERS;

/// Why a system could not be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The number of workers is not between 1 and 1024.
    Workers(usize),
    /// There is no room for the workers that the system begins with, or the room is over 1024.
    MaxWorkers {
        /// The most workers asked for.
        max: usize,
        /// With how many the system was to begin.
        workers: usize,
    },
    /// The floor of the automatic parallelism is not between 1 and the workers that the system begins with.
    Floor {
        /// The floor asked for.
        floor: usize,
        /// With how many workers the system was to begin.
        workers: usize,
    },
    /// There may be fewer threads than workers.
    MaxThreads {
        /// The most threads asked for.
        max: usize,
        /// With how many workers the system was to begin.
        workers: usize,
    },
    /// The hard quantum is less than the soft one.
    Quanta {
        /// The soft quantum.
        soft: Duration,
        /// The hard quantum asked for.
        hard: Duration,
    },
    /// A driver could not be made.
    Driver(io::Error),
    /// A thread could not be started.
    Thread(io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Workers(n) => write!(f, "{n} workers: there can be 1 to {MOST_WORKERS}"),
            BuildError::MaxWorkers { max, workers } => {
                write!(
                    f,
                    "at most {max} workers: this system begins with {workers}, and {MOST_WORKERS} are possible"
                )
            }
            BuildError::Floor { floor, workers } => {
                write!(
                    f,
                    "a parallelism of at least {floor}: this system begins with {workers}, so 1 to {workers} are possible"
                )
            }
            BuildError::MaxThreads { max, workers } => write!(
                f,
                "at most {max} threads: this system begins with {workers} workers, and each needs one; more are needed to \
                 take over the workers of handlers that do not return"
            ),
            BuildError::Quanta { soft, hard } => {
                write!(
                    f,
                    "a hard quantum of {hard:?}: it cannot be less than the soft one, which is {soft:?}"
                )
            }
            BuildError::Driver(error) => write!(f, "a worker's driver could not be made: {error}"),
            BuildError::Thread(error) => write!(f, "a worker's thread could not be started: {error}"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BuildError::Workers(_)
            | BuildError::MaxWorkers { .. }
            | BuildError::Floor { .. }
            | BuildError::MaxThreads { .. }
            | BuildError::Quanta { .. } => None,
            BuildError::Driver(error) | BuildError::Thread(error) => Some(error),
        }
    }
}
