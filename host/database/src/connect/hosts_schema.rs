/// The schema of the host's own tables.
pub(crate) const HOSTS_SCHEMA: &str = "tenet";

/// Why no role may have that name.
pub(crate) const HOSTS_NAME: &str = "a database role cannot be called tenet: PostgreSQL looks for tables in the schema of \
     the role's name first, and that one is the host's";
