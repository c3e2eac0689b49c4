use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

fn occupancy(limits: Limits) -> (Occupancy, Instant) {
    (Occupancy::new(limits), Instant::now())
}

#[test]
fn the_connections_in_all() {
    let (mut in_all, now) = occupancy(Limits::new().connections(2));
    assert_eq!(in_all.admit(at("10.0.0.1"), now), Ok(()));
    assert_eq!(in_all.admit(None, now), Ok(()));
    assert_eq!(in_all.admit(at("10.0.0.2"), now), Err(Limit::Connections));
    in_all.leave(None);
    assert_eq!(in_all.admit(at("10.0.0.2"), now), Ok(()));
    assert_eq!(in_all.open(), 2);
}

#[test]
fn one_that_goes_makes_room_for_one_and_the_number_of_those_is_bounded() {
    let (mut full, now) = occupancy(Limits::new().connections(1).per_address(1));
    assert_eq!(full.admit(at("10.0.0.1"), now), Ok(()));
    assert_eq!(full.admit(at("10.0.0.1"), now), Err(Limit::Address), "nobody has to go for this one");
    assert_eq!(full.admit(None, now), Err(Limit::Connections));
    for _ in 0..GOING {
        assert!(full.may_evict());
        full.evicted();
        assert_eq!(full.admit(None, now), Ok(()));
        assert_eq!(full.admit(None, now), Err(Limit::Connections));
    }
    assert!(!full.may_evict());
    full.leave(None);
    assert_eq!(full.admit(None, now), Err(Limit::Connections), "it was over the limit");
    assert!(full.may_evict());
}

#[test]
fn an_address_is_limited_and_the_others_are_not() {
    let (mut each, now) = occupancy(Limits::new().per_address(1));
    assert_eq!(each.admit(at("10.0.0.1"), now), Ok(()));
    assert_eq!(each.admit(at("10.0.0.1"), now), Err(Limit::Address));
    assert_eq!(each.admit(at("::ffff:10.0.0.1"), now), Err(Limit::Address), "the same in other words");
    assert_eq!(each.admit(at("10.0.0.2"), now), Ok(()));
    assert_eq!([each.admit(None, now), each.admit(None, now)], [Ok(()), Ok(())], "no address, no limit");
    each.leave(at("::ffff:10.0.0.1"));
    assert_eq!(each.admit(at("10.0.0.1"), now), Ok(()));
}

#[test]
fn subnets_have_24_and_64_bits() {
    let (mut nets, now) = occupancy(Limits::new().per_subnet(1));
    assert_eq!(nets.admit(at("10.0.0.1"), now), Ok(()));
    assert_eq!(nets.admit(at("10.0.0.255"), now), Err(Limit::Subnet));
    assert_eq!(nets.admit(at("10.0.1.1"), now), Ok(()));
    assert_eq!(nets.admit(at("2001:db8:0:1::1"), now), Ok(()));
    assert_eq!(nets.admit(at("2001:db8:0:1:ffff::2"), now), Err(Limit::Subnet));
    assert_eq!(nets.admit(at("2001:db8:0:2::1"), now), Ok(()));
}

#[test]
fn handshakes_end_before_connections_do() {
    let (mut hands, now) = occupancy(Limits::new().handshakes(1));
    assert_eq!(hands.admit(None, now), Ok(()));
    assert_eq!(hands.admit(None, now), Err(Limit::Handshakes));
    hands.past_handshake();
    assert_eq!(hands.admit(None, now), Ok(()));
    assert_eq!((hands.open(), hands.handshakes()), (2, 1));
}

#[test]
fn what_another_limit_refuses_takes_nothing_of_the_rate() {
    let (mut rate, now) = occupancy(Limits::new().per_second(1, 2).per_address(1));
    assert_eq!(rate.admit(at("10.0.0.1"), now), Ok(()));
    for _ in 0..10 {
        assert_eq!(rate.admit(at("10.0.0.1"), now), Err(Limit::Address));
    }
    assert_eq!(rate.admit(at("10.0.0.2"), now), Ok(()));
    assert_eq!(rate.admit(at("10.0.0.3"), now), Err(Limit::Rate));
    assert_eq!(rate.admit(at("10.0.0.3"), now + Duration::from_secs(1)), Ok(()));
}

#[test]
fn a_crowd_of_addresses_leaves_no_memory_behind() {
    let (mut each, now) = occupancy(Limits::new().connections(usize::MAX).per_address(9).per_subnet(9));
    let crowd = || (0..100_000_u32).map(|n| Some(Ipv4Addr::from_bits(n << 8).into()));
    for from in crowd() {
        assert_eq!(each.admit(from, now), Ok(()));
    }
    for from in crowd() {
        each.leave(from);
    }
    assert!(each.addresses.is_empty() && each.subnets.is_empty());
    let left = each.addresses.capacity().max(each.subnets.capacity());
    assert!(left <= 2 * SMALL, "room for {left} addresses is kept for nobody");
}

proptest! {
    /// Against a list of who is in: each limit refuses exactly when it should, and nothing is left over.
    #[test]
    fn it_knows_exactly_who_is_in(steps in prop::collection::vec((any::<bool>(), 0..6_u32), 0..200)) {
        let limits = Limits::new().connections(8).per_address(3).per_subnet(5);
        let (mut tested, now) = occupancy(limits);
        // Three addresses in each of two subnets.
        let address = |n: u32| IpAddr::from(Ipv4Addr::from_bits(((n / 3) << 8) | (n % 3)));
        let mut inside: Vec<u32> = Vec::new();
        for (comes, n) in steps {
            if comes {
                let same = inside.iter().filter(|&&other| other == n).count();
                let near = inside.iter().filter(|&&other| other / 3 == n / 3).count();
                let expected = match (same >= 3, near >= 5, inside.len() >= 8) {
                    (true, ..) => Err(Limit::Address),
                    (_, true, _) => Err(Limit::Subnet),
                    (.., true) => Err(Limit::Connections),
                    _ => Ok(()),
                };
                prop_assert_eq!(tested.admit(Some(address(n)), now), expected);
                if expected.is_ok() {
                    inside.push(n);
                }
            } else if let Some(at) = inside.iter().position(|&other| other == n) {
                inside.swap_remove(at);
                tested.leave(Some(address(n)));
            }
            prop_assert_eq!(tested.open(), inside.len());
            prop_assert!(tested.addresses.len() <= inside.len() && tested.subnets.len() <= inside.len());
        }
    }
}
