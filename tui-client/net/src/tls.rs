//! TLS for `wss://`, with the root certificates of the system, or with those in `SSL_CERT_FILE` or `SSL_CERT_DIR`.

use std::io;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, Error, RootCertStore};
use tokio::sync::OnceCell;
use tokio_tungstenite::Connector;

/// Returns the TLS connector. Loads the certificates once, on a blocking thread. The error is a text for people.
pub(super) async fn connector() -> Result<Connector, String> {
    static CONFIG: OnceCell<Arc<ClientConfig>> = OnceCell::const_new();
    let read = || async {
        let config = tokio::task::spawn_blocking(config).await.map_err(|error| error.to_string())?;
        config.map(Arc::new)
    };
    CONFIG.get_or_try_init(read).await.map(|config| Connector::Rustls(Arc::clone(config)))
}

fn config() -> Result<ClientConfig, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (trusted, _) = roots.add_parsable_certificates(found.certs);
    if trusted == 0 {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(format!("no trusted certificates found on this system{why}; set SSL_CERT_FILE"));
    }
    let builder = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The text of a connection error, for people.
pub(super) fn error_text(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(Error::InvalidCertificate(why)) => {
            format!(
                "the server's certificate is not trusted: {why}; set SSL_CERT_FILE to a file with the certificate of its authority"
            )
        }
        Some(Error::InvalidMessage(_)) => "the server does not speak TLS: try ws://".to_owned(),
        _ => error.to_string(),
    }
}
