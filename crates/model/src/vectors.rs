//! The port `Embedder`, over HTTP: `POST <address>/embeddings` as OpenAI and most servers of models have it.

use std::fmt;
use std::io::Cursor;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ports::{Embedder, Maker};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::connector::{Connector, connector};
use crate::fault;

/// How long one request may take.
const DEADLINE: Duration = Duration::from_secs(120);
/// The longest answer that is read, in bytes: a batch of long vectors as text is far below it.
const LONGEST: usize = 64 * 1024 * 1024;
/// How much of a text is sent, in characters: models read less.
const READ: usize = 8_000;

type Body = Full<Cursor<Vec<u8>>>;

/// Where vectors are made, and by which model.
#[derive(Clone)]
pub struct VectorEndpoint {
    /// The address before `/embeddings`, such as `http://localhost:8080/v1`.
    pub address: String,
    /// What it wants to be shown, if anything.
    pub key: Option<SecretString>,
    /// The model's name there.
    pub model: String,
    /// Numbers in its vectors.
    pub dimensions: usize,
}

/// Vectors from an endpoint.
pub struct EndpointEmbedder {
    maker: Maker,
    model: String,
    address: Uri,
    key: Option<HeaderValue>,
    client: OnceLock<Result<Client<Connector, Body>, Failure>>,
}

impl fmt::Debug for EndpointEmbedder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address may hold a login.
        f.debug_struct("EndpointEmbedder").field("maker", &self.maker).finish_non_exhaustive()
    }
}

impl EndpointEmbedder {
    /// Connects to nobody yet. Errors: it is no address, the key is no word of a header, or no model is named.
    pub fn new(endpoint: VectorEndpoint) -> Result<Self, Failure> {
        let wrong = |what: &str, hint: &str| Failure::new(FailureClass::Input, what.to_owned()).hint(hint);
        let address =
            format!("{}/embeddings", endpoint.address.trim().trim_end_matches('/')).parse::<Uri>().ok();
        let address = address.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        let address = address.ok_or_else(|| {
            wrong("the address for vectors is none", "it begins with https:// or http://, then a host")
        })?;
        let key = endpoint.key.map(|key| {
            let mut value =
                HeaderValue::from_str(&format!("Bearer {}", key.expose_secret())).map_err(|_| {
                    wrong("the key for vectors is no word of a header", "it is one line without spaces")
                })?;
            value.set_sensitive(true);
            Ok::<_, Failure>(value)
        });
        if endpoint.model.trim().is_empty() || endpoint.dimensions == 0 {
            return Err(wrong(
                "no model for vectors is named",
                "set `knowledge.embed_model` and `knowledge.embed_dimensions` to what the endpoint has",
            ));
        }
        Ok(Self {
            maker: Maker { name: endpoint.model.clone(), dimensions: endpoint.dimensions },
            model: endpoint.model,
            address,
            key: key.transpose()?,
            client: OnceLock::new(),
        })
    }

    fn client(&self) -> Result<&Client<Connector, Body>, Failure> {
        let made = self.client.get_or_init(|| match connector() {
            Ok(connector) => Ok(Client::builder(TokioExecutor::new()).build(connector)),
            Err(error) => {
                let message = format!("read the machine's certificates: {error}");
                Err(Failure::new(FailureClass::Unavailable, message))
            }
        });
        made.as_ref().map_err(Clone::clone)
    }

    async fn ask(&self, texts: &[String]) -> Result<Value, Failure> {
        let cut = |text: &String| text.chars().take(READ).collect::<String>();
        let texts: Vec<String> = texts.iter().map(cut).collect();
        let body = json!({ "model": self.model, "input": texts, "encoding_format": "float" }).to_string();
        let mut request = Request::post(self.address.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("miyabi/", env!("CARGO_PKG_VERSION")));
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, key.clone());
        }
        let request = request.body(Full::new(Cursor::new(body.into_bytes())));
        let request = request.map_err(|error| Failure::caused(FailureClass::Internal, &error))?;
        let broken = |why: String| {
            Failure::new(
                FailureClass::Unavailable,
                format!("no vectors from the endpoint of `{}`: {why}", self.model),
            )
            .hint("MIYABI_EMBEDDINGS_URL says where it is")
        };
        let answer = self.client()?.request(request).await.map_err(|error| broken(fault::causes(&error)))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST).collect().await;
        let body = body.map_err(|error| broken(error.to_string()))?.to_bytes();
        if !head.status.is_success() {
            let fault = fault::of_status(head.status.as_u16(), &String::from_utf8_lossy(&body), None);
            return Err(broken(fault.to_string()));
        }
        serde_json::from_slice(&body).map_err(|error| broken(format!("its answer is no JSON: {error}")))
    }

    /// The vectors of an answer, in the order of the texts.
    fn read(&self, answer: &Value, wanted: usize) -> Result<Vec<Vec<f32>>, Failure> {
        let wrong = |what: String| {
            Failure::new(FailureClass::Input, format!("the endpoint of `{}` {what}", self.model)).hint(
                "`knowledge.embed_model` and `knowledge.embed_dimensions` must be what the endpoint has",
            )
        };
        let rows = answer["data"].as_array().ok_or_else(|| wrong("answers with no `data`".to_owned()))?;
        let mut vectors: Vec<Option<Vec<f32>>> = vec![None; wanted];
        for (place, row) in rows.iter().enumerate() {
            let place = row["index"].as_u64().and_then(|index| usize::try_from(index).ok()).unwrap_or(place);
            let numbers = row["embedding"].as_array().map(Vec::as_slice).unwrap_or_default();
            #[expect(clippy::cast_possible_truncation, reason = "vectors are kept with this precision")]
            let numbers: Option<Vec<f32>> =
                numbers.iter().map(|number| number.as_f64().map(|number| number as f32)).collect();
            let numbers =
                numbers.ok_or_else(|| wrong("answers with vectors that are no numbers".to_owned()))?;
            if numbers.len() != self.maker.dimensions {
                let (has, not) = (numbers.len(), self.maker.dimensions);
                return Err(wrong(format!("makes vectors of {has} numbers, not of {not}")));
            }
            if let Some(slot) = vectors.get_mut(place) {
                *slot = Some(unit(numbers));
            }
        }
        let all: Option<Vec<Vec<f32>>> = vectors.into_iter().collect();
        all.ok_or_else(|| wrong(format!("answers with {} vectors for {wanted} texts", rows.len())))
    }
}

/// The same direction with length 1; what has no direction stays as it is.
fn unit(mut numbers: Vec<f32>) -> Vec<f32> {
    let length = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
    if length > 0.0 && length.is_finite() {
        numbers.iter_mut().for_each(|number| *number /= length);
    }
    numbers
}

#[async_trait]
impl Embedder for EndpointEmbedder {
    fn maker(&self) -> &Maker {
        &self.maker
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, Failure> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let silent = |_| {
            let why =
                format!("the endpoint of `{}` did not answer within {} s", self.model, DEADLINE.as_secs());
            Failure::new(FailureClass::Unavailable, why)
        };
        let answer = timeout(DEADLINE, self.ask(texts)).await.map_err(silent)??;
        self.read(&answer, texts.len())
    }
}
