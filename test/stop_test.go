//go:build linux

package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/demo"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/storage"
	"active_users_exporter/test/must"
)

// hungServers are servers that take connections and answer nothing.
func hungServers(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must.Succeed(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	address := listener.Addr().String() // the system takes connections, nobody accepts them
	return "  - {name: hung api, software: ejabberd, from: 'http://" + address + "/api'}\n" +
		"  - {name: hung database, software: synapse, from: 'postgres://u@" + address + "/synapse'}\n" +
		"  - {name: hung mariadb, software: mongooseim, from: 'mysql://u@" + address + "/mongooseim'}\n"
}

// SIGTERM in the middle of refreshes that hang, of pushes by slow clients and of
// requests that never end: the program is gone in the ten seconds that it
// promises, with exit code 0. A push that ends in time is answered and kept, one
// that does not is neither, and the history is whole.
func TestStopInTheMiddle(t *testing.T) {
	directory, folder := t.TempDir(), t.TempDir()
	must.Succeed(t, demo.Prosody(t.Context(), directory, time.Now(), 300, 1))
	p := startServing(t, folder, "  - {name: sound, software: prosody, from: '"+directory+"'}\n"+hungServers(t))
	if status := p.push(t, "before.example"); status != http.StatusOK {
		t.Fatalf("a push was answered with %d", status)
	}
	must.Happen(t, func() bool { return p.scrape(t)[`chat_history_saved_timestamp_seconds{server="sound"}`] != "" })
	endPush := p.pushHalf(t, "slow.example")
	_ = p.pushHalf(t, "never.example")
	for _, begun := range []string{"", "GET /metrics HTTP/1.1\r\nHost:"} {
		connection := must.Dial(t, p.metrics)
		defer func() { _ = connection.Close() }()
		_, err := io.WriteString(connection, begun)
		must.Succeed(t, err)
	}

	stopped := time.Now()
	must.Succeed(t, p.Process.Signal(syscall.SIGTERM))
	time.Sleep(300 * time.Millisecond)
	if status := endPush(); status != http.StatusOK {
		t.Errorf("a push that was begun before was answered with %d", status)
	}
	<-p.exited
	if took := time.Since(stopped); took > 11*time.Second {
		t.Errorf("it took %s to stop", took)
	}
	if code := p.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, &p.log)
	}
	if stored := storedReports(t, folder); !slices.Equal(stored, []string{"before.example", "slow.example"}) {
		t.Errorf("reports of %q are stored", stored)
	}
	store := history.New(storage.Folder(folder), "")
	defer func() { must.Succeed(t, store.Close()) }()
	calendar := activity.NewCalendar(store.Key(), activity.SynapseClasses())
	loaded, err := store.Load(t.Context(), "sound", calendar, activity.SynapseClasses())
	if err != nil || loaded.Damage != nil || loaded.At.IsZero() || calendar.HistoryDays("example.org", time.Now()) != 1 {
		t.Errorf("history: %+v, error %v", loaded, err)
	}
}

// On a full disk figures go on, a push is refused so that it is sent again, and
// the exporter says so. With room again, everything goes on by itself.
func TestDiskFull(t *testing.T) {
	directory, folder := t.TempDir(), t.TempDir()
	must.Succeed(t, demo.Prosody(t.Context(), directory, time.Now(), 300, 1))
	p := startServing(t, folder, "  - {name: sound, software: prosody, from: '"+directory+"'}\n")
	if status := p.push(t, "before.example"); status != http.StatusOK {
		t.Fatalf("a push was answered with %d", status)
	}
	good := p.scrape(t).Figures("sound")

	// No file may grow: what a full disk is to a program.
	var before unix.Rlimit
	must.Succeed(t, unix.Prlimit(p.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1, Max: unix.RLIM_INFINITY}, &before))
	full := 0
	for n := range 5 {
		if status := p.push(t, fmt.Sprintf("full%d.example", n)); status == http.StatusServiceUnavailable {
			full++
		}
	}
	if full != 5 {
		t.Errorf("%d of 5 pushes were refused", full)
	}
	now := p.scrape(t)
	if len(good) < 10 || len(now.Figures("sound")) != len(good) || now[`chat_server_up{server="sound"}`] != "1" {
		t.Errorf("figures are missing on a full disk: %v", now.Figures("sound"))
	}

	must.Succeed(t, unix.Prlimit(p.Process.Pid, unix.RLIMIT_FSIZE, &before, nil))
	if status := p.push(t, "after.example"); status != http.StatusOK {
		t.Errorf("with room again, a push was answered with %d", status)
	}
	must.Succeed(t, p.Process.Signal(syscall.SIGTERM))
	<-p.exited
	if code := p.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, &p.log)
	}
	if stored := storedReports(t, folder); !slices.Equal(stored, []string{"after.example", "before.example"}) {
		t.Errorf("reports of %q are stored", stored)
	}
}
