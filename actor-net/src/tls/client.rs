//! TLS as a client speaks it.

use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use super::session::Session;
use super::{Error, provider};

/// What a [`Client`](crate::Client) needs to speak TLS. To be made once and used for many connections: it remembers how to resume
/// with servers that it has met.
#[derive(Clone, Debug)]
pub struct Client {
    config: Arc<ClientConfig>,
}

impl Client {
    /// TLS 1.2 and 1.3 with servers for which one of these certificates vouches.
    ///
    /// # Errors
    ///
    /// If one of them cannot be used, or there is none.
    pub fn new(roots: impl IntoIterator<Item = CertificateDer<'static>>) -> Result<Client, Error> {
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(root).map_err(Error::Root)?;
        }
        if store.is_empty() {
            return Err(Error::NoCertificate);
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring has suites for both versions")
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Client::with_config(config))
    }

    /// The same with the certificates in a PEM text, such as the file that a system keeps of those that it trusts in.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), or if it is no PEM.
    pub fn from_pem(roots: &[u8]) -> Result<Client, Error> {
        Client::new(CertificateDer::pem_slice_iter(roots).collect::<Result<Vec<_>, _>>()?)
    }

    /// TLS as `config` says: with a certificate of one's own, other versions or suites, another way to verify.
    #[must_use]
    pub fn with_config(mut config: ClientConfig) -> Client {
        config.enable_early_data = false;
        Client { config: Arc::new(config) }
    }

    /// The protocols to offer (ALPN, RFC 7301), the best first.
    #[must_use]
    pub fn alpn(mut self, protocols: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Client {
        let config = Arc::make_mut(&mut self.config);
        config.alpn_protocols = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// A session with the server that has a certificate for `name`.
    pub(crate) fn session(&self, name: &str) -> Result<Session, Error> {
        let server = ServerName::try_from(name.to_owned()).map_err(|_| Error::Name(name.to_owned()))?;
        let session = UnbufferedClientConnection::new(self.config.clone(), server);
        Ok(Session::client(session.map_err(Error::Settings)?))
    }
}
