//! `Proxy`: stands between a provider and its back-end, and does to each exchange what the plan says.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::RwLock;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Duration, Instant, sleep};

use super::http1::{Message, Reader};
use super::http2;
use super::plan::{Fault, Plan};

/// Into how many pieces a slow answer is cut, and how long the wait before each is.
const PIECES: usize = 8;
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// The wait that `Fault::Throttle` asks for.
pub(super) const WAIT: Duration = Duration::from_secs(1);

/// One exchange, as the proxy saw it.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// When the request began.
    pub begun: Instant,
    /// What was done to it.
    pub fault: Fault,
    /// The request, in a line.
    pub request: String,
    /// How many bytes the content of the back-end's answer has.
    pub answered: usize,
    /// How long the back-end took to answer, if it was asked and did.
    pub took: Duration,
}

#[derive(Debug, Default)]
struct State {
    plan: Plan,
    /// What happened since the plan was made.
    exchanges: Vec<Exchange>,
    /// What happens to every exchange instead, of which nothing is noted.
    always: Option<Fault>,
}

/// What connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) back_end: SocketAddr,
    pub(super) address: SocketAddr,
    state: Mutex<State>,
    /// Held by those who wait for the back-end.
    forwarding: RwLock<()>,
    /// The connections that are open.
    connections: Mutex<JoinSet<()>>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next exchange begins: what is to happen to it.
    pub(super) fn next(&self) -> (usize, Fault) {
        let mut state = self.state();
        if let Some(always) = state.always {
            return (usize::MAX, always);
        }
        let number = state.exchanges.len();
        let fault = state.plan.0.get(number).copied().unwrap_or(Fault::Pass);
        state.exchanges.push(Exchange {
            begun: Instant::now(),
            fault,
            request: String::new(),
            answered: 0,
            took: Duration::ZERO,
        });
        (number, fault)
    }

    /// What is known of an exchange.
    pub(super) fn note(&self, number: usize, note: impl FnOnce(&mut Exchange)) {
        if let Some(exchange) = self.state().exchanges.get_mut(number) {
            note(exchange);
        }
    }
}

/// A proxy for one back-end, on a free port of 127.0.0.1. It ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.shared.connections().abort_all();
    }
}

impl Proxy {
    /// Starts a proxy, by which everything passes until there is a plan.
    ///
    /// # Errors
    ///
    /// Where there is no port.
    pub async fn start(back_end: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            back_end,
            address,
            state: Mutex::default(),
            forwarding: RwLock::default(),
            connections: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                let mut connections = serving.connections();
                while connections.try_join_next().is_some() {}
                connections.spawn(async move {
                    // A connection that breaks is what this is for; whoever is at its other end sees it.
                    let _ = serve(client, &shared).await;
                });
            }
        });
        Ok(Self { shared, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// The next exchange is the first of this plan.
    pub fn plan(&self, plan: Plan) {
        *self.shared.state() = State { plan, ..State::default() };
    }

    /// From now on, this happens to every exchange, and nothing is noted. Connections that are open are
    /// broken where new ones are refused.
    pub fn always(&self, fault: Fault) {
        *self.shared.state() = State { always: Some(fault), ..State::default() };
        if fault == Fault::Refuse {
            self.shared.connections().abort_all();
        }
    }

    /// Waits until the back-end has answered what it was asked, whoever still waits for it.
    pub async fn quiet(&self) {
        drop(self.shared.forwarding.write().await);
    }

    /// What happened since the plan was made.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.shared.state().exchanges.clone()
    }
}

async fn serve(client: TcpStream, shared: &Shared) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = Reader::new(client);
    // No request of HTTP/1.1 is as short.
    if client.begins().await? && client.peek(http2::PREFACE.len()).await? == http2::PREFACE {
        return http2::serve(client, shared).await;
    }
    let mut back_end = None;
    while client.begins().await? {
        let (number, fault) = shared.next();
        if fault == Fault::Refuse {
            return reset(&client.stream);
        }
        let request = client.request().await?;
        shared.note(number, |exchange| request.line().clone_into(&mut exchange.request));
        exchange(&mut client.stream, &mut back_end, shared, request, (number, fault)).await?;
    }
    Ok(())
}

/// One exchange. An error ends the connection.
async fn exchange(
    client: &mut TcpStream,
    back_end: &mut Option<Reader<TcpStream>>,
    shared: &Shared,
    mut request: Message,
    (number, fault): (usize, Fault),
) -> io::Result<()> {
    match fault {
        Fault::Refuse | Fault::Reset => return reset(client),
        Fault::Stall => return silence(client).await,
        Fault::Busy => return refuse(client, "503 Service Unavailable", "").await,
        Fault::Fail => return refuse(client, "500 Internal Server Error", "").await,
        Fault::Throttle => {
            let wait = format!("Retry-After: {}\r\n", WAIT.as_secs());
            return refuse(client, "429 Too Many Requests", &wait).await;
        }
        Fault::SpoilRequest => request.spoil(),
        _ => {}
    }
    let asked = Instant::now();
    let mut answer = forward(back_end, &request, shared).await?;
    shared.note(number, |exchange| {
        exchange.answered = answer.body.len();
        exchange.took = asked.elapsed();
    });
    redirect(&mut answer.head, shared);
    if fault == Fault::SpoilAnswer && !answer.is_a_description() {
        answer.spoil();
    }
    // Half of the content, or of the head where there is none.
    let half = match answer.body.len() {
        0 => answer.head.len() / 2,
        body => answer.head.len() + body / 2,
    };
    let bytes = [answer.head, answer.body].concat();
    match fault {
        Fault::LoseAnswer => reset(client),
        Fault::StallAnswer => silence(client).await,
        Fault::CutAnswer => {
            client.write_all(&bytes[..half]).await?;
            // A reset overtakes what was sent and not read yet.
            sleep(PAUSE).await;
            reset(client)
        }
        Fault::ShortenAnswer => {
            client.write_all(&bytes[..half]).await?;
            client.shutdown().await?;
            Err(io::ErrorKind::UnexpectedEof.into())
        }
        Fault::SlowAnswer => {
            for piece in bytes.chunks(bytes.len().div_ceil(PIECES)) {
                sleep(PAUSE).await;
                client.write_all(piece).await?;
            }
            Ok(())
        }
        _ => client.write_all(&bytes).await,
    }
}

/// Asks the back-end, on the connection that is there already if there is one.
async fn forward(
    back_end: &mut Option<Reader<TcpStream>>,
    request: &Message,
    shared: &Shared,
) -> io::Result<Message> {
    let _forwarding = shared.forwarding.read().await;
    let mut asked = match back_end.take().filter(Reader::is_open) {
        Some(open) => open,
        None => {
            let opened = TcpStream::connect(shared.back_end).await?;
            opened.set_nodelay(true)?;
            Reader::new(opened)
        }
    };
    asked.stream.write_all(&request.head).await?;
    asked.stream.write_all(&request.body).await?;
    let answer = asked.answer(request).await?;
    if !answer.closes() {
        *back_end = Some(asked);
    }
    Ok(answer)
}

/// Where an answer names the back-end, the next request would go around the proxy.
fn redirect(head: &mut Vec<u8>, shared: &Shared) {
    if let Ok(text) = std::str::from_utf8(head) {
        *head = text.replace(&shared.back_end.to_string(), &shared.address.to_string()).into();
    }
}

async fn refuse(client: &mut TcpStream, status: &str, fields: &str) -> io::Result<()> {
    let answer = format!("HTTP/1.1 {status}\r\n{fields}Content-Length: 0\r\n\r\n");
    client.write_all(answer.as_bytes()).await
}

/// Ends the connection in the middle of whatever is going on.
pub(super) fn reset(client: &TcpStream) -> io::Result<()> {
    client.set_zero_linger()?;
    Err(io::ErrorKind::ConnectionReset.into())
}

/// Says nothing until the other end is gone.
async fn silence(client: &mut TcpStream) -> io::Result<()> {
    let mut ignored = [0; 1024];
    while client.read(&mut ignored).await? > 0 {}
    Err(io::ErrorKind::UnexpectedEof.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A back-end that answers each request with `hello` and its path.
    async fn back_end() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let noting = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let noting = Arc::clone(&noting);
                tokio::spawn(async move {
                    let mut client = Reader::new(stream);
                    while let Ok(request) = client.request().await {
                        let body = String::from_utf8_lossy(&request.body).into_owned();
                        noting.lock().unwrap().push(format!("{} {body}", request.line()));
                        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhello...";
                        client.stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        (address, seen)
    }

    /// What a client sees of one exchange, and what the back-end saw of it.
    async fn seen(fault: Fault) -> (io::Result<Message>, Vec<String>) {
        let (address, noted) = back_end().await;
        let proxy = Proxy::start(address).await.unwrap();
        proxy.plan(Plan::one(1, fault));
        let mut client = Reader::new(TcpStream::connect(proxy.address()).await.unwrap());
        let text = "PUT /a HTTP/1.1\r\nContent-Length: 4\r\n\r\n1234";
        let mut result = Err(io::ErrorKind::Other.into());
        for _ in 0..2 {
            let sent = client.stream.write_all(text.as_bytes()).await;
            let request = Message { head: text.as_bytes().to_vec(), body: Vec::new() };
            let waiting = tokio::time::timeout(PAUSE * 20, client.answer(&request));
            result = sent.and(waiting.await.unwrap_or(Err(io::ErrorKind::TimedOut.into())));
        }
        let faults: Vec<_> = proxy.exchanges().iter().map(|exchange| exchange.fault).collect();
        assert_eq!(faults, [Fault::Pass, fault]);
        let noted = noted.lock().unwrap().split_off(1);
        (result, noted)
    }

    #[tokio::test]
    async fn each_fault_is_what_it_says() {
        use io::ErrorKind::{ConnectionReset, TimedOut, UnexpectedEof};
        for (fault, fails, reaches) in [
            (Fault::Pass, None, true),
            (Fault::Refuse, Some(ConnectionReset), false),
            (Fault::Reset, Some(ConnectionReset), false),
            (Fault::Stall, Some(TimedOut), false),
            (Fault::LoseAnswer, Some(ConnectionReset), true),
            (Fault::StallAnswer, Some(TimedOut), true),
            (Fault::CutAnswer, Some(ConnectionReset), true),
            (Fault::ShortenAnswer, Some(UnexpectedEof), true),
            (Fault::SlowAnswer, None, true),
        ] {
            let (result, noted) = seen(fault).await;
            assert_eq!(result.err().map(|error| error.kind()), fails, "{fault}");
            assert_eq!(!noted.is_empty(), reaches, "{fault}");
        }
        for (fault, line) in [
            (Fault::Busy, "HTTP/1.1 503 Service Unavailable"),
            (Fault::Fail, "HTTP/1.1 500 Internal Server Error"),
            (Fault::Throttle, "HTTP/1.1 429 Too Many Requests"),
        ] {
            let (result, noted) = seen(fault).await;
            assert_eq!((result.unwrap().line(), noted.len()), (line, 0));
        }
        let (result, noted) = seen(Fault::SpoilRequest).await;
        assert_eq!(
            (&*result.unwrap().body, &*noted[0]),
            (&b"hello..."[..], "PUT /a HTTP/1.1 1224")
        );
        let (result, noted) = seen(Fault::SpoilAnswer).await;
        assert_eq!(
            (&*result.unwrap().body, &*noted[0]),
            (&b"helln..."[..], "PUT /a HTTP/1.1 1234")
        );
    }
}
