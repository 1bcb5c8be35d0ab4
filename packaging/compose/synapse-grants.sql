-- What the exporter reads of Synapse, and nothing else. Run it once Synapse has made
-- its tables; docs/docker.md has the command.
GRANT SELECT (name, creation_ts, is_guest, appservice_id, deactivated, user_type) ON users TO exporter;
GRANT SELECT (ctid, user_id, user_agent, last_seen) ON user_ips TO exporter;
GRANT SELECT (user_id, user_agent, last_seen) ON devices TO exporter;
GRANT SELECT (ctid, user_id, timestamp, user_agent) ON user_daily_visits TO exporter;
GRANT SELECT (user_id, timestamp) ON monthly_active_users TO exporter;
GRANT SELECT (type, room_id, sender, stream_ordering, received_ts) ON events TO exporter;
GRANT SELECT (room_id) ON rooms TO exporter;
GRANT SELECT (local_users_in_room) ON room_stats_current TO exporter;
GRANT SELECT (failure_ts) ON destinations TO exporter;
