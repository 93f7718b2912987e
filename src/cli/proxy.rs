//! Which proxies are on the way to servers: `--proxy`, the configuration, or the variables that programs agree on.

use p2pshare::signaling::{Proxies, Proxy};

use super::report::{Exit, Report};

/// `named`, or what the variables say. `NO_PROXY` holds in any case.
///
/// # Errors
/// A variable holds no proxy's address.
pub(crate) fn proxies(named: Option<&Proxy>) -> Result<Proxies, Report> {
    let named = named.cloned();
    let except = variable("NO_PROXY").map(|list| list.split(',').map(str::to_owned).collect()).unwrap_or_default();
    if named.is_some() {
        return Ok(Proxies { https: named.clone(), http: named, except });
    }
    let all = from_variable("ALL_PROXY")?;
    Ok(Proxies { https: from_variable("HTTPS_PROXY")?.or_else(|| all.clone()), http: all, except })
}

fn from_variable(name: &str) -> Result<Option<Proxy>, Report> {
    let Some(value) = variable(name) else { return Ok(None) };
    let wrong = |error| Report::new(Exit::Usage, format!("{name}: {error}"), "Correct or unset the variable.");
    value.parse().map(Some).map_err(wrong)
}

/// A variable in either case; an empty one is as good as none.
fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).or_else(|_| std::env::var(name.to_lowercase())).ok();
    value.filter(|value| !value.trim().is_empty())
}
