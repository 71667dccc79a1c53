//! What the server itself writes on issues: short replies to what people asked of it, each written once.

use miyabi_core::delivery::Delivery;
use miyabi_core::ids::{IntentId, IssueNumber};
use miyabi_core::intent::Write;
use miyabi_core::ports::RunRow;
use miyabi_core::trigger::{Matched, Order, Place};
use miyabi_core::view;

use super::Site;
use crate::error::CliError;

/// Says why something that a person asked for is not done.
pub(super) async fn refused(
    site: &Site,
    delivery: &Delivery,
    matched: &Matched,
    why: &str,
) -> Result<(), CliError> {
    reply(site, delivery, matched, &view::reply(&format!("Not done: {why}."))).await
}

/// Says that a run was there.
pub(super) async fn joined(
    site: &Site,
    delivery: &Delivery,
    matched: &Matched,
    run: u64,
) -> Result<(), CliError> {
    let text = format!("Run {run} of this issue has not ended: joined it, and started nothing.");
    reply(site, delivery, matched, &view::reply(&text)).await
}

/// Brings the comment that says where a run stands up to date.
pub(super) async fn status(site: &Site, row: &RunRow) -> Result<(), CliError> {
    let Some(run) = site.home.engine(None).read(&row.id).await? else { return Ok(()) };
    let body = view::status_comment(&run, &format!("{}, at `{}`", run.status(), row.stage));
    write(site, row.issue, format!("{}/status", run.id), body).await
}

async fn reply(site: &Site, delivery: &Delivery, matched: &Matched, body: &str) -> Result<(), CliError> {
    let on = match &matched.order {
        Order::Run { on, .. } | Order::Command { on, .. } => *on,
        Order::Notice { .. } | Order::Flows | Order::Enrol { .. } => return Ok(()),
    };
    let (Place::Issue(number) | Place::Change(number)) = on;
    write(site, number, format!("reply/{}", delivery.key), body.to_owned()).await
}

async fn write(site: &Site, issue: IssueNumber, key: String, body: String) -> Result<(), CliError> {
    let id = IntentId::new(format!("serve/{key}"));
    let write = Write::Comment { issue, key, body };
    let home = &site.home;
    home.forge.perform(&id, &write, home.clock.now()).await?;
    Ok(())
}
