//! A plain copy over a TCP connection: no encryption, no hash, no consent.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Instant;

use anyhow::Result;

use super::Row;
use super::files::Files;
use super::process::cpu_seconds_of_family;

/// Moves the file from one thread to another.
pub(crate) fn row(files: &Files) -> Result<Row> {
    let destination = files.destination()?;
    let copy = destination.path().join("random.bin");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let (start, cpu) = (Instant::now(), cpu_seconds_of_family(std::process::id()));
    thread::scope(|scope| -> Result<()> {
        let sender = scope.spawn(|| pump(&mut File::open(files.source())?, &mut TcpStream::connect(address)?));
        receive(&listener, &copy)?;
        sender.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    let (took, cpu_seconds) = (start.elapsed(), cpu_seconds_of_family(std::process::id()) - cpu);
    files.compare(&copy)?;
    let rate = files.bytes() as f64 / 1e6 / took.as_secs_f64();
    Ok(Row { name: "plain TCP copy", whole: Some(rate), flowing: None, sides: None, cpu_seconds })
}

fn receive(listener: &TcpListener, copy: &Path) -> Result<()> {
    let (mut connection, _) = listener.accept()?;
    let mut file = File::create(copy)?;
    pump(&mut connection, &mut file)?;
    Ok(file.sync_all()?)
}

fn pump(from: &mut impl Read, to: &mut impl Write) -> Result<()> {
    let mut block = vec![0; BLOCK];
    loop {
        match from.read(&mut block)? {
            0 => return Ok(()),
            read => to.write_all(&block[..read])?,
        }
    }
}

const BLOCK: usize = 256 * 1024;
