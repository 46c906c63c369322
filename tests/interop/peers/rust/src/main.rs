//! str0m as a peer; see ../README.md.

mod data;
mod endpoint;
mod media;
mod protocol;

use endpoint::{Case, Endpoint};
use protocol::{refuse, Options};

fn main() {
    let options = Options::parse();
    let case: Box<dyn Case> = match options.text("case", "").as_str() {
        "data" => Box::new(data::DataCase::new(&options)),
        "media" => Box::new(media::MediaCase::new(&options)),
        other => refuse(&format!("there is no case '{other}'; there are: data media")),
    };
    let config = case.config();
    let mut endpoint = Endpoint::new(config, case);
    if let Err(error) = endpoint.run(options.offerer()) {
        protocol::error(&error);
    }
}
