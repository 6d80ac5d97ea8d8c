//! Registry gateway: pull-through cache, record and replay, fixture server.
