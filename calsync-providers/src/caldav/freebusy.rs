//! Busy times.

use std::ops::Range;

use calsync_core::{
    availability::{BusyTime, read_vfreebusy},
    model::RemoteCalendarId,
    provider::{ErrorKind, FreeBusy, ProviderError, Result},
};
use chrono::{DateTime, Utc};

use super::{calls, error, provider::CalDavProvider};

const OPERATION: &str = "free_busy";

impl CalDavProvider {
    /// One answer for each calendar, in the order asked. What is no calendar here, may not be asked, or is on a server that does
    /// not know the question, is unknown.
    pub(super) async fn busy(
        &self,
        calendars: &[RemoteCalendarId],
        window: Range<DateTime<Utc>>,
    ) -> Result<Vec<FreeBusy>> {
        let mut found = Vec::with_capacity(calendars.len());
        for calendar in calendars {
            found.push(match self.busy_of(calendar, &window).await {
                Ok(busy) => FreeBusy { calendar: calendar.clone(), busy, unknown: None },
                Err(error) => FreeBusy {
                    calendar: calendar.clone(),
                    busy: Vec::new(),
                    unknown: Some(why_unknown(error)?.to_owned()),
                },
            });
        }
        Ok(found)
    }

    async fn busy_of(
        &self,
        calendar: &RemoteCalendarId,
        window: &Range<DateTime<Utc>>,
    ) -> Result<Vec<BusyTime>> {
        let collection = self.collection(calendar, OPERATION)?;
        let answer = self.send(OPERATION, calls::free_busy::request(collection, window)).await?;
        let response = &answer.response;
        if response.status.as_u16() != 200 {
            return Err(error::reading(OPERATION, response, self.now()));
        }
        let unusable = || error::unusable(OPERATION, "the answer tells no busy times");
        let text = std::str::from_utf8(&response.body).map_err(|_| unusable())?;
        let mut times = read_vfreebusy(text).map_err(|cause| unusable().with_source(cause))?;
        for time in &mut times {
            (time.start, time.end) = (time.start.max(window.start), time.end.min(window.end));
        }
        times.retain(|time| time.start < time.end);
        Ok(times)
    }
}

/// What is about one calendar; the error itself where it is about the account or may pass.
fn why_unknown(error: ProviderError) -> Result<&'static str> {
    match error.kind {
        ErrorKind::InvalidInput | ErrorKind::NotFound => Ok("notFound"),
        ErrorKind::Blocked => Ok("otherSite"),
        ErrorKind::Forbidden => Ok("forbidden"),
        // 400, 405, 501: the server does not know the report.
        ErrorKind::Protocol if error.retry == calsync_core::provider::Retry::Never => Ok("unsupported"),
        _ => Err(error),
    }
}
