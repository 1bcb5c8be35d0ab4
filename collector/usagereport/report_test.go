package usagereport_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"active_users_exporter/collector/usagereport"
)

func TestNumberOfStatistics(t *testing.T) {
	if !slices.IsSorted(usagereport.Names()) || len(usagereport.Names()) != 31+14 {
		t.Errorf("%d names", len(usagereport.Names()))
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{
		"../reports/testdata/phone-home-sqlite-day69.json", "../reports/testdata/phone-home-pg-day31.json",
		"../dendrite/testdata/phone-home-sqlite.json", "../dendrite/testdata/phone-home-pg.json",
	} {
		content, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var p struct{ Body string }
		if err := json.Unmarshal(content, &p); err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(p.Body))
	}
	f.Add([]byte(`{"homeserver":"[::1]:1","total_users":1e5,"server_context":null,"x":[{"y":{}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := usagereport.Parse(body)
		if err != nil {
			return
		}
		if r.Homeserver == "" || strings.ToLower(r.Homeserver) != r.Homeserver || strings.ContainsAny(r.Homeserver, " \n\"<>") {
			t.Errorf("homeserver %q", r.Homeserver)
		}
		for name, value := range r.Statistics {
			if !(value >= 0 && value < 1e13) || !slices.Contains(usagereport.Names(), name) {
				t.Errorf("%s = %v", name, value)
			}
		}
		for name, text := range r.Info {
			if len(text) > 128 {
				t.Errorf("%s has %d bytes", name, len(text))
			}
		}
	})
}
