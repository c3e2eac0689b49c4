//! Certificates in files, as services are given them.

use std::path::PathBuf;

use actor_net::tls::rustls::pki_types::CertificateDer;

/// A certificate and its key in files, which are deleted with it.
pub(crate) struct Files {
    dir: PathBuf,
    name: &'static str,
}

impl Files {
    /// Of `localhost`. No other test has one in this directory.
    pub(crate) fn new(dir: &str) -> Files {
        Files::named(dir, "localhost")
    }

    /// The same of another name.
    pub(crate) fn named(dir: &str, name: &'static str) -> Files {
        let dir = std::env::temp_dir().join(format!("actor-certificates-{}-{dir}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let files = Files { dir, name };
        files.renew();
        files
    }

    /// The paths of the certificate and of the key.
    pub(crate) fn paths(&self) -> [String; 2] {
        ["cert.pem", "key.pem"].map(|name| self.dir.join(name).to_str().expect("a path").to_owned())
    }

    /// Another certificate with another key.
    pub(crate) fn renew(&self) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed([self.name.to_owned()]).expect("a certificate");
        let [cert, key] = self.paths();
        std::fs::write(cert, made.cert.pem()).expect("a file");
        std::fs::write(key, made.signing_key.serialize_pem()).expect("a file");
        made.cert.der().clone()
    }

    /// No certificate.
    pub(crate) fn spoil(&self) {
        std::fs::write(&self.paths()[0], "no certificate").expect("a file");
    }

    pub(crate) fn option(&self) -> Vec<PathBuf> {
        self.paths().map(PathBuf::from).to_vec()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // Left behind, they do no harm.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
