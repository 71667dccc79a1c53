//! What is computed: tokens, the layers of BERT, one vector for each text.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::BertModel;
use miyabi_core::failure::{Failure, FailureClass};
use tokenizers::{Tokenizer, TruncationParams};

use super::folder::{ModelFiles, Pooling, WEIGHTS, unusable};

/// A model that is ready.
pub(super) struct Bert {
    tokenizer: Tokenizer,
    model: BertModel,
    pooling: Pooling,
    /// What fills short texts up; it counts for nothing.
    pad: u32,
    lower: bool,
}

impl Bert {
    /// Errors: tokenizer or weights are broken, or do not belong to the form.
    pub(super) fn load(files: ModelFiles) -> std::result::Result<Self, Failure> {
        let ModelFiles { folder, config, tokenizer, weights, pooling, tokens, lower, .. } = files;
        let wrong = |why: String| unusable(&folder, "tokenizer.json", why);
        let mut tokenizer = Tokenizer::from_bytes(tokenizer)
            .map_err(|error| wrong(format!("cannot be understood: {error}")))?;
        // The file may speak of other lengths than the model: what it was exported with.
        let truncation = TruncationParams { max_length: tokens, ..TruncationParams::default() };
        let truncated = tokenizer.with_padding(None).with_truncation(Some(truncation));
        truncated.map_err(|error| wrong(format!("cannot be used: {error}")))?;
        let (knows, has) = (tokenizer.get_vocab_size(true), config.vocab_size);
        if knows > has {
            return Err(wrong(format!("is of another model: it has {knows} words, and `config.json` {has}")));
        }
        let read = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu);
        let model = read.and_then(|read| BertModel::load(read, &config));
        let model = model
            .map_err(|error| unusable(&folder, WEIGHTS, format_args!("cannot be used: {}", plain(&error))))?;
        let pad = u32::try_from(config.pad_token_id).unwrap_or_default();
        Ok(Self { tokenizer, model, pooling, pad, lower })
    }

    /// One vector of length 1 for each text.
    pub(super) fn vectors(&self, texts: &[String]) -> std::result::Result<Vec<Vec<f32>>, Failure> {
        let failed = |why: String| {
            Failure::new(FailureClass::Input, format!("make vectors with the local model: {why}"))
                .hint("`knowledge.embed_folder` names the model; another one may do")
        };
        let tokens = texts.iter().map(|text| self.tokens(text)).collect::<std::result::Result<Vec<_>, _>>();
        let tokens = tokens.map_err(|error| failed(error.to_string()))?;
        let mut vectors = self.forward(&tokens).map_err(|error| failed(plain(&error)))?;
        if vectors.iter_mut().all(|vector| unit(vector)) {
            return Ok(vectors);
        }
        Err(failed("it makes vectors that are no numbers or have no direction".to_owned()))
    }

    fn tokens(&self, text: &str) -> tokenizers::Result<Vec<u32>> {
        let encoded = if self.lower {
            self.tokenizer.encode(text.to_lowercase(), true)?
        } else {
            self.tokenizer.encode(text, true)?
        };
        // A tokenizer without marks of beginning and end makes nothing of an empty text.
        Ok(if encoded.is_empty() { vec![self.pad] } else { encoded.get_ids().to_vec() })
    }

    /// The vectors as the model makes them.
    fn forward(&self, texts: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        let longest = texts.iter().map(Vec::len).max().unwrap_or_default();
        let filled = |fill: u32, of: &dyn Fn(&[u32]) -> Vec<u32>| -> Result<Tensor> {
            let rows = texts.iter().flat_map(|ids| {
                let mut row = of(ids);
                row.resize(longest, fill);
                row
            });
            Tensor::from_vec(rows.collect(), (texts.len(), longest), &Device::Cpu)
        };
        let ids = filled(self.pad, &<[u32]>::to_vec)?;
        let counts = filled(0, &|ids| vec![1; ids.len()])?;
        let each = self.model.forward(&ids, &ids.zeros_like()?, Some(&counts))?;
        let one = match self.pooling {
            Pooling::First => each.narrow(1, 0, 1)?.squeeze(1)?,
            Pooling::Mean => {
                let counts = counts.to_dtype(DType::F32)?.unsqueeze(2)?;
                each.broadcast_mul(&counts)?.sum(1)?.broadcast_div(&counts.sum(1)?)?
            }
        };
        one.to_vec2()
    }
}

/// Makes its length 1; whether it could.
fn unit(vector: &mut [f32]) -> bool {
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|number| *number /= length);
    length.is_normal()
}

/// What went wrong, without the places in the library where it did.
fn plain(error: &candle_core::Error) -> String {
    match error {
        candle_core::Error::WithBacktrace { inner, .. } => plain(inner),
        other => other.to_string(),
    }
}
