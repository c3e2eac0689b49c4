use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    fn share(&mut self, note: std::rc::Rc<str>) {
        let _ = note;
    }

    #[message]
    fn run(&mut self, jobs: Vec<Box<dyn FnOnce(&mut Self)>>) {
        let _ = jobs;
    }

    #[message]
    fn poke(&mut self, address: *mut u8) -> std::rc::Rc<u8> {
        let _ = address;
        std::rc::Rc::new(1)
    }
}

fn main() {}
