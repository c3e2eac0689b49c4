#[allow(unused_imports)]
use actor_core::System;
use actor_core::testing::actor_test;

#[actor_test(wrkers = 1, workers = 0, settle = "soon", build)]
fn settings(system: &System) {
    let _ = system;
}

#[actor_test(failures = "Account", leaks = [Session], workers = 1, workers = 2)]
#[test]
unsafe fn lists<T>(system: System, n: u8) {
    let _ = (system, n);
}

#[actor_test]
fn without_a_system() {}

#[actor_test(sim = "yes", settle = "1s", cases = 0)]
fn simulated(system: &System) {
    let _ = system;
}

#[actor_test(cases = 10)]
fn not_simulated(system: &System) {
    let _ = system;
}

#[actor_test]
struct Account;

fn main() {}
