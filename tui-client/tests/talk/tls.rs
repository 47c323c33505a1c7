//! Connections to a server behind a TLS proxy.

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

/// A TLS proxy in front of a server, as `localhost`. Dropping it stops it.
struct TlsProxy {
    port: u16,
    /// Certificate of the authority that signed the proxy's certificate, as PEM.
    authority: String,
    _end: oneshot::Sender<()>,
}

impl TlsProxy {
    fn start(server: SocketAddr) -> Self {
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

        let (port_sender, port) = std::sync::mpsc::sync_channel(1);
        let (end, ended) = oneshot::channel();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                port_sender.send(listener.local_addr().expect("an address").port()).expect("a waiting test");
                let serve = async {
                    loop {
                        let (stream, _) = listener.accept().await.expect("a connection");
                        let acceptor = acceptor.clone();
                        tokio::spawn(async move {
                            // A client that does not trust the certificate disconnects.
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
fn the_client_connects_only_to_servers_with_a_trusted_certificate() {
    let server = Server::start();
    let proxy = TlsProxy::start(server.address());
    let home = TempDir::new().expect("a directory");
    let file = home.path().join("authority.pem");
    fs::write(&file, &proxy.authority).expect("written");
    let trusting = [("SSL_CERT_FILE", file.to_str().expect("a path"))];
    let alice = |url: &str, environment: &[(&str, &str)]| {
        Terminal::start_in(MEDIUM, &server.token("alice"), &["--url", url, "--room", "lobby"], environment)
    };

    let mut terminal = alice(&proxy.url("localhost"), &trusting);
    terminal.wait_for_connection();
    terminal.submit("by TLS");
    terminal.shows("by TLS ✓");

    let another = TlsProxy::start(server.address());
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
