//! How much the relay carries, for whom, and how fast.

use super::*;

#[test]
fn b_097_the_third_allocation_of_a_credential_is_refused() {
    let (mut world, user) = world_and_user();
    world.allocate(&user).unwrap();
    world.allocate(&user.at("5.5.5.5:6001")).unwrap();
    assert_eq!(world.allocate(&user.at("5.5.5.5:6002")), Err(486));
    assert_eq!(world.ask(&user, kind::REFRESH, |w| w.attribute(attribute::LIFETIME, &[0; 4])).0, 0);
    world.allocate(&user.at("5.5.5.5:6002")).unwrap();
}

#[test]
fn b_097_of_a_thousand_allocations_from_one_source_most_are_refused() {
    let mut world = World::new(RelayLimits::default());
    let codes: Vec<_> = (0..1000)
        .map(|i| {
            let address = format!("5.5.5.5:{}", 10_000 + i);
            let user = User::new(&world, &address, &i.to_string());
            world.allocate(&user).err()
        })
        .collect();
    assert_eq!(codes.iter().filter(|code| code.is_none()).count(), 64);
    assert!(codes[64..].iter().all(|code| *code == Some(486)));
    assert_eq!(world.relay.allocations.len(), 64);
    let elsewhere = User::new(&world, "6.6.6.6:6000", "elsewhere");
    world.allocate(&elsewhere).unwrap();
}

#[test]
fn b_097_a_credential_that_has_carried_its_bytes_ends() {
    let mut world = World::new(RelayLimits { bytes_per_credential_max: 10_000, ..RelayLimits::default() });
    let user = User::new(&world, "5.5.5.5:6000", "one");
    world.allocate(&user).unwrap();
    world.permit(&user, "1.2.3.4:7000");
    for _ in 0..20 {
        world.send(&user, "1.2.3.4:7000", &[7; 1000]);
    }
    assert_eq!(world.left.len(), 10);
    assert_eq!(world.relay.allocations.len(), 0);
    assert_eq!(world.allocate(&user), Err(486));
}

#[test]
fn b_097_a_flow_is_cut_to_its_rate() {
    let (mut world, user) = world_and_user();
    world.allocate(&user).unwrap();
    world.permit(&user, "1.2.3.4:7000");
    for _ in 0..1000 {
        for _ in 0..20 {
            world.send(&user, "1.2.3.4:7000", &[7; 1000]);
        }
        world.pass(Duration::from_millis(1));
    }
    let bits: usize = world.left.iter().map(|(_, bytes)| bytes.len() * 8).sum();
    assert!((49_000_000..51_000_000).contains(&bits), "{bits} bits in a second");
}

#[test]
fn a_burst_waits_its_turn_and_keeps_its_order() {
    let (mut world, user) = world_and_user();
    world.allocate(&user).unwrap();
    world.permit(&user, "1.2.3.4:7000");
    for number in 0..200_u8 {
        world.send(&user, "1.2.3.4:7000", &[number; 1000]);
    }
    let at_once = world.left.len();
    assert!((50..80).contains(&at_once), "{at_once} at once");
    for _ in 0..100 {
        world.pass(Duration::from_millis(1));
    }
    let order: Vec<u8> = world.left.iter().map(|(_, bytes)| bytes[0]).collect();
    assert_eq!(order, (0..200).collect::<Vec<u8>>());
}

#[test]
fn the_table_of_credentials_cannot_be_filled() {
    let mut world = World::new(RelayLimits { credentials_max: 3, ..RelayLimits::default() });
    for i in 0..3 {
        let user = User::new(&world, &format!("5.5.5.5:{}", 6000 + i), &i.to_string());
        world.allocate(&user).unwrap();
        world.ask(&user, kind::REFRESH, |w| w.attribute(attribute::LIFETIME, &[0; 4]));
    }
    let late = User::new(&world, "5.5.5.5:6000", "late");
    assert_eq!(world.allocate(&late), Err(508));
    world.pass(Duration::from_secs(600));
    let later = User::new(&world, "5.5.5.5:6000", "later");
    world.allocate(&later).unwrap();
}
