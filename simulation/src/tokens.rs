//! I26, and I25 of the tokens: workers that share an account renew its tokens while the service ends each refresh token with its
//! first use. Workers die at any await, answers are lost, the store is out of reach, people take the grant back. After each
//! round a worker that knows nothing but the store has to renew, and whoever was given a token is named by it.

use std::{
    collections::BTreeSet,
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    thread,
};

use async_trait::async_trait;
use calsync_core::{
    context::{Clock, Entropy, IdSource},
    secret::Secret,
    store::{self, MemoryStore, Store, StoreError, StoreErrorKind},
    vault::{Envelope, Keeper, LocalKeys},
};
use calsync_providers::{
    http::{HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpTransport},
    oauth::{Access, Exchange, Flows, Intent, OAuthConfig, OAuthError, OAuthErrorKind},
};
use calsync_testkit::{
    hooked_store::{HookedStore, Moment, StoreHook},
    world::VirtualClock,
};
use chrono::TimeDelta;
use futures_util::{StreamExt, stream::FuturesUnordered};
use http::{HeaderMap, StatusCode};
use url::{Url, form_urlencoded};

/// Rounds of one play.
const ROUNDS: u32 = 6;
/// Workers whose memory lasts from round to round.
const WORKERS: u32 = 3;
const REDIRECT: &str = "http://127.0.0.1:4711/";
const ACCOUNT: &str = "home";

/// What the store does with what it acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// It keeps it.
    Kept,
    /// It loses it: the planted bug, tokens in use that were not kept.
    Broken,
}

/// What is shared by everybody in a play.
struct World {
    random: u64,
    /// Faults happen.
    stormy: bool,
    /// Something happened in this round that may cost an answer.
    excused: bool,
    /// How many pairs of tokens were given out; the refresh token of the last one is good.
    issued: u64,
    /// Somebody took the grant back.
    revoked: bool,
    names: u64,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<World>>);

impl Shared {
    fn get(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// SplitMix64.
    fn next(&self) -> u64 {
        let mut world = self.get();
        world.random = world.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = world.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&self, n: u32) -> u32 {
        u32::try_from(self.next() % u64::from(n)).unwrap_or(0)
    }

    /// Others have their turn.
    async fn pause(&self) {
        for _ in 0..self.below(4) {
            tokio::task::yield_now().await;
        }
    }
}

impl Entropy for Shared {
    fn fill(&self, bytes: &mut [u8]) -> std::io::Result<()> {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

impl IdSource for Shared {
    fn fresh(&self) -> String {
        let mut world = self.get();
        world.names += 1;
        format!("worker-{}", world.names)
    }
}

#[async_trait]
impl StoreHook for Shared {
    async fn at(&self, _: Moment<'_>) -> store::Result<()> {
        self.pause().await;
        let fails = self.get().stormy && self.below(12) == 0;
        if fails {
            self.get().excused = true;
            return Err(StoreError::new(StoreErrorKind::Unavailable, "simulated"));
        }
        Ok(())
    }
}

/// The service: RFC 6749 section 6, each refresh token good for one use.
struct Service(Shared);

fn answer(status: StatusCode, body: String) -> HttpResponse {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    HttpResponse { status, headers, body: body.into_bytes() }
}

#[async_trait]
impl HttpTransport for Service {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.0.pause().await;
        let form: Vec<(String, String)> = form_urlencoded::parse(&request.body).into_owned().collect();
        let said = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let fault = if self.0.get().stormy { self.0.below(8) } else { u32::MAX };
        match fault {
            0 => return Err(HttpError::not_sent(HttpErrorKind::Connect, "no such host")),
            1 => return Ok(answer(StatusCode::SERVICE_UNAVAILABLE, String::new())),
            _ => {}
        }
        let number = {
            let mut world = self.0.get();
            if said("grant_type") == Some("refresh_token") {
                let good = format!("refresh-{}", world.issued);
                if world.revoked || said("refresh_token") != Some(good.as_str()) {
                    return Ok(answer(StatusCode::BAD_REQUEST, r#"{"error":"invalid_grant"}"#.to_owned()));
                }
            }
            world.issued += 1;
            world.issued
        };
        if fault == 2 {
            self.0.get().excused = true;
            return Err(HttpError::maybe_sent(HttpErrorKind::Interrupted, "the connection broke"));
        }
        self.0.pause().await;
        Ok(answer(
            StatusCode::OK,
            format!(
                r#"{{"access_token":"access-{number}","refresh_token":"refresh-{number}","token_type":"Bearer","expires_in":3600}}"#
            ),
        ))
    }
}

/// A call whose worker dies after so many polls.
struct Mortal<'a> {
    call: Pin<Box<dyn Future<Output = Result<Secret, OAuthError>> + Send + 'a>>,
    polls: Option<u32>,
}

impl Future for Mortal<'_> {
    /// `None`: it died.
    type Output = Option<Result<Secret, OAuthError>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.polls {
            Some(0) => return Poll::Ready(None),
            Some(left) => *left -= 1,
            None => {}
        }
        pin!(&mut self.call).poll(cx).map(Some)
    }
}

struct Play {
    shared: Shared,
    clock: Arc<VirtualClock>,
    memory: Arc<MemoryStore>,
    store: Arc<HookedStore<Shared>>,
    keeper: Keeper,
    flows: Flows,
    /// The numbers of the access tokens that somebody was given.
    given: BTreeSet<u64>,
}

impl Play {
    fn new(seed: u64) -> Option<Self> {
        let world =
            World { random: seed, stormy: false, excused: false, issued: 0, revoked: false, names: 0 };
        let shared = Shared(Arc::new(Mutex::new(world)));
        let memory = Arc::new(MemoryStore::default());
        let store = Arc::new(HookedStore::new(memory.clone() as Arc<dyn Store>, shared.clone()));
        let entropy: Arc<dyn Entropy> = Arc::new(shared.clone());
        let key = Secret::from("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned());
        let keys = Arc::new(LocalKeys::new("k1", &key, entropy.clone()).ok()?);
        let vault = Arc::new(Envelope::new(keys, entropy.clone()));
        Some(Self {
            keeper: Keeper::new(store.clone(), vault.clone(), ""),
            flows: Flows::new(store.clone(), vault, entropy, ""),
            clock: Arc::new(VirtualClock::default()),
            given: BTreeSet::new(),
            shared,
            memory,
            store,
        })
    }

    fn exchange(&self) -> Result<Exchange, String> {
        let config = OAuthConfig::google("client").map_err(|error| error.to_string())?;
        Ok(Exchange::new(config, Arc::new(Service(self.shared.clone()))))
    }

    /// A worker that knows what is in the store.
    fn worker(&self) -> Result<Access, String> {
        let (clock, ids) = (self.clock.clone(), Arc::new(self.shared.clone()));
        Ok(Access::new(self.exchange()?, self.keeper.clone(), clock, ids, ACCOUNT))
    }

    /// A person signs in.
    async fn connect(&self) -> Result<(), String> {
        let redirect = Url::parse(REDIRECT).map_err(|error| error.to_string())?;
        let said = |error: OAuthError| error.to_string();
        let (exchange, intent) = (self.exchange()?, Intent::new(ACCOUNT, "s"));
        let begun =
            self.flows.begin(&exchange, intent, redirect.as_str(), self.clock.now()).await.map_err(said)?;
        let state = begun.query_pairs().find(|(key, _)| key == "state").map(|(_, value)| value.into_owned());
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("code", "c")
            .append_pair("state", &state.unwrap_or_default())
            .finish();
        self.shared.get().revoked = false;
        let connected = self.flows.finish(&exchange, "s", &query, self.clock.now()).await.map_err(said)?;
        self.worker()?.keep(&connected.grant).await.map_err(said)
    }

    fn note(&mut self, token: &Secret) -> Option<u64> {
        let number = token.expose().strip_prefix("access-")?.parse().ok()?;
        self.given.insert(number);
        Some(number)
    }

    /// Workers ask for a token, all at once.
    async fn storm(&mut self, workers: &[Access]) {
        {
            let mut world = self.shared.get();
            (world.stormy, world.excused) = (true, false);
        }
        let mut calls = FuturesUnordered::new();
        for _ in 0..=self.shared.below(4) {
            let worker = &workers[self.shared.below(WORKERS) as usize];
            let last = self.given.last().map(|number| Secret::from(format!("access-{number}")));
            let refused = last.filter(|_| self.shared.below(6) == 0);
            let call = Box::pin(async move {
                match refused {
                    Some(refused) => worker.instead_of(&refused).await,
                    None => worker.token().await,
                }
            });
            let dies = self.shared.below(3) == 0;
            let polls = dies.then(|| self.shared.below(40));
            calls.push(Mortal { call, polls });
        }
        let mut given = Vec::new();
        while let Some(ended) = calls.next().await {
            match ended {
                Some(Ok(token)) => given.push(token),
                Some(Err(_)) => {}
                None => self.shared.get().excused = true,
            }
        }
        drop(calls);
        for token in &given {
            self.note(token);
        }
        self.shared.get().stormy = false;
    }

    /// A worker that knows the store alone renews.
    async fn look(&mut self) -> Result<(), String> {
        self.clock.advance(TimeDelta::hours(2));
        let renewed = self.worker()?.token().await;
        let (issued, revoked, excused) = {
            let world = self.shared.get();
            (world.issued, world.revoked, world.excused)
        };
        match renewed {
            Ok(_) if revoked => Err("a token was renewed of a grant that was taken back".to_owned()),
            Ok(token) if self.note(&token) == Some(issued) => Ok(()),
            Ok(_) => Err("the token is not the one that was issued last".to_owned()),
            Err(OAuthError { kind: OAuthErrorKind::NeedsReauth(_), .. }) => {
                if !revoked && self.given.contains(&issued) {
                    return Err(format!("access-{issued} is in use, and refresh-{issued} was not kept"));
                }
                if !revoked && !excused {
                    return Err("a person is asked to sign in although nothing went wrong".to_owned());
                }
                self.connect().await
            }
            Err(error) => Err(format!("no faults any more, and still: {error}")),
        }
    }

    async fn run(mut self, promise: Promise) -> Result<u64, String> {
        self.connect().await?;
        let workers: Vec<Access> = (0..WORKERS).map(|_| self.worker()).collect::<Result<_, _>>()?;
        for _ in 0..ROUNDS {
            self.clock.advance(TimeDelta::minutes(20 + i64::from(self.shared.below(160))));
            let before = self.memory.snapshot();
            self.storm(&workers).await;
            if promise == Promise::Broken {
                self.memory = Arc::new(before);
                self.store.swap(self.memory.clone());
            }
            if self.shared.below(12) == 0 {
                self.shared.get().revoked = true;
            }
            self.look().await?;
        }
        Ok(u64::from(ROUNDS))
    }
}

/// Plays a seed. How often it was looked, or what was broken.
pub(crate) fn play(seed: u64, promise: Promise) -> Result<u64, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let play = Play::new(seed).ok_or("no vault")?;
    runtime.block_on(play.run(promise))
}

/// What many plays came to.
#[derive(Default)]
pub(crate) struct Looks {
    /// How often it was looked.
    pub(crate) count: u64,
    /// The first seed that broke something, and what.
    pub(crate) broken: Option<(u64, String)>,
}

/// Plays so many seeds, on all cores.
pub(crate) fn run(from: u64, seeds: u64, threads: usize) -> Looks {
    let (next, sum) = (AtomicU64::new(0), Mutex::new(Looks::default()));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut mine = Looks::default();
                while mine.broken.is_none() {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    if place >= seeds {
                        break;
                    }
                    match play(from + place, Promise::Kept) {
                        Ok(looks) => mine.count += looks,
                        Err(what) => mine.broken = Some((from + place, what)),
                    }
                }
                let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                sum.count += mine.count;
                sum.broken = sum.broken.take().or(mine.broken);
            });
        }
    });
    let looks = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some((seed, what)) = &looks.broken {
        println!("I26: {what}\nreplay: cargo xtask simulate --tokens {seed}");
    }
    looks
}

#[cfg(test)]
mod tests {
    use super::{Promise, play};

    #[test]
    fn i26_tokens_in_use_can_be_renewed() {
        for seed in 0..200 {
            play(seed, Promise::Kept).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        }
    }

    #[test]
    fn i26_a_token_that_was_not_kept_is_noticed() {
        let noticed = (0..200).filter_map(|seed| play(seed, Promise::Broken).err());
        assert!(noticed.filter(|what| what.contains("was not kept")).count() > 20);
    }
}
