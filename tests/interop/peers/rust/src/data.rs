//! Case "data": one channel, every message comes back.

use crate::endpoint::{text, Case};
use crate::protocol::{self, refuse, Options};
use serde_json::json;
use std::collections::VecDeque;
use std::time::Instant;
use str0m::change::SdpApi;
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::{Event, Rtc, RtcConfig};

const BURST_SIZE: usize = 1000;

#[derive(Clone, PartialEq)]
struct Message {
    binary: bool,
    data: Vec<u8>,
}

fn make_message(number: usize, size: usize, binary: bool) -> Message {
    let byte = |i: usize| if binary { (number + i) as u8 } else { b'a' + ((number + i) % 26) as u8 };
    Message { binary, data: (0..size).map(byte).collect() }
}

pub struct DataCase {
    offers: bool,
    config: ChannelConfig,
    messages: Vec<Message>,
    one_by_one: usize, // so many of messages, the rest at once
    sent: usize,
    received: usize,
    bytes: usize,
    channel: Option<ChannelId>,
    // Of the answerer, once the channel is open.
    learned: Option<ChannelConfig>,
    waiting: VecDeque<Message>,
    close: bool,
    over: bool,
}

impl DataCase {
    pub fn new(options: &Options) -> DataCase {
        let mut messages = Vec::new();
        for field in options.text("sizes", "1,1000").split(',') {
            let size = field.parse().unwrap_or_else(|_| refuse("--sizes wants numbers"));
            for binary in [false, true] {
                messages.push(make_message(messages.len(), size, binary));
            }
        }
        let one_by_one = messages.len();
        for _ in 0..options.number("burst").unwrap_or(0) {
            messages.push(make_message(messages.len(), BURST_SIZE, true));
        }
        let reliability = match options.number("max-retransmits") {
            Some(retransmits) => Reliability::MaxRetransmits { retransmits: retransmits as u16 },
            None => Reliability::Reliable,
        };
        let config = ChannelConfig {
            label: options.text("label", "echo"),
            ordered: options.text("ordered", "1") != "0",
            reliability,
            negotiated: None,
            protocol: options.text("protocol", ""),
        };
        DataCase {
            offers: options.offerer(),
            config,
            messages,
            one_by_one,
            sent: 0,
            received: 0,
            bytes: 0,
            channel: None,
            learned: None,
            waiting: VecDeque::new(),
            close: false,
            over: false,
        }
    }

    /// The next one, or all that are left once the first `one_by_one` have come back.
    fn send_more(&mut self) {
        while self.sent < self.messages.len() {
            self.sent += 1;
            self.waiting.push_back(self.messages[self.sent - 1].clone());
            if self.sent <= self.one_by_one {
                return;
            }
        }
    }

    fn check(&mut self, message: Message) -> Result<(), String> {
        if self.received == self.sent {
            return Err("a message came that was not sent".into());
        }
        let expected = &self.messages[self.received];
        if message != *expected {
            let (size, came) = (expected.data.len(), message.data.len());
            return Err(format!("message {} of {size} bytes came back as another of {came}", self.received));
        }
        self.received += 1;
        self.bytes += message.data.len();
        if self.received == self.messages.len() {
            protocol::result(json!({"messages": self.received, "bytes": self.bytes}));
            self.over = true;
            self.close = true;
        } else if self.received == self.sent {
            self.send_more();
        }
        Ok(())
    }

    fn closed(&mut self) -> Result<(), String> {
        if self.offers {
            return if self.over { Ok(()) } else { Err("the channel was closed before the last message came back".into()) };
        }
        let learned = self.learned.take().ok_or("a channel was closed that was not open")?;
        let limit = match learned.reliability {
            Reliability::MaxRetransmits { retransmits } => Some(retransmits),
            _ => None,
        };
        protocol::result(json!({
            "messages": self.received, "bytes": self.bytes, "label": learned.label, "protocol": learned.protocol,
            "ordered": learned.ordered, "maxRetransmits": limit,
        }));
        Ok(())
    }
}

impl Case for DataCase {
    fn config(&self) -> RtcConfig {
        RtcConfig::new()
    }

    fn offer(&mut self, change: &mut SdpApi) {
        change.add_channel_with_config(self.config.clone());
    }

    fn on_event(&mut self, rtc: &mut Rtc, event: Event) -> Result<(), String> {
        match event {
            Event::ChannelOpen(id, _) => {
                protocol::event("open");
                self.channel = Some(id);
                self.learned = rtc.channel(id).and_then(|channel| channel.config().cloned());
                if self.offers {
                    self.send_more();
                }
            }
            Event::ChannelData(data) => {
                let message = Message { binary: data.binary, data: data.data };
                if self.offers {
                    return self.check(message);
                }
                self.received += 1;
                self.bytes += message.data.len();
                self.waiting.push_back(message);
            }
            Event::ChannelClose(_) => return self.closed(),
            _ => {}
        }
        Ok(())
    }

    fn on_turn(&mut self, rtc: &mut Rtc, _: Instant) -> Result<(), String> {
        let Some(id) = self.channel else { return Ok(()) };
        if self.close && self.waiting.is_empty() {
            self.close = false;
            rtc.direct_api().close_data_channel(id);
        } else if let (Some(message), Some(mut channel)) = (self.waiting.front(), rtc.channel(id)) {
            // False: its buffer is full for now.
            if channel.write(message.binary, &message.data).map_err(text)? {
                self.waiting.pop_front();
            }
        }
        Ok(())
    }
}
