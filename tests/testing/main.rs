//! What users test their actors with, driven through the public API: a file each.

mod actor_tests;
mod probes;
mod support;
