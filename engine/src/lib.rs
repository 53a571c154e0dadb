//! Words and machinery of Aircheck: time, audio, operators, events, lanes and workers.
