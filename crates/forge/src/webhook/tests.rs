//! Signatures against a published example, and payloads of every shape.

use http::HeaderMap;
use miyabi_core::delivery::Provider;
use miyabi_core::trigger::{Happening, Place, Subject};
use serde_json::json;

use super::{Malformed, Refusal, Secrets, read, verify};

const SIGNATURE: &str = "x-hub-signature-256";
/// The example of GitHub's documentation.
const SECRET: &str = "It's a Secret to Everybody";
const BODY: &[u8] = b"Hello, World!";
const FITS: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

#[test]
fn the_published_signature_fits_with_any_of_the_secrets() {
    for secrets in [SECRET, "old, It's a Secret to Everybody", " It's a Secret to Everybody ,new"] {
        let given = headers(&[(SIGNATURE, FITS)]);
        assert_eq!(verify(Provider::Github, &given, BODY, &Secrets::parse(secrets)), Ok(()), "{secrets}");
    }
}

#[test]
fn whatever_is_not_just_right_is_refused() {
    let upper = FITS.to_uppercase().replace("SHA256", "sha256");
    let (short, long) = (FITS.strip_suffix('7').unwrap(), format!("{FITS}0"));
    type Given<'a> = &'a [(&'static str, &'a str)];
    let table: [(Given<'_>, &[u8], Refusal); 9] = [
        (&[], BODY, Refusal::Missing(SIGNATURE)),
        (&[(SIGNATURE, FITS)], b"Hello, World?", Refusal::Wrong(SIGNATURE)),
        (&[(SIGNATURE, FITS), (SIGNATURE, FITS)], BODY, Refusal::Repeated(SIGNATURE)),
        (&[(SIGNATURE, short)], BODY, Refusal::NotASignature(SIGNATURE)),
        (&[(SIGNATURE, &long)], BODY, Refusal::NotASignature(SIGNATURE)),
        (&[(SIGNATURE, "sha256=")], BODY, Refusal::NotASignature(SIGNATURE)),
        (&[(SIGNATURE, "")], BODY, Refusal::NotASignature(SIGNATURE)),
        (&[("x-hub-signature", FITS)], BODY, Refusal::Missing(SIGNATURE)),
        (&[("x-gitlab-token", SECRET)], BODY, Refusal::Missing(SIGNATURE)),
    ];
    for (given, body, refusal) in table {
        let found = verify(Provider::Github, &headers(given), body, &Secrets::parse(SECRET));
        assert_eq!(found, Err(refusal), "{given:?}");
    }
    // Hexadecimal digits may be large; the value is what counts.
    let given = headers(&[(SIGNATURE, &upper)]);
    assert_eq!(verify(Provider::Ci, &given, BODY, &Secrets::parse(SECRET)), Ok(()));
    let none = Secrets::parse(" , ");
    let refused = verify(Provider::Github, &headers(&[(SIGNATURE, FITS)]), BODY, &none);
    assert_eq!(refused, Err(Refusal::NotConfigured(Provider::Github)));
}

#[test]
fn a_token_of_gitlab_is_compared_as_a_whole() {
    let secrets = Secrets::parse("秘密-1,秘密-2");
    for (given, fits) in [("秘密-1", true), ("秘密-2", true), ("秘密", false), ("秘密-1,秘密-2", false)]
    {
        let mut map = HeaderMap::new();
        map.insert("x-gitlab-token", http::HeaderValue::from_bytes(given.as_bytes()).unwrap());
        assert_eq!(verify(Provider::Gitlab, &map, BODY, &secrets).is_ok(), fits, "{given}");
    }
}

#[test]
fn a_label_on_an_issue_is_understood() {
    let given = headers(&[("x-github-event", "issues"), ("x-github-delivery", "72d3162e")]);
    let body = json!({
        "action": "labeled",
        "issue": {
            "number": 42, "state": "open", "title": "認証", "labels": [{ "name": "miyabi" }],
            "created_at": "2026-01-05T09:00:00Z", "updated_at": "2026-01-05T09:00:00Z"
        },
        "label": { "name": "miyabi" },
        "repository": { "full_name": "acme/shop" },
        "sender": { "login": "alice", "type": "User" }
    });
    let received = read(Provider::Github, &given, body.to_string().as_bytes()).unwrap();
    assert_eq!(received.key.to_string(), "github:72d3162e");
    assert_eq!(received.occurrence.repo.as_deref(), Some("acme/shop"));
    let on = Subject { at: Place::Issue(42), open: true, labels: vec!["miyabi".to_owned()] };
    assert_eq!(received.occurrence.what, Happening::Labeled { on, label: "miyabi".to_owned() });
}

#[test]
fn valid_json_of_another_shape_asks_for_nothing() {
    let given = headers(&[("x-github-event", "issues"), ("x-github-delivery", "1")]);
    for body in ["{}", r#"{"action":7}"#, r#"{"action":"labeled","issue":[],"label":"x"}"#] {
        let received = read(Provider::Github, &given, body.as_bytes()).unwrap();
        assert!(matches!(received.occurrence.what, Happening::Nothing { .. }), "{body}");
    }
    for body in ["", "{", "{}x", "[", "\u{feff}{}"] {
        let error = read(Provider::Github, &given, body.as_bytes()).unwrap_err();
        assert!(matches!(error, Malformed::NotJson(_)), "{body}: {error}");
    }
    for body in ["[]", "7", "null", r#""x""#] {
        let error = read(Provider::Github, &given, body.as_bytes()).unwrap_err();
        assert!(matches!(error, Malformed::NotAnObject), "{body}: {error}");
    }
}
