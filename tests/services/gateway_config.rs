//! What is said of a configuration that is wrong.
#![cfg(target_os = "linux")]

use std::process::Output;

use crate::gateway_support::{Folder, LISTEN, command};

fn checked(config: &str) -> Output {
    let folder = Folder::new();
    command(&folder.write("gateway.toml", config)).arg("--check").output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[test]
fn mistakes_are_told_with_file_line_key_and_what_is_allowed() {
    let output = checked("[listen]\nhttp = \"localhost\"\n[limits]\nrate = 5\n");
    assert_eq!(output.status.code(), Some(1));
    let errors = text(&output.stderr);
    let lines: Vec<_> = errors.lines().collect();
    assert_eq!(lines.len(), 3, "{errors}");
    let all = [
        ["gateway.toml: line 1: route: is missing", "without a [[route]] nobody is served"],
        [
            "gateway.toml: line 2: listen.http: \"localhost\" is not allowed here",
            "it must be an IP address with a port",
        ],
        [
            "gateway.toml: line 4: limits.rate: there is no such key",
            "allowed here are body, burst, clients, idle,",
        ],
    ];
    for (line, parts) in lines.iter().zip(all) {
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    }
}

#[test]
fn a_sound_one_is_told_so() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/gateway/gateway.toml");
    let output = command(example.as_ref()).arg("--check").output().expect("the binary runs");
    assert_eq!(text(&output.stdout), format!("{example} is sound\n"));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_file_that_is_not_there_is_told_so() {
    let output = command("/nowhere/gateway.toml".as_ref()).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("gateway: cannot read /nowhere/gateway.toml: "));
}

#[test]
fn an_address_that_is_taken_is_told_with_its_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let config = LISTEN.replace("127.0.0.1:0", &address)
        + "[[pool]]\nname = \"a\"\nprotocol = \"http\"\nbackends = [\"127.0.0.1:1\"]\n\
           [[route]]\npath = \"/\"\npool = \"a\"\n";
    let folder = Folder::new();
    let output = command(&folder.write("gateway.toml", &config)).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains(&format!("gateway: cannot listen at {address}: ")), "{error}");
}
