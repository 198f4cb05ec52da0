//! Slots that are held, booked and given back.

use calsync_core::{
    booking::{Hold, HoldId, Reservation},
    model::{CalendarId, EventId},
};
use chrono::TimeDelta;
use serde_json::json;

use crate::{Engine, Failure, args, dispatch};

impl Engine {
    pub(crate) async fn hold(&self, args: args::HoldSlot) -> Result<String, Failure> {
        let terms = self.terms("hold", &args.terms).await?;
        let lasts = TimeDelta::minutes(i64::from(args.minutes));
        Ok(json!(self.bookings().await?.hold(&terms, args.start..args.end, lasts).await?).to_string())
    }

    pub(crate) async fn release(&self, args: args::Release) -> Result<(), Failure> {
        let hold: Hold = dispatch::read("release", &args.hold)?;
        Ok(self.bookings().await?.release(&hold).await?)
    }

    pub(crate) async fn book(&self, args: args::Book) -> Result<String, Failure> {
        let terms = self.terms("book", &args.terms).await?;
        let mut request = Reservation::new(args.calendar, args.event.into());
        request.id = args.id.map(EventId::from);
        request.hold = args.hold.map(HoldId);
        request.replaces = args.replaces.map(EventId::from);
        Ok(json!(self.bookings().await?.reserve(&terms, request).await?).to_string())
    }

    pub(crate) async fn cancel_booking(&self, args: args::OfEvent) -> Result<(), Failure> {
        let (calendar, id) = (CalendarId::from(args.calendar), EventId::from(args.id));
        Ok(self.bookings().await?.cancel(&calendar, &id).await?)
    }
}
