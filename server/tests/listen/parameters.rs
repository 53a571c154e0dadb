//! What is decided before there is a WebSocket.

use super::client::{Client, RAW, Refusal, runtime};
use super::service::{SECRET, Service, deaf};
use server::api::listen::Limits;

async fn refused(service: &Service, query: &str) -> Refusal {
    match Client::connect(service, query).await {
        Ok(_) => panic!("{query} is let in"),
        Err(refusal) => refusal,
    }
}

fn check_shape(refusal: &Refusal, status: u16, code: &str, message: &str) {
    let Refusal { status: actual, headers, body } = refusal;
    assert_eq!((*actual, body["err_code"].as_str().unwrap()), (status, code), "{body}");
    let said = body["err_msg"].as_str().unwrap();
    assert!(said.contains(message), "{said}");
    assert_eq!(headers["dg-error"].to_str().unwrap(), said);
    assert_eq!(headers["dg-request-id"].to_str().unwrap(), body["request_id"].as_str().unwrap());
}

#[test]
fn what_cannot_be_served_is_refused_with_the_vendors_shape() {
    let service = deaf(Limits::default());
    runtime().block_on(async {
        for (query, message) in [
            ("encoding=amr-nb&sample_rate=8000", "encoding: amr-nb cannot be decoded"),
            ("encoding=linear16", "sample_rate: linear16 needs it"),
            ("interim_results=perhaps", "expected true or false"),
            ("diarize=true", "diarize: not supported"),
            ("language=de", "language de: tiny.en knows English only"),
        ] {
            let refusal = refused(&service, query).await;
            check_shape(&refusal, 400, "INVALID_QUERY_PARAMETER", message);
        }
        let full = refused(&service, "keyterm=full+house").await;
        check_shape(&full, 429, "TOO_MANY_REQUESTS", "all places are taken");
    });
}

#[test]
fn credentials_are_taken_where_the_vendors_clients_put_them() {
    let service = deaf(Limits::default());
    runtime().block_on(async {
        for (name, value, status, code) in [
            ("authorization", "Token wrong", 401, "INVALID_AUTH"),
            ("x-nothing", "x", 401, "INVALID_AUTH"),
            ("authorization", "Bearer reader", 403, "INSUFFICIENT_PERMISSIONS"),
        ] {
            let Err(refusal) = Client::with_header(&service, RAW, name, value).await else {
                panic!("{value}")
            };
            check_shape(&refusal, status, code, "");
        }
        let bearer = Client::with_header(&service, RAW, "authorization", &format!("Bearer {SECRET}")).await;
        assert!(bearer.unwrap().headers.contains_key("dg-request-id"));
        let protocol = format!("token, {SECRET}");
        let browser = Client::with_header(&service, RAW, "sec-websocket-protocol", &protocol).await.unwrap();
        assert_eq!(browser.headers["sec-websocket-protocol"], "token");
    });
}

#[test]
fn parameters_that_nobody_knows_are_named() {
    let service = deaf(Limits::default());
    runtime().block_on(async {
        let client = Client::connect(&service, &format!("{RAW}&is_final=true&colour=red")).await.unwrap();
        assert_eq!(client.headers["aircheck-ignored"], "is_final,colour");
        let client = Client::connect(&service, RAW).await.unwrap();
        assert!(!client.headers.contains_key("aircheck-ignored"));
    });
}
