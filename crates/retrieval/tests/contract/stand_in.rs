//! A Qdrant server for a test: the stand-in, or a real one that the environment names.
#![expect(clippy::disallowed_methods, reason = "the tests run a server, and look where it is")]

use miyabi_core::ports::Maker;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use miyabi_core::failure::Failure;
use miyabi_retrieval::{QdrantSettings, QdrantShelf};
use qdrant_client::Qdrant;
use secrecy::{ExposeSecret, SecretString};

use crate::Given;

/// A shelf with these settings.
pub(crate) async fn open(settings: QdrantSettings) -> Result<Given, Failure> {
    let shelf = QdrantShelf::open(settings).await?;
    Ok(Arc::new(shelf))
}

fn settings(url: String, prefix: String, maker: Option<Maker>) -> QdrantSettings {
    QdrantSettings { url, api_key: None, prefix, timeout: Duration::from_secs(60), maker }
}

/// The stand-in, while this lives.
pub(crate) struct Server {
    child: Child,
    _stdin: Option<ChildStdin>,
    /// Its port on this machine.
    pub(crate) port: u16,
    scheme: &'static str,
}

impl Server {
    /// The stand-in with these options; none where it is not installed, which is said. On CI it has to be there.
    #[expect(clippy::print_stdout, reason = "people are to see which test did not run")]
    pub(crate) fn start(options: &[&str]) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let installed =
            std::env::var_os("MIYABI_QDRANT_DIR").map_or_else(|| root.join("target/qdrant"), PathBuf::from);
        if !installed.join("installed").is_file() {
            let missing = "the stand-in of Qdrant is not installed: run tests/setup-qdrant.sh";
            assert!(std::env::var_os("CI").is_none(), "{missing}");
            println!("skipped: {missing}");
            return None;
        }
        let mut child = Command::new(installed.join("python/bin/python"))
            .arg(root.join("tests/qdrant/server.py"))
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap_or_else(|_| panic!("the stand-in did not start: {line:?}"));
        let scheme = if options.contains(&"--tls") { "https" } else { "http" };
        Some(Self { _stdin: child.stdin.take(), child, port, scheme })
    }

    /// Settings for it, with a prefix of collections.
    pub(crate) fn settings(&self, prefix: &str, maker: Option<Maker>) -> QdrantSettings {
        settings(format!("{}://localhost:{}", self.scheme, self.port), prefix.to_owned(), maker)
    }

    /// Waits until it has ended by itself.
    pub(crate) fn is_gone(&mut self) {
        self.child.wait().unwrap();
    }

    /// Its own client, to do what others do.
    pub(crate) fn client(&self) -> Qdrant {
        let url = format!("{}://localhost:{}", self.scheme, self.port);
        Qdrant::from_url(&url).timeout(60_u64).skip_compatibility_check().build().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A real server.
pub(crate) struct Real {
    url: String,
    key: Option<SecretString>,
    prefix: String,
}

impl Real {
    /// The one that `QDRANT_URL` names.
    #[expect(clippy::print_stdout, reason = "people are to see which test did not run")]
    pub(crate) fn named() -> Option<Self> {
        let Ok(url) = std::env::var("QDRANT_URL") else {
            println!("skipped: QDRANT_URL names no real Qdrant");
            return None;
        };
        let key = std::env::var("QDRANT_API_KEY").ok().map(SecretString::from);
        Some(Self { url, key, prefix: format!("miyabi-test-{}", uuid::Uuid::now_v7()) })
    }

    /// Settings for it, in collections of their own.
    pub(crate) fn settings(&self, name: &str, maker: Option<Maker>) -> QdrantSettings {
        let settings = settings(self.url.clone(), format!("{}-{name}", self.prefix), maker);
        QdrantSettings { api_key: self.key.clone(), ..settings }
    }

    /// Deletes what the tests made there, and nothing else.
    pub(crate) async fn clear(&self) {
        let mut client = Qdrant::from_url(&self.url).timeout(60_u64).skip_compatibility_check();
        client.api_key = self.key.as_ref().map(|key| key.expose_secret().to_owned());
        let client = client.build().unwrap();
        for collection in client.list_collections().await.unwrap().collections {
            if collection.name.starts_with(&self.prefix) {
                client.delete_collection(collection.name).await.unwrap();
            }
        }
    }
}

/// A certificate for `localhost` that signed itself, and its key; none where there is no openssl, which is said.
#[expect(clippy::print_stdout, reason = "people are to see which test did not run")]
pub(crate) fn certificate(folder: &Path) -> Option<(String, String)> {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-days", "2", "-subj", "/CN=stand-in of miyabi", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", &key, "-out", &cert])
        .output();
    match made {
        Err(_) => {
            println!("skipped: there is no openssl to make a certificate with");
            None
        }
        Ok(ran) => {
            assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
            Some((cert, key))
        }
    }
}

/// A word that another test told this process.
pub(crate) fn told(name: &str) -> String {
    std::env::var(name).unwrap()
}

/// Runs one test of this binary in a process of its own, with these variables.
pub(crate) fn again(test: &str, variables: &[(&str, &str)]) {
    let ran = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored"])
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && told.contains("1 passed"), "{told}");
}
