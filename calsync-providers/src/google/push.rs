//! Writes: each conditional, each in an order that leaves nothing wrong when it is interrupted.
//!
//! A series is written master first: until its rule is right, its instances cannot be named. An update that stops after
//! the master leaves instances as they were, which the next run sees as still to be done. A creation is different: to
//! whoever finds the master alone, the exceptions look undone on purpose. So a new series with exceptions carries a mark
//! until the last of them is written, and is invisible (`fetch::is_open`) while it does; excluded dates are in the master
//! itself. Writing it again finds the mark and goes on; asking for it by name takes it back (`fetch::take_back`).

use calsync_core::{
    diff::changed_fields,
    model::{RecurrenceId, RemoteCalendarId, RemoteId, Version},
    provider::{ErrorKind, Mark, Payload, ProviderError, Result, Retry, Seal, Written},
};
use serde_json::{Value, json};

use super::{
    batch::{Part, Whose},
    calls::{self, Call, Notify},
    config::UpdateMethod,
    error,
    fetch::{PAGES_MAX, is_open, seal},
    item::{Edit, Item, ItemVersion, is_cancelled, object_of},
    map::{
        body,
        project::project,
        read::{ID, MARK, OPEN, UID, inherited, instance_body, read_item, same},
    },
    plain::is_plain,
    provider::{GoogleProvider, Purpose},
    wire::{self, Object, Page, inner, text},
};

impl GoogleProvider {
    pub(super) async fn insert(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        payload: &Payload,
    ) -> Result<Written> {
        const OPERATION: &str = "create";
        let mut item = parse(OPERATION, payload)?;
        let notify = notify(&item);
        let has_instances = !item.edits.instances.is_empty();
        item.event.insert("id".to_owned(), id.as_str().into());
        set_private(&mut item.event, ID, id.as_str());
        if has_instances {
            let seal = seal(&item.event, &self.config);
            set_private(&mut item.event, OPEN, &seal);
        }
        let call = calls::insert(calendar.as_str(), item.event.clone(), notify);
        let part = self.together.send(self, OPERATION, call).await?;
        let stored = match part.status.as_u16() {
            200 => stored(OPERATION, &part, self)?,
            409 if wire::reason(&part.body) != "conflict" => self.adopt(calendar, id, &item).await?,
            404 | 410 => {
                let mut error = self.not_found(OPERATION, calendar).await;
                if error.kind == ErrorKind::NotFound {
                    error = ProviderError::new(
                        ErrorKind::Refused,
                        OPERATION,
                        "404 although the calendar is there",
                    );
                }
                return Err(error);
            }
            _ => {
                let error = error::writing(OPERATION, &part.reply(), self.timing());
                // The first request of several says nothing of what an earlier try has left.
                let is_put_off = error.kind == ErrorKind::Throttled && part.whose == Whose::Part;
                return Err(if is_put_off && !has_instances { error.not_applied() } else { error });
            }
        };
        if !has_instances {
            return Ok(written(id, Item::new(stored)));
        }
        // From here on the item is there: whatever fails may be found half done.
        let half_done = |error: ProviderError| error.maybe_applied();
        self.write_instances(OPERATION, calendar, id, &item).await.map_err(half_done)?;
        let done = calls::clear_property(calendar.as_str(), id.as_str(), OPEN);
        let part = self.send(OPERATION, Purpose::Write, done).await.map_err(half_done)?;
        if !part.status.is_success() {
            return Err(half_done(error::writing(OPERATION, &part.reply(), self.timing())));
        }
        Ok(Written { id: id.clone(), version: None, payload: None })
    }

    /// The id is taken: by our own earlier attempt, of which the answer was lost, or by something else.
    async fn adopt(&self, calendar: &RemoteCalendarId, id: &RemoteId, sent: &Item) -> Result<Object> {
        const OPERATION: &str = "create";
        let taken = || {
            ProviderError::new(
                ErrorKind::AlreadyExists { at: Some(id.clone()) },
                OPERATION,
                "the id is taken",
            )
        };
        let part = self.send(OPERATION, Purpose::Read, calls::get(calendar.as_str(), id.as_str())).await?;
        let found = wire::object(self.accept(OPERATION, &part)?)
            .filter(|found| text(found, "id") == Some(id.as_str()))
            .ok_or_else(|| self.unusable(OPERATION, &part))?;
        if is_cancelled(&found) {
            return Err(taken());
        }
        // A series that was not finished: only the master can be compared, the rest is written now.
        if is_open(&found) && !sent.edits.instances.is_empty() {
            return Ok(found);
        }
        let of = |event: &Object| read_item(&Item::new(event.clone()), &self.config.colors).ok();
        let private = inner(&sent.event, "extendedProperties").and_then(|all| inner(all, "private"));
        // A UID that was too long to be noted is not there to be compared.
        let is_noted = private.is_some_and(|private| private.contains_key(UID));
        let same = match (of(&found), of(&sent.event)) {
            (Some(found), Some(sent)) => {
                let (found, sent) = (project(&found, &self.config), project(&sent, &self.config));
                (found.uid == sent.uid || !is_noted) && changed_fields(&found, &sent).is_empty()
            }
            _ => false,
        };
        if same && sent.edits.instances.is_empty() { Ok(found) } else { Err(taken()) }
    }

    pub(super) async fn write(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
        payload: &Payload,
    ) -> Result<Written> {
        const OPERATION: &str = "update";
        let item = parse(OPERATION, payload)?;
        let expected = self.expect(OPERATION, expected)?;
        if item.edits.is_empty() {
            // Nothing of it can be said at Google. What is there is read back.
            return Ok(Written { id: id.clone(), version: None, payload: None });
        }
        let mut master = None;
        if !item.edits.event.is_empty() {
            let call = self.change(calendar, id, &item, &expected);
            let part = self.together.send(self, OPERATION, call).await?;
            master = Some(match part.status.as_u16() {
                200 => stored(OPERATION, &part, self)?,
                404 | 410 => return Err(self.not_found(OPERATION, calendar).await),
                _ => return Err(error::writing(OPERATION, &part.reply(), self.timing())),
            });
        }
        let changed = self.write_instances(OPERATION, calendar, id, &item).await;
        match (master, changed) {
            (_, Err(error)) if item.edits.event.is_empty() => Err(error),
            // The master is written: what is left is seen when the item is read again.
            (_, Err(error)) => Err(error.maybe_applied()),
            // Exceptions may have got new tags with their master.
            (Some(master), Ok(())) if item.exceptions.is_empty() => Ok(written(id, Item::new(master))),
            _ => Ok(Written { id: id.clone(), version: None, payload: None }),
        }
    }

    /// The write of the event itself.
    fn change(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        item: &Item,
        expected: &ItemVersion,
    ) -> Call {
        let (etag, notify) = (Some(expected.etag.as_str()), notify(item));
        if self.config.update == UpdateMethod::Cheapest && is_plain(&item.event) {
            calls::put(calendar.as_str(), id.as_str(), etag, &item.event, notify)
        } else {
            calls::patch(calendar.as_str(), id.as_str(), etag, &item.event, &item.edits.event, notify)
        }
    }

    /// Writes the instances that differ. Those that are no exceptions yet are looked up first: the id and the tag of an
    /// instance are Google's.
    async fn write_instances(
        &self,
        operation: &'static str,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        item: &Item,
    ) -> Result<()> {
        let mut known: Vec<(RecurrenceId, Object)> = Vec::new();
        let mut unknown = Vec::new();
        for key in item.edits.instances.keys() {
            match item.exception(*key).filter(|held| text(held, "id").is_some()) {
                Some(held) => known.push((*key, held.clone())),
                None => unknown.push(*key),
            }
        }
        let lookups: Vec<Call> =
            unknown.iter().map(|key| calls::instance(calendar.as_str(), id.as_str(), *key, None)).collect();
        let mut first = None;
        let answers = self.go_on(operation, Purpose::Read, &lookups).await;
        for (key, part) in unknown.into_iter().zip(answers) {
            let found = match self.first_row(operation, calendar, (id, key), part?).await {
                // The others are written, so that the next try has less to do.
                Err(error) if error.kind == ErrorKind::Throttled => {
                    first.get_or_insert(error);
                    continue;
                }
                found => found?,
            };
            match found {
                // Its tag says nothing of what was read: it has become an exception since.
                Some(instance) if !self.is_as_read(item, key, &instance) => {
                    let detail = "an instance was changed meanwhile";
                    return Err(ProviderError::new(ErrorKind::VersionMismatch, operation, detail));
                }
                Some(instance) => known.push((key, instance)),
                // What is not there need not be cancelled.
                None if item.edits.instances.get(&key) == Some(&Edit::Cancel) => {}
                None => {
                    let detail = "the series has no such instance at Google";
                    return Err(ProviderError::new(ErrorKind::Refused, operation, detail));
                }
            }
        }
        let calls = known.iter().filter_map(|(key, held)| {
            Some((text(held, "id")?, instance_call(calendar.as_str(), item, *key, held)?))
        });
        let (names, calls): (Vec<&str>, Vec<Call>) = calls.unzip();
        let answers = self.go_on(operation, Purpose::Write, &calls).await;
        for ((name, call), answer) in names.into_iter().zip(calls).zip(answers) {
            let error = match answer {
                Ok(part) if part.status.is_success() => continue,
                Ok(part)
                    if call.method == http::Method::DELETE && matches!(part.status.as_u16(), 404 | 410) =>
                {
                    match self.is_gone(operation, calendar, name).await {
                        Ok(true) => continue,
                        Ok(false) => {
                            let detail = "404 although the instance is there";
                            ProviderError::new(ErrorKind::Protocol, operation, detail)
                                .with_retry(Retry::Backoff)
                        }
                        Err(error) => error,
                    }
                }
                Ok(part) => error::writing(operation, &part.reply(), self.timing()),
                Err(error) => error,
            };
            first.get_or_insert(error);
        }
        first.map_or(Ok(()), Err)
    }

    /// The instance an answer names, on whichever page.
    async fn first_row(
        &self,
        operation: &'static str,
        calendar: &RemoteCalendarId,
        (id, key): (&RemoteId, RecurrenceId),
        mut part: Part,
    ) -> Result<Option<Object>> {
        for _ in 0..PAGES_MAX {
            let body = self.accept(operation, &part)?;
            let page = Page::read(body).ok_or_else(|| self.unusable(operation, &part))?;
            let row = page.items.into_iter().next().map(|row| object_of(row).unwrap_or_default());
            if row.as_ref().is_some_and(|row| text(row, "id").is_none()) {
                // It is there, and nobody can say by which name.
                return Err(self.unusable(operation, &part));
            }
            let (None, Some(next)) = (&row, &page.next_page) else { return Ok(row) };
            let call = calls::instance(calendar.as_str(), id.as_str(), key, Some(next));
            part = self.send(operation, Purpose::Read, call).await?;
        }
        Err(ProviderError::new(ErrorKind::Protocol, operation, "the pages of an instance do not end"))
    }

    /// Whether an instance that was no exception when its series was read still says what the series says; or what is to be
    /// written, because an earlier try got that far.
    fn is_as_read(&self, item: &Item, key: RecurrenceId, held: &Object) -> bool {
        let colors = &self.config.colors;
        let series = Item::new(item.event.clone());
        let Some(master) = read_item(&series, colors).ok().and_then(|series| series.master) else {
            return false;
        };
        let wanted = item.edits.instances.get(&key);
        if is_cancelled(held) {
            return wanted == Some(&Edit::Cancel);
        }
        let now = instance_body(held, key, &master, colors);
        same(&now, &inherited(&master, key))
            || item
                .exception(key)
                .is_some_and(|target| same(&now, &instance_body(target, key, &master, colors)))
    }

    pub(super) async fn remove(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
        notify: Notify,
    ) -> Result<()> {
        const OPERATION: &str = "delete";
        let version = self.expect(OPERATION, expected)?;
        if version.rest.is_some() {
            // The tag of the master says nothing of its exceptions: a change there would go with them unseen.
            match self.fetch_all(calendar, std::slice::from_ref(id)).await?.pop() {
                Some(calsync_core::provider::Fetched::Found { version: Some(now), .. })
                    if now == *expected => {}
                Some(calsync_core::provider::Fetched::Missing(_)) | None => return Ok(()),
                Some(calsync_core::provider::Fetched::Failed(_, error)) => return Err(error),
                Some(_) => {
                    return Err(ProviderError::new(
                        ErrorKind::VersionMismatch,
                        OPERATION,
                        "changed meanwhile",
                    ));
                }
            }
        }
        let call = calls::delete(calendar.as_str(), id.as_str(), Some(&version.etag), notify);
        let part = self.together.send(self, OPERATION, call).await?;
        match part.status.as_u16() {
            200..=299 => Ok(()),
            404 | 410 if !self.is_gone(OPERATION, calendar, id.as_str()).await? => {
                Err(ProviderError::new(ErrorKind::Protocol, OPERATION, "404 although it is there")
                    .with_retry(Retry::Backoff))
            }
            // Gone with its calendar is not deleted: the calendar may come back.
            404 | 410 => match self.not_found(OPERATION, calendar).await {
                error if error.kind == ErrorKind::NotFound => Ok(()),
                error => Err(error),
            },
            // "Not that version" may be said of what is deleted, too.
            412 if self.is_gone(OPERATION, calendar, id.as_str()).await? => Ok(()),
            412 => Err(ProviderError::new(ErrorKind::VersionMismatch, OPERATION, "changed meanwhile")),
            _ => Err(error::writing(OPERATION, &part.reply(), self.timing())),
        }
    }

    /// Deletes an event whose people may be told.
    pub(super) async fn call_off(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
    ) -> Result<()> {
        const OPERATION: &str = "cancel";
        let part = self.send(OPERATION, Purpose::Read, calls::get(calendar.as_str(), id.as_str())).await?;
        let notify = match part.status.as_u16() {
            200..=299 => {
                wire::object(self.accept(OPERATION, &part)?).map_or(Notify::Everybody, |held| whom(&[&held]))
            }
            // What became of it is found out by the deletion.
            404 | 410 => Notify::Everybody,
            _ => return Err(error::writing(OPERATION, &part.reply(), self.timing())),
        };
        self.remove(calendar, id, expected, notify).await
    }

    /// Whether an event is deleted, or never was. What is answered to a write is looked at before it is believed: a replica that
    /// does not know an event yet would have its deletion forgotten (DEL-13).
    async fn is_gone(&self, operation: &'static str, calendar: &RemoteCalendarId, id: &str) -> Result<bool> {
        let part = self.send(operation, Purpose::Read, calls::get(calendar.as_str(), id)).await?;
        if matches!(part.status.as_u16(), 404 | 410) {
            return Ok(true);
        }
        let found = wire::object(self.accept(operation, &part)?);
        Ok(found.is_some_and(|found| text(&found, "id") == Some(id) && is_cancelled(&found)))
    }

    /// The version a write expects: one of ours, of an event that may be written.
    fn expect(&self, operation: &'static str, expected: &Version) -> Result<ItemVersion> {
        let version = ItemVersion::read(expected).ok_or_else(|| {
            ProviderError::new(ErrorKind::InvalidInput, operation, "no version of Google's")
        })?;
        if version.touchable {
            Ok(version)
        } else {
            Err(ProviderError::new(
                ErrorKind::Forbidden,
                operation,
                "an event of a special type is only read",
            ))
        }
    }
}

fn parse(operation: &'static str, payload: &Payload) -> Result<Item> {
    Item::read(payload).ok_or_else(|| {
        ProviderError::new(ErrorKind::InvalidInput, operation, "the payload is no item of Google")
    })
}

fn notify(item: &Item) -> Notify {
    if item.edits.notify { whom(&[&item.event]) } else { Notify::Nobody }
}

/// Who is told of an event whose people may be mailed: nobody where no mail would arrive, for it would come back to the
/// owner of the calendar.
fn whom(states: &[&Object]) -> Notify {
    let people: Vec<_> = states.iter().flat_map(|event| body::participants(event)).collect();
    if !people.is_empty() && people.iter().all(|participant| participant.person.is_cloaked()) {
        Notify::Nobody
    } else {
        Notify::Everybody
    }
}

/// Puts a mark on what is to be created under a name of our own.
pub(super) fn mark(id: &RemoteId, payload: Payload, seal: &Seal) -> Payload {
    let Some(mut item) = Item::read(&payload) else { return payload };
    set_private(&mut item.event, MARK, &seal.mark(id.as_str()));
    item.payload()
}

/// The mark an item carries. A copy somebody makes of it has another id.
pub(super) fn marked(payload: &Payload) -> Option<Mark> {
    let item = Item::read(payload)?;
    let private =
        inner(&item.event, "extendedProperties").and_then(|properties| inner(properties, "private"))?;
    Some(Mark { text: text(private, MARK)?.to_owned(), identity: text(&item.event, "id")?.to_owned() })
}

fn set_private(event: &mut Object, name: &str, value: &str) {
    let properties = event.entry("extendedProperties").or_insert_with(|| json!({}));
    if let Value::Object(properties) = properties
        && let Value::Object(private) = properties.entry("private").or_insert_with(|| json!({}))
    {
        private.insert(name.to_owned(), value.into());
    }
}

/// What Google says it stored. An answer that does not say so leaves it open.
fn stored(operation: &'static str, part: &Part, provider: &GoogleProvider) -> Result<Object> {
    wire::object(&part.body)
        .filter(|event| text(event, "id").is_some())
        .ok_or_else(|| error::writing(operation, &part.reply(), provider.timing()))
}

fn written(id: &RemoteId, item: Item) -> Written {
    Written { id: id.clone(), version: item.version(), payload: Some(item.payload()) }
}

/// The write of one instance, as Google has it now (`held`).
fn instance_call(calendar: &str, item: &Item, key: RecurrenceId, held: &Object) -> Option<Call> {
    let (id, etag) = (text(held, "id")?, text(held, "etag"));
    match item.edits.instances.get(&key)? {
        Edit::Cancel
            if is_cancelled(held) && item.exception(key).is_none_or(|target| !target.contains_key("id")) =>
        {
            None
        }
        Edit::Cancel => Some(calls::delete(calendar, id, etag, Notify::Nobody)),
        Edit::Write(members) => {
            let target = item.exception(key)?;
            let mut members = members.clone();
            // Cancelled since it was read: what is written there is to take place.
            if is_cancelled(held) && !members.iter().any(|member| member == "status") {
                members.push("status".to_owned());
            }
            let mut target = target.clone();
            target.entry("status").or_insert("confirmed".into());
            // People are among the members only where the link writes them.
            let invites = members.iter().any(|member| member == "attendees");
            let notify = if invites { whom(&[held, &target]) } else { Notify::Nobody };
            Some(calls::patch(calendar, id, etag, &target, &members, notify))
        }
    }
}
