//! Words that tell what an issue is about, in English and Japanese. English ones count as whole words only.

use crate::analysis::Kind;

/// What a word tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sign {
    /// A mistake there does harm.
    Guarded,
    /// Input, formats, dependencies.
    Exposed,
    /// Made anew.
    Rewrite,
    /// Data or users have to move.
    Migration,
    /// Others have to change too.
    Breaking,
    /// Stored data.
    Database,
    /// Several things at once.
    Concurrency,
    /// Little work.
    Small,
    /// Much work.
    Large,
    /// Very much work.
    Huge,
}

/// Every telling word of the text with its sign, in small letters, each word once, in order of appearance.
pub(crate) fn signs(text: &str) -> Vec<(Sign, String)> {
    let lower = text.to_lowercase();
    let mut found: Vec<(Sign, String)> = Vec::new();
    let mut add = |sign: Sign, word: &str| {
        if !found.iter().any(|(_, known)| known == word) {
            found.push((sign, word.to_owned()));
        }
    };
    for word in lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        if let Some(sign) = english(word) {
            add(sign, word);
        }
    }
    for (sign, words) in JAPANESE {
        for word in *words {
            if lower.contains(word) {
                add(*sign, word);
            }
        }
    }
    found
}

/// Looks a word up as it is, then without the `s` of a plural.
fn english(word: &str) -> Option<Sign> {
    lookup(word).or_else(|| lookup(word.strip_suffix('s')?))
}

fn lookup(word: &str) -> Option<Sign> {
    Some(match word {
        "auth" | "authentication" | "authenticate" | "authorization" | "authorisation" | "authorize"
        | "login" | "signin" | "password" | "passphrase" | "credential" | "token" | "secret" | "oauth"
        | "oidc" | "saml" | "jwt" | "crypto" | "cryptography" | "encrypt" | "encryption" | "decrypt"
        | "permission" | "privilege" | "payment" | "billing" | "csrf" | "xss" | "injection"
        | "vulnerability" | "vulnerabilities" | "cve" | "exploit" => Sign::Guarded,
        "sql" | "cookie" | "session" | "upload" | "deserialize" | "deserialization" | "sanitize"
        | "parser" | "dependency" | "dependencies" | "tls" | "certificate" | "webhook" | "untrusted" => {
            Sign::Exposed
        }
        "rewrite" | "redesign" | "overhaul" | "rearchitect" => Sign::Rewrite,
        "migration" | "migrate" | "migrating" => Sign::Migration,
        "breaking" | "incompatible" => Sign::Breaking,
        "database" | "schema" => Sign::Database,
        "concurrency" | "concurrent" | "distributed" | "deadlock" | "race" | "multithreaded" => {
            Sign::Concurrency
        }
        "small" | "tiny" | "trivial" | "minor" | "simple" | "quick" | "typo" | "easy" => Sign::Small,
        "large" | "big" | "major" | "complex" | "everything" | "everywhere" => Sign::Large,
        "huge" | "enormous" | "massive" | "epic" => Sign::Huge,
        _ => return None,
    })
}

const JAPANESE: &[(Sign, &[&str])] = &[
    (
        Sign::Guarded,
        &[
            "認証",
            "認可",
            "パスワード",
            "暗号",
            "権限",
            "決済",
            "支払",
            "秘密",
            "脆弱性",
            "ログイン",
            "トークン",
            "課金",
        ],
    ),
    (Sign::Exposed, &["入力値", "アップロード", "依存関係", "証明書", "セッション"]),
    (Sign::Rewrite, &["書き直", "作り直", "全面的"]),
    (Sign::Migration, &["移行"]),
    (Sign::Breaking, &["破壊的", "互換性"]),
    (Sign::Database, &["データベース", "スキーマ"]),
    (Sign::Concurrency, &["並行", "分散", "排他"]),
    (Sign::Small, &["小さな", "軽微", "誤字", "脱字", "簡単"]),
    (Sign::Large, &["大きな", "複雑"]),
    (Sign::Huge, &["大規模"]),
];

/// The kind that a label, a marker or a conventional type names.
pub(crate) fn kind_word(word: &str) -> Option<Kind> {
    let word = word.trim().to_lowercase();
    let word = word.strip_prefix("type:").or_else(|| word.strip_prefix("kind:")).unwrap_or(&word).trim();
    Some(match word {
        "feat" | "feature" | "enhancement" | "機能" => Kind::Feature,
        "fix" | "bug" | "bugfix" | "regression" | "バグ" | "不具合" => Kind::Bug,
        "refactor" | "refactoring" | "cleanup" | "chore" | "perf" | "style" | "リファクタリング" => {
            Kind::Refactor
        }
        "docs" | "doc" | "documentation" | "ドキュメント" | "文書" => Kind::Docs,
        "test" | "tests" | "testing" | "テスト" => Kind::Test,
        "build" | "ci" | "deploy" | "deployment" | "release" | "デプロイ" => Kind::Deployment,
        _ => return None,
    })
}

/// The kind that the words of a title tell, and the word; the first ones weigh most.
pub(crate) fn kind_of_title(title: &str) -> Option<(Kind, String)> {
    let lower = title.to_lowercase();
    if let Some((word, _)) = lower.split_once([':', '('])
        && let Some(kind) = kind_word(word)
    {
        return Some((kind, word.trim().to_owned()));
    }
    const ENGLISH: &[(Kind, usize, &[&str])] = &[
        (
            Kind::Docs,
            5,
            &[
                "docs",
                "documentation",
                "document",
                "readme",
                "changelog",
                "typo",
                "typos",
                "guide",
                "tutorial",
            ],
        ),
        (Kind::Test, 3, &["test", "tests", "testing"]),
        (Kind::Deployment, 1, &["deploy", "release", "publish"]),
        (Kind::Refactor, 2, &["refactor", "rename", "simplify", "restructure", "extract", "cleanup"]),
        (
            Kind::Bug,
            8,
            &[
                "fix",
                "fixes",
                "bug",
                "crash",
                "crashes",
                "panic",
                "panics",
                "broken",
                "wrong",
                "regression",
                "fails",
            ],
        ),
    ];
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).take(8).collect();
    for (kind, within, names) in ENGLISH {
        if let Some(word) = words.iter().take(*within).find(|word| names.contains(word)) {
            return Some((*kind, (*word).to_owned()));
        }
    }
    const JAPANESE: &[(Kind, &[&str])] = &[
        (Kind::Docs, &["ドキュメント", "文書", "誤字", "説明を"]),
        (Kind::Test, &["テスト"]),
        (Kind::Deployment, &["デプロイ", "リリース"]),
        (Kind::Refactor, &["リファクタ", "整理"]),
        (Kind::Bug, &["修正", "不具合", "バグ", "落ちる", "エラー"]),
    ];
    JAPANESE.iter().find_map(|(kind, names)| {
        names.iter().find(|name| lower.contains(*name)).map(|word| (*kind, (*word).to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_count_whole_and_once() {
        let words = |text: &str| signs(text).into_iter().map(|(_, word)| word).collect::<Vec<_>>();
        assert_eq!(words("Passwords, author, tokenizer, password; PASSWORDS"), ["passwords", "password"]);
        assert_eq!(words("ユーザー認証とパスワードを追加"), ["認証", "パスワード"]);
        assert_eq!(
            signs("xss xs tls"),
            [(Sign::Guarded, "xss".to_owned()), (Sign::Exposed, "tls".to_owned())]
        );
        assert_eq!(words(""), Vec::<String>::new());
    }

    #[test]
    fn titles_tell_their_kind() {
        for (title, want) in [
            ("Add user authentication", None),
            ("Fix typo in README", Some(Kind::Docs)),
            ("Fix crash on empty input", Some(Kind::Bug)),
            ("fix: docs build", Some(Kind::Bug)),
            ("feat(test): x", Some(Kind::Feature)),
            ("Write integration tests for login", Some(Kind::Test)),
            ("Add an endpoint and test it", None),
            ("Refactor the parser", Some(Kind::Refactor)),
            ("Release 1.0", Some(Kind::Deployment)),
            ("ログインのテストを追加", Some(Kind::Test)),
            ("落ちるのを直す", Some(Kind::Bug)),
        ] {
            assert_eq!(kind_of_title(title).map(|(kind, _)| kind), want, "{title:?}");
        }
        assert_eq!(kind_word(" type:Documentation "), Some(Kind::Docs));
        assert_eq!(kind_word("types"), None);
    }
}
