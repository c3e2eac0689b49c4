use std::rc::Rc;

use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account {
    owner: Rc<str>,
}

#[messages]
impl Account {}

fn main() {}
