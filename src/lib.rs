//! The server: sockets, threads and clock around the media engine, and the web server beside it.
mod net;
