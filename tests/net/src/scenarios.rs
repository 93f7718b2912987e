//! What is tried in the lab. Each scenario sets up machines of its own.

mod better;
mod doctor;
mod emulator;
mod film;
mod lan;
mod nearby;
mod outages;
mod reach;
mod transfers;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Result, ensure};

/// A scenario.
pub(crate) type Scenario = fn() -> Result<()>;

/// All of them, in the order they run.
pub(crate) const ALL: &[(&str, Scenario)] = &[
    ("a_link_is_no_faster_than_it_says", emulator::is_no_faster_than_it_says),
    ("a_link_loses_what_its_seed_says", emulator::loses_what_its_seed_says),
    ("a_link_that_is_cut_carries_nothing_and_then_again", emulator::is_cut_and_mended),
    ("a_router_passes_on_and_its_firewall_does_not", emulator::is_routed_and_filtered),
    ("a_file_arrives_over_a_long_link", transfers::over_a_long_link),
    ("a_file_arrives_over_a_lossy_link", transfers::over_a_lossy_link),
    ("a_file_arrives_over_data_channels_alone", transfers::over_data_channels_alone),
    ("a_lossy_link_is_shared_by_several_connections", transfers::over_several_connections),
    ("several_connections_cut_in_the_middle_lose_nothing", transfers::several_connections_cut_in_the_middle),
    ("one_of_several_connections_dies_and_the_file_arrives_over_one", transfers::one_of_several_connections_dies),
    ("several_connections_through_a_relay_leave_addresses_for_another", transfers::several_connections_through_a_relay),
    ("small_files_cost_no_round_trip_each", transfers::small_files),
    ("a_cut_in_the_middle_loses_nothing", transfers::cut_in_the_middle),
    ("a_code_is_found_on_a_network_without_a_server_over_ipv4", lan::found_by_code_over_ipv4),
    ("a_code_is_found_on_a_network_without_a_server_over_ipv6", lan::found_by_code_over_ipv6),
    ("two_senders_with_one_nameplate_are_told_apart_by_the_code", lan::one_nameplate_twice),
    ("two_devices_on_a_network_without_a_server_see_each_other_and_send_by_name", nearby::see_each_other),
    ("routers_are_of_the_sort_that_they_are_called", reach::routers_are_of_their_sort),
    ("behind_every_nat_two_homes_find_the_shortest_way", reach::behind_every_nat),
    ("where_only_tcp_gets_through_the_server_carries_it", reach::with_nothing_but_tcp),
    ("where_only_tcp_gets_through_and_no_relay_is_there_the_cause_is_said", reach::with_nothing_but_tcp_and_no_relay),
    ("doctor_is_right_about_networks_where_there_is_a_relay", doctor::is_right_where_there_is_a_relay),
    ("doctor_is_right_about_networks_where_there_is_no_relay", doctor::is_right_where_there_is_none),
    ("outages_and_new_addresses_are_survived", outages::are_survived),
    ("a_transfer_moves_to_a_better_way_once_there_is_one", better::is_taken),
];

/// The program that is tried.
fn program() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os("P2PSHARE") {
        return Ok(program.into());
    }
    let beside = std::env::current_exe()?.with_file_name("p2pshare");
    ensure!(beside.exists(), "{} is not there: build it first, as tests/net/run does", beside.display());
    Ok(beside)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
