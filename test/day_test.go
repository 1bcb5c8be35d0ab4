package test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"active_users_exporter/collector/demo"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/test/leaks"
	"active_users_exporter/test/must"
)

// A simulated day at speed: every five minutes all servers are refreshed and
// scraped, while people come, records change, and each hour something is broken
// for a quarter of it. Memory, goroutines and open files stay as they are, and
// at the end the figures are those of an exporter that has just been started.
func TestADayOfRefreshes(t *testing.T) { leaks.LeavesNothing(t, dayOfRefreshes) }

func dayOfRefreshes(t *testing.T) {
	folder := t.TempDir()
	database, records := filepath.Join(folder, "homeserver.db"), filepath.Join(folder, "prosody")
	must.Succeed(t, demo.Synapse(t.Context(), database, faultsAt, 300, 1))
	must.Succeed(t, demo.Prosody(t.Context(), records, faultsAt, 200, 1))
	status := httptest.NewServer(demo.StatusPage(faultsAt))
	t.Cleanup(status.Close)
	p, statusURL := proxied(t, status.URL+"/status")
	servers := "servers:\n  - {name: matrix, software: synapse, from: 'sqlite:" + database + "'}\n" +
		"  - {name: xmpp, software: prosody, from: '" + records + "', status_url: '" + statusURL + "'}\n" +
		"  - {name: ej, " + ejabberdAPI(t).config + "}\n" +
		"  - {name: gone, software: synapse, from: 'postgres://u@" + freeAddress(t) + "/synapse'}\n"
	e := newByHand(t, "storage: {path: '"+filepath.Join(folder, "data")+"'}\n"+servers, faultsAt)
	people, err := sqldb.CreateSQLite(database)
	must.Succeed(t, err)
	t.Cleanup(func() { must.Succeed(t, people.Close()) })

	const hour, pause = 12, 5 * time.Minute
	var second, last resources // quarters of the day
	for step := range 24 * hour {
		e.advance(pause)
		broken := step%hour >= 9
		switch step % hour {
		case 9:
			must.Succeed(t, os.Rename(records, records+".aside"))
			p.close()
		case 0:
			if step > 0 {
				must.Succeed(t, os.Rename(records+".aside", records))
				p.open(t)
			}
		}
		user := fmt.Sprintf("person%d", step%40)
		_, err := people.ExecContext(t.Context(), `INSERT OR REPLACE INTO user_ips VALUES (?, 'token', 'D', '192.0.2.1', 'Element X/26 (Android 16)', ?)`, "@"+user+":matrix.demo.example", e.clock().UnixMilli())
		must.Succeed(t, err)
		if !broken {
			host := filepath.Join(records, "chat%2eexample%2eorg")
			must.Succeed(t, os.WriteFile(filepath.Join(host, "account_activity", user+".dat"), fmt.Appendf(nil, "return {\n\t[\"timestamp\"] = %d;\n};\n", e.clock().Unix()), 0o600))
			must.Succeed(t, os.WriteFile(filepath.Join(host, "accounts", user+".dat"), []byte("return {};\n"), 0o600))
		}
		for _, s := range e.refreshers {
			err := refreshWithin(t, s, long)
			if want := s.Status().Server == "gone" || s.Status().Server == "xmpp" && broken; (err != nil) != want {
				t.Fatalf("step %d: %s: error %v", step, s.Status().Server, err)
			}
		}
		if shown := e.scrape(t); len(shown.Figures("matrix")) < 10 || len(shown.Figures("xmpp")) < 10 || len(shown.Figures("gone")) != 1 {
			t.Fatalf("step %d: figures are missing", step)
		}
		switch {
		case broken:
		case step/hour/6 == 1:
			second.use(t)
		case step/hour/6 == 3:
			last.use(t)
		}
	}
	t.Logf("at most, in the second and the last quarter: %+v, %+v", second, last)
	if float64(last.heap) > 1.1*float64(second.heap) || last.files > second.files || last.goroutines > second.goroutines {
		t.Error("more is in use in the last quarter of the day than in the second")
	}
	must.Succeed(t, os.Rename(records+".aside", records))
	p.open(t)
	for _, name := range []string{"matrix", "xmpp", "ej"} {
		must.Succeed(t, e.refresh(t, name))
		checkFigures(t, name, e.fresh(t, servers, name).Only("chat_active_"), e.scrape(t).Figures(name).Only("chat_active_"))
	}
}

// resources are what a process has in use, at most.
type resources struct {
	heap              int64
	files, goroutines int
}

func (r *resources) use(t *testing.T) {
	t.Helper()
	r.heap = max(r.heap, leaks.HeapInUse())
	r.files = max(r.files, len(leaks.OpenFiles()))
	r.goroutines = max(r.goroutines, runtime.NumGoroutine())
}
