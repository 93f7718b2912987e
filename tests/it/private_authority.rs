//! A server behind https whose certificate is of a private authority.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use data_encoding::BASE64;
use p2pshare_signal::listen;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::harness::process::OnTerminal;
use crate::harness::{Running, TestServer, Tree, World};

#[test]
fn a_private_authority_is_trusted_when_a_variable_names_it_and_only_then() {
    let (world, server) = (World::new(), TestServer::start());
    let authority = world.home().join("authority.pem");
    let url = format!("https://localhost:{}", https_before(server.address, &authority).port());
    let film = world.file("film.mp4", "content");
    let trusting = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env("SSL_CERT_FILE", &authority);
        Running::start(command, OnTerminal::Nothing)
    };
    let sender = trusting(&["send", "--no-qr", "--server", &url, film.to_str().unwrap()]);
    let stranger = world.run(&["recv", "--yes", "--server", &url, &sender.code()]).end();
    stranger.expect_exit(10).expect_says(&url).expect_says("certificate");
    trusting(&["recv", "--yes", "--server", &url, &sender.code()]).end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(world.arrived(), Tree::of(&world.from()));
}

/// Adds TLS in front of a server, with a certificate of a new authority, whose own goes to a file. Ends with the process.
fn https_before(server: SocketAddr, authority: &Path) -> SocketAddr {
    let config = Arc::new(tls(authority));
    let (told, address) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            let acceptor = TlsAcceptor::from(config);
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Who does not trust the certificate hangs up.
                    let Ok(mut client) = acceptor.accept(client).await else { return };
                    let mut server = TcpStream::connect(server).await.unwrap();
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
    });
    address.recv().unwrap()
}

fn tls(authority: &Path) -> ServerConfig {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64.encode(issuer.der()));
    fs::write(authority, pem).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    builder.with_no_client_auth().with_single_cert(chain, key.into()).unwrap()
}
