//! Builds the web client and lists its files for `routes/web.rs` to embed.
//!
//! `P2PSHARE_WEB_DIST` names a folder with a client that was built before. Without it the client is built here by npm; on a
//! machine that cannot do that the server is built all the same, without a client, and says so when it runs.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-env-changed={DIST}");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo names a folder for what is built")?);
    // Not `env!`: a build script that was compiled in another checkout is taken again where both share a target folder.
    let manifest = env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo names the folder of the crate")?;
    let web = Path::new(&manifest).join("../web");
    for source in SOURCES {
        println!("cargo:rerun-if-changed={}", web.join(source).display());
    }
    let dist = match env::var_os(DIST) {
        Some(dist) => Some(PathBuf::from(dist)),
        None => build(&web, &out.join("web")),
    };
    let files = match &dist {
        Some(dist) => files_in(dist)?,
        None => {
            println!("cargo:warning=npm cannot build web/: this server will have no web client");
            Vec::new()
        }
    };
    fs::write(out.join("web_files.rs"), list(dist.as_deref().unwrap_or(&out), &files)?)?;
    Ok(())
}

/// Builds the client into `dist`; `None` when there is no npm or it fails.
fn build(web: &Path, dist: &Path) -> Option<PathBuf> {
    let npm = |arguments: &[&str]| {
        let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
        command.args(arguments).current_dir(web).stdin(Stdio::null());
        let output = command.output().ok()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            println!("cargo:warning=npm {}: {}", arguments.join(" "), said.lines().next().unwrap_or("failed"));
        }
        output.status.success().then_some(())
    };
    if is_older(&web.join("node_modules/.package-lock.json"), &web.join("package-lock.json")) {
        npm(&["ci", "--no-audit", "--no-fund"])?;
    }
    npm(&["run", "bundle", "--", "--emptyOutDir", "--outDir", &dist.to_string_lossy()])?;
    Some(dist.to_owned())
}

/// Whether a file is missing or older than another.
fn is_older(file: &Path, other: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).ok();
    changed(file) < changed(other)
}

/// All files beneath a folder, by their paths in it, in order.
fn files_in(folder: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(&inner)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let relative = path.strip_prefix(folder)?.to_str().ok_or("a file's name is no text")?;
                files.push(relative.replace('\\', "/"));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The Rust source of the list of files.
fn list(dist: &Path, files: &[String]) -> Result<String, Box<dyn Error>> {
    let mut source = String::from("[\n");
    for file in files.iter().filter(|file| !file.ends_with(".gz")) {
        let include = |name: &str| format!("include_bytes!({:?})", dist.join(name));
        let twin = format!("{file}.gz");
        let gzip = if files.contains(&twin) { format!("Some({})", include(&twin)) } else { "None".to_owned() };
        writeln!(source, "    WebFile {{ path: {:?}, plain: {}, gzip: {gzip} }},", format!("/{file}"), include(file))?;
    }
    source.push_str("]\n");
    Ok(source)
}

const DIST: &str = "P2PSHARE_WEB_DIST";

/// What the client is built from, relative to its folder.
const SOURCES: [&str; 6] = ["src", "public", "index.html", "package.json", "package-lock.json", "vite.config.ts"];
