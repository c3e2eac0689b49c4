use actor_core::{Actor, messages};

#[derive(Actor)]
struct Index {
    words: Vec<String>,
}

#[messages]
impl Index {
    #[message(preemptible)]
    fn count(&mut self) -> usize {
        let mut count = 0;
        for word in &self.words {
            count += word.len();
        }
        count
    }
}

fn main() {}
