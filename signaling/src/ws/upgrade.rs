//! How a request becomes a WebSocket (RFC 6455, section 4.2).
//!
//! axum's own WebSocket has no way to write a message in fragments, without which every socket keeps a buffer as long as the
//! longest message it ever wrote.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, SEC_WEBSOCKET_VERSION, UPGRADE};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// A WebSocket of the server's side.
pub(super) type WebSocket = WebSocketStream<TokioIo<Upgraded>>;

/// A request that asks for a WebSocket.
pub(crate) struct Upgrade {
    upgraded: OnUpgrade,
    accepted: Response,
}

impl Upgrade {
    /// Answers that the protocol changes, and has the socket `served` once the answer is written. A client that is gone by then
    /// gets none.
    pub(super) fn serve<F>(
        self,
        config: WebSocketConfig,
        served: impl FnOnce(WebSocket) -> F + Send + 'static,
    ) -> Response
    where
        F: Future<Output = ()> + Send,
    {
        let Self { upgraded, accepted } = self;
        tokio::spawn(async move {
            if let Ok(upgraded) = upgraded.await {
                let io = TokioIo::new(upgraded);
                served(WebSocket::from_raw_socket(io, Role::Server, Some(config)).await).await;
            }
        });
        accepted
    }
}

impl<S: Send + Sync> FromRequest<S> for Upgrade {
    type Rejection = NoUpgrade;

    async fn from_request(mut request: Request, _: &S) -> Result<Self, NoUpgrade> {
        let accepted = create_response_with_body(&request, Body::empty).map_err(NoUpgrade::Handshake)?;
        let upgraded = request.extensions_mut().remove::<OnUpgrade>().ok_or(NoUpgrade::Connection)?;
        Ok(Self { upgraded, accepted })
    }
}

/// Why a request cannot become a WebSocket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoUpgrade {
    /// It does not ask for one, or not as it must.
    #[error("a WebSocket (RFC 6455, version 13) is opened here: {0}")]
    Handshake(Error),
    /// Its connection cannot change its protocol.
    #[error("a WebSocket is opened here, which this connection cannot become")]
    Connection,
}

impl IntoResponse for NoUpgrade {
    fn into_response(self) -> Response {
        let text = self.to_string();
        match self {
            // RFC 9110, section 15.5.22, and RFC 6455, section 4.2.2: what to upgrade to.
            Self::Connection
            | Self::Handshake(Error::Protocol(
                ProtocolError::MissingConnectionUpgradeHeader
                | ProtocolError::MissingUpgradeWebSocketHeader
                | ProtocolError::MissingSecWebSocketVersionHeader
                | ProtocolError::WrongHttpVersion,
            )) => {
                let headers = [(CONNECTION, "upgrade"), (UPGRADE, "websocket"), (SEC_WEBSOCKET_VERSION, "13")];
                (StatusCode::UPGRADE_REQUIRED, headers, text).into_response()
            }
            Self::Handshake(_) => (StatusCode::BAD_REQUEST, text).into_response(),
        }
    }
}
