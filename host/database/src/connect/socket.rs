use std::time::Duration;

use tokio_postgres::Config;

/// Longest wait for one of the server's addresses, of which the first may lead nowhere.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a connection may be silent before the kernel asks whether the server is there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);

/// How long the server may leave what was sent unacknowledged before the kernel gives up.
const UNACKNOWLEDGED: Duration = Duration::from_secs(15);

/// What every connection's socket is told.
pub(crate) fn set_socket_timeouts(config: &mut Config) {
    config.keepalives(true).keepalives_idle(KEEPALIVE_IDLE).tcp_user_timeout(UNACKNOWLEDGED);
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(ADDRESS_TIMEOUT);
    }
}
