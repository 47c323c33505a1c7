//! TLS, for `wss://`: with whom this machine trusts, or, where `SSL_CERT_FILE` or `SSL_CERT_DIR` names some, with those.

use std::io;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, Error, RootCertStore};
use tokio::sync::OnceCell;
use tokio_tungstenite::Connector;

/// Speaks TLS. The certificates are read once, where they are there, and on another thread. An error is a sentence.
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
        return Err(format!(
            "no certificates to trust are found on this machine{why}; SSL_CERT_FILE names some"
        ));
    }
    let builder = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Why there is no connection, for people.
pub(super) fn reason(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(Error::InvalidCertificate(why)) => {
            format!(
                "the server's certificate is not trusted: {why}; SSL_CERT_FILE names a file with its authority's"
            )
        }
        Some(Error::InvalidMessage(_)) => "it does not speak TLS: is it ws://?".to_owned(),
        _ => error.to_string(),
    }
}
