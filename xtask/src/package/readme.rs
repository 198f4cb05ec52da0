//! The examples of the READMEs, as they stand there: they are run, not copied.

use std::fs;

use crate::board::{Doing, Outcome, failed};
use crate::workspace;

/// The first example in a language below a heading of a README, which is named from the workspace's root.
pub(crate) fn example(readme: &str, heading: &str, language: &str) -> Outcome<String> {
    let file = workspace::root().join(readme);
    let text = fs::read_to_string(&file).doing(file.display())?;
    match example_in(&text, heading, language) {
        Some(example) => Ok(example.to_owned()),
        None => failed(format!("{readme} has no example in {language} below \"{heading}\"")),
    }
}

fn example_in<'t>(text: &'t str, heading: &str, language: &str) -> Option<&'t str> {
    let (_, below) = text.split_once(&format!("# {heading}\n"))?;
    let section = below.split_once("\n## ").map_or(below, |(section, _)| section);
    let (_, rest) = section.split_once(&format!("\n```{language}\n"))?;
    rest.split_once("\n```").map(|(example, _)| example)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_is_what_stands_between_its_fences_below_its_heading() {
        let text = "# A\n\n## First\n\n```sh\nls\n```\n\n```python\nimport calsync\nprint(1)\n```\n\n## Second\n\n```js\n1\n```\n";
        assert_eq!(example_in(text, "First", "python"), Some("import calsync\nprint(1)"));
        assert_eq!(example_in(text, "First", "js"), None);
        assert_eq!(example_in(text, "Second", "js"), Some("1"));
        assert_eq!(example_in(text, "Third", "js"), None);
    }
}
