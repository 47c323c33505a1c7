//! Stub of an IRC server (RFC 2812), for the compared clients: enough for a client to join a channel.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use crate::Failure;
use crate::chat::{PATIENCE, ROOM, Talk, text};

/// Stub server for a single client.
pub(crate) struct Irc {
    address: SocketAddr,
    /// Receives the connection after the client has joined the channel.
    member: Receiver<TcpStream>,
    stream: Option<TcpStream>,
}

impl Irc {
    pub(crate) fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (sender, member) = sync_channel(1);
        thread::spawn(move || {
            // A client that goes away before it joins ends the thread.
            if let Ok((stream, _)) = listener.accept()
                && let Ok(Some(stream)) = welcome(stream)
            {
                let _ = sender.send(stream);
            }
        });
        Ok(Self { address, member, stream: None })
    }
}

impl Talk for Irc {
    fn place(&self) -> (String, Option<String>) {
        (self.address.to_string(), None)
    }

    fn wait_for_member(&mut self) -> Result<(), Failure> {
        let stream = self.member.recv_timeout(PATIENCE)?;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let mut answers = stream.try_clone()?;
        thread::spawn(move || {
            while let Some(Ok(line)) = lines.next() {
                if let Some(token) = line.strip_prefix("PING") {
                    let _ = write!(answers, ":stub PONG stub{token}\r\n");
                }
            }
        });
        self.stream = Some(stream);
        Ok(())
    }

    fn send(&mut self, numbers: RangeInclusive<usize>, pace: Duration) -> Result<(), Failure> {
        let mut stream = self.stream.as_ref().ok_or("no client has joined")?;
        for number in numbers {
            write!(stream, ":speaker!s@host PRIVMSG #{ROOM} :{}\r\n", text(number))?;
            thread::sleep(pace);
        }
        Ok(())
    }
}

/// Answers a client until it has joined the channel.
fn welcome(mut stream: TcpStream) -> Result<Option<TcpStream>, Failure> {
    let mut nick = "you".to_owned();
    let lines = BufReader::new(stream.try_clone()?).lines();
    for line in lines {
        let line = line?;
        let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match command {
            "NICK" => rest.trim_start_matches(':').clone_into(&mut nick),
            "CAP" if rest.starts_with("LS") => write!(stream, ":stub CAP * LS :\r\n")?,
            "USER" => write!(
                stream,
                ":stub 001 {nick} :Welcome\r\n:stub 004 {nick} stub 1 o o\r\n:stub 422 {nick} :No message\r\n"
            )?,
            "PING" => write!(stream, ":stub PONG stub {rest}\r\n")?,
            "JOIN" => {
                write!(
                    stream,
                    ":{nick}!u@host JOIN #{ROOM}\r\n:stub 353 {nick} = #{ROOM} :{nick} speaker\r\n\
                     :stub 366 {nick} #{ROOM} :End\r\n"
                )?;
                return Ok(Some(stream));
            }
            _ => {}
        }
    }
    Ok(None)
}
