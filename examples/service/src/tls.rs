//! TLS: certificates from files, which can be read again while the service runs.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::slice;

use actor_net::tls::{Certificates, Identity, Server};

/// Where a certificate is, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The certificate, with those that vouch for it behind it.
    pub chain: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Certificates, and the files that they are from.
#[derive(Debug)]
pub struct Files {
    pairs: Vec<Pair>,
    certificates: Certificates,
}

impl Files {
    /// Reads them. Who asks for a name that none has, or for no name, gets the first.
    ///
    /// # Errors
    ///
    /// If there is something wrong with one of them, or there is none.
    pub fn read(pairs: Vec<Pair>) -> Result<Files, Error> {
        let identities = identities(&pairs)?;
        let certificates = Certificates::new(identities).map_err(|error| Error::of(&pairs, error))?;
        Ok(Files { pairs, certificates })
    }

    /// What a listener needs to speak TLS with them, and with what [`reload`](Self::reload) finds.
    #[must_use]
    pub fn server(&self) -> Server {
        Server::new(&self.certificates)
    }

    /// Reads the files again, for connections from now on.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read); then all certificates are those that they were.
    pub fn reload(&self) -> Result<(), Error> {
        let identities = identities(&self.pairs)?;
        self.certificates.replace(identities).map_err(|error| Error::of(&self.pairs, error))
    }
}

fn identities(pairs: &[Pair]) -> Result<Vec<Identity>, Error> {
    pairs.iter().map(|pair| identity(pair).map_err(|error| Error::of(slice::from_ref(pair), error))).collect()
}

fn identity(pair: &Pair) -> Result<Identity, Box<dyn std::error::Error + Send + Sync>> {
    Ok(Identity::from_pem(&content(&pair.chain)?, &content(&pair.key)?)?)
}

fn content(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// Why there is no certificate to be had from files.
#[derive(Debug)]
pub struct Error {
    files: String,
    error: Box<dyn std::error::Error + Send + Sync>,
}

impl Error {
    /// About these files.
    fn of(pairs: &[Pair], error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        let files = pairs.iter().map(|pair| format!("{} {}", pair.chain.display(), pair.key.display()));
        Error { files: files.collect::<Vec<_>>().join(", "), error: error.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use the certificate and key in {}: {}", self.files, self.error)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.error)
    }
}
