use std::time::Duration;

use tokio_postgres::Config;

/// The timeout for one of the server's addresses. The first one may be unreachable.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a connection may be idle before the kernel sends a keepalive.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);

/// How long sent data may stay unacknowledged before the kernel closes the connection.
const UNACKNOWLEDGED: Duration = Duration::from_secs(15);

/// Sets the socket options of every connection.
pub(crate) fn set_socket_timeouts(config: &mut Config) {
    config.keepalives(true).keepalives_idle(KEEPALIVE_IDLE).tcp_user_timeout(UNACKNOWLEDGED);
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(ADDRESS_TIMEOUT);
    }
}
