//! Why settings of TLS are no use.

use std::fmt;

use rustls::pki_types::pem;

/// Why certificates, keys or names cannot be used.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// What should be PEM is not.
    Pem(String),
    /// There is no certificate where one is needed.
    NoCertificate,
    /// The certificate or key is not one that can be used, or they do not belong together.
    Identity(rustls::Error),
    /// A certificate to trust in cannot be used.
    Root(rustls::Error),
    /// Nobody can be connected to with these settings.
    Settings(rustls::Error),
    /// Not a name that a server's certificate could be for.
    Name(String),
}

impl From<pem::Error> for Error {
    fn from(error: pem::Error) -> Error {
        Error::Pem(error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Pem(why) => write!(f, "not the PEM text of a certificate or key: {why}"),
            Error::NoCertificate => f.write_str(
                "no certificate: give at least one, in PEM between BEGIN CERTIFICATE and END CERTIFICATE",
            ),
            Error::Identity(why) => write!(f, "this certificate and key cannot be used together: {why}"),
            Error::Root(why) => write!(f, "this certificate cannot be trusted in: {why}"),
            Error::Settings(why) => write!(f, "these settings are no use: {why}"),
            Error::Name(name) => write!(f, "`{name}` is neither a DNS name nor an address"),
        }
    }
}

impl std::error::Error for Error {}
