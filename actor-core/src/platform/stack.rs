//! Where another thread of this process is, as addresses of code: for Linux on x86-64.
//!
//! A thread that is in a system call is left alone. The kernel tells its stack pointer and where it will go on
//! (`/proc/self/task/.../syscall`), and its stack is read as a file (`/proc/self/mem`), so nothing of it can be in the way,
//! and no call of its returns early. A thread that computes is interrupted by a signal ([`sample`]), whose handler copies
//! what is there and does nothing else.
//!
//! Either way the stack is not walked but looked through: every word of it that is an address behind an instruction that calls
//! is taken for one that a function returns to. That needs neither frame pointers nor tables, nor anything of the
//! handler that may be locked or half changed; what it costs is that an address which an earlier call left behind may be
//! among them.

mod sample;

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use crate::clock;
use crate::platform::thread::ThreadId;
pub(crate) use sample::NoSample;

/// So much of a stack is looked at, from its innermost end.
const MOST: usize = 32 << 10;
const WORD: usize = size_of::<usize>();
/// The time between two looks at what a thread does.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// One that has waited for nothing for so long computes.
const COMPUTES: Duration = Duration::from_millis(10);
/// For one that does neither for long, this is tried.
const TRIES: Duration = Duration::from_millis(500);
/// The longest call instruction.
const CALL: usize = 7;

/// Where a thread is.
pub(crate) struct Place {
    /// The number of the system call that it is in, if it is in one; -1 for another wait, such as for memory.
    pub(crate) call: Option<i64>,
    /// The address of the instruction that comes next, and those that are returned to, innermost first.
    pub(crate) addresses: Vec<usize>,
}

/// Why it cannot be told.
#[derive(Debug)]
pub(crate) enum NoPlace {
    Unreadable(io::Error),
    Restless,
    NoSample(NoSample),
}

impl From<io::Error> for NoPlace {
    fn from(error: io::Error) -> Self {
        NoPlace::Unreadable(error)
    }
}

/// Where the thread is whose stack has `outer` near its outer end. Takes some milliseconds.
pub(crate) fn place(thread: ThreadId, outer: usize) -> Result<Place, NoPlace> {
    let begun = clock::now();
    let mut since: Option<(Instant, u64)> = None;
    while clock::now().saturating_duration_since(begun) < TRIES {
        if let Some((call, pc, sp)) = waits_in(thread)? {
            let stack = read_stack(sp, outer)?;
            // It may have gone on meanwhile; then what was read is of no use.
            if waits_in(thread)? == Some((call, pc, sp)) {
                return Ok(Place { call: Some(call), addresses: addresses(pc, &stack)? });
            }
        }
        let (now, waits) = (clock::now(), waits_of(thread)?);
        match since {
            Some((then, before)) if before == waits => {
                if now.saturating_duration_since(then) >= COMPUTES {
                    let stack = stack_of(outer)?;
                    let sample = sample::take(thread, stack).map_err(NoPlace::NoSample)?;
                    return Ok(Place { call: None, addresses: addresses(sample.pc, &sample.stack)? });
                }
            }
            _ => since = Some((now, waits)),
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Err(NoPlace::Restless)
}

fn task(thread: ThreadId, file: &str) -> io::Result<String> {
    fs::read_to_string(format!("/proc/self/task/{}/{file}", thread.number()))
}

/// If the thread waits in the kernel: in which system call, and its program counter and stack pointer.
fn waits_in(thread: ThreadId) -> io::Result<Option<(i64, usize, usize)>> {
    Ok(call_of(&task(thread, "syscall")?))
}

/// The first is the number, the last two are the stack pointer and the program counter. "running" if it does not wait.
fn call_of(syscall: &str) -> Option<(i64, usize, usize)> {
    let words: Vec<_> = syscall.split_whitespace().collect();
    let [number, .., sp, pc] = words.as_slice() else { return None };
    let address = |text: &str| usize::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    Some((number.parse().ok()?, address(pc)?, address(sp)?))
}

/// How often the thread has waited for something so far.
fn waits_of(thread: ThreadId) -> io::Result<u64> {
    let status = task(thread, "status")?;
    let of = |line: &str| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse().ok();
    status
        .lines()
        .find_map(of)
        .ok_or_else(|| io::Error::other("/proc does not tell how often a thread has waited"))
}

/// What is on the stack from `sp` outwards.
fn read_stack(sp: usize, outer: usize) -> io::Result<Vec<usize>> {
    let length = outer.saturating_sub(sp).min(MOST);
    let mut bytes = vec![0; length];
    let read = File::open("/proc/self/mem")?.read_at(&mut bytes, sp as u64)?;
    Ok(bytes[..read].as_chunks::<WORD>().0.iter().map(|word| usize::from_ne_bytes(*word)).collect())
}

/// The part of memory that has the stack, up to `outer`.
fn stack_of(outer: usize) -> io::Result<Range<usize>> {
    let all = ranges(&fs::read_to_string("/proc/self/maps")?, "rw");
    let found = all.into_iter().find(|range| range.contains(&outer));
    found
        .map(|range| range.start..outer)
        .ok_or_else(|| io::Error::other("/proc does not tell where the stack is"))
}

/// The parts of memory whose permissions begin with these.
fn ranges(maps: &str, permissions: &str) -> Vec<Range<usize>> {
    let range = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let address = |text| usize::from_str_radix(text, 16).ok();
        rest.starts_with(permissions).then_some(address(start)?..address(end)?)
    };
    maps.lines().filter_map(range).collect()
}

/// `pc`, and what on the stack is an address that a function returns to.
fn addresses(pc: usize, stack: &[usize]) -> io::Result<Vec<usize>> {
    let code = ranges(&fs::read_to_string("/proc/self/maps")?, "r-x");
    let is_code = |address: usize| code.iter().any(|range| range.contains(&address));
    let memory = File::open("/proc/self/mem")?;
    let follows_call = |address: usize| {
        let mut before = [0; CALL];
        let read = memory.read_exact_at(&mut before, address.saturating_sub(CALL) as u64);
        read.is_ok() && ends_with_call(&before)
    };
    let mut addresses = vec![pc];
    addresses.extend(stack.iter().copied().filter(|word| is_code(*word) && follows_call(*word)));
    addresses.dedup();
    Ok(addresses)
}

/// Whether these bytes end with an instruction that calls: a relative one (E8), or one by way of a register or of memory
/// (FF, with 2 in the middle of the byte after it).
fn ends_with_call(bytes: &[u8; CALL]) -> bool {
    bytes[CALL - 5] == 0xE8
        || (2..=CALL).any(|length| match bytes[CALL - length..] {
            [0xFF, mode, ..] if mode >> 3 & 7 == 2 => indirect_length(mode) == length,
            _ => false,
        })
}

/// How long such an instruction is, by the byte that tells where the address is.
fn indirect_length(mode: u8) -> usize {
    let (kind, base) = (mode >> 6, mode & 7);
    // With a byte more for the registers that are added up.
    let scaled = usize::from(kind != 3 && base == 4);
    2 + scaled
        + match kind {
            0 if base == 5 => 4,
            1 => 1,
            2 => 4,
            _ => 0,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_of_a_wait_is_read() {
        let read =
            "0 0x3 0x7f15c1cc0000 0x20000 0x7f15c1d53b60 0xffffffff 0x0 0x7ffd7de2c558 0x7f15c1e3c2ad\n";
        assert_eq!(call_of(read), Some((0, 0x7f15c1e3c2ad, 0x7ffd7de2c558)));
        assert_eq!(call_of("-1 0x7ffd7de2c558 0x7f15c1e3c2ad\n"), Some((-1, 0x7f15c1e3c2ad, 0x7ffd7de2c558)));
        assert_eq!(call_of("running\n"), None);
        assert_eq!(call_of(""), None);
    }

    #[test]
    fn parts_of_memory_are_told_by_their_permissions() {
        let maps = "1000-3000 r-xp 00000000 fe:00 12 /bin/x\n3000-4000 rw-p 00000000 00:00 0\nnonsense\n5000-6000 r-xp 0 0 0\n";
        assert_eq!(ranges(maps, "r-x"), [0x1000..0x3000, 0x5000..0x6000]);
        assert_eq!(ranges(maps, "rw").first(), Some(&(0x3000..0x4000)));
    }

    #[test]
    fn calls_are_told_from_other_instructions() {
        let call = |instruction: &[u8]| {
            let mut bytes = [0x90; CALL];
            bytes[CALL - instruction.len()..].copy_from_slice(instruction);
            ends_with_call(&bytes)
        };
        // call rel32; call rax; call r15; call [rip+x]; call [rax]; call [rax+8]; call [rsp+8]; call [rbx+rcx*8+x].
        assert!(call(&[0xE8, 1, 2, 3, 4]));
        assert!(call(&[0xFF, 0xD0]) && call(&[0x41, 0xFF, 0xD7]));
        assert!(call(&[0xFF, 0x15, 1, 2, 3, 4]) && call(&[0xFF, 0x10]) && call(&[0xFF, 0x50, 8]));
        assert!(call(&[0xFF, 0x54, 0x24, 8]) && call(&[0xFF, 0x94, 0xCB, 1, 2, 3, 4]));
        // jmp rel32; jmp rax; push [rax]; ret; call rax, but not at the end.
        assert!(!call(&[0xE9, 1, 2, 3, 4]) && !call(&[0xFF, 0xE0]) && !call(&[0xFF, 0x30]) && !call(&[0xC3]));
        assert!(!call(&[0xFF, 0xD0, 0x90]));
    }
}
