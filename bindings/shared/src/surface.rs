//! What there is, as data: the tests of each language hold their classes against it.
//!
//! Fields and words are read out of the `Deserialize` implementations themselves, so a new one is in the list at once.

use std::{collections::BTreeMap, ops::Range};

use calsync_core::{
    availability, booking,
    engine::{CopyEdits, CopyRules, CopyWindow, Leaving, Source, SourceRole},
    ical::PeoplePolicy,
    merge::{Choice, ConflictPolicy, DeletionPolicy},
    model::{
        Alarm, AlarmAction, Calendar, Descent, EventBody, Fold, FreeBusyStatus, Lineage, OverrideScope,
        Participant, ParticipationStatus, Person, Privacy, RelativeTo, Role, Status, TimeSpan, UidOrigin,
        VirtualLocation,
    },
    plan::{Action, Direction, Evidence},
    provider::{RemoteCalendar, UnreadKind},
    recurrence::{LimitReached, Weekday},
    store::{JournalOp, RunCounts, RunRecord, SettledBy, Take},
};
use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, Deserializer, Error, Visitor, value},
    forward_to_deserialize_any,
};
use serde_json::json;

use crate::{
    Code, Failure, args, available, copied, dispatch, host_rules, host_store, host_transport, model, planned,
    told,
};

/// Everything a language has to offer.
#[derive(Debug, Serialize)]
pub struct Surface {
    /// Functions that need no engine.
    pub functions: Vec<&'static str>,
    /// Methods of an engine, with the fields of their arguments.
    pub methods: BTreeMap<&'static str, Vec<&'static str>>,
    /// Methods of a store of the host.
    pub store: Vec<&'static str>,
    /// Those it may have beside them.
    pub store_in_one_call: Vec<&'static str>,
    /// What else of the host is asked, by name, with its methods.
    pub hosts: BTreeMap<&'static str, Vec<&'static str>>,
    /// Values by name, with their fields.
    pub values: BTreeMap<&'static str, Vec<String>>,
    /// What goes over the border as JSON text, by name, with its keys: they are the same in every language.
    pub documents: BTreeMap<&'static str, Vec<&'static str>>,
    /// The words in these, by the name of their enum.
    pub document_words: BTreeMap<&'static str, Vec<&'static str>>,
    /// Enums by name, with their words.
    pub words: BTreeMap<&'static str, Vec<&'static str>>,
    /// Codes of errors.
    pub codes: Vec<&'static str>,
}

/// Asks a type what it would like to read.
struct Asker<'a>(&'a mut Vec<&'static str>);

impl<'de> Deserializer<'de> for Asker<'_> {
    type Error = value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, value::Error> {
        Err(value::Error::custom("asked"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, value::Error> {
        self.0.extend_from_slice(fields);
        Err(value::Error::custom("asked"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, value::Error> {
        self.0.extend_from_slice(variants);
        Err(value::Error::custom("asked"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// The fields of a struct, or the words of an enum, as they are declared.
pub fn names<T: for<'de> Deserialize<'de>>() -> Vec<&'static str> {
    let mut names = Vec::new();
    let _ = T::deserialize(Asker(&mut names));
    names
}

fn owned<T: DeserializeOwned>() -> Vec<String> {
    names::<T>().into_iter().map(str::to_owned).collect()
}

/// A participant is written flat, so its fields are read from one.
fn participant() -> Vec<String> {
    let example = Participant {
        person: Person { address: String::new(), name: Some(String::new()) },
        status: ParticipationStatus::Accepted,
        role: Role::Chair,
        expect_reply: true,
    };
    let fields = json!(example);
    fields.as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
}

fn arguments(method: &str) -> Vec<&'static str> {
    match method {
        "connect" => names::<args::Connect>(),
        "begin_oauth" => names::<args::BeginOAuth>(),
        "finish_oauth" => names::<args::FinishOAuth>(),
        "disconnect" | "remote_calendars" => names::<args::OfConnection>(),
        "put_calendar" => names::<args::PutCalendar>(),
        "events" => names::<args::OfCalendar>(),
        "add_event" => names::<args::AddEvent>(),
        "update_event" => names::<args::UpdateEvent>(),
        "delete_event" => names::<args::DeleteEvent>(),
        "add_link" => names::<args::AddLink>(),
        "plan" | "sync" => names::<args::Sync>(),
        "conflicts" | "runs" | "questions" | "outbox" | "history" | "forget" => names::<args::OfLink>(),
        "answer_conflict" => names::<args::AnswerConflict>(),
        "undo" => names::<args::Undo>(),
        "undo_last" => names::<args::UndoLast>(),
        "answer_question" => names::<args::AnswerQuestion>(),
        "explain" | "cancel_booking" => names::<args::OfEvent>(),
        "explain_item" => names::<args::OfItem>(),
        "retry_write" | "drop_write" => names::<args::OfWrite>(),
        "sources" => names::<args::OfEvents>(),
        "events_of" => names::<args::EventsOf>(),
        "clean" => names::<args::Clean>(),
        "hold" => names::<args::HoldSlot>(),
        "release" => names::<args::Release>(),
        "book" => names::<args::Book>(),
        "free" => names::<args::Free>(),
        _ => Vec::new(),
    }
}

/// Everything there is.
pub fn surface() -> Surface {
    Surface {
        functions: dispatch::PURE.to_vec(),
        methods: dispatch::ENGINE.iter().map(|method| (*method, arguments(method))).collect(),
        store: host_store::METHODS.to_vec(),
        store_in_one_call: names::<args::InOneCall>(),
        hosts: host_rules::METHODS.iter().map(|(name, methods)| (*name, methods.to_vec())).collect(),
        values: BTreeMap::from([
            ("Event", owned::<model::EventModel>()),
            ("EventBody", owned::<EventBody>()),
            ("TimeSpan", owned::<TimeSpan>()),
            ("Person", owned::<Person>()),
            ("Participant", participant()),
            ("Alarm", owned::<Alarm>()),
            ("VirtualLocation", owned::<VirtualLocation>()),
            ("Lineage", owned::<Lineage>()),
            ("Calendar", owned::<Calendar>()),
            ("RemoteCalendar", owned::<RemoteCalendar>()),
            ("ParsedCalendar", owned::<model::ParsedCalendar>()),
            ("UnreadableItem", owned::<model::UnreadableItem>()),
            ("Instance", owned::<model::InstanceModel>()),
            ("Expansion", owned::<model::Expansion>()),
            ("Field", owned::<model::FieldModel>()),
            ("ContestedField", owned::<model::ContestedField>()),
            ("ContestedEvent", owned::<model::ContestedEventModel>()),
            ("Surroundings", owned::<model::SurroundingsModel>()),
            ("Merged", owned::<model::Merged>()),
            ("PlanPair", owned::<planned::PlanPair>()),
            ("Decision", owned::<planned::Decision>()),
            ("Plan", owned::<planned::Plan>()),
            ("Copied", owned::<copied::Copied>()),
            ("CalendarEvents", owned::<available::CalendarEvents>()),
            ("SlotTerms", owned::<available::SlotTerms>()),
            ("WorkingHours", owned::<available::WorkingHoursModel>()),
            ("DayHours", owned::<available::DayHoursModel>()),
            ("Period", owned::<Range<DateTime<Utc>>>()),
            ("BusyTime", owned::<availability::BusyTime>()),
            ("FreeTerms", owned::<available::FreeTerms>()),
            ("FreeCalendar", owned::<available::FreeCalendar>()),
            ("FreeElsewhere", owned::<available::FreeElsewhere>()),
            ("Hold", owned::<booking::Hold>()),
            ("Booking", owned::<booking::Booking>()),
            ("FreeAnswer", owned::<availability::Answer>()),
            ("CalendarAnswer", owned::<availability::CalendarAnswer>()),
            ("Source", owned::<Source>()),
            ("HistoryEntry", owned::<told::HistoryEntry>()),
            ("Explanation", owned::<told::Explanation>()),
            ("Way", owned::<told::Way>()),
            ("Moment", owned::<told::Moment>()),
            ("FieldOutcome", owned::<told::FieldOutcome>()),
            ("SeenItem", owned::<told::SeenItem>()),
            ("StoredEvent", owned::<model::StoredEvent>()),
            ("PlannedOperation", owned::<model::PlannedOperation>()),
            ("Counts", owned::<RunCounts>()),
            ("Report", owned::<model::Report>()),
            ("Cleaned", owned::<model::Cleaned>()),
            ("ConflictField", owned::<model::ConflictField>()),
            ("Conflict", owned::<model::Conflict>()),
            ("Run", owned::<RunRecord>()),
            ("Undone", owned::<model::Undone>()),
            ("Question", owned::<model::Question>()),
            ("WaitingWrite", owned::<model::WaitingWrite>()),
            ("Progress", owned::<model::ProgressModel>()),
            ("CalsyncError", owned::<Failure>()),
            ("HttpRequest", owned::<host_transport::Request>()),
            ("HttpResponse", owned::<host_transport::Response>()),
            ("MasterKeys", owned::<args::MasterKeys>()),
            ("OAuthClient", owned::<args::OAuthClient>()),
            ("OAuthGrant", owned::<model::OAuthGrant>()),
        ]),
        documents: BTreeMap::from([
            ("CopyRules", names::<CopyRules>()),
            ("CopyWindow", names::<CopyWindow>()),
        ]),
        document_words: BTreeMap::from([("Leaving", names::<Leaving>())]),
        words: BTreeMap::from([
            ("UidOrigin", names::<UidOrigin>()),
            ("Status", names::<Status>()),
            ("FreeBusyStatus", names::<FreeBusyStatus>()),
            ("Privacy", names::<Privacy>()),
            ("OverrideScope", names::<OverrideScope>()),
            ("ParticipationStatus", names::<ParticipationStatus>()),
            ("Role", names::<Role>()),
            ("AlarmAction", names::<AlarmAction>()),
            ("RelativeTo", names::<RelativeTo>()),
            ("Descent", names::<Descent>()),
            ("Fold", names::<Fold>()),
            ("Direction", names::<Direction>()),
            ("ConflictPolicy", names::<ConflictPolicy>()),
            ("DeletionPolicy", names::<DeletionPolicy>()),
            ("CopyEdits", names::<CopyEdits>()),
            ("PeoplePolicy", names::<PeoplePolicy>()),
            ("Choice", names::<Choice>()),
            ("Action", names::<Action>()),
            ("Evidence", names::<Evidence>()),
            ("CalendarState", names::<availability::CalendarState>()),
            ("BusyKind", names::<availability::BusyKind>()),
            ("TentativePolicy", names::<availability::TentativePolicy>()),
            ("UncoveredPolicy", names::<availability::UncoveredPolicy>()),
            ("Weekday", names::<Weekday>()),
            ("Take", names::<Take>()),
            ("LimitReached", names::<LimitReached>()),
            ("WriteKind", names::<model::WriteKind>()),
            ("WriteState", names::<model::WriteState>()),
            ("SourceRole", names::<SourceRole>()),
            ("HistoryKind", names::<told::HistoryKind>()),
            ("WayState", names::<told::WayState>()),
            ("MomentKind", names::<told::MomentKind>()),
            ("JournalOp", names::<JournalOp>()),
            ("SettledBy", names::<SettledBy>()),
            ("SeenState", names::<told::SeenState>()),
            ("UnreadKind", names::<UnreadKind>()),
            ("ProviderKind", names::<args::ProviderKind>()),
            ("Addresses", names::<host_transport::Addresses>()),
            ("TransportFault", names::<host_transport::TransportFault>()),
        ]),
        codes: names::<Code>(),
    }
}
