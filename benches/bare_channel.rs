//! How fast bare file data is between two processes on one machine: the yardstick for the whole tool.
//!
//! `cargo bench --bench bare_channel` moves 1 GiB over QUIC; `QUIC=0 MIB=64 PACKET=8000 cargo bench --bench bare_channel`
//! moves 64 MiB over a data channel in packets of 8000 bytes. Prints MB/s (10^6 bytes) and processor seconds a GiB, both
//! sides together.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]
#![expect(clippy::wildcard_enum_match_arm, reason = "anything but data ends a measurement")]

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use p2pshare::transport::{Candidate, Channel, DataPlane, DialEvent, Dialing, Incoming, PacketSize, TransportConfig};
use serde_json::{Value, json};
use tokio::sync::mpsc;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if std::env::args().any(|argument| argument == RECEIVER) {
        runtime.block_on(receive())
    } else {
        runtime.block_on(send())
    }
}

async fn send() -> Result<()> {
    let bytes = std::env::var("MIB").map_or(Ok(1024), |mib| mib.parse::<usize>())? << 20;
    let mut child = Command::new(std::env::current_exe()?)
        .arg(RECEIVER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting the receiver")?;
    let mut wire = Wire::new(child.stdout.take().context("stdout")?, child.stdin.take().context("stdin")?);
    let (mut dialing, offer) = Dialing::offer(&config()?).await?;
    wire.write(&json!({ "sdp": offer }))?;
    let answer = wire.read().await?;
    let described = Instant::now();
    dialing.accept_answer(answer["sdp"].as_str().context("sdp")?).await?;
    let mut channel = open(dialing, &mut wire).await?;
    let opened = described.elapsed();
    let start = Instant::now();
    while config()?.quic && channel.data_plane() != DataPlane::Quic {
        anyhow::ensure!(start.elapsed() < Duration::from_secs(10), "QUIC does not come up");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    let sender = channel.sender();
    let payload = std::env::var("PAYLOAD").map_or_else(|_| Ok(sender.max_payload_bytes()), |bytes| bytes.parse())?;
    let payload = Bytes::from(vec![0x5a; payload]);
    sender.send_ctl(Bytes::from(bytes.to_string())).await?;
    let (start, cpu) = (Instant::now(), cpu_seconds()?);
    let mut left = bytes;
    while left > 0 {
        // As in a transfer, no frame crosses a chunk.
        let length = left.min(payload.len()).min(CHUNK_BYTES - (bytes - left) % CHUNK_BYTES);
        let mut header = [0; 12];
        header[4..].copy_from_slice(&((bytes - left) as u64).to_be_bytes());
        sender.send_data(header, payload.slice(..length)).await?;
        left -= length;
    }
    let their_cpu = next_ctl(&mut channel).await?;
    let (took, ours) = (start.elapsed(), cpu_seconds()? - cpu);
    let theirs: f64 = std::str::from_utf8(&their_cpu)?.parse()?;
    let path = channel.path().await;
    let buffers = channel.socket_buffers();
    channel.close().await;
    child.wait()?;
    let gib = bytes as f64 / f64::from(1 << 30);
    println!(
        "{:.0} MB/s, {:.2} + {:.2} = {:.2} CPU s/GiB; open {:.0} ms after the answer; {path:?}, {buffers:?}",
        bytes as f64 / took.as_secs_f64() / 1e6,
        ours / gib,
        theirs / gib,
        (ours + theirs) / gib,
        opened.as_secs_f64() * 1e3,
    );
    Ok(())
}

async fn receive() -> Result<()> {
    let mut wire = Wire::new(std::io::stdin(), std::io::stdout());
    let mut dialing = Dialing::prepare(&config()?).await?;
    let offer = wire.read().await?;
    let answer = dialing.answer(offer["sdp"].as_str().context("sdp")?).await?;
    wire.write(&json!({ "sdp": answer }))?;
    let mut channel = open(dialing, &mut wire).await?;

    let bytes = next_ctl(&mut channel).await?;
    let mut left: usize = std::str::from_utf8(&bytes)?.parse()?;
    let cpu = cpu_seconds()?;
    while left > 0 {
        match channel.next().await {
            Incoming::Data(message) => left -= message.len() - 12,
            Incoming::Ctl(_) => {}
            other => bail!("{other:?} with {left} bytes to go"),
        }
    }
    let sender = channel.sender();
    sender.send_ctl(Bytes::from((cpu_seconds()? - cpu).to_string())).await?;
    while !matches!(channel.next().await, Incoming::Lost(_)) {}
    Ok(())
}

fn config() -> Result<TransportConfig> {
    let packet_size = match std::env::var("PACKET") {
        Ok(bytes) => PacketSize::Bytes(bytes.parse()?),
        Err(_) => PacketSize::Auto,
    };
    let quic = std::env::var("QUIC").map_or(true, |quic| quic != "0");
    Ok(TransportConfig { packet_size, quic, ..TransportConfig::default() })
}

async fn next_ctl(channel: &mut Channel) -> Result<Bytes> {
    match channel.next().await {
        Incoming::Ctl(message) => Ok(message),
        other => bail!("{other:?} in place of a message"),
    }
}

/// Passes candidates both ways until the connection is open.
async fn open(mut dialing: Dialing, wire: &mut Wire) -> Result<Channel> {
    loop {
        tokio::select! {
            event = dialing.next_event() => match event {
                DialEvent::LocalCandidate(candidate) => wire.write(&json!({ "candidate": candidate.candidate }))?,
                DialEvent::GatheringDone => {}
                DialEvent::Open => return Ok(dialing.into_channel()?),
                DialEvent::Failed(error) => return Err(error.into()),
            },
            line = wire.read() => {
                let candidate = line?["candidate"].as_str().context("candidate")?.to_owned();
                let candidate = Candidate { candidate, sdp_mid: Some("0".into()), sdp_m_line_index: Some(0) };
                dialing.add_candidate(&candidate).await;
            }
            () = tokio::time::sleep(Duration::from_secs(30)) => bail!("no connection within 30 s"),
        }
    }
}

/// Lines of JSON over a pair of pipes.
struct Wire {
    lines: mpsc::UnboundedReceiver<String>,
    out: Box<dyn Write>,
}

impl Wire {
    fn new(input: impl std::io::Read + Send + 'static, out: impl Write + 'static) -> Self {
        let (sender, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in BufReader::new(input).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { lines, out: Box::new(out) }
    }

    fn write(&mut self, value: &Value) -> Result<()> {
        writeln!(self.out, "{value}")?;
        Ok(self.out.flush()?)
    }

    /// The next line. Cancel-safe.
    async fn read(&mut self) -> Result<Value> {
        Ok(serde_json::from_str(&self.lines.recv().await.context("the other process ended")?)?)
    }
}

/// Processor time of this process, in seconds; zero where `/proc` is missing.
fn cpu_seconds() -> Result<f64> {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return Ok(0.0) };
    let fields: Vec<&str> = stat.rsplit(") ").next().context("stat")?.split(' ').collect();
    let ticks = |index: usize| -> Result<f64> { Ok(fields.get(index).context("stat")?.parse()?) };
    Ok((ticks(11)? + ticks(12)?) / CLOCK_TICKS_PER_SECOND)
}

const CHUNK_BYTES: usize = 1 << 20;

const CLOCK_TICKS_PER_SECOND: f64 = 100.0;

const RECEIVER: &str = "receiver";
