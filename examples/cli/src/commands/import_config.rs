//! `calsync import-config`: the configuration of inovex/CalendarSync as one of ours.

use std::{
    collections::BTreeSet,
    fmt::{self, Write},
    fs,
    path::Path,
};

use calsync_core::{
    engine::{CopyWindow, WindowEdge},
    pipeline::translate_inovex,
};
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};

use crate::{
    HELD, IN_STEP,
    config::salt::salt,
    error::CliError,
    output::{Format, print, print_json, tell},
};

pub(crate) fn run(file: &Path, format: Format) -> Result<u8, CliError> {
    let failed = |error| CliError::Io { what: file.display().to_string(), error };
    let text = fs::read_to_string(file).map_err(failed)?;
    let imported =
        import(&text).map_err(|problem| CliError::Unmet(format!("{}: {problem}", file.display())))?;
    let code = if imported.unknown.is_empty() { IN_STEP } else { HELD };
    if format == Format::Json {
        print_json(
            &json!({ "configuration": imported.config, "lost": imported.lost, "unknown": imported.unknown }),
        )?;
        return Ok(code);
    }
    print(&imported.config)?;
    for lost in imported.lost {
        tell(&format!("not carried over: {lost}"));
    }
    if code == HELD {
        tell(&format!(
            "{} is nothing CalendarSync knows: it does nothing there either, and what it was to hide is shown. Look at it before \
             this configuration runs",
            imported.unknown.join(", ")
        ));
    }
    Ok(code)
}

struct Imported {
    config: String,
    lost: Vec<String>,
    /// Places with a name CalendarSync does not know: what somebody meant by it is not done.
    unknown: Vec<String>,
}

/// A YAML value in which no table holds a key twice: of two lists of filters the second would be all there is.
struct Tree(Value);

/// A key, where it is none of those that were there before.
struct NewKey<'k>(&'k mut BTreeSet<String>);

impl<'de> DeserializeSeed<'de> for NewKey<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NewKey<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<String, E> {
        if !self.0.insert(key.to_owned()) {
            return Err(E::custom(TWICE));
        }
        Ok(key.to_owned())
    }
}

/// How a key that is there twice is told from what is no YAML.
const TWICE: &str = "this key is there twice";

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor).map(Self)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Tree(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let (mut table, mut keys) = (Map::new(), BTreeSet::new());
        while let Some(key) = entries.next_key_seed(NewKey(&mut keys))? {
            let Tree(value) = entries.next_value()?;
            table.insert(key, value);
        }
        Ok(Value::Object(table))
    }
}

fn import(text: &str) -> Result<Imported, String> {
    // The parser's message may quote the file, which holds passwords; where it stopped is enough.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Tree(whole) = serde_yaml_ng::from_str(text).map_err(|error| {
        let is_twice = error.to_string().contains(TWICE);
        let problem = if is_twice {
            "this key is in its table already, and of two only one would count: write both as one"
        } else {
            "this is no YAML"
        };
        match error.location() {
            Some(at) => format!("line {}, column {}: {problem}", at.line(), at.column()),
            None => problem.to_owned(),
        }
    })?;
    let table = whole.as_object().ok_or("a CalendarSync file is a table")?;
    let (mut lost, mut unknown) = (Vec::new(), Vec::new());
    let mut window = None;
    for (key, value) in table {
        match key.as_str() {
            "source" | "sink" | "transformations" | "filters" => {}
            "sync" => window = window_of(value, &mut lost),
            "auth" => lost.push(
                "auth: tokens are kept in the store, sealed with `vault_key`; `calsync connect` signs in anew"
                    .to_owned(),
            ),
            "updateConcurrency" => {
                lost.push("updateConcurrency: calsync finds out how much a provider takes".to_owned());
            }
            other => {
                lost.push(format!("{other}: CalendarSync has no such key"));
                unknown.push(other.to_owned());
            }
        }
    }
    let list = |name: &str| table.get(name).cloned().unwrap_or(Value::Null);
    let translated =
        translate_inovex(&list("transformations"), &list("filters")).map_err(|error| error.to_string())?;
    // RE2 and Rust know almost the same patterns, and a filter that is left out shows what it was to hide.
    translated
        .pipeline
        .compile()
        .map_err(|problem| format!("{problem}; write it in another way in the file, and import it again"))?;
    lost.extend(translated.lost);
    unknown.extend(translated.unknown);
    let source = adapter(table, "source", &mut lost)?;
    let sink = adapter(table, "sink", &mut lost)?;
    if sink.provider == "caldav" {
        lost.push("sink.adapter.type: CalendarSync only reads there; check the address".to_owned());
    }
    let mut config = "store = \"sqlite:calsync.db\"\n".to_owned();
    if [&source, &sink].iter().any(|side| !side.client.is_empty()) {
        config.push_str("vault_key = \"file:vault.key\"\n");
    }
    for side in [&source, &sink] {
        let keys = |config: &mut String, keys: &[(&str, String)]| {
            for (key, value) in keys {
                let _ = writeln!(config, "{key} = {}", toml(&Value::String(value.clone())));
            }
        };
        let _ = write!(config, "\n[connections.{}]\nprovider = \"{}\"\n", side.name, side.provider);
        keys(&mut config, &side.keys);
        if !side.client.is_empty() {
            let _ = write!(config, "\n[connections.{}.oauth]\n", side.name);
            keys(&mut config, &side.client);
        }
    }
    let pipeline = serde_json::to_value(&translated.pipeline).map_err(|error| error.to_string())?;
    let steps = pipeline["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_of_source = |step: &&Value| step["filter"]["type"] == "not-declined";
    // The provider tells which answer is the owner's to whoever reads the calendar there.
    let mut of_source = String::new();
    for step in steps.iter().filter(is_of_source) {
        if source.provider == "caldav" {
            lost.push(
                "DeclinedEvents: CalendarSync keeps every event of a ZEP calendar, and so does this"
                    .to_owned(),
            );
        } else {
            of_source.push_str("\n[links.copies]\nstart = { type = \"everything\" }\n");
            write_step(&mut of_source, step);
        }
    }
    let mut people = "";
    if steps.iter().any(|step| step["transform"]["type"] == "keep-attendees") {
        if sink.provider == "microsoft" {
            lost.push(
                "KeepAttendees: Outlook mails everybody it is given, and what is sent to the addresses of the copies comes back \
                 to you; people = \"write\" on the link named sink writes them all the same"
                    .to_owned(),
            );
        } else {
            people = "people = \"write\"\n";
        }
    }
    let calendar = |side: &Side| toml(&Value::String(side.calendar.clone()));
    let _ = write!(
        config,
        "\n[[links]]\nname = \"source\"\ncalendar = \"calendarsync\"\nconnection = \"source\"\nremote = {}\n\
         direction = \"import\"\n{of_source}\n[[links]]\nname = \"sink\"\ncalendar = \"calendarsync\"\nconnection = \"sink\"\n\
         remote = {}\ndirection = \"export\"\n{people}edits = \"restore\"\ncheck_copies_every = \"{CHECKED}\"\n\n\
         [links.copies]\n",
        calendar(&source),
        calendar(&sink),
    );
    let _ = writeln!(config, "start = {}", toml(&pipeline["start"]));
    let _ = writeln!(config, "uid_salt = {}", toml(&Value::String(salt()?)));
    if let Some(window) = &window {
        let window = serde_json::to_value(window).map_err(|error| error.to_string())?;
        let _ = writeln!(config, "window = {}", toml(&window));
    }
    for step in steps.iter().filter(|step| !is_of_source(step)) {
        write_step(&mut config, step);
    }
    Ok(Imported { config, lost, unknown })
}

fn write_step(config: &mut String, step: &Value) {
    config.push_str("\n[[links.copies.steps]]\n");
    for key in ["name", "filter", "transform"] {
        if let Some(value) = step.get(key) {
            let _ = writeln!(config, "{key} = {}", toml(value));
        }
    }
}

/// The window of the copies. What CalendarSync wrote and what left its window stays there, so it stays here.
fn window_of(sync: &Value, lost: &mut Vec<String>) -> Option<CopyWindow> {
    let mut edge = |name: &str| {
        let edge = sync.get(name)?;
        let offset = edge.get("offset").map_or(Some(0), Value::as_i64);
        let offset = offset.and_then(|offset| i32::try_from(offset).ok());
        // Days of ours are counted from now. The edge goes further out, so that nothing is missing.
        let out = |far: i32| if name == "start" { -far } else { far };
        let days = |days: i32, far: i32| WindowEdge::Days(days.saturating_add(out(far)));
        let identifier = edge.get("identifier").and_then(Value::as_str);
        let found = match (identifier, offset) {
            (Some("MonthStart"), Some(months)) => Some(WindowEdge::MonthStart(months)),
            (Some("MonthEnd"), Some(months)) => Some(WindowEdge::MonthEnd(months)),
            (Some("DayStart" | "DayEnd"), Some(offset)) => Some(days(offset, 1)),
            (Some("WeekStart" | "WeekEnd"), Some(offset)) => Some(days(offset.saturating_mul(7), 7)),
            _ => None,
        };
        match found {
            None => lost.push(format!(
                "sync.{name}: it is none of MonthStart, MonthEnd, WeekStart, WeekEnd, DayStart and DayEnd with a number as \
                 its offset; write links.copies.window yourself"
            )),
            Some(WindowEdge::Days(_)) => lost.push(format!(
                "sync.{name}: days are counted from now here, not from midnight or Monday: the window is a little wider"
            )),
            Some(_) => {}
        }
        found
    };
    let (from, to) = (edge("start"), edge("end"));
    if from.is_none() && to.is_none() {
        return None;
    }
    let usual = CopyWindow::default();
    let window =
        CopyWindow { from: from.unwrap_or(usual.from), to: to.unwrap_or(usual.to), leaving: usual.leaving };
    if let Some(problem) = window.problem() {
        lost.push(format!("sync.start and sync.end: {problem}"));
        return None;
    }
    Some(window)
}

/// How often the sink is looked at where nothing is to be written: a run in between asks the source only.
const CHECKED: &str = "1h";

/// One side of a CalendarSync file.
struct Side {
    name: &'static str,
    provider: &'static str,
    calendar: String,
    keys: Vec<(&'static str, String)>,
    /// Of the OAuth client.
    client: Vec<(&'static str, String)>,
}

fn adapter(table: &Map<String, Value>, name: &'static str, lost: &mut Vec<String>) -> Result<Side, String> {
    let adapter = table.get(name).and_then(|side| side.get("adapter"));
    let adapter = adapter.and_then(Value::as_object).ok_or(format!("{name}.adapter is missing"))?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let kind = text(adapter.get("type")).ok_or(format!("{name}.adapter.type is missing"))?;
    let calendar = text(adapter.get("calendar")).ok_or(format!("{name}.adapter.calendar is missing"))?;
    let variable = name.to_uppercase();
    let client = match kind.as_str() {
        "google" | "outlook_http" => client_of(adapter.get("oAuth"), name, lost),
        _ => Vec::new(),
    };
    let by_token =
        if client.is_empty() { vec![("token", format!("env:CALSYNC_{variable}_TOKEN"))] } else { Vec::new() };
    let (provider, keys) = match kind.as_str() {
        "google" => ("google", by_token),
        "outlook_http" => ("microsoft", by_token),
        "zep" => {
            let config = adapter.get("config");
            let of = |key: &str| text(config.and_then(|config| config.get(key))).unwrap_or_default();
            if config.and_then(|config| config.get("password")).is_some() {
                lost.push(format!("{name}.adapter.config.password: put it into CALSYNC_{variable}_PASSWORD"));
            }
            let password = format!("env:CALSYNC_{variable}_PASSWORD");
            ("caldav", vec![("url", of("endpoint")), ("username", of("username")), ("password", password)])
        }
        other => {
            return Err(format!("{name}.adapter.type is {other:?}; there are google, outlook_http and zep"));
        }
    };
    let is_used = |key: &str| provider == "microsoft" || provider == "google" && key != "directory";
    let client = client.into_iter().filter(|(key, _)| is_used(key)).collect();
    for key in adapter.keys().filter(|key| !["type", "calendar", "oAuth", "config"].contains(&key.as_str())) {
        lost.push(format!("{name}.adapter.{key}: CalendarSync has no such key"));
    }
    Ok(Side { name, provider, calendar, keys, client })
}

/// The OAuth client CalendarSync signs in with; empty: there is none. Its secret is not copied from file to file.
fn client_of(client: Option<&Value>, name: &str, lost: &mut Vec<String>) -> Vec<(&'static str, String)> {
    let Some(client) = client else { return Vec::new() };
    let text = |key: &str| client.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let variable = format!("CALSYNC_{}_CLIENT_SECRET", name.to_uppercase());
    let Some(id) = text("clientId") else {
        lost.push(format!(
            "{name}.adapter.oAuth: there is no clientId; put a token into the variable of `token`"
        ));
        return Vec::new();
    };
    let mut keys = vec![("client_id", id.to_owned())];
    let mut first = String::new();
    if text("clientKey").is_some() {
        keys.push(("client_secret", format!("env:{variable}")));
        first = format!("put clientKey into {variable}, and ");
    }
    if let Some(tenant) = text("tenantId") {
        keys.push(("directory", tenant.to_owned()));
    }
    lost.push(format!("{name}.adapter.oAuth: {first}run `calsync connect {name}` once"));
    keys
}

/// A value as TOML on one line.
fn toml(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(table) if table.is_empty() => "{}".to_owned(),
        Value::Object(table) => {
            let pairs: Vec<String> =
                table.iter().map(|(key, value)| format!("{key} = {}", toml(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        // Of a text TOML asks for one escape more than JSON.
        other => other.to_string().replace('\u{7f}', "\\u007f"),
    }
}
