//! The simulated system, through the public API: a file each.

mod audits;
mod chat;
mod failing;
mod faults;
mod found;
mod invariants;
mod network;
mod network_faults;
mod programs;
mod same_tape;
mod steps;
mod time;
mod waiting;
