//! The layers hold: what may not know of each other does not.

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn the_core_depends_on_no_runtime_and_no_network() {
    let tree = cargo_tree("p2pshare-protocol");
    for banned in ["tokio", "webrtc", "rtc", "reqwest", "hyper", "mio", "socket2", "noq"] {
        assert!(!names(&tree).any(|name| name == banned), "p2pshare-protocol depends on {banned}");
    }
}

#[test]
fn the_server_does_not_depend_on_the_client() {
    let tree = cargo_tree("p2pshare-signal");
    for banned in ["p2pshare", "webrtc", "rtc", "noq"] {
        assert!(!names(&tree).any(|name| name == banned), "p2pshare-signal depends on {banned}");
    }
}

#[test]
fn adapters_do_not_know_each_other_nor_what_is_above_them() {
    for adapter in ["lan", "transport", "signaling", "storage"] {
        let others =
            ["lan", "transport", "signaling", "storage", "session", "api"].into_iter().filter(|name| *name != adapter);
        let banned: Vec<_> = others.map(|other| format!("crate::{other}")).chain(["crate::cli".into()]).collect();
        for file in files_of(adapter) {
            expect_none(&file, &banned);
        }
    }
}

#[test]
fn only_the_transport_names_the_webrtc_and_quic_libraries() {
    let banned = ["webrtc::", "rtc::", "noq::", "noq_proto::"].map(|name| format!("use {name}"));
    for file in sources().filter(|file| !is_part_of(file, "transport")) {
        expect_none(&file, &banned);
    }
}

#[test]
fn only_the_local_network_names_the_mdns_library() {
    for file in sources().filter(|file| !is_part_of(file, "lan")) {
        expect_none(&file, &["mdns_sd".to_owned()]);
    }
}

#[test]
fn only_the_embedded_default_and_serve_know_the_server() {
    let may = ["session/local.rs", "cli/serve.rs", "cli/args.rs", "tests.rs"];
    for file in sources().filter(|file| !may.iter().any(|may| file.ends_with(may))) {
        expect_none(&file, &["p2pshare_signal::".to_owned()]);
    }
}

#[test]
fn the_terminal_is_out_of_reach_of_the_library() {
    for file in sources().filter(|file| !is_part_of(file, "cli") && !is_test(file)) {
        expect_none(&file, &["println!".to_owned(), "indicatif".to_owned(), "clap::".to_owned()]);
    }
}

#[test]
fn every_module_says_what_it_is() {
    for file in
        sources().chain(rust_files(&root().join("protocol/src"))).chain(rust_files(&root().join("signal-server/src")))
    {
        let text = std::fs::read_to_string(&file).unwrap();
        let first = text.lines().find(|line| !line.starts_with("#!["));
        assert!(first.is_some_and(|line| line.starts_with("//!")), "{} begins with no //!", file.display());
    }
}

#[test]
fn nothing_is_left_for_later() {
    let marks = ["to", "unimple"].map(|start| format!("{start}{}!(", if start == "to" { "do" } else { "mented" }));
    let banned: Vec<_> = marks.into_iter().chain([format!("#[{}", "ignore")]).collect();
    for file in sources().chain(rust_files(&root().join("tests"))).chain(rust_files(&root().join("protocol"))) {
        expect_none(&file, &banned);
    }
}

/// The crates beneath a package, as cargo resolves them, a line each.
fn cargo_tree(package: &str) -> String {
    let arguments = ["tree", "--locked", "--package", package, "--edges", "normal", "--prefix", "none"];
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The names of the crates, the package itself left out.
fn names(tree: &str) -> impl Iterator<Item = &str> {
    tree.lines().skip(1).filter_map(|line| line.split(' ').next())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> impl Iterator<Item = PathBuf> {
    rust_files(&root().join("src"))
}

/// The files of one module of the library.
fn files_of(module: &str) -> Vec<PathBuf> {
    let files: Vec<_> = sources().filter(|file| is_part_of(file, module)).collect();
    assert!(!files.is_empty(), "there is no module {module}");
    files
}

fn is_part_of(file: &Path, module: &str) -> bool {
    let src = root().join("src");
    file.starts_with(src.join(module)) || file == src.join(format!("{module}.rs"))
}

/// Whether a file of the sources holds only tests.
fn is_test(file: &Path) -> bool {
    file.ends_with("tests.rs") || file.components().any(|part| part.as_os_str() == "tests")
}

fn rust_files(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.into_iter()
}

#[track_caller]
fn expect_none(file: &Path, banned: &[String]) {
    let text = std::fs::read_to_string(file).unwrap();
    for (number, line) in (1..).zip(text.lines()) {
        let found = banned.iter().find(|banned| line.contains(banned.as_str()));
        assert!(found.is_none(), "{}:{number} names {}", file.display(), found.map_or("", String::as_str));
    }
}
