//! Nothing the facade has is missing in Swift.
//!
//! What Swift has is read from `swift/api.txt`, which `cargo xtask test --only swift` holds against the sources.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper outside #[test] fails the test too")]

use std::collections::{BTreeMap, BTreeSet};

use calsync_bindings::surface::surface;

/// Declarations by their type; those outside of one by the empty name.
fn api() -> BTreeMap<String, Vec<String>> {
    let text = include_str!("../swift/api.txt");
    let mut types: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut inside = String::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with("//")) {
        if line.starts_with(' ') {
            types.entry(inside.clone()).or_default().push(line.trim().to_owned());
            continue;
        }
        let words: Vec<&str> = line.split([' ', ':', '(']).collect();
        let kind = words.iter().position(|word| ["class", "struct", "enum", "protocol"].contains(word));
        inside = kind.map(|at| words[at + 1].to_owned()).unwrap_or_default();
        types.entry(inside.clone()).or_default().push(line.to_owned());
    }
    types
}

fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let mut camel = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (first, rest) = part.split_at(1);
        camel.push_str(&first.to_uppercase());
        camel.push_str(rest);
    }
    camel
}

/// The stored properties among declarations.
fn fields(declarations: &[String]) -> BTreeSet<String> {
    let stored = declarations.iter().filter(|line| !line.ends_with("{ get }"));
    let named = stored.filter_map(|line| {
        let rest = line.strip_prefix("public var ").or_else(|| line.strip_prefix("public let "))?;
        rest.split(':').next().map(str::to_owned)
    });
    named.collect()
}

/// The raw values of the cases among declarations.
fn words(declarations: &[String]) -> BTreeSet<String> {
    let cases = declarations.iter().filter_map(|line| line.strip_prefix("case "));
    let word = |case: &str| match case.split_once(" = ") {
        Some((_, raw)) => raw.trim_matches('"').to_owned(),
        None => case.trim_matches('`').to_owned(),
    };
    cases.map(word).collect()
}

fn functions(declarations: &[String]) -> BTreeSet<String> {
    let after = |line: &String| line.split_once("func ").map(|(_, rest)| rest.to_owned());
    let rest = declarations.iter().filter_map(after);
    rest.filter_map(|rest| rest.split('(').next().map(str::to_owned)).collect()
}

#[test]
fn every_function() {
    let known = functions(&api()[""]);
    // Languages without the zones of a file ask for `zone_offset`.
    for name in surface().functions.into_iter().filter(|name| *name != "zone_offset") {
        assert!(known.contains(&camel(name)), "{name}");
        let takes_all = ["write", "plan", "availability", "public_addresses"].contains(&name);
        assert!(takes_all || known.contains(&format!("{name}Many")), "{name}Many");
    }
}

#[test]
fn every_method_with_every_argument() {
    let api = api();
    let known = functions(&api["Engine"]);
    let options = api["SyncOptions"].join("\n");
    for (method, arguments) in surface().methods {
        assert!(known.contains(&camel(method)), "{method}");
        let name = format!("func {}(", camel(method));
        let declared = api["Engine"].iter().find(|line| line.contains(&name)).expect("it is known");
        for argument in arguments {
            // Told through `onProgress`; a plan is quick.
            let argument = if argument == "progress" { "onProgress".to_owned() } else { camel(argument) };
            let among = [declared.as_str(), if ["plan", "sync"].contains(&method) { &options } else { "" }];
            let named = among.iter().any(|text| text.contains(&format!("{argument}:")));
            assert!(named || (method == "plan" && argument == "onProgress"), "{method}: {argument}");
        }
    }
}

#[test]
fn every_field_of_every_value() {
    let api = api();
    for (name, wanted) in surface().values {
        let mut known = fields(api.get(name).unwrap_or_else(|| panic!("{name} is missing")));
        if name == "CalsyncError" {
            known.remove("cause");
        }
        let wanted: BTreeSet<String> = wanted.iter().map(|field| camel(field)).collect();
        assert_eq!(known, wanted, "{name}");
    }
}

#[test]
fn every_word_of_every_enum_and_every_code() {
    let api = api();
    let owned = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    let surface = surface();
    for (name, wanted) in surface.words {
        assert_eq!(words(&api[name]), owned(wanted), "{name}");
    }
    assert_eq!(words(&api["Code"]), owned(surface.codes));
}

#[test]
fn every_method_of_a_store() {
    let wanted: BTreeSet<String> = surface().store.into_iter().map(camel).collect();
    assert_eq!(functions(&api()["Store"]), wanted);
    let together: BTreeSet<String> = surface().store_in_one_call.into_iter().map(camel).collect();
    assert_eq!(functions(&api()["StoreInOneCall"]), together);
}

#[test]
fn every_method_of_what_else_is_asked() {
    let api = api();
    for (name, methods) in surface().hosts {
        let wanted: BTreeSet<String> = methods.into_iter().map(camel).collect();
        assert_eq!(functions(&api[name]), wanted, "{name}");
    }
}
