//! The payload to the neutral event and back. Pure: no clock, no network.
//!
//! | file | subject |
//! |---|---|
//! | `time` | `start`, `end`, `originalStartTime` |
//! | `recurrence` | the lines of `recurrence` |
//! | `body` | the members of one event, both ways |
//! | `alone` | an instance whose series is not here |
//! | `read` | an item to an event |
//! | `project` | what Google can hold of an event |
//! | `render` | an event into an item, with what that changes |

mod alone;
pub(crate) mod body;
pub(crate) mod project;
pub(crate) mod read;
pub(crate) mod recurrence;
pub(crate) mod render;
pub(crate) mod time;
