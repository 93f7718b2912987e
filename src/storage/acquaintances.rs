//! The devices that this one remembers, and the key by which they know it: one file that nobody else may read.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use getrandom::SysRng;
use p2pshare_protocol::device_identity::{DeviceIdentity, DeviceKey};
use p2pshare_protocol::limits::ACQUAINTANCES_MAX;
use p2pshare_protocol::nearby::DeviceName;
use rand_core::UnwrapErr;
use serde::{Deserialize, Serialize};

/// A device that is remembered, under the name that it had then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acquaintance {
    /// The name.
    pub name: DeviceName,
    /// Its key.
    pub key: DeviceKey,
}

/// All of them.
#[derive(Debug)]
pub struct Acquaintances {
    file: PathBuf,
    identity: DeviceIdentity,
    known: Mutex<Vec<Acquaintance>>,
    /// Whether those whom people let in are remembered from now on.
    pub remembers: bool,
}

/// The file.
#[derive(Serialize, Deserialize)]
struct Kept {
    v: u32,
    seed: DeviceKey,
    devices: Vec<Acquaintance>,
}

impl Acquaintances {
    /// Reads them; `None` if there are none and none are to come.
    ///
    /// # Errors
    /// The file cannot be read, or is none of ours; or it cannot be made.
    pub fn open(folder: &Path, remembers: bool) -> io::Result<Option<Self>> {
        let file = folder.join(FILE);
        let (seed, devices) = match fs::read(&file) {
            Ok(bytes) => {
                let kept: Kept = serde_json::from_slice(&bytes)?;
                (kept.seed.0, kept.devices)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !remembers {
                    return Ok(None);
                }
                (*DeviceIdentity::generate(&mut UnwrapErr(SysRng)).seed(), Vec::new())
            }
            Err(error) => return Err(error),
        };
        let identity = DeviceIdentity::from_seed(seed);
        let opened = Self { file, identity, known: Mutex::new(devices), remembers };
        if remembers {
            // Another process that begins at the same time has to find the same key.
            opened.keep(&opened.lock())?;
        }
        Ok(Some(opened))
    }

    /// The key by which others know this device.
    #[must_use]
    pub fn identity(&self) -> &DeviceIdentity {
        &self.identity
    }

    /// The devices that are remembered.
    #[must_use]
    pub fn all(&self) -> Vec<Acquaintance> {
        self.lock().clone()
    }

    /// The name under which a key is remembered.
    #[must_use]
    pub fn name_of(&self, key: &DeviceKey) -> Option<DeviceName> {
        self.lock().iter().find(|known| known.key == *key).map(|known| known.name.clone())
    }

    /// Remembers a device; the longest known gives way if there are too many.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn remember(&self, name: DeviceName, key: DeviceKey) -> io::Result<()> {
        let mut known = self.lock();
        known.retain(|known| known.key != key);
        if known.len() >= ACQUAINTANCES_MAX {
            known.remove(0);
        }
        known.push(Acquaintance { name, key });
        self.keep(&known)
    }

    /// Forgets every device of a name; says how many.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn forget(&self, name: &str) -> io::Result<usize> {
        let mut known = self.lock();
        let before = known.len();
        known.retain(|known| !known.name.is_called(name));
        self.keep(&known)?;
        Ok(before - known.len())
    }

    /// Writes the file anew, and puts it in the old one's place whole.
    fn keep(&self, known: &[Acquaintance]) -> io::Result<()> {
        let kept = Kept { v: 1, seed: DeviceKey(*self.identity.seed()), devices: known.to_vec() };
        let folder = self.file.parent().ok_or(io::ErrorKind::NotFound)?;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let new = folder.join(format!("{FILE}.{}", std::process::id()));
        let mut written = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        written.write_all(&serde_json::to_vec(&kept)?)?;
        written.sync_all()?;
        fs::rename(&new, &self.file)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Acquaintance>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const FILE: &str = "devices.json";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn name(text: &str) -> DeviceName {
        text.parse().unwrap()
    }

    #[test]
    fn a_device_is_known_until_it_is_forgotten_and_nobody_else_can_read_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        assert!(Acquaintances::open(&state, false).unwrap().is_none());
        let first = Acquaintances::open(&state, true).unwrap().unwrap();
        first.remember(name("bob"), DeviceKey([7; 32])).unwrap();
        first.remember(name("Bob's phone"), DeviceKey([7; 32])).unwrap();
        let mode = fs::metadata(state.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = Acquaintances::open(&state, false).unwrap().unwrap();
        assert_eq!(again.identity().seed(), first.identity().seed());
        assert_eq!(again.name_of(&DeviceKey([7; 32])), Some(name("Bob's phone")));
        assert_eq!((again.name_of(&DeviceKey([8; 32])), again.all().len()), (None, 1));
        assert_eq!(again.forget("BOB'S PHONE").unwrap(), 1);
        assert!(Acquaintances::open(&state, false).unwrap().unwrap().all().is_empty());
    }

    #[test]
    fn a_file_that_is_none_of_ours_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "{}").unwrap();
        assert!(Acquaintances::open(folder.path(), true).is_err());
        assert_eq!(fs::read_to_string(folder.path().join(FILE)).unwrap(), "{}");
    }
}
