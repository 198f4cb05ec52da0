//! Slots that are held, booked and given back.

use calsync_core::{
    booking::{Booking, Hold, HoldId, Reservation},
    model::{CalendarId, EventId},
};
use chrono::TimeDelta;

use crate::{Engine, Failure, args};

impl Engine {
    pub(crate) async fn hold(&self, args: args::HoldSlot) -> Result<Hold, Failure> {
        let terms = self.terms("hold", args.terms).await?;
        let lasts = TimeDelta::minutes(i64::from(args.minutes));
        Ok(self.bookings().await?.hold(&terms, args.start..args.end, lasts).await?)
    }

    pub(crate) async fn release(&self, args: args::Release) -> Result<(), Failure> {
        Ok(self.bookings().await?.release(&args.hold).await?)
    }

    pub(crate) async fn book(&self, args: args::Book) -> Result<Booking, Failure> {
        let terms = self.terms("book", args.terms).await?;
        let mut request = Reservation::new(args.calendar, args.event.into());
        request.id = args.id.map(EventId::from);
        request.hold = args.hold.map(HoldId);
        request.replaces = args.replaces.map(EventId::from);
        Ok(self.bookings().await?.reserve(&terms, request).await?)
    }

    pub(crate) async fn cancel_booking(&self, args: args::OfEvent) -> Result<(), Failure> {
        let (calendar, id) = (CalendarId::from(args.calendar), EventId::from(args.id));
        Ok(self.bookings().await?.cancel(&calendar, &id).await?)
    }
}
