//! Fetching a server's `/metrics`.

use super::metrics::{MAX_BYTES, Reading};
use std::time::Duration;

/// A server that takes longer is not asked again for the same look.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a server's metrics are.
#[derive(Clone, Debug)]
pub struct Scraper {
    client: reqwest::Client,
    url: reqwest::Url,
}

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
pub enum ScrapeError {
    /// Nobody answers, or not in time, or not with 200.
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    /// What answers is no Parlor server.
    #[error("what is there are not the metrics of a Parlor server")]
    Foreign,
    /// The answer is longer than any server's.
    #[error("what is there is longer than 4 MiB")]
    TooLong,
}

impl Scraper {
    /// Of metrics at `url`. With `insecure` any certificate is taken.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn new(url: reqwest::Url, insecure: bool) -> Result<Self, ScrapeError> {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .tls_danger_accept_invalid_certs(insecure)
            .build()?;
        Ok(Self { client, url })
    }

    /// Reads them.
    ///
    /// # Errors
    /// When they cannot be had.
    pub async fn read(&self) -> Result<Reading, ScrapeError> {
        let mut answer = self.client.get(self.url.clone()).send().await?.error_for_status()?;
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if text.len() + chunk.len() > MAX_BYTES {
                return Err(ScrapeError::TooLong);
            }
            text.extend_from_slice(&chunk);
        }
        Reading::parse(&String::from_utf8_lossy(&text)).ok_or(ScrapeError::Foreign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// What becomes of an answer.
    async fn read(answer: Vec<u8>) -> Result<Reading, ScrapeError> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/metrics", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            assert!(request[..length].starts_with(b"GET /metrics HTTP/1.1\r\n"));
            // The client may have had enough.
            let _ = stream.write_all(&answer).await;
        });
        let reading = Scraper::new(url.parse().unwrap(), false).unwrap().read().await;
        server.await.unwrap();
        reading
    }

    #[tokio::test]
    async fn only_the_metrics_of_a_parlor_server_are_read() {
        let text = "process_cpu_seconds_total 1\nprocess_resident_memory_bytes 2\n\
            parlor_rtp_packets_total{direction=\"out\",kind=\"video\"} 3\nparlor_rtp_packets_total{direction=\"in\",kind=\"video\"} 4\n";
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        assert_eq!(read(answer.into_bytes()).await.unwrap().packets_out, 3);
        let foreign = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi".to_vec();
        assert!(matches!(read(foreign).await, Err(ScrapeError::Foreign)));
        let missing = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec();
        assert!(matches!(read(missing).await, Err(ScrapeError::Http(_))));
    }

    #[tokio::test]
    async fn an_endless_answer_is_given_up() {
        let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        answer.resize(MAX_BYTES + 100_000, b'x');
        assert!(matches!(read(answer).await, Err(ScrapeError::TooLong)));
    }
}
