//! Connections while the parallelism changes.

use crate::setup::Setup;

#[test]
fn connections_of_retired_workers_are_served() {
    let served = Setup::default().serve();
    served.system.set_parallelism(4).unwrap();
    let mut clients: Vec<_> = (0..32).map(|_| served.connect()).collect();
    for parallelism in [4, 1, 3, 1] {
        served.system.set_parallelism(parallelism).unwrap();
        for client in &mut clients {
            assert_eq!(client.ask("still there?"), "still there?");
        }
    }
}
