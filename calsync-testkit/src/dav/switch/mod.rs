//! The settings a switch of [`Quirks`](super::Quirks) can have. The first variant of each is what a well-behaved server does.

mod discovery;
mod object;
mod spelling;
mod sync;

pub use discovery::*;
pub use object::*;
pub use spelling::*;
pub use sync::*;
