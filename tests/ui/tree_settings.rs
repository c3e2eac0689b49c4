use actor_core::{Actor, Child, Subtree, Supervisor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {}

#[derive(Supervisor)]
#[supervisor(intensity = "5 in 0s", auto_shutdown = any_significant, strategy)]
struct Bank {
    #[child(transient, shutdwn = "5s", backoff, backoff = "0ms..5s")]
    audit: Child<Account>,
    #[child]
    vault: Child<Account>,
    #[child(name = "a/b", start = "kill", transient, transient)]
    clock: Child<Account>,
    #[child(stall = "10us")]
    desk: Child<Account>,
    #[child(stall = "1s")]
    branch: Subtree<Branch>,
}

#[derive(Supervisor)]
struct Branch {
    #[child(stall)]
    safe: Child<Account>,
}

fn main() {}
