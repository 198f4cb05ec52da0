//! Descriptions: Graph keeps HTML, the neutral model text.
//!
//! An online meeting has its links in the body, below a line of underscores. That part belongs to the service: it is not
//! read as the description, and stays as it is when the description is written.

use serde_json::{Value, json};

use super::super::wire::{Object, flag, inner, text};

/// The line Outlook draws around the meeting's part.
const RULE: &str = "____________________";

/// The description, as plain text.
pub(crate) fn read(object: &Object) -> Option<String> {
    let body = inner(object, "body")?;
    let content = text(body, "content")?;
    let own = split(object, content).0;
    let plain = if is_html(body) { to_text(own) } else { own.replace("\r\n", "\n") };
    let plain = plain.trim_matches(['\n', '\r', ' ', '\u{a0}']);
    (!plain.is_empty()).then(|| plain.to_owned())
}

/// The body as it is written: the description, and below it the meeting's part as it was.
pub(crate) fn write(description: Option<&str>, original: Option<&Object>) -> Value {
    let description = description.unwrap_or_default();
    let kept = original.and_then(|object| {
        let body = inner(object, "body")?;
        let part = split(object, text(body, "content")?).1?;
        Some((part, is_html(body)))
    });
    match kept {
        None => json!({"contentType": "text", "content": description}),
        Some((part, true)) => {
            json!({"contentType": "html", "content": format!("<div>{}</div>{part}", to_html(description))})
        }
        Some((part, false)) => json!({"contentType": "text", "content": format!("{description}\n{part}")}),
    }
}

/// Whether writing a description takes formatting away. Every body Outlook makes is of blocks with a font: they are none.
pub(crate) fn is_formatted(object: &Object) -> bool {
    let Some(body) = inner(object, "body").filter(|body| is_html(body)) else { return false };
    let mut rest = split(object, text(body, "content").unwrap_or_default()).0;
    while let Some(start) = rest.find('<') {
        rest = &rest[start..];
        let end = if rest.starts_with("<!--") { "-->" } else { ">" };
        let Some(at) = rest.find(end) else { break };
        let (tag, after) = rest.split_at(at + end.len());
        if formats(&tag.to_ascii_lowercase()) {
            return true;
        }
        rest = after;
    }
    false
}

/// Whether a tag, in lower case, makes text look or do something that plain text does not.
fn formats(tag: &str) -> bool {
    let (name, closing) = tag_name(tag);
    let has = |words: &[&str]| words.iter().any(|word| tag.contains(word));
    let shown = ["bold", "italic", "underline", "line-through", "background", "weight:7", "weight: 7"];
    match name.as_str() {
        _ if closing => false,
        "a" | "b" | "big" | "blockquote" | "center" | "code" | "del" | "em" | "font" | "h1" | "h2" | "h3"
        | "h4" | "h5" | "h6" | "i" | "img" | "ins" | "mark" | "ol" | "pre" | "s" | "small" | "strike"
        | "strong" | "sub" | "sup" | "table" | "u" | "ul" => true,
        "span" => has(&[" style=", " style ="]),
        "" | "html" | "head" | "meta" | "style" | "body" => false,
        _ => has(&[" style=", " style ="]) && has(&shown),
    }
}

fn is_html(body: &Object) -> bool {
    text(body, "contentType").is_none_or(|kind| kind.eq_ignore_ascii_case("html"))
}

/// The description and the meeting's part.
fn split<'c>(object: &Object, content: &'c str) -> (&'c str, Option<&'c str>) {
    let online = flag(object, "isOnlineMeeting") || text(object, "onlineMeetingUrl").is_some();
    let Some(rule) = content.find(RULE).filter(|_| online) else { return (content, None) };
    // The elements that hold nothing but the line go with it.
    let mut at = rule;
    while let Some(open) = content.get(..at).and_then(|head| {
        let head = head.trim_end();
        let open = head.rfind('<')?;
        let tag = head.get(open..)?;
        (tag.ends_with('>') && !tag.starts_with("</") && !tag.starts_with("<body")).then_some(open)
    }) {
        at = open;
    }
    match (content.get(..at), content.get(at..)) {
        (Some(own), Some(part)) => (own, Some(part)),
        _ => (content, None),
    }
}

/// HTML as a person would read it: blocks and breaks become lines, white space is one blank, entities are characters.
/// Takes time in proportion to the text, whatever the text.
pub(crate) fn to_text(html: &str) -> String {
    let mut out = String::with_capacity(html.len() / 2);
    let mut rest = html;
    // What is not shown.
    let mut hidden: Option<&'static str> = None;
    let mut blank = false;
    while let Some(c) = rest.chars().next() {
        if c == '<' && rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!') {
            let end = if rest.starts_with("<!--") {
                rest.find("-->").map(|at| at + 3)
            } else {
                rest.find('>').map(|at| at + 1)
            };
            let Some(end) = end else { break };
            let (name, closing) = tag_name(&rest[..end]);
            rest = &rest[end..];
            match hidden {
                Some(within) => {
                    if closing && name == within {
                        hidden = None;
                    }
                }
                None => tag(&name, closing, &mut hidden, &mut out, &mut blank),
            }
            continue;
        }
        if hidden.is_some() {
            rest = rest.find('<').filter(|at| *at > 0).map_or(&rest[c.len_utf8()..], |at| &rest[at..]);
            continue;
        }
        if c == '&'
            && let Some((character, length)) = entity(rest)
        {
            push(&mut out, character, &mut blank);
            rest = &rest[length..];
            continue;
        }
        if c.is_ascii_whitespace() {
            blank = true;
        } else {
            push(&mut out, c, &mut blank);
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

fn push(out: &mut String, c: char, blank: &mut bool) {
    if *blank && !out.is_empty() && !out.ends_with('\n') {
        out.push(' ');
    }
    *blank = false;
    out.push(if c == '\u{a0}' { ' ' } else { c });
}

fn tag(name: &str, closing: bool, hidden: &mut Option<&'static str>, out: &mut String, blank: &mut bool) {
    match name {
        "head" | "style" | "script" | "title" if !closing => {
            *hidden = Some(match name {
                "head" => "head",
                "style" => "style",
                "script" => "script",
                _ => "title",
            });
        }
        "br" => {
            out.push('\n');
            *blank = false;
        }
        "p" | "div" | "tr" | "li" | "ul" | "ol" | "table" | "h1" | "h2" | "h3" | "blockquote" | "pre"
        | "hr" => {
            *blank = false;
            if !out.is_empty() && !out.ends_with('\n') {
                out.push('\n');
            }
            if name == "li" && !closing {
                out.push_str("- ");
            }
        }
        _ => {}
    }
}

fn tag_name(tag: &str) -> (String, bool) {
    let inside = tag.trim_start_matches('<');
    let closing = inside.starts_with('/');
    let name = inside
        .trim_start_matches('/')
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    (name, closing)
}

/// The character an entity stands for, and how long it is written.
fn entity(text: &str) -> Option<(char, usize)> {
    let end = text.bytes().take(12).position(|byte| byte == b';')?;
    let name = text.get(1..end)?;
    let character = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        _ => {
            let code = name.strip_prefix('#')?;
            let code = match code.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => code.parse().ok()?,
            };
            char::from_u32(code).filter(|c| !c.is_control() || *c == '\n')?
        }
    };
    Some((character, end + 1))
}

/// Text as HTML that reads back as the same text.
pub(crate) fn to_html(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 16);
    let mut after_blank = true;
    for c in text.replace("\r\n", "\n").chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\n' => html.push_str("<br>\n"),
            ' ' if after_blank => html.push_str("&nbsp;"),
            c => html.push(c),
        }
        after_blank = matches!(c, ' ' | '\n');
    }
    html
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn object(value: Value) -> Object {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn html_reads_as_a_person_reads_it() {
        for (html, expected) in [
            (
                "<html><head><style>p{}</style><title>x</title></head><body><p>one</p><p>two</p></body></html>",
                "one\ntwo",
            ),
            ("a<br>b<br/>\r\nc", "a\nb\nc"),
            ("a &amp; b &lt;c&gt; &#233;&#x20AC; &unknown; &", "a & b <c> é€ &unknown; &"),
            ("<ul><li>x</li><li>y</li></ul>z", "- x\n- y\nz"),
            ("a\r\n   b\t c", "a b c"),
            ("1 < 2", "1 < 2"),
            ("a<!-- <b> -->b", "ab"),
            ("a<b", "a"),
            ("<div>&nbsp;</div>", " "),
            ("", ""),
        ] {
            assert_eq!(to_text(html).trim_end_matches('\n'), expected, "{html}");
        }
    }

    #[test]
    fn fld_the_part_of_an_online_meeting_is_not_read_and_not_lost() {
        let blob = "<div style=\"width:100%\"><span>________________________________________</span></div>\
                    <div class=\"me-email-text\"><a href=\"https://teams.example.com/j/1\">Join</a></div></body></html>";
        let content = format!("<html><body><div>Agenda<br>one</div>\r\n{blob}");
        let event = object(json!({
            "isOnlineMeeting": true, "body": {"contentType": "html", "content": content},
        }));
        assert_eq!(read(&event).as_deref(), Some("Agenda\none"));
        let written = write(Some("Agenda & two"), Some(&event));
        let text = written["content"].as_str().unwrap();
        assert!(text.ends_with(blob), "{text}");
        let again = object(json!({"isOnlineMeeting": true, "body": written}));
        assert_eq!(read(&again).as_deref(), Some("Agenda & two"));
        // Without a meeting, a line is a line.
        let plain =
            object(json!({"body": {"contentType": "text", "content": "a\r\n________________________\r\nb"}}));
        assert_eq!(read(&plain).as_deref(), Some("a\n________________________\nb"));
    }

    #[test]
    fn what_plain_text_cannot_say_is_formatting() {
        let blocks = r#"<html><head><style><!-- .b {font-weight:bold} --></style></head><body class="x">"#;
        for (content, formatted) in [
            ("a<br>b<p>c</p>", false),
            (blocks, false),
            (r#"<div style="font-family:Calibri; font-size:12pt; color:rgb(0,0,0)">a</div>"#, false),
            ("a <!-- <b>b</b> --> c", false),
            ("1 <b and then", false),
            ("<span>a</span>", false),
            ("<b>a</b>", true),
            (r#"<B STYLE="color:red">a</B>"#, true),
            (r#"<b style="color:red">a</b>"#, true),
            (r#"<span style="font-weight:bold">a</span>"#, true),
            (r#"<p class="MsoNormal"><span lang="EN" style="color:red">a</span></p>"#, true),
            (r#"<div style="font-weight: 700">a</div>"#, true),
            (r#"<p style="text-decoration:underline">a</p>"#, true),
            ("<a href=\"https://example.com\">a</a>", true),
            ("<ul><li>a</li></ul>", true),
            ("<h3>a</h3>", true),
        ] {
            let event = object(json!({"body": {"contentType": "html", "content": content}}));
            assert_eq!(is_formatted(&event), formatted, "{content}");
            let event = object(json!({"body": {"contentType": "text", "content": content}}));
            assert!(!is_formatted(&event), "{content} as text");
        }
    }

    #[test]
    fn a_body_that_is_none_is_no_description() {
        for body in [
            json!({}),
            json!({"body": null}),
            json!({"body": {"content": ""}}),
            json!({"body": {"content": 3}}),
            json!({"body": {"contentType": "html", "content": "<html><body></body></html>\r\n"}}),
        ] {
            assert_eq!(read(&object(body)), None);
        }
    }

    proptest! {
        #[test]
        fn text_survives_html(lines in proptest::collection::vec("[a-zé<>&;\"' ]{0,12}[a-z<>&]", 1..6)) {
            let text = lines.join("\n");
            let body = object(json!({"body": {"contentType": "html", "content": to_html(&text)}}));
            prop_assert_eq!(read(&body).unwrap_or_default(), text.trim_matches(' '));
        }

        #[test]
        fn no_html_makes_it_panic(html in "(<|>|/|&|;|#|x|div|br|style|!--|-->| |é|a){0,60}") {
            to_text(&html);
        }
    }
}
