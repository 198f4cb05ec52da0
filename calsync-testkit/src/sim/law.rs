//! What is checked, by name.

/// One of the promises, as it can be seen from outside the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is said in words by `Law::says`")]
pub enum Law {
    I01,
    I02,
    I03,
    I04,
    I05,
    I06,
    I07,
    I08,
    I09,
    I10,
    I11,
    I12,
    I13,
    I14,
    I15,
    I16,
    I17,
    I18,
    I19,
    I20,
    I21,
    I22,
    I23,
    I24,
    I25,
    I27,
    I28,
    I29,
    I30,
    I31,
    I32,
    I33,
}

impl Law {
    /// All of them.
    pub const ALL: [Self; 32] = [
        Self::I01,
        Self::I02,
        Self::I03,
        Self::I04,
        Self::I05,
        Self::I06,
        Self::I07,
        Self::I08,
        Self::I09,
        Self::I10,
        Self::I11,
        Self::I12,
        Self::I13,
        Self::I14,
        Self::I15,
        Self::I16,
        Self::I17,
        Self::I18,
        Self::I19,
        Self::I20,
        Self::I21,
        Self::I22,
        Self::I23,
        Self::I24,
        Self::I25,
        Self::I27,
        Self::I28,
        Self::I29,
        Self::I30,
        Self::I31,
        Self::I32,
        Self::I33,
    ];

    /// Its place in [`Self::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// What is promised.
    pub fn says(self) -> &'static str {
        match self {
            Self::I01 => "without faults both sides hold the same within three cycles",
            Self::I02 => "the cycle after that writes nothing but a heartbeat",
            Self::I03 => "an event has at most one counterpart, at any time",
            Self::I04 => "what somebody made and nobody deleted is on every side it goes to",
            Self::I05 => {
                "what somebody wrote is there, was replaced by somebody who saw it, or is in a conflict"
            }
            Self::I06 => "nothing is deleted that nobody deleted",
            Self::I07 => "no run deletes more than the brake lets pass, unless it was approved",
            Self::I08 => "no deletion follows from an error, a partial page or a dead cursor",
            Self::I09 => "an edit survives a deletion that did not see it, where the policy says so",
            Self::I10 => "a write names the version it was merged with",
            Self::I11 => "a crash at any await changes nothing in the end",
            Self::I12 => "people are written only where the link may: nobody is mailed otherwise",
            Self::I13 => "a one-way link never writes to its source",
            Self::I14 => "what was deleted and nobody else edited stays deleted",
            Self::I15 => "a cursor never goes back, and a dead one costs one full listing",
            Self::I16 => "both sides hold the same instances of a series",
            Self::I17 => "both sides hold the same times, all-day as all-day",
            Self::I18 => "what is not understood survives every update",
            Self::I19 => {
                "what a provider can hold of what it can hold is the same, and merging again moves nothing"
            }
            Self::I20 => "an item that cannot be read keeps nothing else from being in step",
            Self::I21 => "no text of an event is in an error or a report",
            Self::I22 => "no secret address of a calendar is in an error or a report",
            Self::I23 => "a cycle without changes costs a bounded number of requests",
            Self::I24 => "after any faults, runs succeed again without repair",
            Self::I25 => "credentials are called refused only when they were",
            Self::I27 => "a lease epoch has one holder",
            Self::I28 => "every run ends",
            Self::I29 => "the same seed twice gives the same trace",
            Self::I30 => "a tenant begins with nothing, whatever others of the same names hold",
            Self::I31 => "every write into the calendar says in the journal why",
            Self::I32 => "what was overwritten or deleted in the calendar is in the journal",
            Self::I33 => "every change is in the feed of the calendar, once and in order",
        }
    }
}
