//! What is asked of an engine: where an event goes and came from, what happened, and when somebody is free.

use calsync_core::{
    availability::Answer,
    booking::{Counted, Terms, busy_elsewhere},
    engine::{Link, Source, history},
    model::{CalendarId, EventId, LinkId, RemoteCalendarId, RemoteId},
    store::RecordKind,
};

use crate::{
    Engine, Failure, args,
    available::{FreeTerms, question},
    told::{Explanation, HistoryEntry, SeenItem},
};

/// Joined events read at once, where nobody says how many.
const SOURCES: usize = 1000;

impl Engine {
    pub(crate) async fn explain(&self, args: args::OfEvent) -> Result<Explanation, Failure> {
        let calendar = CalendarId::from(args.calendar);
        let found = self.store().await?.events(&calendar, &[EventId::from(args.id.as_str())]).await?;
        let record = found
            .into_iter()
            .next()
            .ok_or_else(|| Failure::invalid("there is no such event").about(args.id))?;
        let links: Vec<Link> = self.links().into_iter().filter(|link| link.calendar == calendar).collect();
        Ok(self.engine().await?.explain(&links, &record).await?.into())
    }

    pub(crate) async fn explain_item(&self, args: args::OfItem) -> Result<Vec<SeenItem>, Failure> {
        let seen = self.engine().await?.explain_item(&self.links(), &args.item).await?;
        Ok(seen.into_iter().map(SeenItem::from).collect())
    }

    pub(crate) async fn sources(&self, args: args::OfEvents) -> Result<Vec<Source>, Failure> {
        let events: Vec<EventId> = args.events.into_iter().map(EventId::from).collect();
        Ok(self.engine().await?.sources(&self.links(), &events).await?)
    }

    pub(crate) async fn events_of(&self, args: args::EventsOf) -> Result<Vec<Source>, Failure> {
        let (link, _) = self.link(&args.link)?;
        let after = args.after.map(RemoteId::from);
        let limit = args.limit.unwrap_or(SOURCES);
        Ok(self.engine().await?.events_of(&link, after.as_ref(), limit).await?)
    }

    pub(crate) async fn history(&self, args: args::OfLink) -> Result<Vec<HistoryEntry>, Failure> {
        let link = LinkId::from(args.link);
        let mut all = Vec::new();
        for kind in [RecordKind::Run, RecordKind::Journal, RecordKind::Conflict] {
            all.extend(self.records(kind, &link).await?);
        }
        Ok(history(&all).into_iter().map(HistoryEntry::from).collect())
    }

    pub(crate) async fn free(&self, args: args::Free) -> Result<Answer, Failure> {
        let terms = self.terms("free", args.terms).await?;
        Ok(self.bookings().await?.free(&terms).await?)
    }

    /// What slots are offered under, as the core has it: what `method` was told.
    pub(crate) async fn terms(&self, method: &str, asked: FreeTerms) -> Result<Terms, Failure> {
        // `now` is set by whoever answers.
        let question = question(asked.start..asked.end, asked.start, asked.slots);
        let question = question.map_err(|failure| failure.about(method))?;
        let zone = question.zone.clone();
        let mut calendars = Vec::new();
        for one in asked.calendars {
            let calendar = CalendarId::from(one.calendar);
            let links = self.links().into_iter();
            let links = links.filter(|link| link.calendar == calendar && link.direction.imports());
            let mut counted =
                Counted::fed_by(&*self.store().await?, calendar.clone(), links.map(|link| link.id)).await?;
            counted.zone = one.zone.unwrap_or_else(|| zone.clone());
            counted.owner = one.owner;
            calendars.push(counted);
        }
        let mut elsewhere = Vec::new();
        for one in asked.elsewhere {
            let provider = self.provider(&one.connection)?;
            let named = [(CalendarId::from(one.calendar), RemoteCalendarId::from(one.remote))];
            let found = busy_elsewhere(&*provider, &named, &question.busy_window(), self.now()).await;
            elsewhere.extend(found.map_err(|error| Failure::from(error).about(one.connection))?);
        }
        Ok(Terms { calendars, elsewhere, question })
    }
}
