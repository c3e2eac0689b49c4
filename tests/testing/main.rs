//! What users test their actors with, driven through the public API: a file each.

mod actor_tests;
mod arbitrary;
mod model_based;
mod probes;
mod simulated;
mod support;
