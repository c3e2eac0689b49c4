//! What users test their actors with, driven through the public API: a file each.

mod probes;
mod support;
