//! Whether the licence of every dependency is one that `deny.toml` allows. The cheap half of `make deny`.

use serde_json::Value;

/// The licences that `deny.toml` allows.
pub(crate) fn allowed(deny: &Value) -> Vec<String> {
    let list = deny["licenses"]["allow"].as_array().cloned().unwrap_or_default();
    list.iter().filter_map(|licence| licence.as_str().map(str::to_owned)).collect()
}

/// Packages that `allowed` does not cover.
pub(crate) fn refused(metadata: &Value, allowed: &[String]) -> Vec<String> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .map(|package| (&package["name"], package["license"].as_str().unwrap_or("none")))
        .filter(|(_, expression)| !is_met(expression, allowed))
        .map(|(name, expression)| format!("{name}: licence `{expression}` is not allowed in deny.toml"))
        .collect()
}

/// Whether one may choose from the SPDX `expression` so that everything chosen is in `allowed`.
/// The old `A/B` reads as `A OR B`; `AND` binds tighter than `OR`.
fn is_met(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    any_met(&tokens, allowed)
}

fn any_met(tokens: &[&str], allowed: &[String]) -> bool {
    cut(tokens, "OR").iter().any(|branch| cut(branch, "AND").iter().all(|term| term_met(term, allowed)))
}

fn term_met(tokens: &[&str], allowed: &[String]) -> bool {
    match tokens {
        ["(", inner @ .., ")"] => any_met(inner, allowed),
        [] => false,
        words => allowed.contains(&words.join(" ")),
    }
}

/// `tokens` cut at each `operator` outside parentheses.
fn cut<'a, 'b>(tokens: &'b [&'a str], operator: &str) -> Vec<&'b [&'a str]> {
    let mut depth = 0_i32;
    let at_operator = |token: &&str| {
        depth += i32::from(*token == "(") - i32::from(*token == ")");
        depth == 0 && *token == operator
    };
    tokens.split(at_operator).collect()
}

#[test]
fn expressions_are_weighed() {
    let allowed = ["MIT", "ISC", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"].map(String::from);
    for good in [
        "MIT",
        "GPL-3.0 OR MIT",
        "GPL-3.0/MIT",
        "(GPL-3.0 OR MIT) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(is_met(good, &allowed), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(GPL-3.0 OR AGPL-3.0) AND MIT",
        "Apache-2.0",
        "GPL-3.0 OR MIT AND BSL-1.0",
    ] {
        assert!(!is_met(bad, &allowed), "{bad}");
    }
}

#[test]
fn a_package_with_a_licence_that_is_not_allowed_is_named() {
    let metadata = serde_json::json!({ "packages": [
        { "name": "good", "license": "MIT" }, { "name": "copyleft", "license": "GPL-3.0" }, { "name": "bare", "license": null },
    ] });
    let found = refused(&metadata, &["MIT".to_owned()]);
    assert_eq!(found.len(), 2, "{found:?}");
}
