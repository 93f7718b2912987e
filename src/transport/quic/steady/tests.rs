//! How connections do on links in a time of their own.

mod simulation;

use p2pshare_net::Link;

use self::simulation::{DATAGRAM_BYTES, Run, Simulation, WAKES_LATE};
use super::*;

#[test]
fn a_speed_that_was_found_is_kept_until_the_next_probe() {
    let run = Run::of(&mut Simulation::new(Link::new(100, 40.0, 0.0)), 96 << 20);
    assert!(run.rate() > 11.1, "{run:?}");
    assert!(run.sent_twice() < 0.01, "{run:?}");
}

#[test]
fn who_is_woken_late_catches_up() {
    let link = Link::new(100, 40.0, 0.0);
    let run = Run::of(&mut Simulation { lateness: WAKES_LATE, ..Simulation::new(link) }, 96 << 20);
    assert!(run.rate() > 11.1, "{run:?}");
}

#[test]
fn who_is_woken_much_too_late_catches_up_too() {
    for seed in 1..=3 {
        let link = Link::new(300, 100.0, 0.0);
        let run =
            Run::of(&mut Simulation { lateness: 10 * WAKES_LATE, random: seed, ..Simulation::new(link) }, 64 << 20);
        assert!(run.rate() > 18.0, "{run:?}");
        assert!(run.sent_twice() < 0.03, "{run:?}");
    }
}

#[test]
fn losses_without_a_queue_do_not_slow_it_down() {
    let link = Link::new(50, 80.0, 1.0);
    let run = Run::of(&mut Simulation { lateness: 4 * WAKES_LATE, ..Simulation::new(link) }, 48 << 20);
    assert!(run.rate() > 3.6, "{run:?}");
    assert!(run.sent_twice() < 0.03, "{run:?}");
}

#[test]
fn a_start_over_a_long_path_takes_few_round_trips() {
    let run = Run::of(&mut Simulation::new(Link::new(300, 100.0, 0.0)), 8 << 20);
    assert!(run.took < Duration::from_millis(720), "{run:?}");
    assert!(run.sent_twice() < 0.001, "{run:?}");
}

#[test]
fn a_start_does_not_go_on_filling_a_path_that_is_full() {
    // Room for half of what is under way.
    let link = Link { queue_bytes: 1_900_000, ..Link::new(300, 100.0, 0.0) };
    for lateness in [0, 1, 2] {
        let run = Run::of(&mut Simulation { lateness: lateness * WAKES_LATE, ..Simulation::new(link) }, 64 << 20);
        assert!(run.sent_twice() < 0.015, "{run:?}");
        assert!(run.rate() > 28.5, "{run:?}");
    }
}

#[test]
fn acknowledgements_that_were_held_up_do_not_make_a_path_seem_faster() {
    let (began, lowest) = (Instant::now(), Duration::from_millis(100));
    let mut start = Start::default();
    // 10 MB/s: a packet of 10 kB leaves each millisecond. What is acknowledged in ten of them comes late, in two parts.
    for ms in 1..=40 {
        start.on_ack(began + Duration::from_millis(ms), lowest, 10_000);
        let acked = if ms == 25 { 30 } else { ms };
        if !matches!(ms, 20..=24 | 26..=30) {
            start.on_end_acks(began + Duration::from_millis(acked) + lowest, 400_000, lowest);
        }
    }
    let speed = start.ahead(lowest).expect("a speed").speed as f64 / 1.25;
    assert!((9e6..11e6).contains(&speed), "{speed}");
}

#[test]
fn starting_it_has_no_more_under_way_than_twice_what_the_path_holds() {
    let link = Link { queue_bytes: 100 << 20, ..Link::new(300, 100.0, 0.0) };
    let mut simulation = Simulation { lateness: 2 * WAKES_LATE, ..Simulation::new(link) };
    let run = Run::of(&mut simulation, 32 << 20);
    assert!(run.largest_window < 2 * 4_200_000, "{run:?}");
}

#[test]
fn on_a_short_path_bbr_hears_of_every_loss() {
    let now = Instant::now();
    // What of a pardon is left after a loss without a queue.
    let left = |lowest| {
        let round_trip = Some(RoundTrip { lowest, smoothed: lowest });
        let bbr = Arc::new(Bbr3Config::default()).build(now, 1200);
        let time = Time { clock: Arc::new(move || now), looked: None };
        let mut steady = Steady { bbr, time, round_trip, in_flight: 0, pardon: 5000, start: Start::default() };
        steady.on_packet_sent(now, 1200, 0);
        steady.on_packet_lost(1200, 0, now);
        steady.pardon
    };
    assert_eq!(left(SHORT), 3800);
    assert_eq!(left(SHORT / 5), 5000, "BBR itself hears of it");
}

#[test]
fn a_short_path_is_filled_although_timers_are_as_slow_as_it() {
    let ticks = Duration::from_millis(1);
    let run = Run::of(&mut Simulation { ticks, ..Simulation::new(Link::new(1000, 1.0, 0.0)) }, 96 << 20);
    assert!(run.rate() > 115.0, "{run:?}");
    assert!(run.sent_twice() < 0.01, "{run:?}");
}

#[test]
fn a_round_trip_that_seems_to_take_no_time_is_not_believed() {
    let reads_late = Duration::from_micros(1500);
    let run = Run::of(&mut Simulation { reads_late, ..Simulation::new(Link::new(1000, 1.0, 0.0)) }, 96 << 20);
    assert!(run.rate() > 110.0, "{run:?}");
}

#[test]
fn losses_that_look_like_a_path_for_small_packets_only_make_them_small_for_seconds() {
    let mut simulation = Simulation::new(Link::new(50, 40.0, 0.0));
    Run::of(&mut simulation, 4 << 20);
    assert_eq!(simulation.packet_bytes(), DATAGRAM_BYTES);
    simulation.largest = 1300;
    Run::of(&mut simulation, 1 << 20);
    assert_eq!(simulation.packet_bytes(), 1200, "larger ones did not arrive");
    simulation.largest = usize::MAX;
    let run = Run::of(&mut simulation, 20 << 20);
    assert_eq!(simulation.packet_bytes(), DATAGRAM_BYTES, "{run:?}");
}

#[test]
fn a_path_that_becomes_slower_is_noticed() {
    let mut simulation = Simulation::new(Link::new(100, 40.0, 0.0));
    Run::of(&mut simulation, 32 << 20);
    let slower = Link::new(20, 40.0, 0.0);
    simulation.pipes[0].change(slower);
    Run::of(&mut simulation, 20 << 20);
    let run = Run::of(&mut simulation, 20 << 20);
    assert!(run.rate() > 2.1, "{run:?}");
    assert!(run.sent_twice() < 0.05, "{run:?}");
}
