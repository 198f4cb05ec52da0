//! Methods by name: the one place where a name, its arguments and its result meet.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Serialize, de::DeserializeOwned};

use crate::{Code, Engine, Failure, Names, args, available, copied, host_transport, parts, planned};

/// Reads the arguments of a method.
///
/// # Errors
///
/// [`Code::InvalidInput`] when they are not those of the method. It quotes no value.
pub fn read<T: DeserializeOwned>(method: &str, args: &str) -> Result<T, Failure> {
    // What serde says may quote the value, which may be event text or a secret: only the place is passed on.
    serde_json::from_str(args).map_err(|error| {
        let why = match error.classify() {
            serde_json::error::Category::Data => shape(&error),
            _ => "not JSON".to_owned(),
        };
        Failure::invalid(format!("{method}: {why}")).about(method)
    })
}

/// What serde says without the values it quotes: names of fields and types only.
fn shape(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let known = ["missing field `", "unknown field `", "unknown variant `"];
    match known.iter().find(|start| text.starts_with(**start)) {
        Some(start) if *start != "unknown variant `" => {
            let name: String = text[start.len()..].chars().take_while(|c| *c != '`').take(64).collect();
            format!("{}{name}`", start)
        }
        _ => format!("a value has the wrong form, at column {}", error.column()),
    }
}

/// Carries out what does not wait. A panic is a bug of ours, and ends as an error: no language takes one across the border.
///
/// # Errors
///
/// What `call` fails with; [`Code::Internal`] for a panic.
pub fn caught<T>(call: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let broken = |_| Err(Failure::new(Code::Internal, "calsync failed in a way it never should"));
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(broken)
}

fn show<T: Serialize>(value: Result<T, Failure>, names: Names) -> Result<String, Failure> {
    names.write(&value?).map_err(|_| Failure::new(Code::Internal, "a result cannot be written"))
}

macro_rules! pure_methods {
    ($($name:literal => $call:path),* $(,)?) => {
        /// The names [`pure()`] knows.
        #[cfg(feature = "testing")]
        pub(crate) const PURE: &[&str] = &[$($name),*];

        /// Calls a method that needs no engine. Arguments and result are JSON; see [`args`](crate::args).
        ///
        /// # Errors
        ///
        /// [`Code::InvalidInput`] for arguments that cannot be read, and what the method itself fails with.
        pub fn pure(method: &str, args: &str) -> Result<String, Failure> {
            pure_in(Names::Snake, method, args)
        }

        /// [`pure()`] with the names of a language in the result.
        ///
        /// # Errors
        ///
        /// As there.
        pub fn pure_in(names: Names, method: &str, args: &str) -> Result<String, Failure> {
            caught(|| match method {
                $($name => show($call(read(method, args)?), names),)*
                _ => Err(Failure::invalid("there is no such method").about(method)),
            })
        }
    };
}

pure_methods! {
    "parse" => parts::parse_named,
    "write" => parts::write,
    "patch" => parts::patch_texts,
    "expand" => parts::expand,
    "diff" => parts::diff,
    "merge" => parts::merge_events,
    "plan" => planned::plan,
    "transform" => copied::transform,
    "availability" => available::availability,
    "zone_offset" => parts::zone_offset,
    "public_addresses" => host_transport::public_addresses,
}

macro_rules! engine_methods {
    ($($name:ident: $args:ty),* $(,)?) => {
        /// The names [`Engine::call`] knows.
        #[cfg(feature = "testing")]
        pub(crate) const ENGINE: &[&str] = &[$(stringify!($name)),*];

        impl Engine {
            pub(crate) async fn dispatch(&self, method: &str, args: &str) -> Result<String, Failure> {
                let names = self.names;
                match method {
                    $(stringify!($name) => show(self.$name(read::<$args>(method, args)?).await, names),)*
                    _ => Err(Failure::invalid("there is no such method").about(method)),
                }
            }
        }
    };
}

engine_methods! {
    connect: args::Connect,
    begin_oauth: args::BeginOAuth,
    finish_oauth: args::FinishOAuth,
    disconnect: args::OfConnection,
    remote_calendars: args::OfConnection,
    put_calendar: args::PutCalendar,
    calendars: args::Nothing,
    events: args::OfCalendar,
    add_event: args::AddEvent,
    update_event: args::UpdateEvent,
    delete_event: args::DeleteEvent,
    add_link: args::AddLink,
    plan: args::Sync,
    sync: args::Sync,
    conflicts: args::OfLink,
    answer_conflict: args::AnswerConflict,
    runs: args::OfLink,
    undo: args::Undo,
    undo_last: args::UndoLast,
    questions: args::OfLink,
    answer_question: args::AnswerQuestion,
    outbox: args::OfLink,
    retry_write: args::OfWrite,
    drop_write: args::OfWrite,
    explain: args::OfEvent,
    explain_item: args::OfItem,
    sources: args::OfEvents,
    events_of: args::EventsOf,
    history: args::OfLink,
    clean: args::Clean,
    forget: args::OfLink,
    free: args::Free,
    hold: args::HoldSlot,
    release: args::Release,
    book: args::Book,
    cancel_booking: args::OfEvent,
    close: args::Nothing,
}
