//! A sentence model from a folder: what it makes of texts, and what is said of folders that hold none.
#![cfg(feature = "local-model")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::disallowed_methods, reason = "the environment says where the model is")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use miyabi_core::failure::FailureClass;
use miyabi_core::ids::RunId;
use miyabi_core::knowledge::{Mark, Memory, Query, Record, RecordFilter, RecordKind};
use miyabi_core::ports::{Embedder, Knowledge};
use miyabi_core::redact::Redactor;
use miyabi_retrieval::{KnowledgeIndex, LocalModel, LocalShelf};
use miyabi_testkit::fixtures;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The real model; none where it is not installed, which is said. On CI it has to be there.
#[expect(clippy::print_stdout, reason = "people are to see which test did not run")]
fn real() -> Option<LocalModel> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/model");
    let place = std::env::var_os("MIYABI_MODEL_DIR").map_or(target, PathBuf::from);
    if !place.join("installed").is_file() {
        let missing = "the sentence model is not installed: run tests/setup-model.sh";
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        println!("skipped: {missing}");
        return None;
    }
    Some(LocalModel::open(&place.join("all-minilm-l6-v2")).unwrap())
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn near(one: &[f32], two: &[f32], by: f32) -> bool {
    one.len() == two.len() && one.iter().zip(two).all(|(a, b)| (a - b).abs() < by)
}

fn length(vector: &[f32]) -> f32 {
    vector.iter().map(|number| number * number).sum::<f32>().sqrt()
}

/// The first numbers of vectors of the same files, computed by another program: the formulas of BERT written down in
/// numpy (embeddings, six layers, mean over the tokens, length 1; 256 tokens), over the tokens of the Python library.
const KNOWN: [(&str, [f32; 6]); 3] = [
    (
        "The parser loses the last line of a file without a line break at its end.",
        [-0.04026, -0.0271, 0.04625, 0.00405, 0.02279, -0.05726],
    ),
    ("ログイン画面で二段階認証を求める", [-0.02491, 0.06948, 0.0443, -0.01785, -0.01103, 0.05785]),
    ("", [-0.11884, 0.0483, -0.00255, -0.01101, 0.05195, 0.01029]),
];
/// The same of a text of a thousand words, of which 254 are read.
const LONG: [f32; 6] = [-0.00812, -0.09559, -0.03867, 0.04966, -0.04379, 0.02372];

#[tokio::test(flavor = "multi_thread")]
async fn vectors_are_what_the_model_means() {
    let Some(model) = real() else { return };
    assert_eq!(model.maker().dimensions, 384);
    let long = "word ".repeat(1000);
    let mut all = texts(&KNOWN.map(|(text, _)| text));
    all.push(long);
    // Together, in parts, and each alone: padding counts for nothing, and the order stays.
    let mut many = all.clone();
    many.extend((0..6).map(|n| format!("{n} more tests fail on Windows")));
    let together = model.embed(&many).await.unwrap();
    for (place, text) in all.iter().enumerate() {
        let alone = model.embed(std::slice::from_ref(text)).await.unwrap().remove(0);
        let wanted = KNOWN.get(place).map_or(LONG, |(_, wanted)| *wanted);
        assert!(near(&alone[..6], &wanted, 1e-3), "{text}: {:?}", &alone[..6]);
        assert!(near(&alone, &together[place], 1e-5), "{text}");
    }
    assert!(together.iter().all(|vector| (length(vector) - 1.0).abs() < 1e-5));
    assert_eq!(model.embed(&[]).await.unwrap(), Vec::<Vec<f32>>::new());
}

fn record(id: &str, title: &str, text: &str) -> Record {
    let run = RunId::new(id);
    Record {
        at: Timestamp::from_second(1_790_000_000).unwrap(),
        title: title.to_owned(),
        text: text.to_owned(),
        ..fixtures::record(run, RecordKind::Outcome)
    }
}

fn memory(record: Record) -> Memory {
    Memory { run: record.run.clone(), mark: Mark { events: 9, ended: true }, records: vec![record] }
}

fn query(text: &str) -> Query {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    Query { text: text.to_owned(), filter: RecordFilter::default(), limit: 5, now }
}

fn index(folder: &Path, model: LocalModel) -> KnowledgeIndex {
    let shelf = LocalShelf::open(folder, Some(model.maker())).unwrap();
    KnowledgeIndex::new(Arc::new(shelf), Some(Arc::new(model)), Arc::new(Redactor::new([])))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_shares_no_word_is_found_by_its_meaning() {
    let Some(model) = real() else { return };
    let folder = tempfile::tempdir().unwrap();
    let index = index(folder.path(), model);
    let past = [
        ("keys", "Let programs log in with keys", "Keys are hashed before they are stored."),
        ("money", "Round prices half up", "Prices in yen have no decimals; the currency decides."),
        ("slow", "The list of orders takes seconds", "A query for each row became one join."),
        ("mail", "Customers get the receipt twice", "The retry of the queue sent it again."),
        ("docs", "Say how the shop is set up", "README, three commands, checked by a test."),
    ];
    let memories: Vec<Memory> =
        past.iter().map(|(id, title, text)| memory(record(id, title, text))).collect();
    let done = index.remember("acme/shop", &memories).await.unwrap();
    assert_eq!((done.embedded, done.lacks), (5, None));
    for (text, wanted) in [
        ("sluggish database performance", "slow"),
        ("duplicate invoice emails", "mail"),
        ("authentication tokens", "keys"),
        ("installation guide", "docs"),
    ] {
        let found = index.search(&query(text)).await.unwrap();
        let first = &found.hits[0];
        assert_eq!((first.record.run.as_str(), &first.lexical), (wanted, &None), "{text}");
        assert_eq!((first.dense.as_ref().map(|hit| hit.rank), found.lacks.len()), (Some(1), 0), "{text}");
    }
}

/// A model without layers: a token's vector is the sum of its word's, its place's and its kind's, brought to mean 0 and
/// variance 1. What comes out can be told by hand.
fn small(config: &[(&str, Value)], weights: &[(&str, Vec<f32>)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut form = json!({
        "model_type": "bert", "vocab_size": 5, "hidden_size": 4, "num_hidden_layers": 0,
        "num_attention_heads": 2, "intermediate_size": 8, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
        "max_position_embeddings": 12, "type_vocab_size": 1, "initializer_range": 0.02,
        "layer_norm_eps": 1e-12, "pad_token_id": 0,
    });
    for (key, value) in config {
        form[*key] = value.clone();
    }
    write(&folder, "config.json", &form.to_string());
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": { "type": "Whitespace" }, "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "unk_token": "[UNK]",
            "vocab": { "[PAD]": 0, "[UNK]": 1, "one": 2, "two": 3, "ONE": 4 } },
    });
    write(&folder, "tokenizer.json", &tokenizer.to_string());
    let word =
        [1.0, 2.0, 3.0, 4.0, 4.0, 3.0, 2.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    let mut tensors = vec![
        ("embeddings.word_embeddings.weight", vec![5, 4], word.to_vec()),
        ("embeddings.position_embeddings.weight", vec![12, 4], vec![0.0; 48]),
        ("embeddings.token_type_embeddings.weight", vec![1, 4], vec![0.0; 4]),
        ("embeddings.LayerNorm.weight", vec![4], vec![1.0; 4]),
        ("embeddings.LayerNorm.bias", vec![4], vec![0.0; 4]),
    ];
    for (name, values) in weights {
        tensors.iter_mut().find(|tensor| tensor.0 == *name).unwrap().2.clone_from(values);
    }
    fs::write(folder.path().join("model.safetensors"), safetensors(&tensors)).unwrap();
    folder
}

/// The format: the length of a header, the header as JSON, the numbers.
fn safetensors(tensors: &[(&str, Vec<usize>, Vec<f32>)]) -> Vec<u8> {
    let (mut header, mut data) = (json!({}), Vec::new());
    for (name, shape, values) in tensors {
        let start = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        header[*name] = json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, data.len()] });
    }
    let header = header.to_string();
    [(header.len() as u64).to_le_bytes().as_slice(), header.as_bytes(), &data].concat()
}

fn write(folder: &TempDir, file: &str, text: &str) {
    let path = folder.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn pooled(folder: &TempDir, mode: &str) {
    write(folder, "1_Pooling/config.json", &json!({ "word_embedding_dimension": 4, mode: true }).to_string());
}

async fn vector(folder: &TempDir, text: &str) -> Vec<f32> {
    LocalModel::open(folder.path()).unwrap().embed(&texts(&[text])).await.unwrap().remove(0)
}

/// (1, 0, 0, 0) and (0, 1, 0, 0) as the model without layers leaves them, with length 1; and their mean.
const ONE: [f32; 4] = [0.866_03, -0.288_68, -0.288_68, -0.288_68];
const TWO: [f32; 4] = [-0.288_68, 0.866_03, -0.288_68, -0.288_68];
const BOTH: [f32; 4] = [0.5, 0.5, -0.5, -0.5];

#[tokio::test(flavor = "multi_thread")]
async fn tokens_become_one_vector_as_the_model_says() {
    let folder = small(&[], &[]);
    assert!(near(&vector(&folder, "one").await, &ONE, 1e-4));
    assert!(near(&vector(&folder, "one two").await, &BOTH, 1e-4));
    // Nothing at all has a vector, too: that of what fills up.
    assert!((length(&vector(&folder, "").await) - 1.0).abs() < 1e-5);
    for (mode, wanted) in [("pooling_mode_mean_tokens", BOTH), ("pooling_mode_cls_token", TWO)] {
        pooled(&folder, mode);
        assert!(near(&vector(&folder, "two one").await, &wanted, 1e-4), "{mode}");
    }
    // Where the steps are listed, the folder that they name counts.
    let pooling = json!({ "pooling_mode": "mean" }).to_string();
    write(&folder, "pool/config.json", &pooling);
    let step = |path: &str, kind: &str| json!({ "path": path, "type": format!("some.library.{kind}") });
    let steps = [step("", "Transformer"), step("pool", "Pooling"), step("2_Normalize", "Normalize")];
    write(&folder, "modules.json", &json!(steps).to_string());
    assert!(near(&vector(&folder, "two one").await, &BOTH, 1e-4));
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_read_as_far_and_as_the_model_says() {
    let folder = small(&[], &[]);
    let text = format!("{}two two two two", "one ".repeat(8));
    let all = vector(&folder, &text).await;
    assert!(!near(&all, &ONE, 1e-2), "twelve words are read: {all:?}");
    assert!(near(&vector(&folder, &format!("{text} two two")).await, &all, 1e-6), "and no more");
    write(&folder, "sentence_bert_config.json", r#"{"max_seq_length": 8}"#);
    assert!(near(&vector(&folder, &text).await, &ONE, 1e-4));
    assert!(!near(&vector(&folder, "ONE").await, &ONE, 1e-4));
    write(&folder, "sentence_bert_config.json", r#"{"max_seq_length": 8000, "do_lower_case": true}"#);
    assert!(near(&vector(&folder, "ONE").await, &ONE, 1e-4));
    assert!(near(&vector(&folder, &text).await, &all, 1e-6));
}

#[test]
fn a_model_has_the_same_name_everywhere_and_another_one_another() {
    let name = |folder: &TempDir| LocalModel::open(folder.path()).unwrap().maker().name.clone();
    let folder = small(&[], &[]);
    let first = name(&folder);
    assert_eq!(first, name(&small(&[], &[])));
    let mut names = vec![first];
    let mut bias = vec![0.0; 4];
    bias[3] = 0.001;
    names.push(name(&small(&[], &[("embeddings.LayerNorm.bias", bias)])));
    names.push(name(&small(&[("layer_norm_eps", json!(1e-6))], &[])));
    let tokenizer = fs::read_to_string(folder.path().join("tokenizer.json")).unwrap();
    write(&folder, "tokenizer.json", &tokenizer.replace("Whitespace", "WhitespaceSplit"));
    names.push(name(&folder));
    pooled(&folder, "pooling_mode_cls_token");
    names.push(name(&folder));
    write(&folder, "sentence_bert_config.json", r#"{"max_seq_length": 9}"#);
    names.push(name(&folder));
    for (at, one) in names.iter().enumerate() {
        assert!(one.starts_with("local-") && !names[at + 1..].contains(one), "{names:?}");
    }
}

/// Opens it, and gives back what is said.
fn refused(folder: &Path) -> String {
    let failure = LocalModel::open(folder).unwrap_err();
    assert_eq!(failure.class, FailureClass::Input, "{failure}");
    assert!(failure.message.contains(folder.to_str().unwrap()), "it says where: {failure}");
    assert!(!failure.message.contains('\n'), "{failure}");
    format!("{failure} ({})", failure.hint.as_ref().unwrap())
}

#[test]
fn a_folder_without_a_model_is_told() {
    let nowhere = tempfile::tempdir().unwrap();
    let told = refused(&nowhere.path().join("モデル"));
    assert!(told.contains("there is no such folder") && told.contains("knowledge.embed_folder"), "{told}");
    let told = refused(nowhere.path());
    assert!(told.contains("`config.json` is not there"), "{told}");
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        let folder = small(&[], &[]);
        fs::remove_file(folder.path().join(file)).unwrap();
        let told = refused(folder.path());
        assert!(told.contains(&format!("`{file}` is not there")), "{told}");
        fs::create_dir(folder.path().join(file)).unwrap();
        let told = refused(folder.path());
        assert!(told.contains(&format!("`{file}` cannot be read: it is no file")), "{told}");
    }
}

#[test]
fn broken_files_are_told() {
    for (file, text, part) in [
        ("config.json", "{", "`config.json` cannot be understood: EOF"),
        ("config.json", "\u{feff}名", "`config.json` cannot be understood"),
        ("tokenizer.json", "{}", "`tokenizer.json` cannot be understood"),
        ("model.safetensors", "", "`model.safetensors` cannot be used"),
        ("model.safetensors", "<!DOCTYPE html>", "`model.safetensors` cannot be used"),
        ("model.safetensors", "version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("modules.json", "{}", "`modules.json` cannot be understood"),
        ("sentence_bert_config.json", "[", "`sentence_bert_config.json` cannot be understood"),
        ("sentence_bert_config.json", r#"{"max_seq_length": 1}"#, "read 1 tokens of a text"),
        ("1_Pooling/config.json", "", "`1_Pooling/config.json` cannot be understood"),
    ] {
        let folder = small(&[], &[]);
        write(&folder, file, text);
        let told = refused(folder.path());
        assert!(told.contains(part), "{file} {text}: {told}");
    }
    // A download that ended too early.
    let folder = small(&[], &[]);
    let path = folder.path().join("model.safetensors");
    let whole = fs::read(&path).unwrap();
    for left in [4, 100, whole.len() - 4] {
        fs::write(&path, &whole[..left]).unwrap();
        let told = refused(folder.path());
        assert!(told.contains("`model.safetensors` cannot be used"), "{left}: {told}");
    }
}

#[test]
fn models_of_another_form_are_told() {
    for (key, value, part) in [
        ("model_type", json!("xlm-roberta"), "of the architecture `xlm-roberta`; `bert` alone"),
        ("model_type", Value::Null, "names no architecture"),
        (
            "position_embedding_type",
            json!("relative_key"),
            "`config.json` cannot be understood: unknown variant",
        ),
        ("hidden_act", json!("silu"), "unknown variant `silu`"),
        ("num_attention_heads", json!(3), "4 numbers in a vector for 3 heads"),
        ("num_attention_heads", json!(0), "4 numbers in a vector for 0 heads"),
        ("hidden_size", json!(8), "`model.safetensors` cannot be used: shape mismatch"),
        ("num_hidden_layers", json!(1), "layer.0.attention.self.query.weight` not found"),
        ("vocab_size", json!(3), "it has 5 words, and `config.json` 3"),
        ("max_position_embeddings", json!(2), "`config.json` lets it read 2 tokens"),
    ] {
        let told = refused(small(&[(key, value)], &[]).path());
        assert!(told.contains(part), "{key}: {told}");
    }
    for (mode, part) in [("pooling_mode_max_tokens", "pools by `max_tokens`"), ("none", "pools by ``")] {
        let folder = small(&[], &[]);
        pooled(&folder, mode);
        let told = refused(folder.path());
        assert!(told.contains(part) && told.contains("`1_Pooling/config.json`"), "{told}");
    }
    for (path, kind, part) in [
        ("2_Dense", "Dense", "has a step `Dense`, which is not computed here"),
        ("../elsewhere", "Pooling", "no folder in this one"),
        ("", "Pooling", "no folder in this one"),
        ("/etc", "Pooling", "no folder in this one"),
        ("3_Pooling", "Pooling", "`3_Pooling/config.json` is not there"),
    ] {
        let folder = small(&[], &[]);
        write(&folder, "modules.json", &json!([{ "path": path, "type": kind }]).to_string());
        let told = refused(folder.path());
        assert!(told.contains(part), "{path} {kind}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_makes_no_numbers_leaves_the_words() {
    for broken in [f32::NAN, 0.0] {
        let folder = small(&[], &[("embeddings.LayerNorm.weight", vec![broken; 4])]);
        let model = LocalModel::open(folder.path()).unwrap();
        let failure = model.embed(&texts(&["one"])).await.unwrap_err();
        assert!(failure.message.contains("that are no numbers") && failure.hint.is_some(), "{failure}");
        let shelf = tempfile::tempdir().unwrap();
        let index = index(shelf.path(), model);
        let done =
            index.remember("acme/shop", &[memory(record("mail", "Receipts", "sent twice"))]).await.unwrap();
        assert!(done.lacks.unwrap().contains("make vectors with the local model"));
        let found = index.search(&query("receipts")).await.unwrap();
        assert_eq!(found.hits[0].record.run.as_str(), "mail");
        assert!(found.lacks[0].contains("searched by words alone"), "{:?}", found.lacks);
    }
}
