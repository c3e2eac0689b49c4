//! A server's certificates: which one for which name, and other ones while it runs.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{Error, provider};

/// A certificate with those that vouch for it, and its private key.
#[derive(Clone)]
pub struct Identity {
    key: Arc<CertifiedKey>,
    names: Vec<String>,
}

impl Identity {
    /// From the PEM text of the certificates, the server's own first, and of the key (PKCS #8, PKCS #1 or SEC 1).
    ///
    /// # Errors
    ///
    /// If there is no certificate or no key in there, or the key is not the certificate's.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Identity, Error> {
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>()?;
        Identity::from_der(chain, PrivateKeyDer::from_pem_slice(key)?)
    }

    /// The same from DER.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Self::from_pem).
    pub fn from_der(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Identity, Error> {
        let own = chain.first().ok_or(Error::NoCertificate)?;
        let parsed = webpki::EndEntityCert::try_from(own);
        let names = match &parsed {
            Ok(parsed) => parsed.valid_dns_names().map(str::to_ascii_lowercase).collect(),
            Err(_) => return Err(Error::Identity(rustls::CertificateError::BadEncoding.into())),
        };
        let key = CertifiedKey::from_der(chain, key, &provider()).map_err(Error::Identity)?;
        Ok(Identity { key: Arc::new(key), names })
    }

    /// The DNS names that the certificate is for, in lower case; `*.example.org` stands for one label.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("names", &self.names).finish_non_exhaustive()
    }
}

/// The certificates of one or more listeners, to be chosen from by the name that a client asks for (SNI).
///
/// A clone is a handle to the same certificates, so a service keeps one to [replace](Self::replace) them.
#[derive(Clone)]
pub struct Certificates {
    table: Arc<RwLock<Arc<Table>>>,
}

struct Table {
    /// For clients that ask for no name, or for one that nobody has.
    first: Arc<CertifiedKey>,
    named: HashMap<String, Arc<CertifiedKey>>,
}

impl Table {
    fn new(identities: impl IntoIterator<Item = Identity>) -> Result<Table, Error> {
        let mut first = None;
        let mut named = HashMap::new();
        for Identity { key, names } in identities {
            for name in names {
                named.entry(name).or_insert_with(|| key.clone());
            }
            first.get_or_insert(key);
        }
        Ok(Table { first: first.ok_or(Error::NoCertificate)?, named })
    }

    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        self.named.get(&name).or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.named.get(&format!("*.{parent}"))
        })
    }
}

impl Certificates {
    /// These certificates. A client gets the first one of those that have the name that it asks for; one that asks
    /// for no name, or for one that none has, gets the first of all.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn new(identities: impl IntoIterator<Item = Identity>) -> Result<Certificates, Error> {
        Ok(Certificates { table: Arc::new(RwLock::new(Arc::new(Table::new(identities)?))) })
    }

    /// These certificates instead, for handshakes from now on. Connections that are there go on with what they have, and a
    /// client may [resume](https://www.rfc-editor.org/rfc/rfc8446#section-2.2) what it has begun with an earlier certificate.
    ///
    /// # Errors
    ///
    /// If there is none; then the certificates are those that they were.
    pub fn replace(&self, identities: impl IntoIterator<Item = Identity>) -> Result<(), Error> {
        let table = Arc::new(Table::new(identities)?);
        // Nothing panics under this lock.
        let mut place = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *place, table);
        drop(place);
        drop(old);
        Ok(())
    }

    fn table(&self) -> Arc<Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let table = self.table();
        let named = hello.server_name().and_then(|name| table.find(name));
        Some(named.unwrap_or(&table.first).clone())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table();
        let mut names: Vec<_> = table.named.keys().collect();
        names.sort_unstable();
        f.debug_struct("Certificates").field("names", &names).finish_non_exhaustive()
    }
}
