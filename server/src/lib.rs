//! A hub for rooms over WebSocket.

pub mod config;
pub mod secret;
