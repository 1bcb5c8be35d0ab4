package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/dustin/go-humanize"
	"github.com/go-kit/log"

	"active_users_exporter/collector"
	"active_users_exporter/collector/servers"
	"active_users_exporter/config"
	"active_users_exporter/test/must"
	"active_users_exporter/test/samples"
)

// detailNames says how report --long calls what has labels. A family without a row of its own
// is named by "".
func detailNames() map[string]func(label map[string]string) string {
	named := func(format string, labels ...string) func(map[string]string) string {
		return func(label map[string]string) string {
			var values []any
			for _, l := range labels {
				values = append(values, label[l])
			}
			return fmt.Sprintf(format, values...)
		}
	}
	days := func(label map[string]string) string {
		if label["le"] == "1" {
			return "came on at most 1 day of the last 28 (L28)"
		}
		return "came on at most " + label["le"] + " days of the last 28 (L28)"
	}
	rooms := func(label map[string]string) string {
		return map[string]string{"true": "rooms with an encrypted message within ", "false": "rooms with a plain message within "}[label["encrypted"]] + label["window"]
	}
	return map[string]func(map[string]string) string{
		"chat_active_users": named("active within %s", "window"), "chat_active_client_users": named("active within %s, %s", "window", "client"),
		"chat_active_type_users": named("active within %s, %s", "window", "type"), "chat_month_users": named("active in %s", "month"),
		"chat_r30v2_users": named("came back after 30 days (r30v2)"), "chat_r30v2_client_users": named("r30v2, %s", "client"), "chat_r30v2_type_users": named("r30v2, %s", "type"),
		"chat_growth_users": named("growth within 30 days, %s", "state"), "chat_lifecycle_users": named("interval of %s, %s", "interval", "state"),
		"chat_l28_activity_bucket": days, "chat_l28_activity_sum": nil, "chat_l28_activity_count": nil,
		"chat_registered_users": named("accounts, %s", "type"), "chat_created_users": named("accounts created within 24 hours, %s", "type"),
		"chat_dormant_users": named("accounts last seen %s", "age"), "chat_online_users": named("online"), "chat_damaged_records": named("damaged records"),
		"chat_senders_users": named("sent a message within %s", "window"), "chat_active_rooms": rooms, "chat_history_days": named("days of visits that are known"),
		"chat_activity_recorded": nil, "chat_module_status": nil, "chat_module_loaded": nil, // the first is an error of its own; modules that are in trouble have lines
	}
}

// Whatever a domain has on /metrics, report --long has in a line, and nothing else.
func TestDetailsAreAllFigures(t *testing.T) {
	source := config.Source{Servers: []string{"synapse=sqlite:" + realRecords(t) + "/homeserver.db"}}
	statuses := must.Get(refreshOnce(t.Context(), source, environment{clock: samples.Now, logger: log.NewNopLogger()}))(t)
	domain := statuses[0].Snapshot.Domains[0]
	domain.Online, domain.Damaged = collector.Known(7), 12_345
	statuses[0].Snapshot.Domains[0] = domain
	var out strings.Builder
	must.Succeed(t, writeTables(&out, statuses, true))
	shown := make(map[string]string)
	for _, line := range regexp.MustCompile(`(?m)^ {4}(\S.*?)  +([\d,]+)$`).FindAllStringSubmatch(out.String(), -1) {
		shown[line[1]] = line[2]
	}
	missing := make(map[string]bool)
	for name := range detailNames() {
		missing[name] = detailNames()[name] != nil
	}
	for _, f := range must.Get(registryOf(servers.Kinds(), statuses).Gather())(t) {
		for _, m := range f.GetMetric() {
			for _, s := range samplesOf(f.GetName(), m) {
				called, known := detailNames()[s.Name]
				if _, ofDomain := s.Labels["domain"]; !ofDomain || !strings.HasPrefix(s.Name, "chat_") || s.Labels["le"] == "+Inf" {
					continue
				}
				if !known {
					t.Errorf("report --long has no line for %s", s.Name)
					continue
				}
				if called == nil {
					continue
				}
				missing[s.Name] = false
				what := called(s.Labels)
				if got, want := shown[what], humanize.Comma(int64(s.Value)); got != want {
					t.Errorf("%s: %q, want %s", what, got, want)
				}
				delete(shown, what)
			}
		}
	}
	for name, is := range missing {
		if is {
			t.Errorf("the records show nothing of %s", name)
		}
	}
	if len(shown) > 0 {
		t.Errorf("lines that are no figures: %v\n%s", shown, &out)
	}
}
