//! What is moved.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

/// A folder in memory, if there is room, that is removed at the end.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn create() -> Result<Self> {
        let shared_memory = Path::new("/dev/shm");
        let has_room = rustix::fs::statvfs(shared_memory).is_ok_and(|fs| fs.f_bavail * fs.f_frsize > ROOM_BYTES);
        let folder = if has_room { TempDir::new_in(shared_memory) } else { TempDir::new() };
        Ok(Self(folder.context("a temporary folder")?))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// An empty folder for one run.
    pub(crate) fn fresh(&self) -> Result<PathBuf> {
        let folder = self.path().join("run");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(folder.join("out"))?;
        Ok(folder)
    }
}

/// A file or folder to be moved, and its size.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) source: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) files: u64,
    /// Whether a TCP connection uses the link at the same time.
    pub(crate) beside_tcp: bool,
}

impl Case {
    /// Makes the source of a case, unless it is there.
    pub(crate) fn new(name: &str, link: &str, folder: &Folder) -> Result<Self> {
        let (files, bytes) = match name {
            "file" => (1, file_mib(link) << 20),
            "beside-tcp" => (1, file_mib(link) << 20),
            "many" => (10_000, 4096),
            "tiny" => (1, 1),
            other => match other.strip_suffix('m').map(str::parse::<u64>) {
                Some(Ok(mib)) => (1, mib << 20),
                Some(Err(_)) | None => bail!("no case {other:?}: say file, many, tiny, beside-tcp, or 64m for 64 MiB"),
            },
        };
        let source = folder.path().join(format!("{files}-of-{bytes}"));
        if !source.exists() {
            let mut random = blake3::Hasher::new().update(b"any bytes that do not compress").finalize_xof();
            if files == 1 {
                write(&source, bytes, &mut random)?;
            } else {
                for number in 0..files {
                    let folder = source.join(format!("{:03}", number / 100));
                    fs::create_dir_all(&folder)?;
                    write(&folder.join(number.to_string()), bytes, &mut random)?;
                }
            }
        }
        Ok(Self { name: name.to_owned(), source, bytes: files * bytes, files, beside_tcp: name == "beside-tcp" })
    }

    pub(crate) fn is_folder(&self) -> bool {
        self.files > 1
    }

    /// The last part of the source's path.
    pub(crate) fn file_name(&self) -> String {
        self.source.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Compares what arrived in a folder with the source.
    pub(crate) fn compare(&self, folder: &Path) -> Result<()> {
        let copy = folder.join(self.file_name());
        if !self.is_folder() {
            return compare(&self.source, &copy);
        }
        for number in 0..self.files {
            let path = format!("{:03}/{number}", number / 100);
            compare(&self.source.join(&path), &copy.join(&path))?;
        }
        Ok(())
    }
}

/// The size of the one file: some seconds for whoever fills the link.
fn file_mib(link: &str) -> u64 {
    match link {
        "loop" => 1024,
        "g1" => 512,
        "m100" | "m300" => 128,
        _ => 32,
    }
}

fn write(path: &Path, bytes: u64, random: &mut blake3::OutputReader) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut block = vec![0; usize::try_from(bytes.min(1 << 20))?];
    let mut left = bytes;
    while left > 0 {
        random.fill(&mut block);
        let length = left.min(block.len() as u64);
        file.write_all(&block[..usize::try_from(length)?])?;
        left -= length;
    }
    Ok(file.flush()?)
}

fn compare(source: &Path, copy: &Path) -> Result<()> {
    let open = |path: &Path| File::open(path).with_context(|| path.display().to_string());
    let (source_file, copy_file) = (open(source)?, open(copy)?);
    ensure!(source_file.metadata()?.len() == copy_file.metadata()?.len(), "{} has another size", copy.display());
    let (mut ours, mut theirs) = (BufReader::new(source_file), BufReader::new(copy_file));
    let (mut a, mut b) = (vec![0; 1 << 18], vec![0; 1 << 18]);
    loop {
        let read = ours.read(&mut a)?;
        theirs.read_exact(&mut b[..read])?;
        ensure!(a[..read] == b[..read], "{} differs from what was sent", copy.display());
        if read == 0 {
            return Ok(());
        }
    }
}

/// Two files of the largest case, and something beside.
const ROOM_BYTES: u64 = 3 << 30;
