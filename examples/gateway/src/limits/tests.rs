use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

const RATE: Rate = Rate { per_second: 10, burst: 3 };

fn address(n: u32) -> IpAddr {
    Ipv4Addr::from(n).into()
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn a_burst_and_then_the_rate() {
    let mut limits = Limits::new(RATE, 100);
    let now = Instant::now();
    for _ in 0..3 {
        assert_eq!(limits.take(address(1), now), Ok(()));
    }
    assert_eq!(limits.take(address(1), now), Err(millis(100)));
    assert_eq!(limits.take(address(1), now + millis(40)), Err(millis(60)), "a refusal costs nothing");
    assert_eq!(limits.take(address(2), now), Ok(()), "another client");
    assert_eq!(limits.take(address(1), now + millis(100)), Ok(()));
    assert_eq!(limits.take(address(1), now + millis(100)), Err(millis(100)));
}

#[test]
fn a_network_of_ipv6_is_one_client() {
    let mut limits = Limits::new(RATE, 100);
    let now = Instant::now();
    for n in 0..3_u16 {
        let host = Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, n);
        assert_eq!(limits.take(host.into(), now), Ok(()));
    }
    let host = Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 1, 2, 3, 4);
    assert!(limits.take(host.into(), now).is_err());
    let elsewhere = Ipv6Addr::new(0x2001, 0xdb8, 0, 8, 0, 0, 0, 1);
    assert_eq!(limits.take(elsewhere.into(), now), Ok(()));
}

#[test]
fn an_ipv4_address_in_an_ipv6_one_is_the_same_client() {
    let mut limits = Limits::new(Rate { burst: 1, ..RATE }, 100);
    let now = Instant::now();
    assert_eq!(limits.take(Ipv4Addr::LOCALHOST.into(), now), Ok(()));
    assert!(limits.take(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), now).is_err());
}

#[test]
fn a_flood_of_addresses_shares_a_bucket_and_frees_nobody() {
    let mut limits = Limits::new(RATE, 20);
    let now = Instant::now();
    while limits.take(address(0), now).is_ok() {}
    let through = (1..1000).filter(|n| limits.take(address(*n), now).is_ok()).count();
    assert_eq!(through, 9 + 3, "nine have a place, all others have one bucket");
    assert!(limits.take(address(0), now).is_err(), "it is remembered");
    assert!(limits.clients() <= 20);
}

#[test]
fn those_with_full_buckets_are_forgotten() {
    let mut limits = Limits::new(RATE, 20);
    let mut now = Instant::now();
    for n in 0..1000 {
        assert_eq!(limits.take(address(n), now), Ok(()), "there is a place again");
        assert!(limits.clients() <= 20);
        now += millis(300);
    }
}

/// Tokens as one would count them: so many thousandths, filled up before each look.
struct Model {
    thousandths: u64,
    seen: Instant,
}

impl Model {
    fn take(&mut self, now: Instant) -> bool {
        let passed = (now - self.seen).as_millis() as u64 * u64::from(RATE.per_second);
        self.thousandths = (self.thousandths + passed).min(u64::from(RATE.burst) * 1000);
        self.seen = now;
        let enough = self.thousandths >= 1000;
        if enough {
            self.thousandths -= 1000;
        }
        enough
    }
}

proptest! {
    /// Each client has what a bucket of its own would give it, whatever the others do.
    #[test]
    fn it_gives_what_buckets_give(asks in proptest::collection::vec((0..500_u64, 0..5_u32), 0..300)) {
        let mut now = Instant::now();
        let mut limits = Limits::new(RATE, 20);
        let mut models: HashMap<u32, Model> = HashMap::new();
        for (pause, client) in asks {
            // Most come close together.
            now += millis(pause.saturating_sub(400));
            let model = models.entry(client).or_insert(Model { thousandths: 3000, seen: now });
            prop_assert_eq!(limits.take(address(client), now).is_ok(), model.take(now));
        }
    }

    /// What it says one has to wait for is enough.
    #[test]
    fn who_waits_as_long_as_it_says_gets_through(pauses in proptest::collection::vec(0..150_u64, 1..100)) {
        let mut now = Instant::now();
        let mut limits = Limits::new(RATE, 20);
        for pause in pauses {
            now += millis(pause);
            if let Err(wait) = limits.take(address(1), now) {
                prop_assert!(wait > Duration::ZERO && wait <= RATE.token());
                now += wait;
                prop_assert_eq!(limits.take(address(1), now), Ok(()));
            }
        }
    }
}
