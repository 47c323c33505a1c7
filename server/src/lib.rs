//! A hub for rooms over WebSocket.

pub mod auth;
pub mod config;
pub mod secret;
