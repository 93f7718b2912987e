//! `p2pshare nearby`: who lets itself be seen; and which of them a name means.

use std::io::Write;
use std::time::Duration;

use p2pshare::{Error, Neighbour, Settings};
use p2pshare_protocol::nearby::{DeviceKind, called};
use serde_json::json;

use super::args::NearbyArgs;
use super::config::Config;
use super::desk::Desk;
use super::proxy::proxies;
use super::report::{Exit, Report};
use super::text::{Untrusted, untrusted_json};
use super::ui;

pub(crate) async fn run(mut args: NearbyArgs) -> Exit {
    let settings = Config::load(args.config.as_deref()).and_then(|config| settings(&mut args, &config));
    let found = match settings {
        Ok(settings) => {
            p2pshare::nearby(&settings, LIST_TIME, |_| false).await.map_err(|error| Report::of(&error, None))
        }
        Err(report) => Err(report),
    };
    match found {
        Ok(found) => {
            list(&found, args.json);
            Exit::Done
        }
        Err(report) => ui::fail(&report, args.json),
    }
}

fn settings(args: &mut NearbyArgs, config: &Config) -> Result<Settings, Report> {
    config.complete_nearby(args);
    let proxies = proxies(args.proxy.as_ref())?;
    Ok(Settings { server: args.server.clone(), proxies, lan: !args.no_lan, ..Settings::default() })
}

fn list(found: &[Neighbour], is_json: bool) {
    let lines = found.iter().map(|neighbour| {
        let (device, name) = (&neighbour.device, shown(neighbour, found));
        if is_json {
            let value = json!({"v": 1, "event": "device", "name": device.name.as_str(), "tag": device.tag(),
                "kind": device.kind, "server": neighbour.server.to_string()});
            untrusted_json(&value.to_string())
        } else {
            format!("{name:<34} {}", kind(device.kind))
        }
    });
    let text: String = lines.map(|line| line + "\n").collect();
    // A reader that went away has seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    if found.is_empty() && !is_json {
        let _ =
            writeln!(std::io::stderr(), "nobody lets itself be seen on this network, as `p2pshare recv --nearby` does");
    }
}

/// The device that a name means.
///
/// # Errors
/// Nobody is called so, or several are; the report names those that are there.
pub(crate) async fn find(wanted: &str, settings: &Settings, desk: &Desk) -> Result<Neighbour, Report> {
    desk.ui.say(&format!("looking for {} on this network", Untrusted(wanted)));
    let mut stop = desk.stop.clone();
    let looked = tokio::select! {
        looked = p2pshare::nearby(settings, FIND_TIME, |found| !meant(found, wanted).is_empty()) => looked,
        () = stop.requested() => Err(Error::Stopped),
    };
    let found = looked.map_err(|error| Report::of(&error, None))?;
    choose(&found, wanted)
}

fn choose(found: &[Neighbour], wanted: &str) -> Result<Neighbour, Report> {
    let wanted_shown = Untrusted(wanted);
    let names = |which: &[&Neighbour]| {
        let mut names: Vec<_> = which.iter().take(NAMES_MAX).map(|neighbour| shown(neighbour, found)).collect();
        if which.len() > NAMES_MAX {
            names.push("…".to_owned());
        }
        names.join(", ")
    };
    match meant(found, wanted)[..] {
        [one] => Ok(one.clone()),
        [] if found.is_empty() => {
            let message = format!("nobody on this network is called {wanted_shown}: nobody lets itself be seen");
            Err(Report::new(Exit::Code, message, "Run `p2pshare recv --nearby` on the other device, or use its code."))
        }
        [] => {
            let all: Vec<_> = found.iter().collect();
            let message = format!("nobody on this network is called {wanted_shown}; there are {}", names(&all));
            Err(Report::new(
                Exit::Code,
                message,
                "Name one of them, or run `p2pshare recv --nearby` on the other device.",
            ))
        }
        ref several => {
            let message = format!("{} devices are called {wanted_shown}: {}", several.len(), names(several));
            Err(Report::new(Exit::Code, message, "Name one of them with what follows its #; that may be a stranger's."))
        }
    }
}

fn meant<'a>(found: &'a [Neighbour], wanted: &str) -> Vec<&'a Neighbour> {
    called(found, wanted, |neighbour| &neighbour.device)
}

/// A device's name, with what tells it from others of that name if there are any.
fn shown(neighbour: &Neighbour, all: &[Neighbour]) -> String {
    let device = &neighbour.device;
    let name = Untrusted(device.name.as_str());
    let is_alone = all.iter().filter(|other| other.device.name.is_called(device.name.as_str())).count() == 1;
    if is_alone { name.to_string() } else { format!("{name}#{}", device.tag()) }
}

const fn kind(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Terminal => "terminal",
        DeviceKind::Page => "browser",
    }
}

/// How long the list is waited for: multicast is asked again after a second.
const LIST_TIME: Duration = Duration::from_millis(2500);

/// How long a device is looked for.
const FIND_TIME: Duration = Duration::from_secs(4);

/// How many names an error lists.
const NAMES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use p2pshare_protocol::nearby::{Device, OpenLink};
    use p2pshare_protocol::room::RoomId;

    use super::*;

    fn neighbour(name: &str, room: &str) -> Neighbour {
        let link = OpenLink::try_from(format!("v1.{}", "A".repeat(43))).unwrap();
        let room = RoomId::parse(&room.repeat(32)).unwrap();
        let device = Device { room, name: name.parse().unwrap(), kind: DeviceKind::Terminal, link };
        Neighbour { device, server: "http://192.0.2.1:8765".parse().unwrap() }
    }

    #[test]
    fn a_name_that_is_not_there_or_there_twice_lists_who_is() {
        let found = [neighbour("ann", "a"), neighbour("Ann", "b"), neighbour("bob", "c")];
        assert_eq!(choose(&found, "bob").map(|it| it.device.tag().to_owned()), Ok("cccc".to_owned()));
        let nobody = choose(&found, "carl\u{1b}").unwrap_err();
        assert_eq!(nobody.exit, Exit::Code);
        assert!(nobody.message.ends_with("there are ann#aaaa, Ann#bbbb, bob"), "{}", nobody.message);
        assert!(!nobody.message.contains('\u{1b}'));
        let several = choose(&found, "ann").unwrap_err();
        assert!(several.message.ends_with("2 devices are called ann: ann#aaaa, Ann#bbbb"), "{}", several.message);
        assert_eq!(choose(&found, "ann#bbbb").map(|it| it.device.tag().to_owned()), Ok("bbbb".to_owned()));
        assert!(choose(&[], "bob").unwrap_err().hint.unwrap().contains("recv --nearby"));
    }

    #[test]
    fn a_devices_link_leads_to_where_it_was_seen() {
        let link = neighbour("ann", "a").link().unwrap();
        assert_eq!(link.origin().as_str(), "http://192.0.2.1:8765");
    }
}
