use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    fn rename(&mut self, name: &str, tags: &[String], aliases: Vec<&str>) {
        let _ = (name, tags, aliases);
    }

    #[message]
    fn annotate(&mut self, note: std::borrow::Cow<'_, str>) {
        let _ = note;
    }

    #[message]
    fn fine(&mut self, kind: &'static str, check: fn(&str) -> bool) {
        let _ = check(kind);
    }
}

fn main() {}
