//! `Files`: the file that is moved, and where copies of it arrive.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// A file of random bytes in a folder that is removed at the end.
pub(crate) struct Files {
    folder: TempDir,
    bytes: u64,
}

impl Files {
    /// Writes the file, into memory if there is room for it and its copy.
    pub(crate) fn create(bytes: u64) -> Result<Self> {
        let shared_memory = Path::new("/dev/shm");
        let has_room =
            rustix::fs::statvfs(shared_memory).is_ok_and(|fs| fs.f_bavail * fs.f_frsize > 2 * bytes + RESERVE);
        let folder = if has_room { TempDir::new_in(shared_memory) } else { TempDir::new() };
        let files = Self { folder: folder.context("a temporary folder")?, bytes };
        let mut random = blake3::Hasher::new().update(b"any bytes that do not compress").finalize_xof();
        let mut file = BufWriter::new(File::create(files.source())?);
        let mut block = vec![0; BLOCK];
        let mut left = bytes;
        while left > 0 {
            random.fill(&mut block);
            let length = left.min(BLOCK as u64);
            file.write_all(&block[..usize::try_from(length)?])?;
            left -= length;
        }
        file.flush()?;
        Ok(files)
    }

    /// The file's size.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The folder of everything.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file that is moved.
    pub(crate) fn source(&self) -> PathBuf {
        self.folder().join("random.bin")
    }

    /// An empty folder for a copy. It goes when it is dropped.
    pub(crate) fn destination(&self) -> Result<TempDir> {
        TempDir::new_in(self.folder()).context("a folder for the copy")
    }

    /// Compares a copy with the file.
    pub(crate) fn compare(&self, copy: &Path) -> Result<()> {
        ensure!(copy.metadata()?.len() == self.bytes, "{} has another size", copy.display());
        let (mut ours, mut theirs) = (File::open(self.source())?, File::open(copy)?);
        let (mut a, mut b) = (vec![0; BLOCK], vec![0; BLOCK]);
        let mut left = self.bytes;
        while left > 0 {
            let length = usize::try_from(left.min(BLOCK as u64))?;
            ours.read_exact(&mut a[..length])?;
            theirs.read_exact(&mut b[..length])?;
            ensure!(a[..length] == b[..length], "{} differs from what was sent", copy.display());
            left -= length as u64;
        }
        Ok(())
    }
}

const BLOCK: usize = 1 << 20;

/// What is left free beside the file and its copy.
const RESERVE: u64 = 256 << 20;
