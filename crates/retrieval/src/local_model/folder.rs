//! The files of a model: read, held against each other, and named by what is in them.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use candle_transformers::models::bert::Config;
use miyabi_core::failure::{Failure, FailureClass};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::shelf::digest;

/// The model's form.
const CONFIG: &str = "config.json";
/// How text becomes tokens.
const TOKENIZER: &str = "tokenizer.json";
/// The model's numbers.
pub(super) const WEIGHTS: &str = "model.safetensors";
/// The steps of sentence-transformers, where it made the model.
const MODULES: &str = "modules.json";
/// How much its first step reads.
const SENTENCE: &str = "sentence_bert_config.json";
/// The steps that are computed here; the last one is what every vector gets in any case.
const STEPS: [&str; 3] = ["Transformer", "Pooling", "Normalize"];
/// The largest file that is read, in bytes; the largest BERT is a third of it.
const LARGEST: u64 = 4 << 30;
/// Fewer tokens hold no text beside the marks of beginning and end.
const LEAST_TOKENS: usize = 8;
/// Part of the name, so that vectors of another way to compute them are not compared with these.
const VERSION: &str = "1";

/// How the vectors of a text's tokens become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pooling {
    /// Their mean.
    Mean,
    /// The first one, which stands for the whole text.
    First,
}

/// What a folder holds.
pub(super) struct ModelFiles {
    /// Where it is.
    pub(super) folder: PathBuf,
    /// The model's form.
    pub(super) config: Config,
    /// The text of the tokenizer's file.
    pub(super) tokenizer: Vec<u8>,
    /// The file of weights.
    pub(super) weights: Vec<u8>,
    pub(super) pooling: Pooling,
    /// So many tokens of a text are read.
    pub(super) tokens: usize,
    /// Whether texts are made small letters first.
    pub(super) lower: bool,
    hash: [u8; 16],
}

/// One step of sentence-transformers.
#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Default, Deserialize)]
struct Sentence {
    max_seq_length: Option<usize>,
    #[serde(default)]
    do_lower_case: bool,
}

/// A failure about a file of the model's folder.
pub(super) fn unusable(folder: &Path, file: &str, why: impl std::fmt::Display) -> Failure {
    let why = format!("use the model in `{}`: `{file}` {why}", folder.display());
    Failure::new(FailureClass::Input, why).hint(
        "`knowledge.embed_folder` names a folder with `config.json`, `tokenizer.json` and `model.safetensors` of one \
         sentence model of BERT form; leave it empty to search by words alone",
    )
}

impl ModelFiles {
    pub(super) fn read(folder: &Path) -> Result<Self, Failure> {
        let config_text = needed(folder, CONFIG)?;
        let config = config(&config_text).map_err(|why| unusable(folder, CONFIG, why))?;
        let tokenizer = needed(folder, TOKENIZER)?;
        let (pooling, pooling_text) = pooling(folder)?;
        let sentence = optional(folder, SENTENCE)?;
        let read: Option<Sentence> =
            sentence.as_deref().map(json).transpose().map_err(|why| unusable(folder, SENTENCE, why))?;
        let (read, sentence) = (read.unwrap_or_default(), sentence.unwrap_or_default());
        let most = config.max_position_embeddings;
        let tokens = read.max_seq_length.unwrap_or(most).min(most);
        if tokens < LEAST_TOKENS {
            let file = if most < LEAST_TOKENS { CONFIG } else { SENTENCE };
            return Err(unusable(folder, file, format_args!("lets it read {tokens} tokens of a text")));
        }
        let weights = needed(folder, WEIGHTS)?;
        if weights.starts_with(b"version https://git-lfs") {
            let why = "is a pointer of Git LFS and not the file itself";
            return Err(unusable(folder, WEIGHTS, why).hint("fetch it with `git lfs pull`, or copy the file"));
        }
        let version = VERSION.as_bytes();
        let hash = digest([version, &config_text, &tokenizer, &pooling_text, &sentence, &weights]);
        let folder = folder.to_owned();
        let lower = read.do_lower_case;
        Ok(Self { folder, config, tokenizer, weights, pooling, tokens, lower, hash })
    }

    /// A name that another model, or another version of it, does not have: of all that is in the files that its vectors
    /// come from. Two models of one form differ in the weights alone, so these are hashed to the end.
    pub(super) fn name(&self) -> String {
        let hash: String = self.hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("local-{hash}")
    }

    pub(super) fn dimensions(&self) -> usize {
        self.config.hidden_size
    }
}

fn needed(folder: &Path, file: &str) -> Result<Vec<u8>, Failure> {
    match bytes(&folder.join(file)) {
        Ok(bytes) => Ok(bytes),
        Err(_) if !folder.is_dir() => {
            let why = format!("use the model in `{}`: there is no such folder", folder.display());
            Err(Failure::new(FailureClass::Input, why).hint("`knowledge.embed_folder` names it"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(unusable(folder, file, "is not there")),
        Err(error) => Err(unusable(folder, file, format_args!("cannot be read: {error}"))),
    }
}

fn optional(folder: &Path, file: &str) -> Result<Option<Vec<u8>>, Failure> {
    match bytes(&folder.join(file)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unusable(folder, file, format_args!("cannot be read: {error}"))),
    }
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let found = fs::metadata(path)?;
    if !found.is_file() || found.len() > LARGEST {
        let why = if found.is_file() { "it is larger than 4 GB" } else { "it is no file" };
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    fs::read(path)
}

fn json<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|error| format!("cannot be understood: {error}"))
}

/// The model's form, or why it cannot be computed.
fn config(text: &[u8]) -> Result<Config, String> {
    let value: Value = json(text)?;
    match value.get("model_type").and_then(Value::as_str) {
        Some("bert") => {}
        Some(other) => {
            let shown: String = other.chars().filter(|c| !c.is_control()).take(40).collect();
            return Err(format!("says that it is of the architecture `{shown}`; `bert` alone is understood"));
        }
        None => return Err("names no architecture (`model_type`)".to_owned()),
    }
    let config: Config = json(text)?;
    let (size, heads) = (config.hidden_size, config.num_attention_heads);
    if size == 0 || heads == 0 || size % heads != 0 {
        return Err(format!(
            "has {size} numbers in a vector for {heads} heads, which does not come out even"
        ));
    }
    Ok(config)
}

/// How the vectors of tokens become one, and the text that says so.
fn pooling(folder: &Path) -> Result<(Pooling, Vec<u8>), Failure> {
    let modules = optional(folder, MODULES)?;
    let steps: Vec<Module> = match &modules {
        None => Vec::new(),
        Some(text) => json(text).map_err(|why| unusable(folder, MODULES, why))?,
    };
    let kind = |step: &Module| step.kind.rsplit('.').next().unwrap_or_default().to_owned();
    if let Some(other) = steps.iter().map(kind).find(|kind| !STEPS.contains(&kind.as_str())) {
        let shown: String = other.chars().filter(|c| !c.is_control()).take(40).collect();
        return Err(unusable(
            folder,
            MODULES,
            format_args!("has a step `{shown}`, which is not computed here"),
        ));
    }
    let named = steps.iter().find(|step| kind(step) == "Pooling").map(|step| step.path.as_str());
    let at = named.unwrap_or("1_Pooling");
    let mut parts = Path::new(at).components();
    if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
        return Err(unusable(folder, MODULES, "names a step that is no folder in this one"));
    }
    let file = format!("{at}/config.json");
    let text = match named {
        Some(_) => Some(needed(folder, &file)?),
        None => optional(folder, &file)?,
    };
    let Some(text) = text else { return Ok((Pooling::Mean, Vec::new())) };
    let value: Value = json(&text).map_err(|why| unusable(folder, &file, why))?;
    let modes: Vec<&str> = value
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, is_on)| is_on.as_bool() == Some(true))
        .filter_map(|(key, _)| key.strip_prefix("pooling_mode_"))
        .chain(value.get("pooling_mode").and_then(Value::as_str))
        .collect();
    match modes.as_slice() {
        ["mean_tokens" | "mean"] => Ok((Pooling::Mean, text)),
        ["cls_token" | "cls"] => Ok((Pooling::First, text)),
        other => {
            let shown: String = other.join(", ").chars().filter(|c| !c.is_control()).take(80).collect();
            let why = format!("pools by `{shown}`; `mean_tokens` or `cls_token` alone is understood");
            Err(unusable(folder, &file, why))
        }
    }
}
