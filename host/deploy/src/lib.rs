//! Two regions on one database: brought up, watched and taken down.
