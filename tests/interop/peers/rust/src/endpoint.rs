//! A connection whose descriptions and candidates travel as lines. str0m has no I/O: here are its socket and its clock.

use crate::protocol;
use serde_json::{json, Value};
use std::net::UdpSocket;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpApi, SdpOffer, SdpPendingOffer};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

/// How long the input, or a case that wants to send, may have to wait.
const TURN: Duration = Duration::from_millis(2);

pub trait Case {
    fn config(&self) -> RtcConfig;
    /// Puts into the offer what it is about.
    fn offer(&mut self, change: &mut SdpApi);
    fn on_event(&mut self, rtc: &mut Rtc, event: Event) -> Result<(), String>;
    /// May send one thing; called again and again.
    fn on_turn(&mut self, rtc: &mut Rtc, now: Instant) -> Result<(), String>;
}

pub struct Endpoint {
    rtc: Rtc,
    case: Box<dyn Case>,
    socket: UdpSocket,
    pending: Option<SdpPendingOffer>,
}

impl Endpoint {
    pub fn new(config: RtcConfig, case: Box<dyn Case>) -> Endpoint {
        let socket = UdpSocket::bind((local_address(), 0)).expect("a UDP port");
        let mut rtc = config.build(Instant::now());
        let address = socket.local_addr().expect("its address");
        let candidate = Candidate::host(address, "udp").expect("a candidate");
        rtc.add_local_candidate(candidate);
        Endpoint { rtc, case, socket, pending: None }
    }

    /// Until the input says stop or ends.
    pub fn run(&mut self, offers: bool) -> Result<(), String> {
        let lines = protocol::lines();
        if offers {
            let mut change = self.rtc.sdp_api();
            self.case.offer(&mut change);
            let (offer, pending) = change.apply().ok_or("nothing to offer")?;
            self.pending = Some(pending);
            tell("offer", offer.to_sdp_string());
        }
        loop {
            // Each change is followed by a drain, which str0m asks for.
            let deadline = self.drain()?;
            match lines.try_recv() {
                Ok(line) if line.get("stop").is_some() => return Ok(()),
                Ok(line) => self.handle(&line)?,
                Err(TryRecvError::Disconnected) => return Ok(()),
                Err(TryRecvError::Empty) => self.receive(deadline)?,
            }
            self.drain()?;
            self.case.on_turn(&mut self.rtc, Instant::now())?;
        }
    }

    fn handle(&mut self, line: &Value) -> Result<(), String> {
        if let Some(description) = line.get("description") {
            let sdp = description["sdp"].as_str().unwrap_or_default();
            if description["type"] == "offer" {
                let offer = SdpOffer::from_sdp_string(sdp).map_err(text)?;
                let answer = self.rtc.sdp_api().accept_offer(offer).map_err(text)?;
                tell("answer", answer.to_sdp_string());
            } else {
                let answer = SdpAnswer::from_sdp_string(sdp).map_err(text)?;
                let pending = self.pending.take().ok_or("an answer to no offer")?;
                self.rtc.sdp_api().accept_answer(pending, answer).map_err(text)?;
            }
        } else if let Some(candidate) = line["candidate"]["candidate"].as_str() {
            self.rtc.add_remote_candidate(Candidate::from_sdp_string(candidate).map_err(text)?);
        }
        Ok(())
    }

    fn drain(&mut self) -> Result<Instant, String> {
        loop {
            match self.rtc.poll_output().map_err(text)? {
                Output::Timeout(deadline) => return Ok(deadline),
                Output::Transmit(packet) => {
                    // What cannot be sent is lost, as on any network.
                    let _ = self.socket.send_to(&packet.contents, packet.destination);
                }
                Output::Event(event) => {
                    if let Event::Connected = event {
                        protocol::event("connected");
                    }
                    self.case.on_event(&mut self.rtc, event)?;
                }
            }
        }
    }

    fn receive(&mut self, deadline: Instant) -> Result<(), String> {
        let wait = deadline.saturating_duration_since(Instant::now()).clamp(Duration::from_millis(1), TURN);
        self.socket.set_read_timeout(Some(wait)).map_err(text)?;
        let mut buffer = [0; 2000];
        let Ok((size, source)) = self.socket.recv_from(&mut buffer) else {
            return self.rtc.handle_input(Input::Timeout(Instant::now())).map_err(text);
        };
        let destination = self.socket.local_addr().map_err(text)?;
        // What is none of its protocols is noise.
        let Ok(contents) = buffer[..size].try_into() else { return Ok(()) };
        let packet = Receive { proto: Protocol::Udp, source, destination, contents };
        self.rtc.handle_input(Input::Receive(Instant::now(), packet)).map_err(text)
    }
}

fn tell(kind: &str, sdp: String) {
    protocol::write(json!({"description": {"type": kind, "sdp": sdp}}));
    protocol::write(json!({"candidate": null}));
}

pub fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The address that packets to elsewhere would leave from; nothing is sent.
fn local_address() -> std::net::IpAddr {
    let found = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("203.0.113.1:9")?;
        socket.local_addr()
    });
    found.map_or(std::net::Ipv4Addr::LOCALHOST.into(), |address| address.ip())
}
