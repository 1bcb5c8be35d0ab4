package synapse_test

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-kit/log"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/collector/synapse/mas"
	"active_users_exporter/collector/synapse/synapsetest"
	"active_users_exporter/test/must"
)

// sampleMAS returns the location of a database of MAS.
func sampleMAS(t *testing.T) *url.URL {
	t.Helper()
	database := must.Get(url.Parse(dbtest.PostgreSQL(t)))(t)
	dbtest.LoadDump(t, database.String(), "mas/testdata/mas-sample.sql.gz")
	query := database.Query()
	query.Set("search_path", "mas")
	database.RawQuery = query.Encode()
	return database
}

// MAS beside a Synapse fails alone: its figures stay until they are stale, those
// of Synapse are up to date, and the server is not up.
func TestMASFailsAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "homeserver.db")
	must.Succeed(t, synapsetest.Population{Users: 50, Days: 62, Now: noon}.FillSQLite(t.Context(), path))
	database := sampleMAS(t)

	now := noon
	r := collector.NewRefresher(collector.RefresherOptions{
		Server: "matrix", Software: "synapse",
		Reader: synapse.New(synapse.Options{
			Database: must.Get(sqldb.ParseSource("sqlite:" + path))(t),
			MAS:      mas.Options{Database: must.Get(sqldb.ParseSource(database.String()))(t)},
		}, activity.SynapseClasses()),
		Interval: time.Hour, StaleAfter: 2 * time.Hour, Windows: activity.DefaultWindows(),
		Classes: activity.SynapseClasses(), Now: func() time.Time { return now }, Logger: log.NewNopLogger(),
	})
	accounts := func() int {
		for _, s := range collector.Specials[*mas.Figures]([]collector.Status{r.Status()}) {
			return s.Value.Accounts["active"]
		}
		return 0
	}
	must.Succeed(t, r.Refresh(t.Context()))
	if n := accounts(); n != 162 || !r.Status().Up {
		t.Fatalf("%d active accounts, want 162; %+v", n, r.Status())
	}
	dbtest.Exec(t, database.String(), "ALTER SCHEMA mas RENAME TO moved")
	for hours, want := range []int{1: 162, 2: 162, 3: 0, 4: 0} {
		if hours == 0 {
			continue
		}
		now = noon.Add(time.Duration(hours) * time.Hour)
		err := r.Refresh(t.Context())
		s := r.Status()
		if err == nil || s.Up || s.Snapshot == nil || !s.Snapshot.At.Equal(now) || s.Failures[failure.Unexpected] != uint64(hours) {
			t.Errorf("hour %d: error %v, %+v", hours, err, s)
		}
		if n := accounts(); n != want {
			t.Errorf("hour %d: %d active accounts, want %d", hours, n, want)
		}
	}
	dbtest.Exec(t, database.String(), "ALTER SCHEMA moved RENAME TO mas")
	must.Succeed(t, r.Refresh(t.Context()))
	if accounts() != 162 || !r.Status().Up {
		t.Error(fmt.Sprint("not back: ", r.Status().Err))
	}
}

// A MAS that falls silent in the middle of an answer keeps back no figures of Synapse's.
func TestAMASThatFallsSilent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "homeserver.db")
	must.Succeed(t, synapsetest.Population{Users: 50, Days: 62, Now: noon}.FillSQLite(t.Context(), path))
	database := sampleMAS(t)
	target := database.Host
	listener := must.Get((&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	t.Cleanup(func() { _ = listener.Close() })
	database.Host = listener.Addr().String()
	go func() {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		server, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", target)
		if err != nil {
			return
		}
		defer func() { _ = server.Close() }()
		go func() { _, _ = io.CopyN(client, server, 2000) }() // more than what a connection begins with
		_, _ = io.Copy(server, client)
	}()

	now := noon
	reader := synapse.New(synapse.Options{
		Database: must.Get(sqldb.ParseSource("sqlite:" + path))(t),
		MAS:      mas.Options{Database: must.Get(sqldb.ParseSource(database.String()))(t)},
	}, activity.SynapseClasses())
	reader.WaitForMAS(time.Second)
	r := newRefresher(t, "sqlite:"+path, &now, func(o *collector.RefresherOptions) { o.Reader = reader })
	err := r.Refresh(t.Context())
	if failure.Of(err) != failure.Timeout {
		t.Errorf("error %v, want one of the reason %s", err, failure.Timeout)
	}
	if s := r.Status(); s.Snapshot == nil || s.Snapshot.Domains[0].Active == nil {
		t.Error("there are no figures of Synapse's")
	}
}
