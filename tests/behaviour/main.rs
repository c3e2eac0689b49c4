//! Behaviours, driven through the public API: a file each.

mod accounting;
mod ask;
mod async_handlers;
#[cfg(target_os = "linux")]
mod background;
mod blocking;
mod condemned;
mod condemned_at_most;
mod dead_letters;
mod deadlocks;
mod endings;
mod foreign_wakers;
mod groups;
mod interop;
mod leaks;
mod lifecycle;
mod macro_errors;
mod macro_expansion;
mod macro_handlers;
mod mailbox;
mod monitors;
mod names;
mod observe;
mod otp_processes;
mod otp_supervisor;
mod otp_supervisor_limits;
mod otp_supervisor_trees;
mod otp_support;
mod out_of_threads;
mod overdue;
mod parallelism;
mod pinned;
mod placement;
mod preemptible;
mod preemption;
mod privileges;
#[cfg(unix)]
mod processes;
mod quanta;
mod redelivery;
mod safepoints;
mod scheduling;
mod shutdown;
mod silence;
mod stacks;
mod stalled;
mod stalled_children;
mod stalled_races;
mod stress;
mod supervision;
#[path = "../support.rs"]
mod support;
mod system_lane;
mod timers;
mod trees;
