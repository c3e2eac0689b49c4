//! What users test their actors with, driven through the public API: a file each.

mod actor_tests;
mod arbitrary;
mod model_based;
mod probes;
#[path = "../support.rs"]
#[allow(dead_code, reason = "not all of it is of interest here")]
mod shared;
mod simulated;
mod support;
