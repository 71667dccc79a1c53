//! The port `Models`, over HTTP.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::model::{Ask, ModelFault, Provider, Route, Said};
use miyabi_core::ports::Models;
use tokio::time::timeout;

use crate::answer::Answer;
use crate::connector::{Connector, connector};
use crate::endpoint::Endpoint;
use crate::stream::Events;
use crate::{fault, question};

/// How much of an error is read, in bytes.
const ERROR: usize = 64 * 1024;

type Body = Full<std::io::Cursor<Vec<u8>>>;

/// Models behind the endpoints that the environment names.
///
/// Keys are read once and stay here: they are in no request but those to their own endpoint, in no error and no log.
#[derive(Debug, Clone)]
pub struct EndpointModels {
    /// Made when somebody is asked: most commands ask nobody.
    client: OnceLock<Result<Client<Connector, Body>, Failure>>,
    /// Those that are set up, whether well or not.
    endpoints: BTreeMap<&'static str, Result<Endpoint, Failure>>,
}

impl EndpointModels {
    /// Those of this environment. Connects to nobody; what is wrong is said of the model that it is wrong for.
    pub fn new(variable: impl Fn(&str) -> Option<String>) -> Self {
        let of = |provider: Provider| {
            let endpoint = Endpoint::of(provider, &variable).transpose()?;
            Some((provider.as_str(), endpoint))
        };
        Self { client: OnceLock::new(), endpoints: Provider::ALL.into_iter().filter_map(of).collect() }
    }

    /// Errors: this machine's certificates cannot be read.
    fn client(&self) -> Result<&Client<Connector, Body>, Failure> {
        let made = self.client.get_or_init(|| match connector() {
            Ok(connector) => Ok(Client::builder(TokioExecutor::new()).build(connector)),
            Err(error) => {
                let message = format!("read the machine's certificates: {error}");
                Err(Failure::new(FailureClass::Unavailable, message)
                    .hint("install them (package `ca-certificates`)"))
            }
        });
        made.as_ref().map_err(Clone::clone)
    }

    /// Errors: it is not set up, or not well.
    fn endpoint(&self, route: &Route) -> Result<&Endpoint, Failure> {
        let endpoint = self.endpoints.get(route.provider.as_str());
        endpoint.ok_or_else(|| Endpoint::missing(route))?.as_ref().map_err(Clone::clone)
    }

    fn request(&self, route: &Route, ask: &Ask) -> Result<Request<Body>, ModelFault> {
        let endpoint = self.endpoint(route).map_err(|failure| ModelFault::Denied(failure.message))?;
        let body = question::body(route, ask).to_string().into_bytes();
        let mut request = Request::post(endpoint.address.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "text/event-stream")
            .header(header::USER_AGENT, concat!("miyabi/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(std::io::Cursor::new(body)))
            .map_err(|_| ModelFault::Wrong("the question could not be put".to_owned()))?;
        let login = endpoint.login();
        let login = login.ok_or_else(|| ModelFault::Denied("the key is no word of a header".to_owned()))?;
        request.headers_mut().extend(login);
        Ok(request)
    }
}

#[async_trait]
impl Models for EndpointModels {
    async fn ask(&self, route: &Route, ask: &Ask) -> Result<Said, ModelFault> {
        let client = self.client().map_err(|failure| ModelFault::Wrong(failure.message))?;
        let asked = client.request(self.request(route, ask)?);
        let answer = in_time(ask, asked).await?.map_err(|error| ModelFault::Broken(fault::causes(&error)))?;
        if !answer.status().is_success() {
            return Err(refusal(ask, answer).await);
        }
        let (mut body, mut events) = (answer.into_body(), Events::default());
        let mut answer = Answer::of(route.provider);
        while let Some(frame) = in_time(ask, body.frame()).await? {
            let frame = frame.map_err(|error| ModelFault::Broken(fault::causes(&error)))?;
            if let Some(bytes) = frame.data_ref() {
                events.push(bytes, |piece| answer.take(piece))?;
            }
        }
        answer.finish()
    }

    fn missing(&self, route: &Route) -> Option<Failure> {
        self.endpoint(route).err().or_else(|| self.client().err())
    }
}

/// What comes before the other side has been silent for too long.
async fn in_time<T>(ask: &Ask, coming: impl Future<Output = T>) -> Result<T, ModelFault> {
    let silent = || ModelFault::Broken(format!("nothing came for {} s", ask.quiet.as_secs()));
    timeout(ask.quiet, coming).await.map_err(|_| silent())
}

async fn refusal<B>(ask: &Ask, answer: Response<B>) -> ModelFault
where
    B: BodyExt + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B::Data: Send,
{
    let (head, body) = answer.into_parts();
    let read = in_time(ask, Limited::new(body, ERROR).collect()).await;
    let body = read.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
    let after = head.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let after = after.and_then(|seconds| Some(Duration::from_secs(seconds.trim().parse().ok()?)));
    fault::of_status(head.status.as_u16(), &String::from_utf8_lossy(&body), after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_of_the_model_that_it_is_wrong_for() {
        let models = EndpointModels::new(|name| match name {
            "OPENAI_BASE_URL" => Some("localhost".to_owned()),
            "ANTHROPIC_API_KEY" => Some("a-key".to_owned()),
            _ => None,
        });
        let missing = |route: &str| models.missing(&route.parse().unwrap()).map(|failure| failure.message);
        assert_eq!(missing("anthropic/m"), None);
        assert_eq!(missing("openai/m").as_deref(), Some("OPENAI_BASE_URL is no address of a model"));
        assert!(missing("tensorzero/f").is_some_and(|message| message.contains("tensorzero/f")));
    }
}
