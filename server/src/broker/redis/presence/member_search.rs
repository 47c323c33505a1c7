//! Search for members by a prefix.

use std::sync::Arc;

use ::redis::Pipeline;
use realtime_shared::UserId;

use crate::broker::member_prefix::{MAX_SKIPS, MemberPrefix};
use crate::broker::redis::transport::{Transport, keys, reply, scripts};
use crate::broker::{FoundMembers, MemberNames, Unavailable};

/// See [`Broker::find_members`](crate::broker::Broker::find_members).
pub(crate) async fn find_members(
    transport: &Transport,
    channel: &str,
    prefix: MemberPrefix,
    limit: usize,
) -> Result<FoundMembers, Unavailable> {
    let mut finding = Pipeline::new();
    let is_possible = prefix.is_possible();
    if is_possible {
        let mut find = scripts::FIND.on(&[keys::members(channel)]);
        // One more is the sign that there are more.
        find.arg(limit.saturating_add(1)).arg(MAX_SKIPS).arg(prefix.forms().collect::<Vec<_>>());
        finding.add_command(find);
    } else {
        finding.cmd("ZCARD").arg(keys::members(channel));
    }
    let answers = transport.ask(&finding).await?;
    let answer = answers.first().ok_or(Unavailable)?;
    if !is_possible {
        let count = reply::parse(answer).ok_or(Unavailable)?;
        return Ok(FoundMembers { members: Arc::default(), count, has_more: false });
    }
    let [count, is_part, found] = reply::items(answer) else { return Err(Unavailable) };
    let found = reply::items(found).iter().filter_map(|id| UserId::new(reply::text(id)?).ok());
    let mut found: Vec<UserId> = found.collect();
    // They come in the order of the numbers of their instances.
    found.sort_unstable();
    let has_more = found.len() > limit || reply::parse(is_part) != Some(0_u64);
    found.truncate(limit);
    Ok(FoundMembers {
        members: Arc::new(MemberNames::of(&found)),
        count: reply::parse(count).ok_or(Unavailable)?,
        has_more,
    })
}
