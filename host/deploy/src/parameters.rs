use std::collections::BTreeMap;

use serde_json::Value;

use crate::clusters::Cluster;
use crate::config::{Config, Smoke};
use crate::package::Package;
use crate::times::HTTP_TIMEOUT_MS;

/// The parameters of `region.yaml` in the region at this place of the configuration, except those
/// for its code and its versions.
pub fn region_parameters(
    config: &Config,
    place: usize,
    clusters: &[Cluster; 2],
    identity: &str,
    package: &Package,
    vault: Option<String>,
) -> BTreeMap<String, String> {
    let [one, other] = clusters;
    let (here, there) = if place == 0 { (one, other) } else { (other, one) };
    let region = &here.region;
    let by_region = |named: &BTreeMap<String, String>| named.get(region).cloned().unwrap_or_default();
    let jwt = config.http.jwt.as_ref();
    let domain = config.http.domain.as_ref();
    let route = config.events.route.as_ref();
    let mut parameters = BTreeMap::new();
    let mut set = |name: &str, value: String| parameters.insert(name.to_owned(), value);
    set("Name", config.name.clone());
    set("PeerRegion", there.region.clone());
    set("Architecture", config.architecture.name().to_owned());
    set("ClusterArn", here.arn.clone());
    set("PeerClusterArn", there.arn.clone());
    set("Endpoint", here.endpoint.clone());
    set("PeerEndpoint", there.endpoint.clone());
    set("DatabaseRole", config.database.role.clone());
    set("DatabaseIdentity", identity.to_owned());
    set("VaultKeyArn", vault.unwrap_or_default());
    set("MemoryMb", config.function.memory_mb.to_string());
    set("TimeoutSeconds", config.function.timeout_s.to_string());
    set("ReservedConcurrency", config.function.reserved_concurrency.to_string());
    set("LogLevel", config.function.log_level.clone());
    set("LogRetentionDays", config.function.log_retention_days.to_string());
    set("MetricsNamespace", package.settings.metrics.clone());
    set("HttpTimeoutMs", HTTP_TIMEOUT_MS.to_string());
    set("RelayMinutes", config.events.relay_minutes.to_string());
    set("ArchiveDays", config.events.archive_days.to_string());
    set("TakesEvents", package.takes_events.to_string());
    set("FollowPattern", package.follows.as_ref().map(|pattern| follow(pattern, region)).unwrap_or_default());
    set("RouteOperation", route.map(|route| route.operation.clone()).unwrap_or_default());
    set("RouteAmount", route.map_or(0.0, |route| route.amount).to_string());
    set("SmokePattern", config.smoke.as_ref().map(Smoke::pattern).unwrap_or_default());
    set("Authorizer", jwt.map_or("AWS_IAM", |_| "JWT").to_owned());
    set("JwtIssuer", jwt.map(|jwt| jwt.issuer.clone()).unwrap_or_default());
    set("JwtAudience", jwt.map(|jwt| jwt.audience.join(",")).unwrap_or_default());
    set("ThrottleRate", config.http.rate.to_string());
    set("ThrottleBurst", config.http.burst.to_string());
    set("HostedZoneId", domain.map(|domain| domain.hosted_zone.clone()).unwrap_or_default());
    set("DomainName", domain.map(|domain| domain.name.clone()).unwrap_or_default());
    set("CertificateArn", domain.map(|domain| by_region(&domain.certificates)).unwrap_or_default());
    set("AlarmTopicArn", by_region(&config.alarms.topics));
    set("P99Milliseconds", config.alarms.p99_ms.to_string());
    set("ConflictsPerMinute", config.alarms.conflicts_per_minute.to_string());
    set("OutboxLagSeconds", config.outbox_lag_s(&package.settings).to_string());
    set("ConnectionsMost", config.alarms.connections.to_string());
    set("DpuPerHour", config.alarms.dpu_per_hour.to_string());
    parameters
}

/// What is urgent is this many times the amount that is reviewed.
const URGENT: u64 = 10;

/// The parameters of `workflows.yaml` in a region; `None` without workflows.
pub fn workflow_parameters(config: &Config, region: &str) -> Option<BTreeMap<String, String>> {
    let workflows = config.workflows.as_ref()?;
    let peer = config.regions.served.iter().find(|served| *served != region);
    Some(BTreeMap::from([
        ("Name".to_owned(), config.name.clone()),
        ("PeerRegion".to_owned(), peer.cloned().unwrap_or_default()),
        ("Source".to_owned(), workflows.source.clone()),
        ("SettledType".to_owned(), workflows.settled_type.clone()),
        ("ReviewAmount".to_owned(), workflows.review_amount.to_string()),
        ("UrgentAmount".to_owned(), (URGENT * workflows.review_amount).to_string()),
        ("ReviewAgeSeconds".to_owned(), (3600 * u64::from(workflows.review_age_h)).to_string()),
        ("LogRetentionDays".to_owned(), config.function.log_retention_days.to_string()),
        ("AlarmTopicArn".to_owned(), config.alarms.topics.get(region).cloned().unwrap_or_default()),
    ]))
}

/// The pattern of the region's own events for which its function is invoked. The other region
/// handles the events that it published.
fn follow(pattern: &Value, region: &str) -> String {
    let mut pattern = pattern.clone();
    if let Some(members) = pattern.as_object_mut() {
        members.insert("detail".to_owned(), serde_json::json!({"tenet": {"bus": [region]}}));
    }
    pattern.to_string()
}
