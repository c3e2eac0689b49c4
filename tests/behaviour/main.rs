//! Behaviours, driven through the public API: a file each.

mod accounting;
mod ask;
mod async_handlers;
mod dead_letters;
mod lifecycle;
mod macro_errors;
mod macro_expansion;
mod mailbox;
mod monitors;
mod names;
mod net_bad_input;
mod net_client;
mod net_echo;
mod net_end;
mod net_limits;
mod net_slow;
mod net_support;
mod scheduling;
mod shutdown;
mod supervision;
mod support;
mod system_lane;
mod timers;
