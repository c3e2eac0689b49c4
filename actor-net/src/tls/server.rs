//! TLS as a listener speaks it.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;

use super::session::Session;
use super::{Certificates, HANDSHAKE, provider};

/// What a [`Listener`](crate::Listener) needs to speak TLS.
#[derive(Clone, Debug)]
pub struct Server {
    config: Arc<ServerConfig>,
    handshake: Duration,
}

impl Server {
    /// TLS 1.2 and 1.3 with these certificates, 10 s for a handshake, and tickets for clients that come again: they need
    /// no memory here, and their keys change by themselves.
    #[must_use]
    pub fn new(certificates: &Certificates) -> Server {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring has suites for both versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(certificates.clone()));
        match rustls::crypto::ring::Ticketer::new() {
            Ok(ticketer) => config.ticketer = ticketer,
            Err(error) => {
                tracing::warn!(%error, "no key for tickets: clients that come again shake hands anew")
            }
        }
        Server::with_config(config)
    }

    /// TLS as `config` says: for clients' certificates, other versions or suites, another choice of certificates. Early
    /// data is not accepted, since it can be replayed.
    #[must_use]
    pub fn with_config(mut config: ServerConfig) -> Server {
        config.max_early_data_size = 0;
        Server { config: Arc::new(config), handshake: HANDSHAKE }
    }

    /// The protocols to choose from (ALPN, RFC 7301), the best first. A client that names others only is refused; one that
    /// names none is not.
    #[must_use]
    pub fn alpn(mut self, protocols: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Server {
        let config = Arc::make_mut(&mut self.config);
        config.alpn_protocols = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// How long a handshake may take in all, however the peer's bytes trickle in.
    #[must_use]
    pub fn handshake_within(mut self, limit: Duration) -> Server {
        self.handshake = limit;
        self
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.handshake
    }

    pub(crate) fn session(&self) -> Result<Session, rustls::Error> {
        Ok(Session::server(UnbufferedServerConnection::new(self.config.clone())?))
    }
}
