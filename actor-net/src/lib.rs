//! Net.
#![forbid(unsafe_code)]
