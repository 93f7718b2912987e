//! Commits: a complete part file is made durable and gets its name. Several at once, for a disk does them together.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

use p2pshare_protocol::local_name::{LocalPath, Role, folded};
use p2pshare_protocol::offer::EntryId;
use rustix::fs::{AtFlags, Mode, RenameFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;
use tokio::sync::mpsc as tokio_mpsc;

use super::identity::OwnFiles;
use super::part::{self, Part};
use super::publish::{Published, publish};
use super::{OnExists, SinkError, SinkOutcome, Tree};

/// How many files are made durable at the same time. A disk does neighbouring fsyncs together: of 10,000 files of 4 KiB
/// on ext4 and a busy machine with two cores, 1 thread committed 800 a second, 8 threads 4,500 and 16 threads 6,300.
const COMMITTERS: usize = 16;

/// How many complete files may wait for a committer; each holds a file open.
const COMMIT_QUEUE: usize = 64;

/// How many names are tried for a file that must not replace another.
const NUMBERS_MAX: u32 = 10_000;

/// What the threads of a sink share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) tree: Tree,
    pub(super) outcomes: tokio_mpsc::UnboundedSender<SinkOutcome>,
    /// Folders in which folders were created that are not yet durable.
    made_in: Mutex<BTreeSet<PathBuf>>,
    /// Names, folded, that this sink gave to files and must not overwrite itself.
    given: Mutex<HashSet<String>>,
    /// How many commits have no outcome yet.
    commits: Mutex<usize>,
    commits_done: Condvar,
}

impl Shared {
    pub(super) fn new(tree: Tree, outcomes: tokio_mpsc::UnboundedSender<SinkOutcome>) -> Self {
        Self {
            tree,
            outcomes,
            made_in: Mutex::default(),
            given: Mutex::default(),
            commits: Mutex::default(),
            commits_done: Condvar::new(),
        }
    }

    /// Hands an outcome to the owner of the sink, if there still is one.
    pub(super) fn report(&self, outcome: SinkOutcome) {
        let _ = self.outcomes.send(outcome);
    }

    /// Reports the outcome of a commit that was begun.
    pub(super) fn report_commit(&self, outcome: SinkOutcome) {
        self.report(outcome);
        *lock(&self.commits) -= 1;
        self.commits_done.notify_all();
    }

    /// Waits until every commit that was begun has its outcome.
    pub(super) fn wait_for_commits(&self) {
        let mut commits = lock(&self.commits);
        while *commits > 0 {
            commits = self.commits_done.wait(commits).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Opens a folder, creating what is missing of it.
    pub(super) fn make_folder(&self, path: &Path) -> io::Result<OwnedFd> {
        if let Ok(folder) = self.tree.folder(path) {
            return Ok(folder);
        }
        // Held while folders are created, so that nobody publishes a file in one whose parent is not on the list.
        let mut made_in = lock(&self.made_in);
        self.tree.make_folder(path, |parent| {
            made_in.insert(parent.to_owned());
        })
    }

    /// The folders to make durable for the folders that were created since this was asked last.
    pub(super) fn take_made_in(&self) -> BTreeSet<PathBuf> {
        std::mem::take(&mut lock(&self.made_in))
    }

    /// The error of writing at `path` while `missing_bytes` were still to be written.
    pub(super) fn no_room_or(&self, error: io::Error, path: &LocalPath, missing_bytes: u64) -> SinkError {
        if SinkError::is_no_room(&error) {
            SinkError::Full { needed: missing_bytes, free: self.tree.free_bytes().unwrap_or_default() }
        } else {
            SinkError::new(error, path.as_str())
        }
    }
}

/// A complete file that is to get its name.
pub(super) struct FileCommit {
    pub(super) entry: EntryId,
    pub(super) path: LocalPath,
    pub(super) part: Part,
    pub(super) files: OwnFiles,
    pub(super) size: u64,
    pub(super) is_journaled: bool,
    pub(super) superseded: Vec<OwnFiles>,
    pub(super) on_exists: OnExists,
    pub(super) executable: bool,
    pub(super) mtime: Option<i64>,
}

/// The threads that commit files, and the one that makes their folders durable.
pub(super) struct Committers {
    shared: Arc<Shared>,
    files: mpsc::SyncSender<FileCommit>,
    published: mpsc::Sender<Published>,
    threads: Vec<JoinHandle<()>>,
}

impl Committers {
    pub(super) fn start(shared: &Arc<Shared>) -> Self {
        let (files, incoming) = mpsc::sync_channel(COMMIT_QUEUE);
        let (published, to_publish) = mpsc::channel();
        let incoming = Arc::new(Mutex::new(incoming));
        let committer = || {
            let (shared, incoming, published) = (Arc::clone(shared), Arc::clone(&incoming), published.clone());
            thread::spawn(move || commit_files(&shared, &incoming, &published))
        };
        let mut threads: Vec<_> = (0..COMMITTERS).map(|_| committer()).collect();
        let publisher = Arc::clone(shared);
        threads.push(thread::spawn(move || publish(&publisher, &to_publish)));
        Self { shared: Arc::clone(shared), files, published, threads }
    }

    /// Commits a file as soon as a thread is free; waits while too many are in line.
    pub(super) fn commit(&self, file: FileCommit) {
        *lock(&self.shared.commits) += 1;
        // The threads end only with this value, so somebody receives.
        let _ = self.files.send(file);
    }

    /// Makes something that has its name durable.
    pub(super) fn publish(&self, published: Published) {
        *lock(&self.shared.commits) += 1;
        let _ = self.published.send(published);
    }

    /// Waits until everything that was handed over is done.
    pub(super) fn join(self) {
        drop((self.files, self.published));
        for thread in self.threads {
            // A panic has been reported by its thread; the others still have to end.
            let _ = thread.join();
        }
    }
}

fn commit_files(shared: &Shared, files: &Mutex<mpsc::Receiver<FileCommit>>, published: &mpsc::Sender<Published>) {
    loop {
        let next = lock(files).recv();
        let Ok(file) = next else { return };
        let entry = file.entry;
        match commit_file(shared, file) {
            Ok(path) => {
                let folder = path.parent().map(Path::to_owned);
                let _ = published.send(Published { entry, path, folder });
            }
            Err(error) => shared.report_commit(SinkOutcome::Failed { entry: Some(entry), error }),
        }
    }
}

fn commit_file(shared: &Shared, file: FileCommit) -> Result<PathBuf, SinkError> {
    let failed = |error: io::Error| shared.no_room_or(error, &file.path, 0);
    if file.is_journaled {
        // A part that an earlier run left may be longer than it should be.
        file.part.file.set_len(file.size).map_err(failed)?;
    }
    file.part.file.sync_all().map_err(failed)?;
    let mode = (0o666 & !umask().bits()) | if file.executable { 0o100 } else { 0 };
    rustix::fs::fchmod(&file.part.file, Mode::from_bits_truncate(mode)).map_err(|error| failed(error.into()))?;
    set_times(&file.part.file, file.mtime).map_err(failed)?;
    let folder = Path::new(file.path.as_str()).parent().unwrap_or_else(|| Path::new(""));
    let folder = shared.make_folder(folder).map_err(failed)?;
    let path = give_name(shared, &folder, &file)?;
    if file.is_journaled {
        part::remove_journal(&shared.tree, file.files);
    }
    for superseded in file.superseded {
        part::remove(&shared.tree, superseded);
    }
    Ok(PathBuf::from(path.as_str()))
}

/// Renames the part file; nothing is replaced unless that is wanted.
fn give_name(shared: &Shared, folder: &OwnedFd, file: &FileCommit) -> Result<LocalPath, SinkError> {
    let failed = |error: Errno| SinkError::new(error, file.path.as_str());
    let from = file.files.part();
    if file.on_exists == OnExists::Overwrite && lock(&shared.given).insert(folded(file.path.as_str())) {
        match rustix::fs::renameat(shared.tree.as_fd(), &from, folder, file.path.name()) {
            Ok(()) => return Ok(file.path.clone()),
            // A folder is not replaced; the file goes beside it.
            Err(Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    for number in 0..NUMBERS_MAX {
        let path = if number == 0 { file.path.clone() } else { file.path.numbered(number, Role::File) };
        match rename_exclusive(&shared.tree, &from, folder, path.name()) {
            Ok(()) => return Ok(path),
            Err(Errno::EXIST) => match file.on_exists {
                OnExists::Rename | OnExists::Overwrite => {}
                OnExists::Skip | OnExists::Fail => return Err(failed(Errno::EXIST)),
            },
            Err(error) => return Err(failed(error)),
        }
    }
    Err(failed(Errno::EXIST))
}

/// Renames, or fails with `EXIST`, in one step whatever the file system.
fn rename_exclusive(tree: &Tree, from: &str, folder: &OwnedFd, to: &str) -> Result<(), Errno> {
    match rustix::fs::renameat_with(tree.as_fd(), from, folder, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            rustix::fs::linkat(tree.as_fd(), from, folder, to, AtFlags::empty())?;
            rustix::fs::unlinkat(tree.as_fd(), from, AtFlags::empty())
        }
        done => done,
    }
}

/// Sets the time of the last change, in nanoseconds since 1970, and leaves the time of the last access.
pub(super) fn set_times(file: &impl AsFd, mtime: Option<i64>) -> io::Result<()> {
    let Some(mtime) = mtime else { return Ok(()) };
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: mtime / 1_000_000_000, tv_nsec: mtime % 1_000_000_000 },
    };
    Ok(rustix::fs::futimens(file, &times)?)
}

/// The umask of the process, which can only be read by setting it: once, for it is the same for all threads.
fn umask() -> Mode {
    static UMASK: OnceLock<Mode> = OnceLock::new();
    *UMASK.get_or_init(|| {
        let umask = rustix::process::umask(Mode::RWXG | Mode::RWXO);
        rustix::process::umask(umask);
        umask
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What the mutexes guard is right at every moment, also when a thread panicked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
