use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Socket;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::connect::endpoint_error::EndpointError;

/// The ALPN protocol for a server that speaks PostgreSQL's protocol inside TLS from the first byte.
const ALPN: &[u8] = b"postgresql";

/// TLS to one server. Its certificate has to match this name and come from a trusted authority,
/// whatever address the connection uses.
#[derive(Clone)]
pub(crate) struct Tls {
    name: String,
    connector: MakeRustlsConnect,
}

impl Tls {
    /// TLS to the server with this name. Trusts only the authorities in this PEM text, or without
    /// it those that browsers trust.
    pub(crate) fn new(name: &str, authorities: Option<&str>) -> Result<Self, EndpointError> {
        let roots = match authorities {
            Some(pem) => read(pem)?,
            None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| EndpointError::new(format!("TLS cannot be set up: {error}")))?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self { name: name.to_owned(), connector: MakeRustlsConnect::new(config) })
    }
}

fn read(pem: &str) -> Result<RootCertStore, EndpointError> {
    let error = |what: String| EndpointError::of("ca", what);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|why| error(format!("not PEM: {why}")))?;
        roots.add(certificate).map_err(|why| error(format!("a certificate that cannot be used: {why}")))?;
    }
    if roots.is_empty() {
        return Err(error("there is no certificate in it; it reads -----BEGIN CERTIFICATE----- ...".to_owned()));
    }
    Ok(roots)
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;
    type TlsConnect = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;
    type Error = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Error;

    fn make_tls_connect(&mut self, _: &str) -> Result<Self::TlsConnect, Self::Error> {
        // Not the name that was looked up, which may be the address of a VPC endpoint.
        MakeTlsConnect::<Socket>::make_tls_connect(&mut self.connector, &self.name)
    }
}
