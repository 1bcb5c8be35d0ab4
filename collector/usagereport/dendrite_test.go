package usagereport_test

import (
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
