use actor_core::{Actor, Child, Children, Supervisor, messages};

#[derive(Actor)]
struct Account;

#[derive(Actor)]
#[actor(silence = "30s")]
struct Session;

#[messages]
impl Account {}
#[messages]
impl Session {}

#[derive(Supervisor)]
struct Bank {
    #[child(on_silence = "restart")]
    audit: Child<Account>,
    #[child(on_silence = "report")]
    accounts: Children<Account>,
    #[child(silence = "1s", on_silence = "restart")]
    vault: Child<Account>,
    #[child(on_silence = "restart")]
    door: Child<Session>,
    #[child(on_silence = "restart")]
    sessions: Children<Session>,
}

fn main() {}
