use actor_core::{Actor, messages};

#[derive(Actor)]
struct Index {
    words: Vec<String>,
}

#[messages]
impl Index {
    #[message(preemptible, blocking)]
    async fn sort(&mut self) {
        for word in &mut self.words {
            word.make_ascii_lowercase();
        }
    }

    #[message(blocking)]
    async fn save(&mut self) {
        let _ = std::fs::write("words", self.words.concat());
    }
}

fn main() {}
