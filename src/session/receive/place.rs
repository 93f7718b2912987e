//! Opens the destination once it is decided what is taken, and tells the machine what lies there already.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use p2pshare_protocol::ctl::DeclineReason;
use p2pshare_protocol::hash::{Hash, chunk_range};
use p2pshare_protocol::offer::{EntryId, EntryKind};
use p2pshare_protocol::receiver::{Acceptance, Input};

use super::{Destination, Receiving};
use crate::error::Error;
use crate::session::event::{Decision, Event};
use crate::session::lanes::Lanes;
use crate::session::store::Store;
use crate::storage::pipe::Pipe;
use crate::storage::sink::{Opened, Sink, SinkError, SinkOptions};

impl Receiving<'_> {
    pub(super) fn decided(&mut self, decision: Decision, lanes: &Lanes) -> Result<(), Error> {
        let on_exists = match decision {
            Decision::Decline(reason) => return self.feed(Input::Decline(reason), lanes),
            Decision::Accept { entries, on_exists } => {
                self.taken = entries;
                on_exists
            }
        };
        match self.destination {
            Destination::Stdout => self.open_pipe(lanes),
            Destination::Folder { path, options } => {
                self.open_sink(path.clone(), None, SinkOptions { decided: on_exists, ..options.clone() });
                Ok(())
            }
            Destination::File { folder, name, options } => {
                let options = SinkOptions { decided: on_exists, ..options.clone() };
                match self.stored_kinds()[..] {
                    [] => self.open_sink(folder.clone(), None, options),
                    [EntryKind::File | EntryKind::Stream] => {
                        let name = Some(name.clone());
                        self.open_sink(folder.clone(), None, SinkOptions { name, ..options });
                    }
                    _ => self.open_sink(folder.clone(), Some(name.name().into()), options),
                }
                Ok(())
            }
        }
    }

    /// Opens the folder, or a new one in it.
    fn open_sink(&mut self, mut folder: PathBuf, new_folder: Option<PathBuf>, options: SinkOptions) {
        if let Some(name) = &new_folder {
            folder.push(name);
        }
        let (offer, stored, is_new) = (Arc::clone(&self.offer), self.stored(), new_folder.is_some());
        self.new_folder = new_folder;
        let open = move || {
            if is_new {
                Sink::make_folder(&folder)?;
            }
            Sink::open(&folder, &offer, &stored, &options)
        };
        self.opening = Some(tokio::task::spawn_blocking(open));
    }

    /// What was chosen and goes to the disk: a text is shown.
    fn stored(&self) -> Vec<EntryId> {
        let is_stored = |id: &EntryId| self.offer.entry(*id).is_some_and(|entry| entry.kind != EntryKind::Text);
        self.taken.iter().copied().filter(is_stored).collect()
    }

    fn stored_kinds(&self) -> Vec<EntryKind> {
        self.stored().into_iter().filter_map(|id| self.offer.entry(id)).map(|entry| entry.kind).collect()
    }

    fn open_pipe(&mut self, lanes: &Lanes) -> Result<(), Error> {
        let kinds: Vec<_> = self.taken.iter().filter_map(|id| self.offer.entry(*id)).map(|entry| entry.kind).collect();
        if !matches!(kinds[..], [EntryKind::File | EntryKind::Stream | EntryKind::Text]) {
            let _ = self.feed(Input::Decline(DeclineReason::Limit), lanes);
            return Err(Error::NotOneFile(self.taken.len()));
        }
        self.store = Some(Store::Pipe(Pipe::to_stdout()));
        let pass = self.taken.first().copied();
        self.accept(Acceptance { entries: self.taken.clone(), pass, ..Acceptance::default() }, lanes)
    }

    pub(super) fn opened(&mut self, opened: Result<Opened, SinkError>, lanes: &Lanes) -> Result<(), Error> {
        let Opened { sink, plan, notices } = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let _ = self.feed(Input::Decline(DeclineReason::Disk), lanes);
                return Err(Error::Sink(error));
            }
        };
        for notice in notices {
            self.context.events.report(Event::SinkNotice(self.context.peer, notice));
        }
        self.store = Some(Store::Folder(sink));
        let entries: Vec<_> = self.taken.iter().copied().filter(|id| !plan.skipped.contains(id)).collect();
        let present: BTreeMap<_, _> = plan.resumed.into_iter().collect();
        self.report_resumed(&present);
        self.accept(Acceptance { entries, present, pass: None }, lanes)
    }

    fn report_resumed(&mut self, present: &BTreeMap<EntryId, Vec<(u64, Hash)>>) {
        let bytes_of = |(id, chunks): (&EntryId, &Vec<_>)| -> u64 {
            let size = self.offer.entry(*id).map_or(0, |entry| entry.size);
            chunks.iter().map(|(chunk, _)| chunk_range(*chunk, size)).map(|range| range.end - range.start).sum()
        };
        let bytes = present.iter().map(bytes_of).sum();
        self.resumed = bytes;
        if bytes > 0 {
            self.context.events.report(Event::Resumed(self.context.peer, bytes));
        }
    }

    fn accept(&mut self, acceptance: Acceptance, lanes: &Lanes) -> Result<(), Error> {
        self.accepted = Some(Instant::now());
        let bytes = acceptance.entries.iter().filter_map(|id| self.offer.entry(*id)).map(|entry| entry.size).sum();
        let entries = u32::try_from(acceptance.entries.len()).unwrap_or(u32::MAX);
        self.context.events.report(Event::Accepted { peer: self.context.peer, entries, bytes });
        self.feed(Input::Accept(acceptance), lanes)
    }
}
