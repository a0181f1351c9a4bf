//! The requests that a container is asked: how they are put together, sent, and their answers read.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use azure_core::credentials::TokenCredential;
use azure_core::http::{
    AsyncResponseBody, Context, Method, Pipeline, PipelineSendOptions, PipelineStreamOptions,
    Request, Transport, Url,
};
use azure_core::time::to_rfc7231;
use bytes::Bytes;
use omni_contracts::Result;
use omni_contracts::storage::Key;
use tokio::sync::Mutex;

use super::account::{Account, Identity};
use super::address::path;
use super::call::{Answer, Call};
use super::connect::{connect, transport};
use super::error::{Intent, answered, failed};
use super::presign::DelegationKey;
use super::settings::{BlobSettings, wrong};

/// A container and how it is reached. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Container(Arc<Inner>);

struct Inner {
    pipeline: Pipeline,
    account: Account,
    url: String,
    settings: BlobSettings,
    token: Option<Arc<dyn TokenCredential>>,
    delegation: Mutex<Option<DelegationKey>>,
}

impl Container {
    /// Makes what sends requests; sends none.
    pub(crate) fn connect(settings: BlobSettings) -> Result<Self> {
        settings.validate()?;
        let transport = transport(&settings)?;
        Self::over(transport, settings)
    }

    /// A container that is reached by a transport.
    pub(crate) fn over(transport: Transport, settings: BlobSettings) -> Result<Self> {
        let account = Account::new(&settings)?;
        let (pipeline, token) = connect(&settings, &account.identity, transport)?;
        let url =
            format!("{}/{}", account.endpoint.as_str().trim_end_matches('/'), settings.container);
        Url::parse(&url).map_err(|error| wrong(format!("endpoint is no URL: {error}")))?;
        let delegation = Mutex::new(None);
        Ok(Self(Arc::new(Inner { pipeline, account, url, settings, token, delegation })))
    }

    pub(crate) fn settings(&self) -> &BlobSettings {
        &self.0.settings
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.0.account.identity
    }

    pub(crate) fn endpoint(&self) -> &Url {
        &self.0.account.endpoint
    }

    pub(crate) fn token(&self) -> Option<&Arc<dyn TokenCredential>> {
        self.0.token.as_ref()
    }

    pub(crate) fn delegation(&self) -> &Mutex<Option<DelegationKey>> {
        &self.0.delegation
    }

    /// The URL of an object, without a signature.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a native key that cannot be sent.
    pub(crate) fn url(&self, key: &Key) -> Result<String> {
        Ok(format!("{}/{}", self.0.url, path(key)?))
    }

    /// A request about an object.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a native key that cannot be sent.
    pub(crate) fn blob(&self, method: Method, key: &Key) -> Result<Call> {
        Ok(Call::new(method, self.url(key)?))
    }

    /// A request about the container.
    pub(crate) fn container(&self, method: Method) -> Call {
        Call::new(method, self.0.url.clone()).query("restype", "container")
    }

    /// A request about the account.
    pub(crate) fn account(&self, method: Method) -> Call {
        Call::new(method, self.endpoint().as_str().to_owned())
    }

    /// Sends a request, and reads its answer whole.
    ///
    /// # Errors
    ///
    /// What the service says, translated.
    pub(crate) async fn send(&self, call: Call, intent: Intent) -> Result<Answer> {
        let mut request = self.prepared(call)?;
        let options = PipelineSendOptions { skip_checks: true, ..PipelineSendOptions::default() };
        let sent = self.0.pipeline.send(&Context::new(), &mut request, Some(options)).await;
        let answer = sent.map_err(|error| failed(error, intent, self))?;
        let (status, headers, body) = answer.deconstruct();
        let answer = Answer { status: status.into(), headers, body: Bytes::from(body) };
        if answer.is_success() { Ok(answer) } else { Err(answered(&answer, intent, self)) }
    }

    /// Sends a request, and reads its answer up to its content.
    ///
    /// # Errors
    ///
    /// What the service says, translated.
    pub(crate) async fn stream(
        &self,
        call: Call,
        intent: Intent,
    ) -> Result<(Answer, AsyncResponseBody)> {
        let mut request = self.prepared(call)?;
        let options =
            PipelineStreamOptions { skip_checks: true, ..PipelineStreamOptions::default() };
        let sent = self.0.pipeline.stream(&Context::new(), &mut request, Some(options)).await;
        let answer = sent.map_err(|error| failed(error, intent, self))?;
        let (status, headers, body) = answer.deconstruct();
        let mut answer = Answer { status: status.into(), headers, body: Bytes::new() };
        if answer.is_success() {
            return Ok((answer, body));
        }
        answer.body = body.collect().await.map_err(|error| failed(error, intent, self))?;
        Err(answered(&answer, intent, self))
    }

    fn prepared(&self, call: Call) -> Result<Request> {
        let call = call.header("x-ms-date", to_rfc7231(&SystemTime::now().into()));
        match self.identity() {
            Identity::Signature(token) => call.signed(token.secret()).into_request(),
            _ => call.into_request(),
        }
    }
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container").field("url", &self.0.url).finish_non_exhaustive()
    }
}
