//! What goes over the border as JSON text has no type in Kotlin and Swift: the method it is given to or comes from says its keys.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper outside #[test] fails the test too")]

use std::collections::{BTreeMap, BTreeSet};

use calsync_bindings::surface::surface;

const KOTLIN: &str = include_str!("../kotlin/src/main/kotlin/io/calsync/Engine.kt");
const SWIFT: &str = include_str!("../swift/Sources/Calsync/Engine.swift");

/// Which method tells of which document: its name in Kotlin and Swift.
const METHODS: [(&str, &str); 2] = [("CopyRules", "addLink"), ("CopyWindow", "addLink")];

/// The words of the comment above a declaration.
fn words<'a>(source: &'a str, declaration: &str) -> BTreeSet<&'a str> {
    let before = source.split(declaration).next().expect("a part");
    assert!(before.len() < source.len(), "there is no {declaration}");
    let is_comment = |line: &&str| ["/", "*"].iter().any(|sign| line.trim_start().starts_with(sign));
    // The last line is what stands before the declaration on its own.
    let comment = before.lines().rev().skip(1).take_while(is_comment);
    comment.flat_map(|line| line.split(|sign: char| !(sign.is_alphanumeric() || sign == '_'))).collect()
}

#[test]
fn every_key_is_said_where_it_is_used() {
    let methods = BTreeMap::from(METHODS);
    let documents = surface().documents;
    assert!(documents.keys().eq(methods.keys()), "{:?}", documents.keys());
    for (name, keys) in documents {
        let method = methods[name];
        for (language, said) in [
            ("Kotlin", words(KOTLIN, &format!("suspend fun {method}("))),
            ("Swift", words(SWIFT, &format!("public func {method}("))),
        ] {
            let missing: Vec<_> = keys.iter().filter(|key| !said.contains(**key)).collect();
            assert!(missing.is_empty(), "{language}: {method} does not say {missing:?} of {name}");
        }
    }
}
