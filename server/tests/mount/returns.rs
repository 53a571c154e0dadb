//! Encoders that go away and come back.
