package usagereport_test

import (
	"strings"
	"testing"

	"active_users_exporter/collector/usagereport"
)

func TestWhatReports(t *testing.T) {
	const synapse, dendrite = usagereport.Synapse, usagereport.Dendrite
	for name, c := range map[string]struct{ body, agent, want string }{
		"Synapse":                          {`{"homeserver":"a.example","python_version":"3.12","server_context":null}`, "Synapse/1.160.0", synapse},
		"nothing known":                    {`{"homeserver":"a.example"}`, "", synapse},
		"Dendrite":                         {`{"homeserver":"a.example","go_version":"go1.26","monolith":true}`, "Dendrite/0.15.2+1a2b3c", dendrite},
		"Dendrite through a proxy":         {`{"homeserver":"a.example","go_version":"go1.26"}`, "proxy/1", dendrite},
		"an old Dendrite":                  {`{"homeserver":"a.example","monolith":false}`, "", dendrite},
		"its agent alone":                  {`{"homeserver":"a.example","total_users":1}` + "\n", "Dendrite/0.15.2", dendrite},
		"its agent, and other keys":        {`{"homeserver":"a.example","software":"x"}`, "Dendrite/0.15.2", dendrite},
		"Synapse with a key of Dendrite":   {`{"homeserver":"a.example","go_version":"x","python_version":"3.12"}`, "", synapse},
		"an agent that only looks like it": {`{"homeserver":"a.example"}`, "Dendriteful/1", synapse},
	} {
		// The stored body must say it again, whatever the agent was.
		stored := usagereport.Mark([]byte(c.body), c.agent)
		r, err := usagereport.Parse(stored)
		if err != nil || r.Software != c.want || r.Homeserver != "a.example" {
			t.Errorf("%s: %+v, error %v, want %s", name, r, err, c.want)
		}
		if again := usagereport.Mark(stored, ""); string(again) != string(stored) {
			t.Errorf("%s: %s changed to %s", name, stored, again)
		}
	}
	for _, body := range []string{``, `[]`, `{}`, `{"homeserver"`, `null`} {
		if got := usagereport.Mark([]byte(body), "Dendrite/0.15.2"); string(got) != body {
			t.Errorf("%s was changed to %s", body, got)
		}
	}
}

// The version is what the report says, else what the User-Agent says. It is kept with the
// body, and nothing else of the User-Agent is.
func TestVersionOfSender(t *testing.T) {
	for name, c := range map[string]struct{ body, agent, version string }{
		"Synapse":                   {`{"homeserver":"a.example"}`, "Synapse/1.160.0", "1.160.0"},
		"a candidate":               {`{"homeserver":"a.example"} ` + "\n", "Synapse/1.160.0rc1", "1.160.0rc1"},
		"a branch of Synapse":       {`{"homeserver":"a.example"}`, "Synapse/1.99.0 (b=develop,abc123,dirty)", "1.99.0"},
		"Dendrite says it itself":   {`{"homeserver":"a.example","monolith":true,"version":"0.15.2"}`, "Dendrite/0.15.2+1a2b3c", "0.15.2"},
		"Dendrite by its agent":     {`{"homeserver":"a.example"}`, "Dendrite/0.13.0+1a2b3c", "0.13.0+1a2b3c"},
		"a version that is no text": {`{"homeserver":"a.example","version":{"a":1}}`, "Synapse/1.160.0", "1.160.0"},
		"a large report":            {`{"homeserver":"a.example","x":"` + strings.Repeat("x", 3000) + `"}`, "Synapse/1.160.0", "1.160.0"},
		"another program":           {`{"homeserver":"a.example"}`, "curl/8.5.0", ""},
		"an agent with quotes":      {`{"homeserver":"a.example"}`, `Synapse/1","homeserver":"b.example`, ""},
		"an agent that is too long": {`{"homeserver":"a.example"}`, "Synapse/" + strings.Repeat("1", 65), ""},
		"an agent without one":      {`{"homeserver":"a.example"}`, "Synapse/", ""},
	} {
		r, stored, err := usagereport.ParsePushed([]byte(c.body), c.agent)
		if err != nil || r.Info["version"] != c.version || r.Homeserver != "a.example" {
			t.Errorf("%s: %+v, error %v", name, r, err)
		}
		again, err := usagereport.Parse(stored)
		if err != nil || again.Info["version"] != c.version || again.Homeserver != "a.example" {
			t.Errorf("%s, as stored: %+v, error %v", name, again, err)
		}
	}
}
