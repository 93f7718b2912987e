//! The server's relay over a WebSocket, for where nothing but TCP gets through.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use p2pshare_protocol::limits::TUNNEL_BYTES_MAX;
use p2pshare_protocol::tunnel::{READY, TunnelRequest};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::{ServerUrl, SignalingError, open_at};

/// Messages to and from the other side of a tunnel. An empty message to it closes the tunnel after what was sent before;
/// the sender is closed once that has left.
pub type TunnelPipe = (mpsc::Sender<Vec<u8>>, mpsc::Receiver<Vec<u8>>);

/// Opens a tunnel with a credential that the server granted, and waits for the other side to do the same.
///
/// # Errors
/// The server cannot be reached or refuses, or the other side does not come in time.
pub async fn open_tunnel(server: &ServerUrl, request: &TunnelRequest) -> Result<TunnelPipe, SignalingError> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(TUNNEL_BYTES_MAX))
        .max_frame_size(Some(TUNNEL_BYTES_MAX))
        .write_buffer_size(0);
    let opened = timeout(super::CONNECT_MAX, open_at(server, &server.tunnel(), config, None)).await;
    let (mut socket, _) = opened.map_err(|_| SignalingError::TimedOut { server: server.clone() })??;
    let hello = serde_json::to_string(request).expect("two texts are JSON");
    socket.send(Message::text(hello)).await.map_err(SignalingError::from_socket)?;
    match timeout(OTHER_MAX, socket.next()).await {
        Ok(Some(Ok(Message::Text(text)))) if text.as_str() == READY => {}
        Ok(Some(Err(error))) => return Err(SignalingError::from_socket(error)),
        Ok(Some(Ok(_)) | None) => return Err(SignalingError::Closed { code: None }),
        Err(_) => return Err(SignalingError::Silent),
    }
    let (outgoing, mut to_send) = mpsc::channel::<Vec<u8>>(QUEUED_MAX);
    let (received, incoming) = mpsc::channel(QUEUED_MAX);
    let (mut sink, mut stream) = socket.split();
    let writer = tokio::spawn(async move {
        while let Some(message) = to_send.recv().await {
            if message.is_empty() || sink.send(Message::binary(message)).await.is_err() {
                break;
            }
        }
        let _ = timeout(super::CLOSE_MAX, sink.close()).await;
    });
    tokio::spawn(async move {
        while let Some(Ok(message)) = stream.next().await {
            let sent = match message {
                Message::Binary(bytes) => received.send(bytes.into()).await,
                Message::Close(_) => break,
                Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            };
            if sent.is_err() {
                break;
            }
        }
        // What was to be sent has nowhere to go.
        writer.abort();
    });
    Ok((outgoing, incoming))
}

/// How long the other side may take to find out that nothing else works.
const OTHER_MAX: Duration = Duration::from_secs(30);

/// Messages that wait in each direction, at most 1 MiB.
const QUEUED_MAX: usize = 16;
