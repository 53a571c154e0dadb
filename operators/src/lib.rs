//! Everything in Aircheck that implements `Operator`.
