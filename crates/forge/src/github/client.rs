//! Reads and writes. A read may be repeated, remembered and paged; a write is sent once and never again by itself.

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::access::Access;
use super::cache::{Cache, Page};
use super::wire::{Answer, Ask, Wire, parse};
use super::{GitHubError, GitHubOptions, RepoName};

/// More pages than this are not read: a list of 100,000 entries has lost its use.
const MAX_PAGES: usize = 1000;

/// Everything but what may stand in a route as it is.
const ENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The same for names of branches, whose slashes stay.
const ENCODED_REF: AsciiSet = ENCODED.remove(b'/');

/// A piece of a route or query that came from elsewhere.
pub(super) fn encoded(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, &ENCODED)
}

/// The name of a branch as part of a route.
pub(super) fn encoded_ref(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, &ENCODED_REF)
}

/// The API of one repository.
pub(super) struct Client {
    wire: Wire,
    access: Access,
    cache: Cache,
    repo: RepoName,
    login: OnceCell<String>,
}

impl Client {
    /// Makes ready, without asking anything.
    pub(super) fn new(options: &GitHubOptions) -> Result<Self, GitHubError> {
        Ok(Self {
            access: Access::new(&options.auth, &options.repo)?,
            wire: Wire::new(options)?,
            cache: Cache::default(),
            repo: options.repo.clone(),
            login: OnceCell::new(),
        })
    }

    /// The repository.
    pub(super) fn repo(&self) -> &RepoName {
        &self.repo
    }

    /// A route below the repository.
    pub(super) fn route(&self, rest: impl std::fmt::Display) -> String {
        format!("/repos/{}{rest}", self.repo)
    }

    /// A token that is good for some minutes.
    pub(super) async fn token(&self) -> Result<SecretString, GitHubError> {
        self.access.token(&self.wire).await
    }

    /// Reads one value.
    pub(super) async fn read<T: DeserializeOwned>(&self, route: &str) -> Result<T, GitHubError> {
        let page = self.page(route).await?;
        parse(&format!("GET {route}"), &page.body)
    }

    /// Reads one value of the repository, if it is there. Errors: `NoRepo` if not even the repository is.
    pub(super) async fn find<T: DeserializeOwned>(&self, rest: &str) -> Result<Option<T>, GitHubError> {
        match self.read(&self.route(rest)).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_absent() => {
                self.seen().await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads a list of the repository with all its pages. Errors: `NoRepo` if not even the repository is there.
    pub(super) async fn list<T: DeserializeOwned>(&self, rest: &str) -> Result<Option<Vec<T>>, GitHubError> {
        let mut all = Vec::new();
        let pages = self.pages(rest, |request, body| {
            all.extend(parse::<Vec<T>>(request, body)?);
            Ok(())
        });
        Ok(pages.await?.then_some(all))
    }

    /// Reads page after page. False: there is no such list.
    pub(super) async fn pages(
        &self,
        rest: &str,
        mut take: impl FnMut(&str, &str) -> Result<(), GitHubError>,
    ) -> Result<bool, GitHubError> {
        let mut route = self.route(rest);
        for _ in 0..MAX_PAGES {
            let page = match self.page(&route).await {
                Ok(page) => page,
                Err(error) if error.is_absent() => {
                    self.seen().await?;
                    return Ok(false);
                }
                Err(error) => return Err(error),
            };
            take(&format!("GET {route}"), &page.body)?;
            match &page.next {
                Some(next) => route.clone_from(next),
                None => return Ok(true),
            }
        }
        Ok(true)
    }

    /// Sends a write, once. Only an answer of 401, after which nothing was done, is followed by a second one with a
    /// new token, if there can be one.
    pub(super) async fn write(
        &self,
        method: Method,
        rest: &str,
        body: Option<Value>,
    ) -> Result<Answer, GitHubError> {
        let route = self.route(rest);
        self.ask(&Ask { method, route: &route, body: body.as_ref(), unless: None }).await
    }

    /// The name under which we write. What stands in a body can be written by anybody; who wrote it cannot.
    pub(super) async fn login(&self) -> Result<&str, GitHubError> {
        let login = self.login.get_or_try_init(async || match &self.access {
            Access::App(app) => app.login(&self.wire).await,
            Access::Token(token) => self.login_of(token).await,
        });
        login.await.map(String::as_str)
    }

    async fn login_of(&self, token: &SecretString) -> Result<String, GitHubError> {
        #[derive(Deserialize)]
        struct User {
            login: String,
        }
        match self.read::<User>("/user").await {
            Ok(user) => Ok(user.login),
            // Tokens that an App made, such as those of GitHub's own CI, may only ask this way.
            Err(error @ GitHubError::Forbidden { .. }) if self.wire.base().is_empty() => {
                let body = json!({ "query": "query { viewer { login } }" });
                let ask = Ask { method: Method::POST, route: "/graphql", body: Some(&body), unless: None };
                let answer: Value = self.wire.ask(&ask, token).await?.read()?;
                answer["data"]["viewer"]["login"].as_str().map(str::to_owned).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// That the repository can be seen. Errors: `NoRepo`.
    async fn seen(&self) -> Result<(), GitHubError> {
        match self.page(&self.route("")).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_absent() => Err(GitHubError::NoRepo(self.repo.to_string())),
            Err(error) => Err(error),
        }
    }

    /// Reads one page, from memory if GitHub says that it has not changed.
    async fn page(&self, route: &str) -> Result<Arc<Page>, GitHubError> {
        let known = self.cache.get(route);
        let unless = known.as_ref().map(|page| page.etag.as_str());
        let ask = Ask { method: Method::GET, route, body: None, unless };
        let answer = match self.ask(&ask).await {
            Err(error) if error.passes() => self.ask(&ask).await?,
            answer => answer?,
        };
        if let (StatusCode::NOT_MODIFIED, Some(known)) = (answer.status, known) {
            return Ok(known);
        }
        let etag = answer.headers.get(header::ETAG).and_then(|value| value.to_str().ok());
        let etag = etag.unwrap_or_default().to_owned();
        let next = next(&answer.headers, self.wire.base());
        let page = Arc::new(Page { etag, body: answer.body, next });
        if !page.etag.is_empty() {
            self.cache.put(route, page.clone());
        }
        Ok(page)
    }

    async fn ask(&self, ask: &Ask<'_>) -> Result<Answer, GitHubError> {
        let token = self.token().await?;
        match self.wire.ask(ask, &token).await {
            Err(refused @ GitHubError::Unauthorized { .. }) => {
                match self.access.renew(&self.wire, &token).await? {
                    Some(token) => self.wire.ask(ask, &token).await,
                    None => Err(refused),
                }
            }
            answer => answer,
        }
    }
}

/// The route of the next page. Only its path and query count: the token goes nowhere else.
fn next(headers: &HeaderMap, base: &str) -> Option<String> {
    let links = headers.get(header::LINK)?.to_str().ok()?;
    let link = links.split(',').find(|link| link.contains("rel=\"next\""))?;
    let url = link.trim().strip_prefix('<')?.split('>').next()?;
    let url: http::Uri = url.parse().ok()?;
    let route = url.path_and_query()?.as_str();
    let route = route.strip_prefix(base).unwrap_or(route);
    route.starts_with('/').then(|| route.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_a_route() {
        let next_of = |link: &str, base: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::LINK, link.parse().unwrap());
            next(&headers, base)
        };
        let both = r#"<https://api.github.com/repositories/1/issues?page=1>; rel="prev", <https://api.github.com/repositories/1/issues?per_page=100&page=3>; rel="next""#;
        assert_eq!(next_of(both, ""), Some("/repositories/1/issues?per_page=100&page=3".to_owned()));
        let own = r#"<https://git.example/api/v3/repos/a/b/pulls?page=2>; rel="next""#;
        assert_eq!(next_of(own, "/api/v3"), Some("/repos/a/b/pulls?page=2".to_owned()));
        for last in [r#"<https://x/a?page=1>; rel="last""#, "", "rel=\"next\"", r#"<>; rel="next""#] {
            assert_eq!(next_of(last, ""), None, "{last}");
        }
    }

    #[test]
    fn names_cannot_leave_their_place() {
        assert_eq!(encoded("a/../b?c#d 雅").to_string(), "a%2F..%2Fb%3Fc%23d%20%E9%9B%85");
        assert_eq!(encoded_ref("feature/issue-1?x").to_string(), "feature/issue-1%3Fx");
    }
}
