//! TLS: certificates from files, which can be read again while the service runs.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use actor_net::Listener;
use actor_net::tls::{self, Certificates, Identity};

use crate::server::StartError;

/// A listener's certificate, and the files that it is from.
#[derive(Debug)]
pub(crate) struct Tls {
    option: &'static str,
    files: Vec<PathBuf>,
    certificates: Certificates,
}

impl Tls {
    /// Has a listener speak TLS with the certificate and key in `files`, which are what `option` was
    /// given, and the protocols of `alpn`. Without files it stays as it is.
    pub(crate) fn over(
        listener: Listener,
        option: &'static str,
        files: &[PathBuf],
        alpn: &[&str],
    ) -> Result<(Listener, Option<Tls>), StartError> {
        if files.is_empty() {
            return Ok((listener, None));
        }
        let certificates = read(files)
            .and_then(|identity| Ok(Certificates::new([identity])?))
            .map_err(wrong(option, files))?;
        let server = tls::Server::new(&certificates).alpn(alpn.iter().copied());
        let tls = Tls { option, files: files.to_vec(), certificates };
        Ok((listener.tls(&server), Some(tls)))
    }

    /// Reads the files again. If there is something wrong with them, all is as it was.
    pub(crate) fn reload(&self) -> Result<(), StartError> {
        let read = read(&self.files).and_then(|identity| Ok(self.certificates.replace([identity])?));
        read.map_err(wrong(self.option, &self.files))
    }
}

fn read(files: &[PathBuf]) -> Result<Identity, Box<dyn Error + Send + Sync>> {
    let [chain, key] = files else {
        return Err("there have to be two, of the certificate and of its key".into());
    };
    Ok(Identity::from_pem(&content(chain)?, &content(key)?)?)
}

fn content(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| format!("{}: {error}", file.display()))
}

fn wrong(option: &'static str, files: &[PathBuf]) -> impl FnOnce(Box<dyn Error + Send + Sync>) -> StartError {
    let files = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" ");
    move |error| StartError::Tls { option, files, error }
}
