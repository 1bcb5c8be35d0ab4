// Grafana's own types for dashboards, in a module of their own so that nothing
// of them reaches the product.
module active_users_exporter/tools/grafana

go 1.26.0

require github.com/grafana/grafana-foundation-sdk/go v0.0.22
