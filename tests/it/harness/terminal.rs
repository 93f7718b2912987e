//! A pseudo-terminal: what a program believes to be a person's screen and keyboard.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// Both ends of a pseudo-terminal.
pub(crate) struct Terminal {
    keyboard: OwnedFd,
    program: OwnedFd,
}

impl Terminal {
    pub(crate) fn open() -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let program = rustix::fs::open(name, flags, Mode::empty()).unwrap();
        tcsetwinsize(&keyboard, Winsize { ws_row: 50, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        Self { keyboard, program }
    }

    /// The program's end.
    pub(crate) fn stdio(&self) -> Stdio {
        self.program.try_clone().unwrap().into()
    }

    /// The person's end; the other one is left to the program alone.
    pub(crate) fn into_keyboard(self) -> File {
        self.keyboard.into()
    }
}
