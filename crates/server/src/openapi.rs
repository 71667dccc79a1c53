//! The description of the API, made from the types that are sent, and held against what is served.
//!
//! `MIYABI_UPDATE=1 cargo test -p miyabi-server openapi` writes `openapi.json` anew.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use miyabi_core::event::{Answer, Event, EventBody};
use miyabi_core::ids::{EscalationId, RunId};
use miyabi_core::issue::{Change, Issue};
use miyabi_core::ports::{Deliveries, EscalationRow, LocalRecords, RunRow, Store};
use miyabi_forge::webhook::Secrets;
use miyabi_testkit::{ManualClock, MemoryStore, fixtures};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

use crate::answer::Problem;
use crate::api::schemas::{AnswerGiven, AnswerTaken, DeliveryPage, DeliveryRow, IssuePage, RunPage};
use crate::routes::{guarded_routes, open_routes};
use crate::{Answers, Live, Ports, Refused, Server, Settings, app};

/// One operation.
struct Operation {
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    /// Name, type and meaning of what stands behind the `?`.
    query: &'static [(&'static str, &'static str, &'static str)],
    answers: Vec<(u16, &'static str, Value)>,
    /// What is sent; a `post` without it is a delivery.
    body: Option<Value>,
}

fn operation(method: &'static str, path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation { method, path, id, summary, query: &[], answers: Vec::new(), body: None }
}

impl Operation {
    fn query(mut self, query: &'static [(&'static str, &'static str, &'static str)]) -> Self {
        self.query = query;
        self
    }

    fn body(mut self, content: Value) -> Self {
        self.body = Some(content);
        self
    }

    fn answers(mut self, status: u16, meaning: &'static str, content: Value) -> Self {
        self.answers.push((status, meaning, content));
        self
    }

    fn document(&self) -> Value {
        let names = self.path.split(['{', '}']).skip(1).step_by(2);
        let in_path = names.map(
            |name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }),
        );
        let in_query = self.query.iter().map(|(name, kind, meaning)| {
            json!({ "name": name, "in": "query", "description": meaning, "schema": { "type": kind } })
        });
        let answers: Map<String, Value> = self
            .answers
            .iter()
            .map(|(status, meaning, content)| {
                let mut answer = json!({ "description": meaning });
                if !content.is_null() {
                    answer["content"] = content.clone();
                }
                (status.to_string(), answer)
            })
            .collect();
        let mut document = json!({ "operationId": self.id, "summary": self.summary, "responses": answers });
        let parameters: Vec<Value> = in_path.chain(in_query).collect();
        if !parameters.is_empty() {
            document["parameters"] = json!(parameters);
        }
        if let Some(body) = &self.body {
            document["requestBody"] = json!({ "required": true, "content": body });
        } else if self.method == "post" {
            document["security"] = json!([]);
            document["requestBody"] = json!({
                "required": true,
                "description": "Byte for byte as the provider signed it, at most 25 MiB.",
                "content": { "application/json": { "schema": { "type": "object" } } },
            });
        }
        document
    }
}

fn as_json(schema: Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

/// Every operation; schemas of what is answered are made on the way.
fn operations(schemas: &mut SchemaGenerator) -> Vec<Operation> {
    let of = |schema: schemars::Schema| as_json(schema.to_value());
    let problem = of(schemas.subschema_for::<Problem>());
    let taken = as_json(json!({
        "type": "object",
        "properties": {
            "delivery": { "type": "string", "description": "its name, for `/jobs/{id}`" },
            "verdict": { "enum": ["accepted", "ignored", "rejected", "duplicate"] },
            "reason": { "type": "string" },
        },
        "required": ["delivery", "verdict"],
    }));
    let health = as_json(json!({
        "type": "object", "properties": { "status": { "type": "string" } }, "required": ["status"],
    }));
    let text = |media: &str| json!({ media: { "schema": { "type": "string" } } });
    let door = |path, id, provider: &'static str, refused: u16| {
        operation("post", path, id, provider)
            .answers(202, "It is on the disk, and will be acted on.", taken.clone())
            .answers(
                200,
                "There is nothing to do: a ping, a duplicate, or nothing that is wanted.",
                taken.clone(),
            )
            .answers(400, "It is not what the provider sends.", problem.clone())
            .answers(refused, "Its signature or token is missing or wrong.", problem.clone())
            .answers(413, "Its body is above 25 MiB.", problem.clone())
            .answers(
                503,
                "No secret is set here, or it could not be kept: deliver it again later.",
                problem.clone(),
            )
    };
    let read = |path, id, summary| {
        operation("get", path, id, summary)
            .answers(403, "Host or origin are not known here.", problem.clone())
            .answers(401, "A token is needed, and there is none or a wrong one.", problem.clone())
    };
    let missing = "There is no such thing.";
    let list = |schema: schemars::Schema| as_json(json!({ "type": "array", "items": schema.to_value() }));
    let (run, page) = (schemas.subschema_for::<RunRow>(), schemas.subschema_for::<RunPage>());
    let (event, escalation) = (schemas.subschema_for::<Event>(), schemas.subschema_for::<EscalationRow>());
    let (issue, issue_page) = (schemas.subschema_for::<Issue>(), schemas.subschema_for::<IssuePage>());
    let change = schemas.subschema_for::<Change>();
    let given = of(schemas.subschema_for::<AnswerGiven>());
    let taken_answer = of(schemas.subschema_for::<AnswerTaken>());
    let (row, delivery) = (schemas.subschema_for::<DeliveryRow>(), schemas.subschema_for::<DeliveryPage>());
    let mut events = list(event);
    events["text/event-stream"] = json!({ "schema": { "type": "string" } });
    let job = json!({ "oneOf": [run.clone().to_value(), delivery.clone().to_value()] });
    const LIMIT: (&str, &str, &str) =
        ("limit", "integer", "at most this many; 100 unless given, never more than 1000");
    vec![
        door("/webhook", "webhook", "Take in a delivery of GitHub", 401),
        door("/api/webhooks/github", "webhookGithub", "Take in a delivery of GitHub", 403),
        door("/api/webhooks/gitlab", "webhookGitlab", "Take in a delivery of GitLab", 403),
        door("/api/webhooks/ci", "webhookCi", "Take in a delivery of any CI", 403),
        operation("get", "/healthz", "health", "The process answers").answers(
            200,
            "It does.",
            health.clone(),
        ),
        operation("get", "/readyz", "ready", "It takes work")
            .answers(200, "It does.", health.clone())
            .answers(503, "It stops, or its store does not answer.", health),
        read("/metrics", "metrics", "Counts in the text format of Prometheus").answers(
            200,
            "The counts.",
            text("text/plain; version=0.0.4; charset=utf-8"),
        ),
        read("/jobs/{id}", "job", "What became of a run, or of a delivery as its answer named it")
            .answers(200, "The run or the delivery.", as_json(job))
            .answers(404, missing, problem.clone()),
        read("/api/v1/openapi.json", "openapi", "This description").answers(
            200,
            "OpenAPI 3.1.",
            as_json(json!({ "type": "object" })),
        ),
        read("/api/v1/runs", "listRuns", "Runs, newest first")
            .query(&[
                ("live", "boolean", "only those that have not ended"),
                ("issue", "integer", "only those of this issue"),
                LIMIT,
            ])
            .answers(200, "The runs.", list(run))
            .answers(400, "A parameter is not known or cannot be read.", problem.clone()),
        read("/api/v1/runs/{run}", "run", "A run by its id, or by its number where only one repo has it")
            .answers(200, "The run with its sessions and tasks.", of(page))
            .answers(404, missing, problem.clone())
            .answers(409, "Several repos have a run of that number.", problem.clone()),
        read(
            "/api/v1/runs/{run}/events",
            "runEvents",
            "The log of a run; live where `text/event-stream` is accepted",
        )
        .query(&[("from", "integer", "the first event's number; `Last-Event-ID` goes on behind that one")])
        .answers(200, "The events, or a stream of them that ends with the run.", events)
        .answers(404, missing, problem.clone())
        .answers(409, "Several repos have a run of that number.", problem.clone()),
        read("/api/v1/live", "live", "Ids of runs as they are appended to").answers(
            200,
            "A stream that does not end.",
            text("text/event-stream"),
        ),
        read("/api/v1/escalations", "listEscalations", "Open questions, oldest first").answers(
            200,
            "The questions.",
            list(escalation),
        ),
        operation(
            "post",
            "/api/v1/escalations/{id}/answer",
            "answerEscalation",
            "Answer an open question; its run goes on",
        )
        .body(given)
        .answers(200, "The answer is on the disk.", taken_answer)
        .answers(400, "It cannot be read.", problem.clone())
        .answers(401, "A token is needed, and there is none or a wrong one.", problem.clone())
        .answers(403, "Host or origin are not known here, or the server has no token.", problem.clone())
        .answers(404, "No such question is open.", problem.clone())
        .answers(
            409,
            "It takes another answer, somebody else has to approve, or several repos have such a question.",
            problem.clone(),
        )
        .answers(413, "It is above 1 MiB.", problem.clone())
        .answers(415, "It is no JSON.", problem.clone()),
        read("/api/v1/issues", "listIssues", "Issues of the local forge, newest first")
            .query(&[("all", "boolean", "closed ones, too")])
            .answers(200, "The issues.", list(issue))
            .answers(400, "A parameter is not known or cannot be read.", problem.clone()),
        read(
            "/api/v1/issues/{number}",
            "issue",
            "An issue of the local forge with its comments, oldest first",
        )
        .answers(200, "The issue.", of(issue_page))
        .answers(404, missing, problem.clone()),
        read("/api/v1/changes", "listChanges", "Changes of the local forge, newest first").answers(
            200,
            "The changes.",
            list(change),
        ),
        read("/api/v1/deliveries", "listDeliveries", "Deliveries without their bodies, newest first")
            .query(&[
                ("provider", "string", "only those of `github`, `gitlab` or `ci`"),
                ("repo", "string", "only those of this repo"),
                ("verdict", "string", "only those with this verdict"),
                ("unhandled", "boolean", "only those that nobody has handled"),
                LIMIT,
            ])
            .answers(200, "The deliveries.", list(row))
            .answers(400, "A parameter is not known or cannot be read.", problem.clone()),
        read("/api/v1/deliveries/{id}", "delivery", "A delivery, by the name that its answer gave")
            .answers(200, "The delivery with its headers.", of(delivery))
            .answers(404, missing, problem.clone()),
        read("/api/v1/deliveries/{id}/body", "deliveryBody", "The body of a delivery, byte for byte")
            .answers(200, "The body.", as_json(json!({})))
            .answers(404, missing, problem),
    ]
}

fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut schemas = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations(&mut schemas) {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = operation.document();
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "miyabi",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What `miyabi serve` answers. Webhooks prove themselves by their signatures; everything else is open to this machine, or to whoever has the token.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "security": [{}, { "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas.take_definitions(true),
        },
    })
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test is asked to write the file anew by a variable")]
fn the_openapi_file_is_made_from_the_types() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let made = format!("{}\n", serde_json::to_string_pretty(&document()).unwrap());
    if std::env::var_os("MIYABI_UPDATE").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    assert!(
        std::fs::read_to_string(&file).unwrap() == made,
        "openapi.json is old: see the head of this file"
    );
}

#[test]
fn every_route_is_described_and_every_description_is_served() {
    let served: BTreeSet<_> =
        open_routes().into_iter().chain(guarded_routes()).map(|(path, _)| path.to_owned()).collect();
    let described: BTreeSet<_> = document()["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(served, described);
}

/// Takes no answer.
struct Nobody;

#[async_trait::async_trait]
impl Answers for Nobody {
    async fn answer(&self, _: &RunId, question: &EscalationId, _: Answer) -> Result<(), Refused> {
        Err(Refused::NotTaken(format!("question `{question}` is not open")))
    }
}

struct Stage {
    server: Server,
    ports: Ports,
    run: String,
    delivery: String,
}

async fn stage() -> Stage {
    let store = Arc::new(MemoryStore::new());
    let run = fixtures::run_id(1);
    store.create_run(&fixtures::new_run(1, 1), fixtures::at(0)).await.unwrap();
    let bodies = fixtures::every_body().into_iter();
    let bodies =
        bodies.filter(|body| !matches!(body, EventBody::RunStarted(_) | EventBody::RunFinished { .. }));
    store.append(1, &fixtures::events(&run, 1, bodies)).await.unwrap();
    let issue = store.create_issue(&fixtures::new_issue(Some(1)), fixtures::at(0)).await.unwrap();
    store.put_comment(&fixtures::comment(issue.number, None, "one", 0, 0)).await.unwrap();
    store.put_change(&fixtures::new_change(issue.number), fixtures::at(0)).await.unwrap();
    let delivery = fixtures::delivery("1");
    let ports = Ports {
        store: Arc::clone(&store) as Arc<dyn Store>,
        deliveries: Arc::clone(&store) as Arc<dyn Deliveries>,
        issues: Arc::clone(&store) as Arc<dyn LocalRecords>,
        clock: Arc::new(ManualClock::new(fixtures::at(0))),
        answers: Arc::new(Nobody),
    };
    ports.deliveries.record(&delivery).await.unwrap();
    let server = Server::new(ports.clone(), Settings::default(), Live::new());
    Stage { server, ports, run: run.to_string(), delivery: delivery.key.to_string() }
}

#[tokio::test]
async fn answers_are_as_they_are_described() {
    let stage = stage().await;
    let document = document();
    let mut seen = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let Some(schema) = operations["get"]["responses"]["200"]["content"].get("application/json") else {
            continue;
        };
        let url = path
            .replace("{run}", &stage.run)
            .replace("{id}", if path.starts_with("/jobs") { &stage.run } else { &stage.delivery })
            .replace("{number}", "1");
        let request = Request::get(&url).header("host", "localhost").body(Body::empty()).unwrap();
        let answer = app(&stage.server).oneshot(request).await.unwrap();
        let (status, body) = (answer.status(), to_bytes(answer.into_body(), 1 << 20).await.unwrap());
        let value: Value = serde_json::from_slice(&body).unwrap();
        let described = &operations["get"]["responses"][status.as_str()];
        assert!(described.is_object(), "{url} answered {status}, which is not described");
        if status != StatusCode::OK {
            continue;
        }
        seen += 1;
        let mut whole = schema["schema"].clone();
        whole["components"] = document["components"].clone();
        let validator = jsonschema::validator_for(&whole).unwrap();
        let wrong: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert_eq!(wrong, [] as [String; 0], "{url}: {value:#}");
    }
    assert!(seen > 10, "{seen} answers were looked at");
}

/// Each way in which an answer is refused at the door is one that is described.
#[tokio::test]
async fn answers_are_for_holders_of_a_token_who_say_what_they_mean() {
    let stage = stage().await;
    let settings = || Settings { token: Secrets::parse("the-token"), ..Settings::default() };
    let with_token = Server::new(stage.ports.clone(), settings(), Live::new());
    stage.ports.store.create_run(&fixtures::new_run(2, 2), fixtures::at(0)).await.unwrap();
    let asks =
        fixtures::every_body().into_iter().filter(|body| matches!(body, EventBody::EscalationRaised(_)));
    let asks = fixtures::events(&fixtures::run_id(2), 1, asks);
    stage.ports.store.append(1, &asks).await.unwrap();
    let open = stage.ports.store.open_escalations().await.unwrap();
    let id = open.first().unwrap().id.to_string();
    let described = document()["paths"]["/api/v1/escalations/{id}/answer"]["post"]["responses"].clone();
    let good = r#"{"action": "approve_anyway"}"#;
    let large = format!(r#"{{"action": "reject", "note": "{}"}}"#, "長".repeat(400_000));
    let bearer = Some("Bearer the-token");
    for (server, token, media, id, body, expected) in [
        (&stage.server, None, "application/json", id.as_str(), good, 403),
        (&with_token, None, "application/json", &id, good, 401),
        (&with_token, Some("Bearer other"), "application/json", &id, good, 401),
        (&with_token, bearer, "text/plain", &id, good, 415),
        (&with_token, bearer, "application/x-www-form-urlencoded", &id, good, 415),
        (&with_token, bearer, "application/json", &id, "", 400),
        (&with_token, bearer, "application/json", &id, r#"{"action": 1}"#, 400),
        (&with_token, bearer, "application/json", &id, r#"{"action": "reject", "by": "alice"}"#, 400),
        (&with_token, bearer, "application/json", &id, &large, 413),
        (&with_token, bearer, "application/json", "77-1", good, 404),
        (&with_token, bearer, "application/json; charset=utf-8", &id, good, 409),
    ] {
        let mut request = Request::post(format!("/api/v1/escalations/{id}/answer"))
            .header("host", "localhost")
            .header("content-type", media);
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let status = app(server).oneshot(request).await.unwrap().status();
        assert_eq!(status.as_u16(), expected, "{media} {id} {:?}", body.get(..40));
        assert!(described[status.as_str()].is_object(), "{status} is not described");
    }
}
