package reports_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"active_users_exporter/collector/reports"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

// eventually waits for what a receiver reads from a database once a second.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// figures are users and number of reports by homeserver.
func figures(r *receiver) map[string][2]float64 {
	all := make(map[string][2]float64)
	for _, h := range r.Shown().Homeservers {
		all[h.Name] = [2]float64{h.Statistics["total_users"], float64(h.Reports)}
	}
	return all
}

func users(homeserver string, n int) string {
	return report(homeserver, fmt.Sprintf(`"total_users":%d`, n))
}

// What one receiver was sent, all show, each report counted once; and so does
// one that is started later.
func TestReceiversShareADatabase(t *testing.T) {
	location := dbtest.PostgreSQL(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var receivers []*receiver
	for range 2 {
		r := start(t, location, nil)
		defer func() { must.Succeed(t, r.Close()) }()
		receivers = append(receivers, r)
	}
	for n := range 5 {
		receivers[n%2].set(noon.Add(time.Duration(n) * time.Minute))
		for _, homeserver := range []string{"both.example", fmt.Sprintf("only%d.example", n%2)} {
			if answer := receivers[n%2].put("PUT", path, users(homeserver, 10+n), nil); answer.Code != http.StatusOK {
				t.Fatalf("answer %d %s", answer.Code, answer.Body)
			}
		}
	}
	want := map[string][2]float64{"both.example": {14, 5}, "only0.example": {14, 3}, "only1.example": {13, 2}}
	for n, r := range receivers {
		eventually(t, fmt.Sprintf("what both were sent at receiver %d", n), func() bool { return cmp.Equal(want, figures(r)) })
	}
	later := start(t, location, nil)
	defer func() { must.Succeed(t, later.Close()) }()
	if diff := cmp.Diff(want, figures(later)); diff != "" {
		t.Errorf("at one that was started later (-want +got):\n%s", diff)
	}
}

// Many at once, at two receivers and of the same homeservers: none is lost,
// none is counted twice, and nobody waits for somebody who waits for them.
func TestReceiversUnderLoadShareADatabase(t *testing.T) {
	location := dbtest.PostgreSQL(t)
	receivers := []*receiver{start(t, location, nil), start(t, location, nil)}
	const senders, each, homeservers = 16, 40, 7
	var wait sync.WaitGroup
	for sender := range senders {
		wait.Go(func() {
			for n := range each {
				if answer := receivers[sender%2].put("PUT", path, users(fmt.Sprintf("s%d.example", (sender+n)%homeservers), n), nil); answer.Code != http.StatusOK {
					t.Errorf("answer %d %s", answer.Code, answer.Body)
				}
			}
		})
	}
	wait.Wait()
	for _, r := range receivers {
		eventually(t, "all reports", func() bool {
			total := 0.0
			for _, figure := range figures(r) {
				total += figure[1]
			}
			return total == senders*each
		})
		must.Succeed(t, r.Close())
	}
	if all := archived(t, location); len(all) != senders*each {
		t.Errorf("%d reports stored, want %d", len(all), senders*each)
	}
}

// While the database is gone nothing is acknowledged, what is known is still
// shown, and afterwards all goes on by itself.
func TestDatabaseGone(t *testing.T) {
	server := dbtest.StartPostgreSQL(t)
	r := start(t, server.Location, nil)
	other := start(t, server.Location, nil)
	r.put("PUT", path, users("a.example", 1), nil)
	eventually(t, "the first report", func() bool { return len(figures(r)) == 1 })
	server.Stop()
	for range 3 {
		if answer := r.put("PUT", path, users("a.example", 2), nil); answer.Code != http.StatusServiceUnavailable {
			t.Errorf("answer %d %s without a database", answer.Code, answer.Body)
		}
	}
	if r.Rejected()[reports.Storage] != 3 || len(figures(r)) != 1 {
		t.Errorf("%v rejected, %v shown", r.Rejected(), figures(r))
	}
	server.Start(t)
	eventually(t, "an acknowledged report", func() bool { return r.put("PUT", path, users("a.example", 3), nil).Code == http.StatusOK })
	for _, r := range []*receiver{r, other} {
		eventually(t, "the new report", func() bool { return figures(r)["a.example"][0] == 3 })
		must.Succeed(t, r.Close())
	}
}

// The parts of a node's report come to one receiver and to the other, each by a
// clock of its own; both show the whole.
func TestPartsOfAReportAtTwoReceivers(t *testing.T) {
	location := dbtest.PostgreSQL(t)
	receivers := []*receiver{start(t, location, nil), start(t, location, nil)}
	receivers[1].set(noon.Add(time.Minute))
	requests := mongooseRequests(t)
	var bodies []string
	for n := range 3 {
		request := requests[fmt.Sprintf("01-first-report-hosts-override-tls-%dof6", n+1)]
		if answer := receivers[n%2].put("POST", request[0], request[1], nil); answer.Code != http.StatusNoContent {
			t.Fatalf("answer %d %s", answer.Code, answer.Body)
		}
		bodies = append(bodies, request[1])
	}
	receivers = append(receivers, start(t, location, nil))
	for _, r := range receivers {
		eventually(t, "the cluster", func() bool { return len(r.Shown().Clusters) == 1 })
		if diff := cmp.Diff(whole(t, bodies...), r.Shown().Clusters[0].Report); diff != "" {
			t.Errorf("(-parts +shown):\n%s", diff)
		}
		must.Succeed(t, r.Close())
	}
}

// Reports are imported while a receiver runs, which shows them; none twice; and
// are deleted when they are old, while their number stays.
func TestImportIntoADatabase(t *testing.T) {
	location := dbtest.PostgreSQL(t)
	if all := archived(t, location); all != nil {
		t.Errorf("%v in a database without a store", all)
	}
	r := start(t, location, nil)
	r.put("PUT", path, users("a.example", 2), nil)
	more := []reports.Archived{
		{Received: noon.Add(-5 * time.Hour), Report: json.RawMessage(users("b.example", 7))},
		{Received: noon.Add(-5 * time.Hour), Report: json.RawMessage(users("b.example", 7))}, // twice
		{Received: noon, Report: json.RawMessage(users("a.example", 2))},                     // there already
		{Received: noon.Add(-9 * time.Hour), Report: json.RawMessage(users("a.example", 1))},
		{Received: noon.Add(-2 * time.Hour), Report: json.RawMessage(`{}`)}, // no report
	}
	for _, want := range []int{2, 0} {
		added, err := reports.Import(t.Context(), at(t, location), more)
		must.Succeed(t, err)
		if added != want {
			t.Errorf("%d added, want %d", added, want)
		}
	}
	want := map[string][2]float64{"a.example": {2, 2}, "b.example": {7, 1}}
	eventually(t, "what was imported", func() bool { return cmp.Equal(want, figures(r)) })
	must.Succeed(t, r.Close())
	hours := func() (all []time.Duration) {
		for _, a := range archived(t, location) {
			all = append(all, a.Received.Sub(noon)/time.Hour)
		}
		return all
	}
	if diff := cmp.Diff([]time.Duration{-9, -5, 0}, hours()); diff != "" {
		t.Errorf("hours (-want +got):\n%s", diff)
	}
	r = start(t, location, func(o *reports.Options) { o.Retention = 8 * time.Hour })
	defer func() { must.Succeed(t, r.Close()) }()
	eventually(t, "only what is not old", func() bool { return cmp.Equal([]time.Duration{-5, 0}, hours()) })
	if diff := cmp.Diff(want, figures(r)); diff != "" {
		t.Errorf("after old reports were deleted (-want +got):\n%s", diff)
	}
}

// A database of an earlier exporter, whose tables had no version, is used as it is.
func TestAnEarlierDatabase(t *testing.T) {
	url := dbtest.PostgreSQL(t)
	db := must.Get(sqldb.OpenPostgreSQL(url))(t)
	for _, statement := range []string{
		`CREATE TABLE usage_reports (id BIGSERIAL PRIMARY KEY, received_at BIGINT NOT NULL, homeserver TEXT NOT NULL, body BYTEA NOT NULL)`,
		`CREATE TABLE usage_homeservers (homeserver TEXT PRIMARY KEY, first_seen BIGINT NOT NULL, reports BIGINT NOT NULL,
			received_at BIGINT NOT NULL, body BYTEA NOT NULL, changed_at TIMESTAMPTZ NOT NULL)`,
	} {
		_ = must.Get(db.ExecContext(t.Context(), statement))(t)
	}
	body := []byte(report("a.example", `"total_users":7`))
	_ = must.Get(db.ExecContext(t.Context(), `INSERT INTO usage_reports (received_at, homeserver, body) VALUES ($1, 'a.example', $2)`, noon.UnixMilli(), body))(t)
	_ = must.Get(db.ExecContext(t.Context(), `INSERT INTO usage_homeservers VALUES ('a.example', $1, 4, $1, $2, now())`, noon.UnixMilli(), body))(t)
	must.Succeed(t, db.Close())
	r := start(t, url, nil)
	eventually(t, "what was reported before", func() bool { return cmp.Equal(map[string][2]float64{"a.example": {7, 4}}, figures(r)) })
	must.Succeed(t, r.Close())
}
