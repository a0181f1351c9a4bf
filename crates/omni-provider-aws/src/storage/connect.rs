//! From settings to a client of the AWS SDK.

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::endpoint::Params;
use aws_sdk_s3::config::{
    Builder, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_smithy_http_client::default_connector;
use aws_smithy_runtime_api::client::http::HttpConnectorSettings;
use omni_contracts::Result;

use super::blank::PutBack;
use super::settings::{S3Addressing, S3Settings, wrong};
use super::wire::Wire;

/// The region that services other than Amazon's are addressed with when nothing says another.
const ANY_REGION: &str = "us-east-1";

/// Makes a client; asks nobody but, where the settings do not say them, the sources of region and
/// credentials.
///
/// The SDK repeats nothing: whether a call may be repeated is known to the caller, and two layers that
/// repeat multiply.
pub(crate) async fn connect(settings: &S3Settings) -> Result<(Client, Wire)> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.read_timeout)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts);
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &settings.profile {
        loader = loader.profile_name(profile);
    }
    if settings.anonymous {
        loader = loader.no_credentials();
    }
    if let (Some(id), Some(secret)) = (&settings.access_key_id, &settings.secret_access_key) {
        let token = settings.session_token.as_ref().map(|token| token.expose().to_owned());
        let key = Credentials::new(id, secret.expose(), token, None, "omni settings");
        loader = loader.credentials_provider(key);
    }
    let shared = loader.load().await;
    let mut config = Builder::from(&shared)
        .force_path_style(settings.addressing() == S3Addressing::Path)
        // We send and compare checksums ourselves, also where a service knows none.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .interceptor(PutBack);
    if settings.anonymous {
        config = config.allow_no_auth();
    }
    match (&settings.endpoint, shared.region()) {
        (Some(endpoint), None) => {
            config = config.endpoint_url(endpoint).region(Region::from_static(ANY_REGION));
        }
        (Some(endpoint), Some(_)) => config = config.endpoint_url(endpoint),
        (None, Some(_)) => {}
        (None, None) => {
            return Err(wrong("region is missing: set it here, as AWS_REGION or in the profile"));
        }
    }
    let wire = wire(settings, &shared).await?;
    Ok((Client::from_conf(config.build()), wire))
}

/// As the client, to the same place.
async fn wire(settings: &S3Settings, shared: &SdkConfig) -> Result<Wire> {
    let timeouts = HttpConnectorSettings::builder()
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.read_timeout)
        .build();
    let connector = default_connector(&timeouts, shared.sleep_impl())
        .ok_or_else(|| wrong("there is no TLS in this build"))?;
    let region = shared.region().map_or(ANY_REGION, |region| region.as_ref());
    let endpoint = settings.endpoint.as_deref().or(shared.endpoint_url());
    let place = Params::builder()
        .bucket(&settings.bucket)
        .region(region)
        .set_endpoint(endpoint.map(str::to_owned))
        .force_path_style(settings.addressing() == S3Addressing::Path)
        .use_fips(shared.use_fips().unwrap_or(false))
        .use_dual_stack(shared.use_dual_stack().unwrap_or(false))
        .build()
        .map_err(|error| wrong(format!("no endpoint follows: {error}")))?;
    let credentials = shared.credentials_provider().filter(|_| !settings.anonymous);
    Wire::new(connector, credentials, &place, region, settings).await
}
