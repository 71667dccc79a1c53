//! Vectors from an endpoint: what is sent, what is read, and what is said where it does not fit.

use miyabi_core::failure::FailureClass;
use miyabi_core::ports::Embedder;
use miyabi_model::{EndpointEmbedder, VectorEndpoint};
use secrecy::SecretString;

use super::world::{Service, answer};

fn endpoint(address: &str) -> VectorEndpoint {
    VectorEndpoint {
        address: address.to_owned(),
        key: Some(SecretString::from("a-secret-key")),
        model: "雅-embed".to_owned(),
        dimensions: 2,
    }
}

async fn saying(text: &'static str) -> (Service, EndpointEmbedder) {
    let service = Service::start(move |_| async move { answer(text) }).await;
    let embedder = EndpointEmbedder::new(endpoint(&format!("{}/v1/", service.url))).unwrap();
    (service, embedder)
}

fn texts() -> Vec<String> {
    vec!["one".to_owned(), "二".to_owned()]
}

#[tokio::test]
async fn vectors_come_in_the_order_of_their_texts_and_with_length_one() {
    let (service, embedder) =
        saying(r#"{"data": [{"index": 1, "embedding": [0, 2]}, {"index": 0, "embedding": [3, 4]}]}"#).await;
    assert_eq!(embedder.embed(&texts()).await.unwrap(), [[0.6, 0.8], [0.0, 1.0]]);
    let seen = service.last();
    assert!(
        seen.starts_with("POST /v1/embeddings\n") && seen.contains("authorization: Bearer a-secret-key"),
        "{seen}"
    );
    assert_eq!(embedder.embed(&[]).await.unwrap(), Vec::<Vec<f32>>::new());
    assert_eq!(service.seen().len(), 1, "nobody is asked for nothing");
    assert_eq!((embedder.maker().name.as_str(), embedder.maker().dimensions), ("雅-embed", 2));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_told() {
    for (text, part) in [
        ("no json", "its answer is no JSON"),
        (r#"{"error": "x"}"#, "answers with no `data`"),
        (r#"{"data": [{"embedding": [1, 2]}]}"#, "answers with 1 vectors for 2 texts"),
        (
            r#"{"data": [{"embedding": [1, 2, 3]}, {"embedding": [1, 2, 3]}]}"#,
            "vectors of 3 numbers, not of 2",
        ),
        (r#"{"data": [{"embedding": ["a", "b"]}, {"embedding": [1, 2]}]}"#, "that are no numbers"),
    ] {
        let (_service, embedder) = saying(text).await;
        let failure = embedder.embed(&texts()).await.unwrap_err();
        assert!(failure.message.contains(part), "{text}: {}", failure.message);
        assert!(
            failure.hint.is_some() && !format!("{failure:?} {embedder:?}").contains("secret"),
            "{failure:?}"
        );
    }
}

#[tokio::test]
async fn who_is_not_there_is_told_without_the_key() {
    let embedder = EndpointEmbedder::new(endpoint("http://127.0.0.1:9/v1")).unwrap();
    let failure = embedder.embed(&texts()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unavailable);
    assert!(failure.message.contains("no vectors from the endpoint of `雅-embed`"), "{}", failure.message);
    assert!(!format!("{failure:?}").contains("secret"));
}

#[test]
fn what_cannot_be_used_is_refused() {
    for address in ["localhost:8080", "ftp://host", "", "http://"] {
        let failure = EndpointEmbedder::new(endpoint(address)).unwrap_err();
        assert_eq!(failure.message, "the address for vectors is none", "{address}");
    }
    let two_lines = VectorEndpoint { key: Some(SecretString::from("a\nb")), ..endpoint("http://h/v1") };
    assert!(EndpointEmbedder::new(two_lines).unwrap_err().message.contains("no word of a header"));
    let unnamed = VectorEndpoint { model: " ".to_owned(), ..endpoint("http://h/v1") };
    assert!(EndpointEmbedder::new(unnamed).unwrap_err().hint.unwrap().contains("knowledge.embed_model"));
}
