//! Import: the entries of a room are uploaded to keys of their own, which expire. One script makes them the log of the
//! room, unless it has one. So a room is imported completely or not at all, while servers use it.

use std::collections::HashMap;
use std::io::BufRead;

use ::redis::{Cmd, Pipeline, Value};
use realtime_shared::{EntryId, RoomName, Seq};

use super::access::RedisArchive;
use super::fold::ImportFold;
use crate::broker::redis::log::room_state::states_of;
use crate::broker::redis::transport::{keys, reply, scripts};
use crate::broker::{DEDUP_ENTRIES, Range, Unavailable};
use crate::redis_endpoint::fault::refusal_text;
use crate::store::{Header, ImportError, ImportLine, Imported, Lines, decode_entry, is_tombstone};

/// Entries of one request.
const ENTRIES: usize = 500;
/// Lifetime of uploaded keys in seconds, from the last request on.
const UPLOAD_SECONDS: u64 = 600;
/// Lifetime of a generation of the dedup table in seconds, as in `append.lua`.
const GENERATION_SECONDS: u64 = 90_000;

/// The largest seq: scripts count in floating-point numbers.
const LARGEST_SEQ: u64 = 1 << 53;

/// A room that is being uploaded.
struct Upload {
    /// The prefix of its keys.
    base: String,
    /// The log, and the two generations of the dedup table.
    keys: [String; 3],
    /// The first seq whose digest is kept.
    known_from: u64,
}

impl RedisArchive {
    /// Adds rooms that are missing, with their epoch, seqs and ids. A room that exists with the same entries is unchanged;
    /// one with other entries is an error. A room without an entry in the input is left out: Redis cannot store its head.
    ///
    /// `imported` is called for each room that Redis has; `progress` receives the number of its entries that were read
    /// and the total.
    pub async fn import(
        &self,
        input: &mut dyn BufRead,
        imported: &mut dyn FnMut(Imported),
        progress: &mut dyn FnMut(&RoomName, u64, u64),
    ) -> Result<(), ImportError> {
        let mut lines = Lines::new(input);
        loop {
            let result = match lines.next() {
                Ok(false) => return Ok(()),
                Ok(true) => match Header::read(lines.frame()) {
                    Ok(header) => self.import_room(&header, &mut lines, progress).await,
                    Err(fault) => Err(fault),
                },
                Err(fault) => Err(fault),
            };
            match result {
                Ok(Some(room)) => imported(room),
                Ok(None) => {}
                Err(fault) => return Err(ImportError { line: lines.number(), fault }),
            }
        }
    }

    /// Imports one room; `None` if it has no entry.
    async fn import_room(
        &self,
        header: &Header,
        lines: &mut Lines<'_>,
        progress: &mut dyn FnMut(&RoomName, u64, u64),
    ) -> Result<Option<Imported>, String> {
        let (room, total) = (&header.room, header.entries());
        let states = states_of(&self.transport, vec![room.clone()]).await.map_err(unavailable)?;
        let [(_, state)] = &*states else {
            return Err(format!("a key of room {room:?} in Redis has another type"));
        };
        if header.head.get() > LARGEST_SEQ {
            return Err(format!("seq {} is too large", header.head));
        }
        let exists = state.last_ts.is_some();
        if exists && state.log.head.epoch() != Some(&header.epoch) {
            return Err(format!("Redis has a room {room:?} with another epoch; the room was not changed"));
        }
        if exists && state.log.head.seq() < header.head {
            return Err(format!(
                "Redis has room {room:?} up to entry {}, the import continues to {}; the room was not changed",
                state.log.head.seq(),
                header.head
            ));
        }
        let upload = Upload::new(&self.transport.keys.channel(room), header.head);
        let mut waiting = Vec::with_capacity(ENTRIES);
        let mut fold = ImportFold::new(header.first);
        for (nth, seq) in (1..).zip(header.first.get()..=header.head.get()) {
            if !lines.next()? {
                return Err(format!("room {room:?} ends before its newest entry, {}", header.head));
            }
            let frame = lines.frame();
            let line = decode_entry(frame, header, Seq::new(seq))?;
            if !exists {
                fold.add(line.seq, line.event());
            }
            waiting.push((line, frame.to_owned()));
            if waiting.len() == ENTRIES || nth == total {
                if exists {
                    self.verify(room, &waiting).await?;
                } else {
                    self.send(&upload.pipeline(&waiting)).await?;
                }
                waiting.clear();
            }
            progress(room, nth, total);
        }
        if total == 0 {
            return Ok(None);
        }
        if !exists {
            self.finish(header, &upload, &fold).await?;
        }
        Ok(Some(Imported { room: room.clone(), entries: total, new: !exists }))
    }

    /// Makes an upload the log of its room.
    async fn finish(&self, header: &Header, upload: &Upload, fold: &ImportFold) -> Result<(), String> {
        for part in fold.pipelines(&upload.base, UPLOAD_SECONDS) {
            self.send(&part).await?;
        }
        let channel = self.transport.keys.channel(&header.room);
        let [log, young, old] = &upload.keys;
        let mut adopt = scripts::ADOPT.on(&[
            &keys::log(&channel),
            &keys::meta(&channel),
            &keys::known(&channel, 0),
            &keys::known(&channel, 1),
            log,
            young,
            old,
        ]);
        adopt
            .arg(header.epoch.as_str())
            .arg(header.first.get())
            .arg(header.head.get())
            .arg(GENERATION_SECONDS);
        let (others, answers) = fold.counts();
        adopt.arg(others).arg(answers);
        let mut adopting = Pipeline::new();
        // The room is in the list before it has entries, as with a post. A sweep may remove it before that.
        let mut listing = Cmd::new();
        listing.arg("SADD").arg(self.transport.keys.rooms()).arg(header.room.as_str());
        adopting.add_command(listing.clone()).add_command(adopt).add_command(listing);
        let answers = self.send(&adopting).await?;
        match answers.get(1).and_then(reply::parse::<u64>) {
            Some(1) => Ok(()),
            _ => Err(format!(
                "room {:?} got entries in Redis meanwhile, or its upload expired; the room was not changed",
                header.room
            )),
        }
    }

    /// Verifies that a room has these entries as they are in the input, unless retention has dropped them.
    async fn verify(&self, room: &RoomName, entries: &[(ImportLine, String)]) -> Result<(), String> {
        let (Some((first, _)), channel) = (entries.first(), self.transport.keys.channel(room)) else {
            return Ok(());
        };
        let oldest = self.history.stored(&channel, Range::After(Seq::ZERO), (1, usize::MAX));
        let oldest = oldest.await.map_err(unavailable)?.entries.first().map(|entry| entry.seq);
        let after = Range::After(Seq::new(first.seq.get() - 1));
        let page =
            self.history.stored(&channel, after, (entries.len(), usize::MAX)).await.map_err(unavailable)?;
        let stored: HashMap<Seq, (EntryId, &str)> =
            page.entries.iter().map(|entry| (entry.seq, (entry.id, &*entry.json))).collect();
        for (line, frame) in entries {
            let is_same = match stored.get(&line.seq) {
                // An older export has the text of an entry that was deleted since.
                Some((id, stored)) => *id == line.id && (*stored == frame || is_tombstone(stored)),
                None => oldest.is_none_or(|oldest| line.seq < oldest),
            };
            if !is_same {
                return Err(format!(
                    "entry {} of {room:?} differs from that in Redis; the room was not changed",
                    line.seq
                ));
            }
        }
        Ok(())
    }

    /// Sends commands once: Redis would refuse to add an entry twice.
    async fn send(&self, commands: &Pipeline) -> Result<Vec<Value>, String> {
        let answers = self.transport.commands.attempt(commands).await;
        let answers = answers.map_err(|broken| format!("Redis does not answer: {}", broken.0))?;
        let refusal = answers.iter().find_map(|answer| match answer {
            Value::ServerError(error) => Some(refusal_text(error)),
            _ => None,
        });
        refusal
            .map_or(Ok(answers), |refusal| Err(format!("Redis refuses: {refusal}; the room was not changed")))
    }
}

impl Upload {
    /// An upload to unused keys, of a log with this head.
    fn new(channel: &str, head: Seq) -> Self {
        let base = format!("{channel}:upload:{:016x}:", fastrand::u64(..));
        let generation = head.get().saturating_sub(1) / DEDUP_ENTRIES;
        Self {
            keys: ["log", "known:0", "known:1"].map(|name| format!("{base}{name}")),
            base,
            known_from: generation.saturating_sub(1) * DEDUP_ENTRIES + 1,
        }
    }

    /// The commands that add entries.
    fn pipeline(&self, entries: &[(ImportLine, String)]) -> Pipeline {
        let mut pipeline = Pipeline::with_capacity(2 * entries.len() + 3);
        let [log, ..] = &self.keys;
        for (line, frame) in entries {
            pipeline.cmd("XADD").arg(log).arg(format!("{}-0", line.seq)).arg("i").arg(line.id.to_string());
            pipeline.arg("t").arg(line.ts.millis()).arg("f").arg(frame);
            if line.seq.get() >= self.known_from {
                // Without a client id, the entry id identifies the message.
                let digest = line.dedup_digest().unwrap_or_else(|| line.id.to_u128());
                let generation = (line.seq.get() - 1) / DEDUP_ENTRIES % 2;
                let known = &self.keys[if generation == 0 { 1 } else { 2 }];
                let value = format!("{}:{}:{}", line.seq, line.ts.millis(), line.id);
                pipeline.cmd("HSET").arg(known).arg(&digest.to_be_bytes()[..]).arg(value);
            }
        }
        for key in &self.keys {
            pipeline.cmd("EXPIRE").arg(key).arg(UPLOAD_SECONDS);
        }
        pipeline
    }
}

fn unavailable(_: Unavailable) -> String {
    "Redis does not answer, or refuses to read the room".to_owned()
}
