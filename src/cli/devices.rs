//! `p2pshare devices`: those that are remembered; and where that is kept.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use directories::ProjectDirs;
use p2pshare::storage::acquaintances::Acquaintances;
use serde_json::json;

use super::args::DevicesArgs;
use super::report::{Exit, Report};
use super::text::{Untrusted, untrusted_json};
use super::ui;

pub(crate) fn run(args: &DevicesArgs) -> Exit {
    let done = open(false).and_then(|all| match &args.forget {
        Some(name) => forget(all.as_deref(), name),
        None => {
            list(all.as_deref(), args.json);
            Ok(())
        }
    });
    match done {
        Ok(()) => Exit::Done,
        Err(report) => ui::fail(&report, args.json),
    }
}

/// The devices that are remembered; `None` if there are none and none are to come.
///
/// # Errors
/// The file cannot be read or made.
pub(crate) fn open(remembers: bool) -> Result<Option<Arc<Acquaintances>>, Report> {
    let Some(folder) = folder() else { return Ok(None) };
    let failed = |error| Report::new(Exit::Disk, format!("{}: {error}", folder.display()), "Check its permissions.");
    Ok(Acquaintances::open(&folder, remembers).map_err(failed)?.map(Arc::new))
}

fn folder() -> Option<PathBuf> {
    let dirs = ProjectDirs::from("", "", "p2pshare")?;
    Some(dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir()).to_owned())
}

fn list(all: Option<&Acquaintances>, is_json: bool) {
    let devices = all.map(Acquaintances::all).unwrap_or_default();
    let lines = devices.iter().map(|device| {
        let key = data_encoding::HEXLOWER.encode(&device.key.0[..8]);
        if is_json {
            let value = json!({"v": 1, "event": "remembered_device", "name": device.name.as_str(), "key": key});
            untrusted_json(&value.to_string()) + "\n"
        } else {
            format!("{:<34} {key}\n", Untrusted(device.name.as_str()).to_string())
        }
    });
    // A reader that went away has seen enough.
    let _ = std::io::stdout().write_all(lines.collect::<String>().as_bytes());
    if devices.is_empty() && !is_json {
        let _ = writeln!(std::io::stderr(), "no device is remembered; --remember on both sides does that");
    }
}

fn forget(all: Option<&Acquaintances>, name: &str) -> Result<(), Report> {
    let failed = |error| Report::new(Exit::Disk, format!("the list of devices: {error}"), "Check its permissions.");
    let forgotten = all.map_or(Ok(0), |all| all.forget(name)).map_err(failed)?;
    if forgotten == 0 {
        let message = format!("no device called {} is remembered", Untrusted(name));
        return Err(Report::new(Exit::Usage, message, "`p2pshare devices` lists those that are."));
    }
    Ok(())
}
