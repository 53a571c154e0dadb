//! Aircheck's own HTTP API: feeds are added, and the events of all of them are followed. Knows no audio.

mod api;
mod event;
mod follow;
mod http;
mod sse;
mod stages;

pub use api::{Api, NewFeed, Readiness};
pub use event::Told;
pub use follow::Follow;
pub use http::get;
pub use stages::Stages;

/// What the tests share: a server that says what it is told to.
#[cfg(test)]
mod scripted {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    /// A server that gives one of `answers` to each connection and closes it; its address, and the requests it got.
    pub(super) async fn server(answers: Vec<String>) -> (String, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serve = async move {
            let mut requests = Vec::new();
            for answer in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !is_whole(&String::from_utf8_lossy(&request)) {
                    assert!(socket.read_buf(&mut request).await.unwrap() > 0, "a whole request");
                }
                requests.push(String::from_utf8(request).unwrap());
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
            requests
        };
        (url, tokio::spawn(serve))
    }

    fn is_whole(request: &str) -> bool {
        let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        body.len() >= length.map_or(0, |length| length.parse().unwrap())
    }

    pub(super) fn answer(status: &str, content_type: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n{body}")
    }
}
