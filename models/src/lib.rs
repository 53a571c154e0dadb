//! Learned models behind slices: the `Recognizer` trait, Whisper, and the weights store.
