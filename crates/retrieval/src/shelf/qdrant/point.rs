//! What a point holds: a chunk with its record, or a mark.

use std::collections::HashMap;
use std::sync::Arc;

use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::RunId;
use miyabi_core::knowledge::{Mark, Record};
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::value::Kind;
use qdrant_client::qdrant::vector_output::Vector as Kept;
use qdrant_client::qdrant::{
    ListValue, NamedVectors, PayloadExcludeSelector, PayloadIncludeSelector, PointId, PointStruct,
    RetrievedPoint, Struct, Value, Vector, with_payload_selector::SelectorOptions,
};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::{DENSE, WORDS, words};
use crate::shelf::{Chunk, ChunkId, Content, digest};

/// The kind of a point that says how much of a run is here.
pub(super) const MARK: &str = "mark";

/// Names of fields that points are chosen by. The others are those of a record.
pub(super) mod field {
    pub(crate) const REPO: &str = "repo";
    pub(crate) const RUN: &str = "run";
    pub(crate) const KIND: &str = "kind";
    pub(crate) const AGENT: &str = "agent";
    pub(crate) const OUTCOME: &str = "outcome";
    pub(crate) const AT: &str = "at";
    pub(crate) const GIVEN: &str = "given";
    /// The record's id.
    pub(crate) const RECORD: &str = "record";
    pub(crate) const CONTENT: &str = "content";
    pub(crate) const PLACE: &str = "place";
    pub(crate) const TEXT: &str = "text";
}

/// The point of a chunk.
pub(super) fn of_chunk(chunk: &Chunk, dense: bool) -> Result<PointStruct, Failure> {
    let Json::Object(mut payload) = serde_json::to_value(&*chunk.record).map_err(unwritten)? else {
        return Err(unwritten("it is no object"));
    };
    if let Some(record) = payload.remove("id") {
        payload.insert(field::RECORD.to_owned(), record);
    }
    payload.entry(field::AGENT).or_insert_with(|| Json::from(""));
    payload.insert(field::TEXT.to_owned(), chunk.text.as_str().into());
    payload.insert(field::PLACE.to_owned(), chunk.place.into());
    payload.insert(field::CONTENT.to_owned(), chunk.content.hex().into());
    let mut vectors = HashMap::new();
    let (numbers, values) = words::of_chunk(&chunk.terms);
    if !numbers.is_empty() {
        vectors.insert(WORDS.to_owned(), Vector::new_sparse(numbers, values));
    }
    if let Some(vector) = chunk.vector.as_ref().filter(|_| dense) {
        vectors.insert(DENSE.to_owned(), Vector::new_dense(vector.clone()));
    }
    Ok(PointStruct::new(id(&chunk.id), NamedVectors { vectors }, values_of(payload)))
}

/// The point of a mark.
pub(super) fn of_mark(repo: &str, run: &RunId, mark: Mark) -> Result<PointStruct, Failure> {
    let Json::Object(mut payload) = serde_json::to_value(mark).map_err(unwritten)? else {
        return Err(unwritten("it is no object"));
    };
    for (name, word) in [(field::KIND, MARK), (field::REPO, repo), (field::RUN, run.as_str())] {
        payload.insert(name.to_owned(), word.into());
    }
    let id = ChunkId(digest([MARK.as_bytes(), run.as_str().as_bytes()]));
    Ok(PointStruct::new(self::id(&id), NamedVectors::default(), values_of(payload)))
}

/// The mark of a point.
pub(super) fn mark_back(point: RetrievedPoint) -> Result<(RunId, Mark), Failure> {
    let run = word(&point, field::RUN).map(RunId::new).ok_or_else(foreign)?;
    let mark = serde_json::from_value(Json::Object(json_of(point.payload))).map_err(|_| foreign())?;
    Ok((run, mark))
}

/// The chunk of a point, without its terms and vector.
pub(super) fn chunk(point: RetrievedPoint) -> Result<Chunk, Failure> {
    let id = chunk_id(&point)?;
    let mut payload = json_of(point.payload);
    let text = match payload.insert(field::TEXT.to_owned(), "".into()) {
        Some(Json::String(text)) => text,
        // It was not asked for.
        None => String::new(),
        Some(_) => return Err(foreign()),
    };
    let content = payload.get(field::CONTENT).and_then(Json::as_str).and_then(bytes).ok_or_else(foreign)?;
    let place = payload.get(field::PLACE).and_then(Json::as_u64).and_then(|it| u32::try_from(it).ok());
    let record = payload.remove(field::RECORD).ok_or_else(foreign)?;
    payload.insert("id".to_owned(), record);
    let record: Record = serde_json::from_value(Json::Object(payload)).map_err(|_| foreign())?;
    Ok(Chunk {
        id,
        content: Content(content),
        record: Arc::new(record),
        place: place.ok_or_else(foreign)?,
        text,
        terms: Vec::new(),
        vector: None,
    })
}

/// A text among what a point holds.
pub(super) fn word<'a>(point: &'a RetrievedPoint, name: &str) -> Option<&'a str> {
    match point.payload.get(name)?.kind.as_ref()? {
        Kind::StringValue(word) => Some(word),
        _ => None,
    }
}

/// The vector of meaning of a point.
pub(super) fn dense(point: &RetrievedPoint) -> Option<Vec<f32>> {
    match point.vectors.as_ref()?.get_vector_by_name(DENSE)? {
        Kept::Dense(vector) => Some(vector.data),
        _ => None,
    }
}

/// The id of the point of a chunk.
pub(super) fn id(chunk: &ChunkId) -> PointId {
    Uuid::from_bytes(chunk.0).to_string().into()
}

/// The chunk of a point's id.
pub(super) fn chunk_id(point: &RetrievedPoint) -> Result<ChunkId, Failure> {
    match point.id.as_ref().and_then(|id| id.point_id_options.as_ref()) {
        Some(PointIdOptions::Uuid(id)) => bytes(id).map(ChunkId).ok_or_else(foreign),
        _ => Err(foreign()),
    }
}

fn bytes(hex: &str) -> Option<[u8; 16]> {
    Uuid::try_parse(hex).ok().map(Uuid::into_bytes)
}

/// Only these fields.
pub(super) fn only(fields: &[&str]) -> SelectorOptions {
    let fields: Vec<String> = fields.iter().map(|&it| it.to_owned()).collect();
    PayloadIncludeSelector::new(fields).into()
}

/// Every field but these.
pub(super) fn without(fields: &[&str]) -> SelectorOptions {
    let fields: Vec<String> = fields.iter().map(|&it| it.to_owned()).collect();
    PayloadExcludeSelector::new(fields).into()
}

/// A point is there that this version of miyabi cannot read.
pub(super) fn foreign() -> Failure {
    Failure::new(FailureClass::Permanent, "Qdrant holds a point that is not as miyabi writes them")
        .hint("another program or version wrote into the collection: give miyabi a prefix of its own, or delete the collection and make the index again with `miyabi knowledge index --rebuild`")
}

fn unwritten(error: impl std::fmt::Display) -> Failure {
    Failure::new(FailureClass::Internal, format!("cannot write a record down: {error}"))
}

fn values_of(object: Map<String, Json>) -> HashMap<String, Value> {
    object.into_iter().map(|(name, value)| (name, value_of(value))).collect()
}

fn value_of(json: Json) -> Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Kind::IntegerValue(number),
            None => Kind::DoubleValue(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Kind::StringValue(text),
        Json::Array(values) => {
            Kind::ListValue(ListValue { values: values.into_iter().map(value_of).collect() })
        }
        Json::Object(object) => Kind::StructValue(Struct { fields: values_of(object) }),
    };
    Value { kind: Some(kind) }
}

fn json_of(values: HashMap<String, Value>) -> Map<String, Json> {
    values.into_iter().map(|(name, value)| (name, json(value))).collect()
}

fn json(value: Value) -> Json {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(value)) => value.into(),
        Some(Kind::IntegerValue(value)) => value.into(),
        Some(Kind::DoubleValue(value)) => value.into(),
        Some(Kind::StringValue(value)) => value.into(),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(json).collect(),
        Some(Kind::StructValue(object)) => Json::Object(json_of(object.fields)),
    }
}
