//! The way to the server through a proxy, with the real program on both ends.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use crate::harness::process::{OnTerminal, Running};
use crate::harness::tree::noise;
use crate::harness::{TestServer, Tree, World};

/// A proxy that leads wherever it is asked to the server of the test, and tells where it was asked to lead. Its threads end
/// with the process.
fn start(server: SocketAddr, greet: fn(&mut TcpStream) -> Option<String>) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let tell = tell.clone();
            thread::spawn(move || {
                let Some(asked) = greet(&mut client) else { return };
                let _ = tell.send(asked);
                let server = TcpStream::connect(server).unwrap();
                let (from_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || pass(from_client, to_server));
                pass(server, client);
            });
        }
    });
    (address, told)
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

/// Speaks HTTP CONNECT and nothing else; returns the request's lines.
fn http(client: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    if !head.starts_with("CONNECT") {
        client.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n").unwrap();
        return None;
    }
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
    Some(head)
}

/// Speaks SOCKS5 without a login; returns the name that was asked for.
fn socks(client: &mut TcpStream) -> Option<String> {
    let mut greeting = [0; 3];
    client.read_exact(&mut greeting).unwrap();
    assert_eq!(greeting, [5, 1, 0]);
    client.write_all(&[5, 0]).unwrap();
    let mut request = [0; 5];
    client.read_exact(&mut request).unwrap();
    assert_eq!(request[..4], [5, 1, 0, 3], "a name, for the proxy to look up");
    let mut name = vec![0; usize::from(request[4]) + 2];
    client.read_exact(&mut name).unwrap();
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
    Some(String::from_utf8_lossy(&name[..name.len() - 2]).into_owned())
}

/// A name that nothing but the proxy can lead to.
const NOWHERE: &str = "http://share.invalid:8765";

#[test]
fn a_share_is_found_through_an_http_proxy_that_wants_a_login() {
    let (world, server) = (World::new(), TestServer::start());
    let (proxy, told) = start(server.address, http);
    let film = world.file("film.mp4", noise(100_000, 1));
    let proxy = format!("http://ann:s%40cret@{proxy}");
    let sender = world.run(&["send", "--proxy", &proxy, "--server", NOWHERE, film.to_str().unwrap()]);
    let receiver = world.run(&["recv", "--proxy", &proxy, "--yes", "--server", NOWHERE, &sender.code()]);
    receiver.end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(world.arrived(), Tree::of(&world.from()));
    let request = told.recv().unwrap();
    assert!(request.starts_with("CONNECT share.invalid:8765 HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains("proxy-authorization: basic "), "{request}");
    assert!(request.contains("YW5uOnNAY3JldA=="), "{request}");
}

#[test]
fn a_share_is_found_through_the_socks_proxy_of_the_environment() {
    let (world, server) = (World::new(), TestServer::start());
    let (proxy, told) = start(server.address, socks);
    let film = world.file("film.mp4", noise(100_000, 2));
    let through = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env("ALL_PROXY", format!("socks5://{proxy}"));
        Running::start(command, OnTerminal::Nothing)
    };
    let sender = through(&["send", "--server", NOWHERE, film.to_str().unwrap()]);
    through(&["recv", "--yes", "--server", NOWHERE, &sender.code()]).end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(told.recv().unwrap(), "share.invalid");
}

#[test]
fn a_proxy_that_is_not_there_is_named_and_one_that_is_excepted_is_not_asked() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film.mp4", noise(10, 3));
    // A port that was free a moment ago, where nobody listens.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sender = world.run(&["send", "--proxy", &gone.to_string(), "--server", NOWHERE, film.to_str().unwrap()]);
    sender.end().expect_exit(10).expect_says(&format!("the proxy http://{gone}"));
    // The server on this machine is reached without it.
    let sender = world.run(&["send", "--proxy", &gone.to_string(), "--server", &server.url(), film.to_str().unwrap()]);
    let code = sender.code();
    world.run(&["recv", "--proxy", &gone.to_string(), "--yes", "--server", &server.url(), &code]).end().expect_exit(0);
    sender.end().expect_exit(0);
}
