//! Links the store knows and the configuration does not have any more: renamed, or taken out without `unlink`.

use calsync_core::engine::KnownLink;

use crate::{app::App, connect::Joined, error::CliError};

/// Refuses a link that is new to the store where one that is not in the configuration any more joined the same two
/// calendars: under its new name it would know nothing of what it wrote, and write it again.
pub(crate) async fn refuse_renamed(app: &App, joined: &Joined) -> Result<(), CliError> {
    let link = &joined.link;
    if app.store.link(&link.id).await?.is_some_and(|state| state.last_success.is_some()) {
        return Ok(());
    }
    let left: Vec<KnownLink> =
        left(app).await?.into_iter().filter(|known| known.calendar == link.calendar).collect();
    if left.is_empty() {
        return Ok(());
    }
    let Some(place) = joined.provider.place(&link.remote).await? else { return Ok(()) };
    let Some(earlier) = left.into_iter().find(|known| known.place == place) else { return Ok(()) };
    let (old, new) = (&earlier.id, &link.id);
    let ways = if can_remove(&earlier) {
        format!(
            "`calsync unlink {new} --as {old} --remove` takes away what it wrote, `calsync unlink {new} --as {old} --keep` leaves it"
        )
    } else {
        format!("`calsync unlink {new} --as {old} --keep` forgets it, and the two sides meet anew")
    };
    Err(CliError::Config(format!(
        "link {new} joins the calendars of link {old}, which is not in the configuration any more. Renamed? Then call it {old} again: \
         under another name it writes everything a second time. Else part {old} from them first: {ways}"
    )))
}

/// The links the store knows under names that are not in the configuration.
pub(crate) async fn left(app: &App) -> Result<Vec<KnownLink>, CliError> {
    let mut known = app.engine.known_links().await?;
    known.retain(|known| app.config.links.iter().all(|link| link.name != known.id.as_str()));
    Ok(known)
}

/// Whether what a link wrote can be told from everything else.
fn can_remove(link: &KnownLink) -> bool {
    link.direction != calsync_core::plan::Direction::TwoWay
}
