//! How services are connected to, by whoever here asks them.

use std::io;
use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;

/// How long a connection to a service may take to be made.
const CONNECTING: Duration = Duration::from_secs(30);

pub(crate) type Connector = HttpsConnector<HttpConnector>;

/// Errors: this machine's certificates cannot be read.
pub(crate) fn connector() -> io::Result<Connector> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECTING));
    let builder = HttpsConnectorBuilder::new();
    let builder = builder.with_provider_and_native_roots(rustls::crypto::ring::default_provider())?;
    Ok(builder.https_or_http().enable_http1().wrap_connector(http))
}
