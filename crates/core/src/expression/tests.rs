//! What expressions come to, and what is wrong with the wrong ones.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;

fn check(table: &[(&str, Value, &[&str])]) {
    let trigger = json!({ "payload": {
        "number": 7, "title": "Add login", "draft": false, "labels": ["bug", "urgent"], "big": 9007199254740993_u64,
        "empty": "", "none": null, "user": { "name": "花子", "a-b": 1 }, "text_false": "false", "half": 0.5,
    } });
    let review = json!({ "approved": true, "score": 80, "list": [{ "id": 1 }, { "id": 2 }] });
    let text = json!("pass");
    let variables = BTreeMap::from([("limit".to_owned(), json!(80)), ("名前".to_owned(), json!("x"))]);
    let scope = Scope {
        trigger: Some(&trigger),
        steps: BTreeMap::from([
            ("Check Reviews", StepView { status: "succeeded", output: Some(&review) }),
            ("検査", StepView { status: "succeeded", output: Some(&text) }),
            ("gone", StepView { status: "skipped", output: None }),
        ]),
        parent: Some(StepView { status: "succeeded", output: Some(&review) }),
        outputs: BTreeMap::from([("review", &review)]),
        variables: Some(&variables),
        environment: BTreeMap::from([("HOME", "/home/x")]),
    };
    for (expression, expected, notes) in table {
        let found = evaluate(expression, &scope).unwrap_or_else(|problem| panic!("{expression}: {problem}"));
        assert_eq!(
            (&found.value, found.notes.iter().map(String::as_str).collect::<Vec<_>>()),
            (expected, notes.to_vec()),
            "{expression}"
        );
    }
}

#[test]
fn values_are_looked_up() {
    check(&[
        ("trigger.payload.number", json!(7), &[]),
        ("${trigger.payload.user.name}", json!("花子"), &[]),
        ("trigger.payload.user.a-b", json!(1), &[]),
        ("trigger.payload.labels[1]", json!("urgent"), &[]),
        ("steps['Check Reviews'].output.score", json!(80), &[]),
        ("steps[\"Check Reviews\"].output.list[1].id", json!(2), &[]),
        ("steps.検査.output", json!("pass"), &[]),
        ("steps.検査.status", json!("succeeded"), &[]),
        ("parent.output.approved", json!(true), &[]),
        ("review.score", json!(80), &[]),
        ("variables.limit", json!(80), &[]),
        ("limit", json!(80), &[]),
        ("名前", json!("x"), &[]),
        ("env.HOME", json!("/home/x"), &[]),
        ("env.PATH", json!(null), &["`env.PATH` has no value"]),
        ("steps.gone.output.x", json!(null), &["`steps.gone.output.x` has no value"]),
        ("trigger.payload.title.length", json!(null), &["`trigger.payload.title.length` has no value"]),
        ("trigger.payload.labels[9]", json!(null), &["`trigger.payload.labels[9]` has no value"]),
    ]);
}

#[test]
fn values_are_compared() {
    check(&[
        ("trigger.payload.number == 7", json!(true), &[]),
        ("trigger.payload.number === 7.0", json!(true), &[]),
        ("trigger.payload.number != 7", json!(false), &[]),
        ("trigger.payload.number !== 8", json!(true), &[]),
        ("trigger.payload.big == 9007199254740992", json!(false), &[]),
        ("trigger.payload.half < 1 && trigger.payload.half > -1", json!(true), &[]),
        ("review.score >= limit", json!(true), &[]),
        ("review.score<=79", json!(false), &[]),
        ("'a' < 'b'", json!(true), &[]),
        (
            "'7' == trigger.payload.number",
            json!(false),
            &["`==` compared a text with a number, which are never the same"],
        ),
        ("'7' < 8", json!(false), &["`<` compared a text with a number, which have no order: that is false"]),
        ("'bug' in trigger.payload.labels", json!(true), &[]),
        ("contains(trigger.payload.labels, 'wip')", json!(false), &[]),
        ("contains(trigger.payload.title, 'login')", json!(true), &[]),
        ("'name' in trigger.payload.user", json!(true), &[]),
        ("trigger.payload.number in [1, 7.0, 'x']", json!(true), &[]),
        ("contains(7, 'x')", json!(false), &["a number cannot contain a text: that is false"]),
        ("[1, [2]] == [1.0, [2]]", json!(true), &[]),
        ("review.list[0] == parent.output.list[0]", json!(true), &[]),
    ]);
}

#[test]
fn null_is_never_equal_and_is_noted() {
    let gone = "`trigger.payload.gone` has no value";
    check(&[
        ("trigger.payload.gone == 'x'", json!(false), &[gone, "`==` compared null, which is false"]),
        ("trigger.payload.gone != 'x'", json!(false), &[gone, "`!=` compared null, which is false"]),
        ("trigger.payload.gone < 1", json!(false), &[gone, "`<` compared null, which is false"]),
        (
            "trigger.payload.gone == trigger.payload.gone",
            json!(false),
            &[gone, "`==` compared null, which is false"],
        ),
        (
            "'x' in trigger.payload.gone",
            json!(false),
            &[gone, "`contains` or `in` compared null, which is false"],
        ),
        ("trigger.payload.none == null", json!(true), &[]),
        ("trigger.payload.none != null", json!(false), &[]),
        ("null != trigger.payload.number", json!(true), &[]),
        ("default(trigger.payload.gone, 'x') == 'x'", json!(true), &[]),
        ("default(trigger.payload.draft, true)", json!(false), &[]),
        (
            "default(trigger.payload.gone, trigger.payload.none)",
            json!(null),
            &["`trigger.payload.none` has no value"],
        ),
        ("!trigger.payload.gone", json!(true), &[gone]),
    ]);
}

#[test]
fn conditions_are_joined() {
    check(&[
        ("true && !false", json!(true), &[]),
        ("!!true", json!(true), &[]),
        ("false || true && false", json!(false), &[]),
        ("(false || true) && true", json!(true), &[]),
        ("!(trigger.payload.number == 7)", json!(false), &[]),
        ("trigger.payload.empty || 'else'", json!("else"), &[]),
        ("0 || [] || trigger.payload.draft", json!(false), &[]),
        ("true || trigger.payload.gone", json!(true), &[]),
        ("${review.approved} === true && ${review.score} > 70", json!(true), &[]),
        (
            "!trigger.payload.text_false",
            json!(false),
            &["the text `false` counts as true, as every text that is not empty"],
        ),
        ("'\\'a\\' \\${x} \\\\' == \"'a' \\${x} \\\\\"", json!(true), &[]),
        ("  true\n\t&&\n true ", json!(true), &[]),
    ]);
    let holds = |condition| evaluate(condition, &Scope::default()).unwrap().holds();
    assert!(holds("1") && holds("'x'") && holds("[0]") && holds("'false'"));
    assert!(!holds("0") && !holds("''") && !holds("[]") && !holds("null") && !holds("x"));
}

#[test]
fn what_is_wrong_is_shown_with_its_place() {
    let table = [
        ("", "1:1: it ends where a value should stand", None),
        ("a ==", "1:5: it ends where a value should stand", None),
        ("a = b", "1:3: `=` has no meaning here", Some("write `==` to compare")),
        ("a & b", "1:3: `&` has no meaning here", Some("write `&&` for and")),
        (
            "a | upper",
            "1:3: `|` has no meaning here",
            Some("write `||` for or, and `default(x, y)` for a value that may be missing"),
        ),
        ("a and b", "1:3: `and` stands where `&&`, `||` or the end should", Some("write `&&`")),
        ("a + 1", "1:3: `+` has no meaning here", Some("expressions compare values and compute nothing")),
        (
            "a\n  && b ? c",
            "2:8: `?` has no meaning here",
            Some("expressions compare values and compute nothing"),
        ),
        ("'検査' == 'x", "1:9: the quote is not closed", None),
        (
            "'${a}' == 'x'",
            "1:2: `${` inside quotes would stay text",
            Some("leave the quotes out to compare the value; write `\\${` for the two characters"),
        ),
        ("'\\q'", "1:2: nothing can be escaped that way", Some("these can: `\\\\ \\' \\\" \\$ \\n \\r \\t`")),
        ("1x", "1:1: `1x` is no number", Some("put it in quotes if it is a text")),
        ("1e999", "1:1: `1e999` is no number", Some("put it in quotes if it is a text")),
        (
            "a.b.c(1)",
            "1:5: values have no functions of their own",
            Some("write `contains(x, y)` or `default(x, y)`"),
        ),
        (
            "length(a)",
            "1:1: there is no function `length`",
            Some("functions are `contains(x, y)` and `default(x, y)`"),
        ),
        ("contains(a)", "1:1: `contains` takes two values, and here are 1", None),
        ("default == 1", "1:1: `default` is a function", Some("write `default(x, y)`")),
        (
            "!a == b",
            "1:1: does `!` turn the comparison around, or its left side?",
            Some("write `!(a == b)`, or `a != b`"),
        ),
        ("a < b < c", "1:7: comparisons do not follow each other", Some("write `a < b && b < c`")),
        (
            "a[b]",
            "1:3: `b` stands where a name in quotes or a whole number should",
            Some("write `['…']` for a name, `[0]` for the first entry of a list"),
        ),
        ("a. b", "", None),
        (
            "a.'b'",
            "1:3: a text in quotes stands where a name should",
            Some("write `['…']` for a name with spaces, `[0]` for an entry of a list"),
        ),
        ("(a", "1:3: it ends where `)` should stand", None),
        ("{{ a }}", "1:1: `{` stands where a value should", Some("write `${…}` with one brace")),
        ("${a", "1:4: it ends where `}` should stand", None),
    ];
    for (text, expected, hint) in table {
        match evaluate(text, &Scope::default()) {
            Ok(_) => assert_eq!(expected, "", "{text} is read"),
            Err(problem) => {
                assert_eq!(problem.to_string(), expected, "{text}");
                assert_eq!(problem.hint.as_deref(), hint, "{text}");
            }
        }
    }
    let deep = format!("{}1{}", "(".repeat(65), ")".repeat(65));
    assert_eq!(
        evaluate(&deep, &Scope::default()).unwrap_err().to_string(),
        "1:66: brackets are nested more than 64 levels deep"
    );
    let long = "a && ".repeat(39_000) + "a";
    assert_eq!(evaluate(&long, &Scope::default()).unwrap().value, Value::Null, "many are no problem");
}

#[test]
fn texts_are_rendered_in_one_pass() {
    let payload = json!({ "payload": {
        "body": "${ANTHROPIC_API_KEY} ${steps.a.output} {{ x }} {% raw %} $${y} ${", "n": 7, "list": [1, "a"], "none": null,
    } });
    let scope = Scope { trigger: Some(&payload), ..Scope::default() };
    let text = |template: &str| render(template, &scope).unwrap().text;
    assert_eq!(text("${trigger.payload.body}"), payload["payload"]["body"].as_str().unwrap());
    assert_eq!(
        text("n=${ trigger.payload.n }; ${trigger.payload.list}; ${trigger.payload.n > 3}"),
        "n=7; [1,\"a\"]; true"
    );
    assert_eq!(text("costs $5, $${n} is {{n}} {% if %} $ {} }"), "costs $5, ${n} is {{n}} {% if %} $ {} }");
    assert_eq!(text("${default(trigger.payload.none, '}')}"), "}");
    let missing = render("<${trigger.payload.none}>", &scope).unwrap();
    assert_eq!(
        (missing.text.as_str(), missing.notes.as_slice()),
        ("<>", ["`trigger.payload.none` has no value".to_owned()].as_slice())
    );
    for (template, problem) in [
        ("a\n ${", "2:2: `${` is not closed"),
        ("${}", "1:3: `}` stands where a value should"),
        ("${a b}", "1:5: `b` stands where `}` should"),
        ("検査 ${ 'x }", "1:7: the quote is not closed"),
    ] {
        assert_eq!(render(template, &scope).unwrap_err().to_string(), problem, "{template}");
    }
}

#[test]
fn a_value_is_filled_with_values() {
    let payload = json!({ "payload": { "labels": ["a"], "n": 7 } });
    let scope = Scope { trigger: Some(&payload), ..Scope::default() };
    let filled = fill(&json!({ "${x}": ["${trigger.payload.labels}", "n ${trigger.payload.n}", 1, null, "${trigger.payload.n}"] }), &scope).unwrap();
    assert_eq!(filled.value, json!({ "${x}": [["a"], "n 7", 1, null, 7] }));
}

#[test]
fn endless_work_is_refused() {
    let payload = json!({ "payload": vec!["x".repeat(1000); 20_000] });
    let scope = Scope { trigger: Some(&payload), ..Scope::default() };
    let slow = vec!["contains(trigger.payload, 'y')"; 100].join(" || ");
    assert!(evaluate(&slow, &scope).unwrap_err().to_string().contains("it takes too long"));
    let large = "${trigger.payload}".repeat(3);
    assert!(render(&large, &scope).unwrap_err().to_string().contains("longer than 4194304 bytes"));
}

#[test]
fn references_are_told_in_order() {
    let shown = |references: Vec<Reference>| {
        references.iter().map(|reference| format!("{} {reference}", reference.at)).collect::<Vec<_>>()
    };
    let found = references_of_condition("a.b == 1 && contains(steps['x y'].output, !c[0])").unwrap();
    assert_eq!(shown(found), ["0 a.b", "21 steps['x y'].output", "43 c[0]"]);
    assert_eq!(shown(references_of_text("検 ${b} $${c} ${a}").unwrap()), ["4 b", "15 a"]);
}
