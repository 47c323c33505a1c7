//! To a server behind a proxy that speaks TLS.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::server::Server;
use crate::terminal::{MEDIUM, Terminal};

/// Speaks TLS before a server, as `localhost`, until it is dropped.
struct Proxy {
    port: u16,
    /// The certificate of the authority that bears it out, as PEM.
    authority: String,
    _end: oneshot::Sender<()>,
}

impl Proxy {
    fn before(server: SocketAddr) -> Self {
        let authority_key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::new(Vec::new()).expect("sound");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = authority.self_signed(&authority_key).expect("signed").pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().expect("a key");
        let own = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let own = own.signed_by(&key, &issuer).expect("signed");
        let config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![own.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .expect("a certificate and its key");
        let acceptor = TlsAcceptor::from(Arc::new(config));

        let (told, port) = std::sync::mpsc::sync_channel(1);
        let (end, ended) = oneshot::channel();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                told.send(listener.local_addr().expect("an address").port()).expect("somebody asks");
                let serve = async {
                    loop {
                        let (stream, _) = listener.accept().await.expect("a connection");
                        let acceptor = acceptor.clone();
                        tokio::spawn(async move {
                            // A client that does not trust it goes away.
                            let Ok(mut client) = acceptor.accept(stream).await else { return };
                            let mut server = TcpStream::connect(server).await.expect("a server");
                            _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                        });
                    }
                };
                tokio::select! {
                    () = serve => {}
                    _ = ended => {}
                }
            });
        });
        Self { port: port.recv().expect("a port"), authority: pem, _end: end }
    }

    fn url(&self, host: &str) -> String {
        format!("wss://{host}:{}", self.port)
    }
}

#[test]
fn who_is_trusted_is_talked_to_and_nobody_else() {
    let server = Server::start();
    let proxy = Proxy::before(server.address());
    let home = TempDir::new().expect("a directory");
    let file = home.path().join("authority.pem");
    fs::write(&file, &proxy.authority).expect("written");
    let trusting = [("SSL_CERT_FILE", file.to_str().expect("a path"))];
    let alice = |url: &str, environment: &[(&str, &str)]| {
        Terminal::start_in(MEDIUM, &server.token("alice"), &["--url", url, "--room", "lobby"], environment)
    };

    let mut there = alice(&proxy.url("localhost"), &trusting);
    there.is_connected();
    there.say("by TLS");
    there.shows("by TLS ✓");

    let another = Proxy::before(server.address());
    let none = home.path().join("none.pem");
    fs::write(&none, "").expect("written");
    let nobody = [("SSL_CERT_FILE", none.to_str().expect("a path"))];
    for (url, environment, why) in [
        (another.url("localhost"), &trusting, "not trusted"),
        (proxy.url("127.0.0.1"), &trusting, "not trusted"),
        (proxy.url("localhost"), &nobody, "SSL_CERT_FILE"),
        (server.url().replace("ws://", "wss://"), &trusting, "does not speak TLS"),
    ] {
        let ended = alice(&url, environment).ended();
        assert_eq!(ended.code, 4, "{}", ended.written);
        assert!(
            ended.written.contains(why) && ended.written.starts_with("realtime-tui: wss://"),
            "{}",
            ended.written
        );
    }
}
