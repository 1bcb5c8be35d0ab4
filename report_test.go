package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/go-kit/log"

	"active_users_exporter/collector/servers"
	"active_users_exporter/config"
	"active_users_exporter/test/samples"
)

func TestReportIsJSON(t *testing.T) {
	directory := realRecords(t)
	var out strings.Builder
	source := config.Source{Servers: []string{"synapse=sqlite:" + directory + "/homeserver.db"}, LookupEnv: os.LookupEnv}
	statuses, err := refreshOnce(t.Context(), source, environment{clock: samples.Now, logger: log.NewNopLogger()})
	if err != nil {
		t.Fatal(err)
	}
	if err := writeJSON(&out, servers.Kinds(), statuses); err != nil {
		t.Fatal(err)
	}
	var samples []struct {
		Name   string
		Labels map[string]string
		Value  *float64
	}
	if err := json.Unmarshal([]byte(out.String()), &samples); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, s := range samples {
		if s.Name == "" || s.Labels["server"] != "synapse" && s.Labels["homeserver"] != "sqlite.lab.test" || s.Value == nil {
			t.Errorf("incomplete sample %+v", s)
		}
		found = found || s.Name == "chat_r30v2_users" && *s.Value == 35
	}
	if !found {
		t.Errorf("r30v2 is missing or wrong in %s", out.String())
	}
}
