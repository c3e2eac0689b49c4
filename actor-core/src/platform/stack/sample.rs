//! A copy of a computing thread's stack, made by the thread itself in the handler of a signal.
//!
//! The signal is `SIGURG`, as Go's is: nobody is hurt by one too many, since it does nothing unless somebody handles it;
//! where somebody does, it is left to them. The handler takes no lock, allocates nothing and calls nothing but `gettid`; it runs
//! on the thread's alternate stack, and leaves `errno` as it was.
//!
//! A system call goes on after it (`SA_RESTART`), but for a few that the kernel does not go on with, such as `poll` and
//! `nanosleep`. So only a thread is signalled that has been seen to compute; one that begins to wait in the microseconds
//! until the signal comes, for the first time in 10 ms, and in one of those few, would see `EINTR`.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::io;
use std::ops::Range;
// From the standard library: a handler is called in no model.
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::{MOST, WORD};
use crate::clock;
use crate::platform::thread::ThreadId;

const SIGNAL: c_int = libc::SIGURG;
/// A thread of the lowest priority may wait for a processor for long.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_micros(50);

/// What was on a thread's stack, from the inner end, and where it was.
pub(super) struct Sample {
    pub(super) pc: usize,
    pub(super) stack: Vec<usize>,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoSample {
    /// The program handles the signal itself.
    Taken,
    /// The thread has not answered.
    Silent,
}

/// Nobody waits for an answer.
const FREE: i32 = 0;
/// A thread gives one.
const ANSWERING: i32 = -1;

/// The one place for an answer. One thread at a time asks.
struct Answer {
    /// The number of the thread that is asked, or one of the above. In one word, so that only that thread answers, and
    /// only to what it is asked by then.
    asked: AtomicI32,
    /// Where the thread's stack is.
    start: AtomicUsize,
    end: AtomicUsize,
    pc: AtomicUsize,
    /// How many words there are.
    words: AtomicUsize,
    stack: [AtomicUsize; MOST / WORD],
}

static ANSWER: Answer = Answer {
    asked: AtomicI32::new(FREE),
    start: AtomicUsize::new(0),
    end: AtomicUsize::new(0),
    pc: AtomicUsize::new(0),
    words: AtomicUsize::new(0),
    stack: [const { AtomicUsize::new(0) }; MOST / WORD],
};

/// A copy of the stack of a thread that computes, whose stack is in `within`.
pub(super) fn take(thread: ThreadId, within: Range<usize>) -> Result<Sample, NoSample> {
    static ASKING: Mutex<()> = Mutex::new(());
    let _asking = ASKING.lock().unwrap_or_else(PoisonError::into_inner);
    if !is_installed() {
        return Err(NoSample::Taken);
    }
    // Acquire: with the release of the last answer, if it came too late.
    if ANSWER.asked.load(Ordering::Acquire) == ANSWERING {
        return Err(NoSample::Silent);
    }
    // Relaxed, both: the release below has them seen.
    ANSWER.start.store(within.start, Ordering::Relaxed);
    ANSWER.end.store(within.end, Ordering::Relaxed);
    // Release: with the acquire in `answer`.
    ANSWER.asked.store(thread.number(), Ordering::Release);
    let until = match signal(thread) {
        Ok(()) => clock::later(clock::now(), ANSWERS_WITHIN),
        Err(_it_has_ended) => clock::now(),
    };
    if !is_answered(thread, until) {
        return Err(NoSample::Silent);
    }
    // Relaxed, as those of the words: the acquire in `is_answered` has seen the answer.
    let words = ANSWER.words.load(Ordering::Relaxed);
    let stack = ANSWER.stack[..words].iter().map(|word| word.load(Ordering::Relaxed)).collect();
    Ok(Sample { pc: ANSWER.pc.load(Ordering::Relaxed), stack })
}

/// Waits for the answer, and takes the question back if there is none in time.
fn is_answered(thread: ThreadId, until: Instant) -> bool {
    // Acquire: with the release at the end of `answer`.
    while ANSWER.asked.load(Ordering::Acquire) != FREE {
        if clock::now() >= until {
            // Relaxed: nothing was written. If the thread is just answering, that is too late as well.
            let asked = thread.number();
            let _ = ANSWER.asked.compare_exchange(asked, FREE, Ordering::Relaxed, Ordering::Relaxed);
            return false;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    true
}

fn signal(thread: ThreadId) -> io::Result<()> {
    // SAFETY: these are numbers. A thread that has ended is not found; were its number another thread's of this
    // process by now, that one would see that it was not asked.
    match unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), thread.number(), SIGNAL) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Installs the handler, once; false if the program has one of its own.
fn is_installed() -> bool {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    *INSTALLED.get_or_init(|| {
        // SAFETY: all-zero is a valid value of it, which the next lines make the one that is meant.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = answer as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        let mut before = action;
        // SAFETY: both are there for the length of the call, and the handler does only what handlers may.
        if unsafe { libc::sigaction(SIGNAL, &raw const action, &raw mut before) } != 0 {
            return false;
        }
        let free = matches!(before.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN);
        if !free {
            // SAFETY: it is what was there before.
            unsafe { libc::sigaction(SIGNAL, &raw const before, std::ptr::null_mut()) };
        }
        free
    })
}

/// The handler. It may interrupt anything, on any thread.
extern "C" fn answer(_signal: c_int, _info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: it takes nothing, gives a number, and may be called in handlers.
    let this = unsafe { libc::gettid() };
    // Acquire: with the release in `take`, for what is asked. A signal that is not from there finds nothing asked.
    if ANSWER.asked.compare_exchange(this, ANSWERING, Ordering::Acquire, Ordering::Relaxed).is_err() {
        return;
    }
    // SAFETY: the kernel gives a handler that was installed with SA_SIGINFO such a context, for as long as it runs.
    let registers = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let (pc, sp) = (registers[libc::REG_RIP as usize] as usize, registers[libc::REG_RSP as usize] as usize);
    ANSWER.pc.store(pc, Ordering::Relaxed);
    ANSWER.words.store(copy(sp), Ordering::Relaxed);
    // Release: with the acquire in `is_answered`.
    ANSWER.asked.store(FREE, Ordering::Release);
}

/// Copies what is on this thread's stack from `sp` outwards; how many words that is. None if `sp` is on another stack.
fn copy(sp: usize) -> usize {
    let (start, end) = (ANSWER.start.load(Ordering::Relaxed), ANSWER.end.load(Ordering::Relaxed));
    if !(start..end).contains(&sp) || !sp.is_multiple_of(WORD) {
        return 0;
    }
    let words = ((end - sp) / WORD).min(ANSWER.stack.len());
    for (index, place) in ANSWER.stack[..words].iter().enumerate() {
        let from = std::ptr::with_exposed_provenance::<usize>(sp + index * WORD);
        // SAFETY: it is aligned, and in the part of memory that this thread's stack is in, which stays while the thread
        // runs and is changed by nobody else. Volatile, since nothing is known of what the words are.
        place.store(unsafe { from.read_volatile() }, Ordering::Relaxed);
    }
    words
}
