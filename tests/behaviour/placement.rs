//! Workers that are pinned to cores, and settings that the affinity mask contradicts.
#![cfg(target_os = "linux")]

use actor_core::prelude::*;
use actor_core::{Contradiction, System};

#[derive(Actor)]
pub(crate) struct Where;

#[messages]
impl Where {
    /// The cores that the thread that runs this may use, as the kernel lists them.
    #[message]
    pub(crate) fn cores(&self) -> String {
        cores_of("/proc/thread-self/status")
    }
}

pub(crate) fn cores_of(status: &str) -> String {
    let status = std::fs::read_to_string(status).expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.expect("a thread has a mask").trim().to_owned()
}

/// The first core of this process's mask.
pub(crate) fn first_core() -> usize {
    let cores = cores_of("/proc/self/status");
    let first = cores.split([',', '-']).next().and_then(|core| core.parse().ok());
    first.expect("a process runs somewhere")
}

#[test]
fn pinned_workers_stay_on_their_cores() {
    let core = first_core();
    let system = System::builder().workers(1).pin_workers_to([core]).build().unwrap();
    assert_eq!(system.placement().core(0), Some(core));
    let actor = system.spawn(|| Where).unwrap();
    assert_eq!(actor.cores().wait().unwrap(), core.to_string());

    let system = System::builder().workers(1).pin_workers(true).build().unwrap();
    let actor = system.spawn(|| Where).unwrap();
    assert_eq!(actor.cores().wait().unwrap(), core.to_string());
}

#[test]
fn workers_are_free_unless_pinned() {
    let system = System::builder().workers(1).build().unwrap();
    assert_eq!(system.placement().core(0), None);
    let actor = system.spawn(|| Where).unwrap();
    assert_eq!(actor.cores().wait().unwrap(), cores_of("/proc/self/status"));
}

#[test]
fn a_core_outside_of_the_mask_is_told_and_the_worker_is_not_pinned() {
    // No machine that runs tests has so many.
    let core = 100_000;
    let system = System::builder().workers(1).pin_workers_to([core]).build().unwrap();
    assert_eq!(system.placement().core(0), None);
    let told = system.placement().contradictions();
    assert_eq!(told, [Contradiction::CoreNotAllowed { worker: 0, core }]);
    assert!(told[0].to_string().contains("100000"), "it names the core: {}", told[0]);
    let actor = system.spawn(|| Where).unwrap();
    assert_eq!(actor.cores().wait().unwrap(), cores_of("/proc/self/status"));
}

#[test]
fn more_workers_than_cores_are_told() {
    let system = System::builder().workers(1024).build().unwrap();
    let told = system.placement().contradictions();
    assert!(matches!(told, [Contradiction::MoreWorkersThanCores { workers: 1024, .. }]), "{told:?}");
}
