//! How the mount answers, and encoders without manners.
