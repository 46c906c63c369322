//! Case "media": the same encoded frames over and over, one way or both.

use crate::endpoint::{text, Case};
use crate::protocol::{self, refuse, Options};
use serde_json::{json, Value};
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};
use str0m::change::SdpApi;
use str0m::media::{Direction, Frequency, MediaKind, MediaTime, Mid};
use str0m::{Event, Rtc, RtcConfig};

pub struct MediaCase {
    codec: String,
    frequency: Frequency,
    duration: u64,
    interval: Duration,
    kind: MediaKind,
    frames: Vec<Vec<u8>>,
    sends: bool,
    receives: bool,
    wanted: usize,
    mid: Option<Mid>,
    next: Option<Instant>, // nothing is sent without
    sent: usize,
    received: Vec<String>,
}

fn from_hex(digits: &str) -> Vec<u8> {
    let byte = |i: usize| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap_or_else(|_| refuse("no hex digits"));
    (0..digits.len() / 2).map(byte).collect()
}

/// The first 16 digits of its SHA-256: how peers tell which frame they got.
fn mark_of(frame: &[u8]) -> String {
    Sha256::digest(frame)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

impl MediaCase {
    pub fn new(options: &Options) -> MediaCase {
        let file = std::fs::read_to_string(options.text("media", "")).unwrap_or_else(|error| refuse(&text(error)));
        let sample: Value = serde_json::from_str(&file).unwrap_or_else(|error| refuse(&text(error)));
        let number = |name: &str| sample[name].as_u64().unwrap_or_else(|| refuse(&format!("no {name}")));
        let (clock_rate, duration) = (number("clockRate"), number("duration"));
        let audio = number("channels") > 0;
        let frames = sample["frames"].as_array().into_iter().flatten();
        MediaCase {
            codec: sample["codec"].as_str().unwrap_or_default().into(),
            frequency: if audio { Frequency::FORTY_EIGHT_KHZ } else { Frequency::NINETY_KHZ },
            duration,
            interval: Duration::from_nanos(1_000_000_000 * duration / clock_rate),
            kind: if audio { MediaKind::Audio } else { MediaKind::Video },
            frames: frames.map(|frame| from_hex(frame.as_str().unwrap_or_default())).collect(),
            sends: options.text("send", "1") != "0",
            receives: options.text("receive", "1") != "0",
            wanted: options.number("frames").unwrap_or(45),
            mid: None,
            next: None,
            sent: 0,
            received: Vec::new(),
        }
    }

    fn tell(&self) {
        protocol::result(json!({"sent": self.sent, "received": self.received, "form": "encoded"}));
    }

    fn add(&mut self, frame: &[u8]) {
        if self.received.len() < self.wanted {
            self.received.push(mark_of(frame));
            if self.received.len() == self.wanted {
                self.tell();
            }
        }
    }
}

impl Case for MediaCase {
    fn config(&self) -> RtcConfig {
        let none = RtcConfig::new().clear_codecs();
        match self.codec.as_str() {
            "VP8" => none.enable_vp8(true),
            "H264" => none.enable_h264(true),
            "opus" => none.enable_opus(true, false),
            other => refuse(&format!("no codec {other}")),
        }
    }

    fn offer(&mut self, change: &mut SdpApi) {
        let direction = match (self.sends, self.receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            _ => Direction::RecvOnly,
        };
        self.mid = Some(change.add_media(self.kind, direction, None, None, None));
    }

    fn on_event(&mut self, _: &mut Rtc, event: Event) -> Result<(), String> {
        match event {
            Event::MediaAdded(media) => self.mid = Some(media.mid),
            Event::Connected if self.sends => {
                self.next = Some(Instant::now());
                if !self.receives {
                    self.tell();
                }
            }
            Event::MediaData(media) => self.add(&media.data),
            _ => {}
        }
        Ok(())
    }

    fn on_turn(&mut self, rtc: &mut Rtc, now: Instant) -> Result<(), String> {
        let (Some(next), Some(mid)) = (self.next, self.mid) else { return Ok(()) };
        if now < next {
            return Ok(());
        }
        let writer = rtc.writer(mid).ok_or("nothing can be sent")?;
        let payload_type = writer.payload_params().next().ok_or("no codec was agreed on")?.pt();
        let time = MediaTime::new(self.sent as u64 * self.duration, self.frequency);
        let frame = self.frames[self.sent % self.frames.len()].clone();
        writer.write(payload_type, now, time, frame).map_err(text)?;
        self.sent += 1;
        self.next = Some(next + self.interval);
        Ok(())
    }
}
