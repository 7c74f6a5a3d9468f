//! Exactly once, whatever carries a message and whatever breaks on the way: random runs against a model of the client and of
//! the shard's data channel.

use super::house::{House, Member};
use crate::Settings;
use crate::protocol::client::Resume;
use crate::protocol::{RoomCode, SecretText, ServerMessage};
use crate::rate::Rate;
use crate::room::Room;
use bytes::Bytes;
use parlor_media::command::{Channel, Command, Event};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A step of a run; what is not possible is left out.
#[derive(Clone, Debug)]
enum Step {
    /// Somebody says something; twice with the same nonce.
    Say {
        by_reader: bool,
        by_channel: bool,
        twice: bool,
    },
    /// A message said so many before is edited, deleted or reacted to.
    Edit(usize),
    Delete(usize),
    React(usize, bool),
    /// The shard takes so many commands.
    Shard(usize),
    /// So many messages arrive on the channel.
    Channel(usize),
    /// So many messages are written to the socket, and so many of those in flight arrive.
    Write(usize),
    Arrive(usize),
    /// The client counts what came on the channel.
    Count,
    Open,
    Close,
    /// The channel's buffer is full from now on.
    Fill,
    /// The socket breaks; the client resumes.
    Resume,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<bool>(), any::<bool>(), any::<bool>())
            .prop_map(|(by_reader, by_channel, twice)| Step::Say { by_reader, by_channel, twice }),
        2 => (0..6_usize).prop_map(Step::Edit),
        1 => (0..6_usize).prop_map(Step::Delete),
        1 => ((0..6_usize), any::<bool>()).prop_map(|(back, on)| Step::React(back, on)),
        3 => (0..5_usize).prop_map(Step::Shard),
        3 => (0..5_usize).prop_map(Step::Channel),
        3 => (0..5_usize).prop_map(Step::Write),
        3 => (0..5_usize).prop_map(Step::Arrive),
        2 => Just(Step::Count),
        1 => Just(Step::Open),
        1 => Just(Step::Close),
        1 => Just(Step::Fill),
        1 => Just(Step::Resume),
    ]
}

/// The data channel as the shard keeps it.
#[derive(Default)]
struct Wire {
    opening: u32,
    open: bool,
    full: bool,
    refused: bool,
    in_flight: VecDeque<Bytes>,
}

/// A message as a client shows it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Shown {
    id: Value,
    text: String,
    deleted: bool,
    reactions: usize,
}

/// A client that does what the protocol's page tells it to, and no more.
#[derive(Default)]
struct Reader {
    by_seq: BTreeMap<u64, Shown>,
    on_channel: u64,
    on_socket: u64,
}

impl Reader {
    fn handle(&mut self, message: &Value) {
        let seq = message["seq"].as_u64().unwrap_or_default();
        match message["type"].as_str().unwrap() {
            "message-received" => {
                let (id, text) = (message["id"].clone(), message["text"].as_str().unwrap().to_owned());
                let shown =
                    self.by_seq.entry(seq).or_insert_with(|| Shown { id: id.clone(), text, ..Shown::default() });
                assert_eq!(shown.id, id, "one place, one message");
            }
            "message-edited" => {
                let shown = self.by_seq.get_mut(&seq).expect("the message came before its change");
                message["text"].as_str().unwrap().clone_into(&mut shown.text);
            }
            "message-deleted" => {
                let shown = self.by_seq.get_mut(&seq).expect("the message came before its change");
                *shown = Shown { id: shown.id.clone(), deleted: true, ..Shown::default() };
            }
            "message-reacted" => {
                let shown = self.by_seq.get_mut(&seq).expect("the message came before its change");
                if message["on"] == true { shown.reactions += 1 } else { shown.reactions -= 1 }
            }
            "user-joined" | "room-joined" | "messages-saved" => {}
            other => panic!("{other}: {message}"),
        }
    }
}

struct Run {
    house: House,
    reader: Reader,
    member: Member,
    writer: Member,
    wire: Wire,
    /// Written to the socket and not yet arrived.
    in_flight: VecDeque<Value>,
    expected: Vec<Shown>,
    nonces: usize,
}

impl Run {
    async fn start() -> Self {
        let house =
            House::with(Settings { messages: Rate { per_second: 1e6, burst: 1e6 }, ..Settings::default() }, 4096);
        house.create(json!({"roomId": "abc"})).await;
        let member = house.joined("abc", "Reader").await;
        let writer = house.joined("abc", "Writer").await;
        let reader = Reader { on_socket: 1, ..Reader::default() };
        let mut run = Self {
            house,
            reader,
            member,
            writer,
            wire: Wire::default(),
            in_flight: VecDeque::new(),
            expected: Vec::new(),
            nonces: 0,
        };
        run.house.take_commands();
        run
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Say { by_reader, by_channel, twice } => self.say(by_reader, by_channel, twice).await,
            Step::Edit(back) => {
                let text = format!("edited {}", self.nonces);
                self.nonces += 1;
                if let Some(id) = self.pick(back, |shown| shown.text.clone_from(&text)) {
                    self.writer
                        .send(json!({"type": "edit-message", "roomId": "abc", "messageId": id, "text": text}))
                        .await;
                }
            }
            Step::Delete(back) => {
                let erase =
                    |shown: &mut Shown| *shown = Shown { id: shown.id.clone(), deleted: true, ..Shown::default() };
                if let Some(id) = self.pick(back, erase) {
                    self.writer.send(json!({"type": "delete-message", "roomId": "abc", "messageId": id})).await;
                }
            }
            Step::React(back, on) => {
                if let Some(id) = self.pick(back, |shown| shown.reactions = usize::from(on)) {
                    let react = json!({"type": "react", "roomId": "abc", "messageId": id, "emoji": "👍", "on": on});
                    self.writer.send(react).await;
                }
            }
            Step::Shard(commands) => self.shard(commands),
            Step::Channel(messages) => self.channel(messages),
            Step::Write(messages) => self.write(messages),
            Step::Arrive(messages) => self.arrive(messages),
            Step::Count => self.count(),
            Step::Open => self.open(),
            Step::Close => self.close(),
            Step::Fill => self.wire.full = true,
            Step::Resume => self.resume(),
        }
        // The writer is not what this is about.
        self.writer.all();
    }

    async fn say(&mut self, by_reader: bool, by_channel: bool, twice: bool) {
        self.nonces += 1;
        let text = format!("said {}", self.nonces);
        let message = json!({"type": "send-message", "roomId": "abc", "text": text, "nonce": text});
        // Messages of the writer's are those that are edited later: the reader's are left as they are.
        for _ in 0..=usize::from(twice) {
            let sender = if by_reader { &mut self.member } else { &mut self.writer };
            if by_channel {
                let (participant, text) = (sender.participant(), message.to_string().into());
                self.house.event(Event::Data { participant, channel: Channel::Chat, text });
            } else {
                sender.send(message.clone()).await;
            }
        }
        let id = json!(self.room().lock().chat.latest().unwrap().to_string());
        self.expected.push(Shown { id, text, ..Shown::default() });
    }

    fn room(&self) -> Arc<Room> {
        self.house.board().room(&RoomCode::parse("abc").unwrap()).unwrap()
    }

    /// A message of the writer's that is still there, and what becomes of it.
    fn pick(&mut self, back: usize, change: impl FnOnce(&mut Shown)) -> Option<Value> {
        let index = self.expected.len().checked_sub(1 + back)?;
        let room = self.room();
        let shown = &mut self.expected[index];
        let id = serde_json::from_value(shown.id.clone()).unwrap();
        let own = room.lock().chat.find(id).unwrap().record.sender.0 == self.writer.participant();
        (own && !shown.deleted).then(|| {
            change(shown);
            shown.id.clone()
        })
    }

    fn shard(&mut self, commands: usize) {
        for _ in 0..commands {
            let Ok(command) = self.house.commands.try_recv() else { return };
            let Command::SendData { participant, opening, text, channel } = command else { panic!("{command:?}") };
            assert_eq!(participant, self.member.participant());
            let wire = &mut self.wire;
            if opening != wire.opening || wire.refused {
                continue;
            }
            if wire.open && !wire.full {
                wire.in_flight.push_back(text);
            } else {
                wire.refused = true;
                self.house.event(Event::DataRefused { participant, channel, opening });
            }
        }
    }

    fn channel(&mut self, messages: usize) {
        for _ in 0..messages {
            let Some(text) = self.wire.in_flight.pop_front() else { return };
            self.reader.on_channel += 1;
            self.reader.handle(&serde_json::from_slice(&text).unwrap());
        }
    }

    fn write(&mut self, messages: usize) {
        for _ in 0..messages {
            let message = self.member.next();
            if message.is_null() {
                return;
            }
            self.in_flight.push_back(message);
        }
    }

    fn arrive(&mut self, messages: usize) {
        for _ in 0..messages {
            let Some(message) = self.in_flight.pop_front() else { return };
            self.reader.on_socket += 1;
            self.reader.handle(&message);
        }
    }

    fn count(&mut self) {
        if self.wire.open {
            let text = json!({"type": "chat-received", "count": self.reader.on_channel}).to_string().into();
            self.house.event(Event::Data { participant: self.member.participant(), channel: Channel::Chat, text });
        }
    }

    fn open(&mut self) {
        self.close();
        self.wire = Wire { opening: self.wire.opening + 1, open: true, ..Wire::default() };
        self.reader.on_channel = 0;
        let (participant, opening) = (self.member.participant(), self.wire.opening);
        self.house.event(Event::ChannelOpened { participant, channel: Channel::Chat, opening });
    }

    fn close(&mut self) {
        if std::mem::take(&mut self.wire.open) {
            // What was in flight is lost.
            self.wire.in_flight.clear();
            let participant = self.member.participant();
            self.house.event(Event::ChannelClosed { participant, channel: Channel::Chat });
        }
    }

    fn resume(&mut self) {
        self.in_flight.clear();
        self.member.lose_socket();
        let resume =
            Resume { resume_token: SecretText::new(&*self.member.token), received: Some(self.reader.on_socket) };
        let resumed = self.house.board().resume(None, &resume).unwrap_or_else(|_| panic!("the session is there"));
        let ServerMessage::Resumed(view) = resumed.message else { panic!() };
        self.member.token = view.resume_token.expose().to_owned();
        self.member.client.session = resumed.session;
        self.member.client.attachment = resumed.attachment;
    }

    /// Everything that is on its way arrives.
    fn settle(&mut self) {
        for _ in 0..3 {
            self.shard(usize::MAX);
            self.channel(usize::MAX);
            self.write(usize::MAX);
            self.arrive(usize::MAX);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn a_reader_has_exactly_what_was_said(steps in prop::collection::vec(step(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (shown, expected) = runtime.block_on(async {
            let mut run = Run::start().await;
            for step in steps {
                run.step(step).await;
            }
            run.settle();
            (run.reader.by_seq, run.expected)
        });
        let expected: BTreeMap<u64, Shown> = (1..).zip(expected).collect();
        prop_assert_eq!(shown, expected);
    }
}
