//! The affinity mask: which cores a thread may run on. Linux has it; elsewhere the mask is unknown
//! and pinning does nothing.

use std::io;

/// The cores that this thread, and so those that it starts, may use; by number, ascending. `None`
/// where that cannot be told.
#[cfg(target_os = "linux")]
pub(crate) fn allowed() -> Option<Vec<usize>> {
    use rustix::thread::{CpuSet, sched_getaffinity};
    let mask = sched_getaffinity(None).ok()?;
    Some((0..CpuSet::MAX_CPU).filter(|core| mask.is_set(*core)).collect())
}

/// Keeps this thread on these cores.
#[cfg(target_os = "linux")]
pub(crate) fn pin(cores: &[usize]) -> io::Result<()> {
    use rustix::thread::{CpuSet, sched_setaffinity};
    let mut mask = CpuSet::new();
    for core in cores {
        if *core >= CpuSet::MAX_CPU {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        mask.set(*core);
    }
    Ok(sched_setaffinity(None, &mask)?)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn allowed() -> Option<Vec<usize>> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn pin(_cores: &[usize]) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_may_use_its_core_only() {
        let core = *allowed().expect("Linux tells").last().expect("this thread runs somewhere");
        let after = std::thread::spawn(move || pin(&[core]).map(|()| allowed()));
        assert_eq!(after.join().expect("it ends").expect("it may"), Some(vec![core]));
        assert!(pin(&[core, 1 << 20]).is_err());
    }
}
