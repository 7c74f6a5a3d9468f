//! A client that holds next to no memory itself: a bare TCP connection that speaks as much WebSocket as it must.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Nobody waits longer: it bounds a failing run, it measures nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// The first bytes of a final frame with text, and of one that closes (RFC 6455 section 5.2).
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;

pub(crate) struct Socket(TcpStream);

impl Socket {
    /// Opens `/ws`.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let mut socket = Self(TcpStream::connect(address).await.unwrap());
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        socket.0.write_all(request.as_bytes()).await.unwrap();
        socket.await_text("\"hello\"").await;
        socket
    }

    /// Says a message.
    pub(crate) async fn say(&mut self, text: &str) {
        self.write(TEXT, text.as_bytes()).await;
    }

    /// Goes away for good.
    pub(crate) async fn leave(mut self) {
        self.write(CLOSE, &1001_u16.to_be_bytes()).await;
        // The end of the connection says that the server is done with it.
        timeout(PATIENCE, self.0.read_to_end(&mut Vec::new())).await.expect("an end").unwrap();
    }

    /// A masked frame whose mask changes nothing.
    async fn write(&mut self, kind: u8, payload: &[u8]) {
        let mut frame = vec![kind, 0x80 | 126];
        frame.extend((payload.len() as u16).to_be_bytes());
        if payload.len() < 126 {
            frame = vec![kind, 0x80 | payload.len() as u8];
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        self.0.write_all(&frame).await.unwrap();
    }

    /// Reads until that text has come.
    pub(crate) async fn await_text(&mut self, text: &str) {
        let mut read = Vec::new();
        while !String::from_utf8_lossy(&read).contains(text) {
            let more = timeout(PATIENCE, self.0.read_buf(&mut read)).await.expect("something comes").unwrap();
            assert!(more > 0, "the server hung up: {}", String::from_utf8_lossy(&read));
        }
    }
}
