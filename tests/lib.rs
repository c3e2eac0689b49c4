//! The tests live in `behaviour/`; this library is empty so that the package has a target to document.
