package collector_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/failure"
)

// withOnline reads the records and asks the running server, which has one more user.
func withOnline(_ context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	rec.Seen([]byte("a"), []byte("stored"), activity.Unknown, now)
	rec.Seen([]byte("a"), []byte("connected"), activity.Unknown, now)
	return collector.Facts{
		Complete: true, Online: collector.OnlineKnown, Modules: []collector.Module{{Domain: "a", Name: "m", Loaded: true}},
		Domains: []collector.DomainFacts{{Name: "a", HasLastSeen: true, Online: collector.Known(1)}},
	}, nil
}

// withoutOnline has no answer from the running server.
func withoutOnline(_ context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	rec.Seen([]byte("a"), []byte("stored"), activity.Unknown, now)
	return collector.Facts{
		Complete: true, Online: collector.OnlineUnknown, OnlineErr: fmt.Errorf("socket: %w", fs.ErrPermission),
		Domains: []collector.DomainFacts{{Name: "a", HasLastSeen: true}},
	}, nil
}

// The running server is further evidence: if it does not answer, the figures that
// include who is connected stay until they are stale. Then, and at a first start, the
// records alone are shown.
func TestTheRunningServerDoesNotAnswer(t *testing.T) {
	clock := now
	r := refresher(t, "xmpp", script(withOnline, withoutOnline, withoutOnline, withOnline), func() time.Time { return clock })
	check := func(when string, active int, online collector.Count, known collector.OnlineState, modules int) {
		t.Helper()
		err := r.Refresh(t.Context())
		s := r.Status()
		up := known == collector.OnlineKnown
		if s.Snapshot == nil || s.Snapshot.Domains[0].Active[0].Users != active || s.Snapshot.Domains[0].Online != online || len(s.Snapshot.Modules) != modules || s.Online != known || s.Up != up {
			t.Errorf("%s: %+v, snapshot %+v", when, s, s.Snapshot)
		}
		if !up && (failure.Of(err) != failure.Denied || !strings.Contains(err.Error(), "people who stay connected may be missing")) {
			t.Errorf("%s: error %v", when, err)
		}
	}
	check("all is well", 2, collector.Known(1), collector.OnlineKnown, 1)
	clock = now.Add(time.Hour)
	check("the earlier figures", 2, collector.Known(1), collector.OnlineUnknown, 1)
	clock = now.Add(3*time.Hour + time.Second)
	check("they are stale", 1, collector.Count{}, collector.OnlineUnknown, 0)
	check("it answers again", 2, collector.Known(1), collector.OnlineKnown, 1)

	r = refresher(t, "xmpp", withoutOnline, func() time.Time { return clock })
	check("at a first start", 1, collector.Count{}, collector.OnlineUnknown, 0)
}

// A domain without activity is named in one warning, not at each refresh.
func TestSilenceIsToldOnce(t *testing.T) {
	silent := func(context.Context, time.Time, activity.Recorder) (collector.Facts, error) {
		return collector.Facts{Domains: []collector.DomainFacts{{Name: "a", NotRecorded: "enable mod_x"}, {Name: "guests", Online: collector.Known(1)}}}, nil
	}
	var logged bytes.Buffer
	r := collector.NewRefresher(collector.RefresherOptions{
		Server: "xmpp", Reader: fakeReader(silent), Interval: time.Hour, StaleAfter: time.Hour, Classes: activity.SynapseClasses(),
		Now: func() time.Time { return now }, Logger: log.NewLogfmtLogger(&logged),
	})
	for range 3 {
		if err := r.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(logged.String(), "nobody can be counted: a (enable mod_x)"); n != 1 {
		t.Errorf("said %d times:\n%s", n, &logged)
	}
	for i, want := range [][2]bool{{false, true}, {false, false}} {
		if recorded, known := r.Status().Snapshot.Domains[i].ActivityRecorded(); recorded != want[0] || known != want[1] {
			t.Errorf("domain %d: recorded %v, known %v", i, recorded, known)
		}
	}
}
