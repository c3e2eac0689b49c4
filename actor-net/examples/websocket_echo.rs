//! Sends back what it is told over WebSocket, compressed with the feature `deflate`: `websocket_echo [PORT]`. What
//! `tests/autobahn/run` tests.

use std::error::Error;

use actor_core::prelude::*;
use actor_net::http;
use actor_net::websocket::{self, Message, ServerFrame};
use actor_net::{Conn, Connection, Listener, Options};

/// The longest message: the test suite has some of 16 MiB, in fragments of 64 bytes and more.
const MAX: usize = 16 << 20;

#[derive(Actor)]
struct Echo {
    conn: Conn,
    #[cfg(feature = "deflate")]
    deflater: Option<websocket::Deflater>,
}

impl Echo {
    fn new(conn: Conn) -> Echo {
        Echo {
            conn,
            #[cfg(feature = "deflate")]
            deflater: None,
        }
    }

    fn say(&mut self, message: Message<'_>) {
        #[cfg(feature = "deflate")]
        if let Some(deflater) = &mut self.deflater {
            self.conn.write(deflater.encode(message).expect("texts and bytes can be sent"));
            return;
        }
        self.conn.write(message.to_bytes().expect("texts and bytes can be sent"));
    }
}

#[messages]
impl Echo {}

impl Connection for Echo {
    type Codec = websocket::Server;

    fn codec(&self) -> websocket::Server {
        let codec = websocket::Server::new(http::Server::new(0), MAX).max_fragments(MAX / 64);
        #[cfg(feature = "deflate")]
        let codec = codec.deflate(websocket::Deflate::new().contexts(true));
        codec
    }

    fn frame(&mut self, frame: ServerFrame<'_>, _ctx: &mut Context<Self>) {
        match frame {
            ServerFrame::Upgrade(upgrade) => {
                #[cfg(feature = "deflate")]
                {
                    self.deflater = upgrade.deflate().map(websocket::Terms::deflater);
                }
                self.conn.write(upgrade.accept());
            }
            ServerFrame::Request(request) => {
                request.answer().send(http::Response::new(404), &mut self.conn);
            }
            ServerFrame::Message(message @ (Message::Text(_) | Message::Binary(_))) => {
                self.say(message);
            }
            ServerFrame::Message(_) => {}
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse::<u16>())?;
    let system = actor_net::builder().build()?;
    let listener = Listener::bind(("127.0.0.1", port))?.options(Options::new().cap(4 * MAX));
    let server = listener.spawn(&system, Echo::new)?;
    println!("ws://{}", server.local_addr());
    loop {
        std::thread::park();
    }
}
