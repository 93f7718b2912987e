//! A running program, what it prints and how it ends.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, tcgetattr};
use serde_json::Value;

use super::PATIENCE;
use super::terminal::Terminal;

/// A program that was started. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    what: String,
    stdout: Captured,
    stderr: Captured,
    keyboard: Option<File>,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A terminal, seen from a person's side.
pub(crate) struct Keyboard(File);

impl Keyboard {
    /// Whether it shows what is typed and knows Ctrl-C, as a shell expects it.
    pub(crate) fn is_usual(&self) -> bool {
        let usual = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        tcgetattr(&self.0).unwrap().local_modes.contains(usual)
    }
}

/// What a terminal is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnTerminal {
    /// Nothing: standard input is empty, the outputs are pipes.
    Nothing,
    /// Standard input and standard error; standard output is a pipe.
    Person,
    /// All three.
    Everything,
}

impl Running {
    pub(crate) fn start(mut command: Command, on_terminal: OnTerminal) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let terminal = (on_terminal != OnTerminal::Nothing).then(Terminal::open);
        if let Some(terminal) = &terminal {
            command.stdin(terminal.stdio()).stderr(terminal.stdio());
            if on_terminal == OnTerminal::Everything {
                command.stdout(terminal.stdio());
            }
        }
        Self::watch(&mut command, terminal)
    }

    fn watch(command: &mut Command, terminal: Option<Terminal>) -> Self {
        let what = format!("{:?}", command.get_args().collect::<Vec<_>>());
        let mut child = command.spawn().unwrap();
        // The command holds the program's end of the terminal, which hangs up when the last holder goes.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let keyboard = terminal.map(Terminal::into_keyboard);
        let stderr = match (&keyboard, child.stderr.take()) {
            (Some(keyboard), _) => Captured::read(keyboard.try_clone().unwrap()),
            (None, stderr) => Captured::read(stderr.unwrap()),
        };
        let stdout = child.stdout.take().map_or_else(|| stderr.clone(), Captured::read);
        Self { child, what, stdout, stderr, keyboard }
    }

    /// Starts a program that reads a file as its standard input.
    pub(crate) fn start_fed(command: &mut Command, input: File) -> Self {
        Self::watch(command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()), None)
    }

    /// Starts a program whose standard output is a file.
    pub(crate) fn start_into(command: &mut Command, output: File) -> Self {
        Self::watch(command.stdin(Stdio::null()).stdout(output).stderr(Stdio::piped()), None)
    }

    /// Waits until standard output holds something.
    #[track_caller]
    pub(crate) fn until_out<T>(&self, look: impl Fn(&str) -> Option<T>) -> T {
        self.until(&self.stdout, look)
    }

    /// Waits until standard error holds something.
    #[track_caller]
    pub(crate) fn until_err<T>(&self, look: impl Fn(&str) -> Option<T>) -> T {
        self.until(&self.stderr, look)
    }

    /// Waits until standard error holds these words.
    #[track_caller]
    pub(crate) fn until_says(&self, words: &str) {
        self.until_err(|text| text.contains(words).then_some(()));
    }

    #[track_caller]
    fn until<T>(&self, captured: &Captured, look: impl Fn(&str) -> Option<T>) -> T {
        captured.until(look).unwrap_or_else(|seen| panic!("{} did not say what was expected, but:\n{seen}", self.what))
    }

    /// The `n`th code that a sender printed, from 0.
    #[track_caller]
    pub(crate) fn nth_code(&self, n: usize) -> String {
        self.until_out(|text| {
            let whole = &text[..text.rfind('\n')? + 1];
            whole.lines().filter(|line| line.len() >= 6).nth(n).map(str::to_owned)
        })
    }

    #[track_caller]
    pub(crate) fn code(&self) -> String {
        self.nth_code(0)
    }

    /// The link that a sender showed.
    #[track_caller]
    pub(crate) fn link(&self) -> String {
        self.until_err(|text| {
            let line = text[..text.rfind('\n')?].lines().find_map(|line| line.trim().strip_prefix("link"))?;
            Some(line.trim().to_owned())
        })
    }

    /// Types a line on the program's terminal.
    pub(crate) fn type_line(&self, line: &str) {
        let mut keyboard = self.keyboard.as_ref().expect("a terminal");
        keyboard.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// The person's end of the terminal, also for later.
    pub(crate) fn keyboard(&self) -> Keyboard {
        Keyboard(self.keyboard.as_ref().expect("a terminal").try_clone().unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The most memory that the program has had, in bytes, if it still runs.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes * 1024)
    }

    /// How many files and sockets the program has open.
    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn end(self) -> Ended {
        self.end_within(PATIENCE)
    }

    /// Waits for the end, which has to come within a time.
    #[track_caller]
    pub(crate) fn end_within(mut self, limit: Duration) -> Ended {
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() >= deadline {
                let (out, err) = (self.stdout.text(), self.stderr.text());
                panic!("{} did not end within {limit:?}.\nstdout:\n{out}\nstderr:\n{err}", self.what);
            }
            thread::sleep(POLL);
        };
        self.stdout.until_closed();
        self.stderr.until_closed();
        let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
        // As a shell tells it, also of a program that a signal killed before it could handle one.
        let exit = status.code().unwrap_or_else(|| 128 + status.signal().unwrap());
        Ended { exit, stdout, stderr }
    }

    /// Ends the program with SIGTERM and returns what it said.
    #[track_caller]
    pub(crate) fn terminate(self) -> Ended {
        // One that has ended already, and was not waited for, takes a signal without effect.
        self.signal(Signal::TERM);
        self.end()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Asserts the exit code, and shows everything if it is another.
    #[track_caller]
    pub(crate) fn expect_exit(self, exit: i32) -> Self {
        assert_eq!(self.exit, exit, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that the exit code is one of several.
    #[track_caller]
    pub(crate) fn expect_one_of(self, exits: &[i32]) -> Self {
        let Self { exit, stdout, stderr } = &self;
        assert!(exits.contains(exit), "{exit} is not one of {exits:?}\nstdout:\n{stdout}\nstderr:\n{stderr}");
        self
    }

    /// Asserts that standard error holds these words.
    #[track_caller]
    pub(crate) fn expect_says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "{words:?} is not in\n{}", self.stderr);
        self
    }

    /// The events on standard output, each line of which has to be one.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}

/// Bytes that a thread reads until they end.
#[derive(Clone)]
struct Captured(Arc<(Mutex<Content>, Condvar)>);

#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    is_closed: bool,
}

impl Captured {
    fn read(mut from: impl Read + Send + 'static) -> Self {
        let captured = Self(Arc::default());
        let shared = captured.clone();
        thread::spawn(move || {
            let mut buffer = [0; 64 * 1024];
            loop {
                // A terminal that hung up reads as an error.
                let read = from.read(&mut buffer).unwrap_or(0);
                let (content, changed) = &*shared.0;
                let mut content = content.lock().unwrap();
                content.bytes.extend_from_slice(&buffer[..read]);
                content.is_closed = read == 0;
                changed.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        captured
    }

    fn until<T>(&self, look: impl Fn(&str) -> Option<T>) -> Result<T, String> {
        let (content, changed) = &*self.0;
        let deadline = Instant::now() + PATIENCE;
        let mut content = content.lock().unwrap();
        loop {
            let text = String::from_utf8_lossy(&content.bytes);
            if let Some(found) = look(&text) {
                return Ok(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if content.is_closed || left.is_zero() {
                return Err(text.into_owned());
            }
            content = changed.wait_timeout(content, left).unwrap().0;
        }
    }

    fn until_closed(&self) {
        let (content, changed) = &*self.0;
        let content = content.lock().unwrap();
        let (_content, result) = changed.wait_timeout_while(content, PATIENCE, |content| !content.is_closed).unwrap();
        assert!(!result.timed_out(), "an output stays open after the end of its program");
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.0.lock().unwrap().bytes).into_owned()
    }
}

/// How often the end is looked for.
const POLL: Duration = Duration::from_millis(5);
