//! The command line of a peer, and its lines on standard input and output.

use serde_json::{json, Value};
use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::sync::mpsc::{channel, Receiver};

pub struct Options(HashMap<String, String>);

pub fn refuse(why: &str) -> ! {
    eprintln!("str0m peer: {why}");
    std::process::exit(2)
}

impl Options {
    pub fn parse() -> Options {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let mut parsed = HashMap::new();
        for pair in words.chunks(2) {
            match pair {
                [name, value] if name.starts_with("--") => parsed.insert(name[2..].into(), value.clone()),
                _ => refuse("options are pairs of --NAME VALUE"),
            };
        }
        let options = Options(parsed);
        if !["offerer", "answerer"].contains(&options.text("role", "").as_str()) {
            refuse("--role is offerer or answerer");
        }
        options
    }

    pub fn offerer(&self) -> bool {
        self.text("role", "") == "offerer"
    }

    pub fn text(&self, name: &str, otherwise: &str) -> String {
        self.0.get(name).cloned().unwrap_or_else(|| otherwise.into())
    }

    pub fn number(&self, name: &str) -> Option<usize> {
        let value = self.0.get(name)?;
        Some(value.parse().unwrap_or_else(|_| refuse(&format!("--{name} wants a number, not {value}"))))
    }
}

pub fn write(line: Value) {
    let mut out = std::io::stdout().lock();
    // The other end may have gone already.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

pub fn event(name: &str) {
    write(json!({"event": name}));
}

pub fn result(result: Value) {
    write(json!({"result": result}));
}

pub fn error(sentence: &str) {
    write(json!({"error": sentence}));
}

/// The lines of the input; the channel ends with it.
pub fn lines() -> Receiver<Value> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for text in std::io::stdin().lock().lines().map_while(Result::ok) {
            match serde_json::from_str(&text) {
                Ok(line) => drop(sender.send(line)),
                Err(_) => error(&format!("not a JSON object: {text}")),
            }
        }
    });
    receiver
}
