//! `EmulatedLink`: two TUN devices, and a thread that carries packets between them as a [`Link`] would.

use std::io;
use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, eventfd, poll};
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::link::Link;
use crate::machine::Machine;
use crate::pipe::{Counters, Pipe};

/// A link between two machines. It ends when this is dropped.
#[derive(Debug)]
pub struct EmulatedLink {
    pipes: Arc<Mutex<Pipes>>,
    stop: Arc<rustix::fd::OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

/// Both directions.
#[derive(Debug)]
struct Pipes([Pipe<Box<[u8]>>; 2]);

impl EmulatedLink {
    /// Makes a device of this name on each machine, without addresses, and starts to carry packets.
    pub(crate) fn start(ends: [(&Machine, &str); 2], link: Link) -> Result<Self> {
        let open = |(machine, device): (&Machine, &str)| {
            machine.enter(|| open_tun(device).with_context(|| format!("a TUN device on {}", machine.name())))
        };
        let devices = [open(ends[0])?, open(ends[1])?];
        let pipes = Arc::new(Mutex::new(Pipes([Pipe::new(link, 0), Pipe::new(link, 1)])));
        let stop = Arc::new(eventfd(0, rustix::event::EventfdFlags::NONBLOCK)?);
        let emulator = Emulator { devices, pipes: Arc::clone(&pipes), stop: Arc::clone(&stop) };
        let thread = thread::Builder::new().name("link".to_owned()).spawn(move || emulator.run())?;
        Ok(Self { pipes, stop, thread: Some(thread) })
    }

    /// Loses every packet that is sent from now on, as a cable that is pulled out.
    pub fn cut(&self) {
        lock(&self.pipes).0.iter_mut().for_each(|pipe| pipe.cut(true));
    }

    /// Carries packets again.
    pub fn mend(&self) {
        lock(&self.pipes).0.iter_mut().for_each(|pipe| pipe.cut(false));
    }

    /// Changes its properties for packets that are sent from now on.
    pub fn change(&self, link: Link) {
        lock(&self.pipes).0.iter_mut().for_each(|pipe| pipe.change(link));
    }

    /// What became of the packets from the first machine to the second one, and of those the other way.
    #[must_use]
    pub fn counters(&self) -> [Counters; 2] {
        lock(&self.pipes).0.each_ref().map(Pipe::counters)
    }
}

impl Drop for EmulatedLink {
    fn drop(&mut self) {
        // Fails only when the counter is full, and then the thread is awake.
        let _ = rustix::io::write(&*self.stop, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been reported.
            let _ = thread.join();
        }
    }
}

/// The thread of a link.
struct Emulator {
    devices: [SyncDevice; 2],
    pipes: Arc<Mutex<Pipes>>,
    stop: Arc<rustix::fd::OwnedFd>,
}

impl Emulator {
    fn run(&self) {
        be_punctual();
        let mut buffer = vec![0; PACKET_BYTES_MAX];
        loop {
            let due = {
                let mut pipes = lock(&self.pipes);
                for (from, pipe) in pipes.0.iter_mut().enumerate() {
                    take_in(&self.devices[from], pipe, &mut buffer);
                    let now = Instant::now();
                    while let Some(packet) = pipe.leave(now) {
                        // A device that is down or full loses packets, as any other does.
                        let _ = self.devices[1 - from].send(&packet);
                    }
                }
                pipes.0.iter().filter_map(Pipe::next_due).min()
            };
            if self.wait(due) {
                return;
            }
        }
    }

    /// Waits until a packet comes or is due; returns whether it is time to stop.
    fn wait(&self, due: Option<Instant>) -> bool {
        let wait = due.map_or(IDLE, |due| due.saturating_duration_since(Instant::now()));
        let timeout = Timespec::try_from(wait).ok();
        let mut fds = [
            PollFd::new(&*self.stop, PollFlags::IN),
            PollFd::from_borrowed_fd(self.devices[0].as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.devices[1].as_fd(), PollFlags::IN),
        ];
        // Interrupted or not, the devices are looked at.
        let _ = poll(&mut fds, timeout.as_ref());
        !fds[0].revents().is_empty()
    }
}

/// Takes packets from a device, but not so many that others have to wait.
fn take_in(device: &SyncDevice, pipe: &mut Pipe<Box<[u8]>>, buffer: &mut [u8]) {
    for _ in 0..PACKETS_AT_ONCE {
        match device.recv(buffer) {
            Ok(length) => pipe.enter(buffer[..length].into(), length as u64, Instant::now()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Nothing there, or the device is gone with its machine.
            Err(_) => return,
        }
    }
}

fn open_tun(name: &str) -> Result<SyncDevice> {
    let device = DeviceBuilder::new().name(name).enable(false).build_sync()?;
    device.set_nonblocking(true)?;
    Ok(device)
}

/// Asks for this thread to run when its time has come: a link that waits for a busy machine is another link.
fn be_punctual() {
    // What the system refuses leaves the usual 50 microseconds, and turns with everybody else.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    let id = rustix::thread::gettid().as_raw_nonzero().to_string();
    let _ = Command::new("chrt")
        .args(["--reset-on-fork", "--rr", "--pid", "20", &id])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

fn lock(pipes: &Mutex<Pipes>) -> MutexGuard<'_, Pipes> {
    pipes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// More than any packet of these devices has.
const PACKET_BYTES_MAX: usize = 2048;

const PACKETS_AT_ONCE: usize = 64;

/// How long nothing may happen before the devices are looked at anyway.
const IDLE: Duration = Duration::from_millis(200);
