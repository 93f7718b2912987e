//! The lab itself: a link does what it says, as seen by the machines at its ends.
//!
//! A busy machine makes every link slower and longer, never faster or shorter; so that is what is looked at.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use p2pshare_net::{EmulatedLink, Lab, Link, Machine};

pub(super) fn is_no_faster_than_it_says() -> Result<()> {
    let (_lab, _link, [near, far]) = ends(Link::new(10, 40.0, 0.0))?;
    let start = Instant::now();
    near.send(&[0; PAYLOAD])?;
    ask(&far)?.context("nothing arrived")?;
    far.send(&[0; PAYLOAD])?;
    ask(&near)?.context("nothing came back")?;
    let round_trip = start.elapsed();
    let start = Instant::now();
    for _ in 0..PACKETS {
        near.send(&[0; PAYLOAD])?;
    }
    let mut arrived = 0;
    while arrived < PACKETS && ask(&far)?.is_some() {
        arrived += 1;
    }
    let took = start.elapsed();
    let rate = f64::from(arrived) * ((PAYLOAD + 28 + 14) * 8) as f64 / (took.as_secs_f64() - 0.02) / 1e6;
    println!("    {round_trip:.1?} there and back, {rate:.1} Mbit/s, {arrived} of {PACKETS} packets");
    ensure!(round_trip >= Duration::from_millis(40), "it takes {round_trip:?}, not 40 ms");
    ensure!(arrived == PACKETS, "{arrived} of {PACKETS} arrived");
    ensure!(rate <= 10.1, "{rate:.1} Mbit/s, not 10");
    Ok(())
}

pub(super) fn loses_what_its_seed_says() -> Result<()> {
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        let (_lab, link, [near, far]) = ends(Link { seed, ..Link::new(100, 2.0, 10.0) })?;
        for number in 0..PACKETS {
            near.send(&number.to_be_bytes())?;
        }
        let mut arrived = Vec::new();
        while let Some(number) = ask_within(&far, Duration::from_millis(500))? {
            arrived.push(number);
        }
        println!("    seed {seed}: {} of {PACKETS} arrived, {:?}", arrived.len(), link.counters()[0]);
        runs.push(arrived);
    }
    ensure!(runs[0] == runs[1], "the same seed lost other packets");
    ensure!(runs[0] != runs[2], "another seed lost the same packets");
    Ok(())
}

pub(super) fn is_cut_and_mended() -> Result<()> {
    let (_lab, link, [near, far]) = ends(Link::new(100, 2.0, 0.0))?;
    link.cut();
    near.send(b"lost")?;
    ensure!(ask_within(&far, Duration::from_millis(200))?.is_none(), "a link that is cut carried something");
    link.mend();
    near.send(b"kept")?;
    ensure!(ask(&far)?.as_deref() == Some(b"kept"), "a link that was mended carries nothing");
    Ok(())
}

pub(super) fn is_routed_and_filtered() -> Result<()> {
    let lab = Lab::new()?;
    let (near, router, far) = (lab.machine("near")?, lab.machine("router")?, lab.machine("far")?);
    lab.cable([(&near, "10.1.0.2/24"), (&router, "10.1.0.1/24")])?;
    let _link = lab.link([(&router, "10.2.0.1"), (&far, "10.2.0.2")], Link::new(100, 2.0, 0.0))?;
    router.forward()?;
    near.ip("route add default via 10.1.0.1")?;
    far.ip("route add default via 10.2.0.1")?;
    let (one, other) = (socket(&near, "10.1.0.2")?, socket(&far, "10.2.0.2")?);
    one.connect(other.local_addr()?)?;
    one.send(b"passed on")?;
    ensure!(ask(&other)?.as_deref() == Some(b"passed on"), "the router passes nothing on");
    router.nft(
        "table ip filter {\n chain forward {\n type filter hook forward priority 0\n ip protocol udp drop\n}\n}\n",
    )?;
    one.send(b"dropped")?;
    ensure!(ask_within(&other, Duration::from_millis(200))?.is_none(), "the firewall let it pass");
    Ok(())
}

/// Two machines at the ends of a link, with a socket on each that is connected to the other.
fn ends(link: Link) -> Result<(Lab, EmulatedLink, [UdpSocket; 2])> {
    let lab = Lab::new()?;
    let (near, far) = (lab.machine("near")?, lab.machine("far")?);
    let link = lab.link([(&near, "10.77.0.1"), (&far, "10.77.0.2")], link)?;
    let sockets = [socket(&near, "10.77.0.1")?, socket(&far, "10.77.0.2")?];
    sockets[0].connect(sockets[1].local_addr()?)?;
    sockets[1].connect(sockets[0].local_addr()?)?;
    Ok((lab, link, sockets))
}

fn socket(machine: &Machine, address: &str) -> Result<UdpSocket> {
    machine.enter(|| Ok(UdpSocket::bind((address, 0))?))
}

/// The next datagram, if one comes within a time that is long enough for any machine.
fn ask(socket: &UdpSocket) -> Result<Option<Vec<u8>>> {
    ask_within(socket, Duration::from_secs(5))
}

fn ask_within(socket: &UdpSocket, limit: Duration) -> Result<Option<Vec<u8>>> {
    socket.set_read_timeout(Some(limit))?;
    let mut datagram = [0; 2048];
    match socket.recv(&mut datagram) {
        Ok(length) => Ok(Some(datagram[..length].to_vec())),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error.into()),
    }
}

const PACKETS: u32 = 200;

const PAYLOAD: usize = 1000;
