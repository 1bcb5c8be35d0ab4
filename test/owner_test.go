package test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"active_users_exporter/collector/demo"
	"active_users_exporter/test/must"
)

// A folder belongs to one process at a time. Another process that would write there is
// refused, with a sentence that names the owner; who only reads is not. When the
// owner is gone, however it went, the folder is free.
func TestAFolderHasOneOwner(t *testing.T) {
	records, folder := t.TempDir(), t.TempDir()
	must.Succeed(t, demo.Prosody(t.Context(), records, time.Now(), 50, 1))
	must.WriteFile(t, filepath.Join(records, "example%2eorg", "audit.list"),
		`item({ { ["attr"] = { ["type"] = "authentication-success"; }; }; ["key"] = "k"; ["when"] = `+fmt.Sprint(time.Now().Unix()-90_000)+`; ["with"] = "anna"; });`)
	lines := filepath.Join(t.TempDir(), "reports.jsonl")
	must.WriteFile(t, lines, `{"received":"2026-11-09T12:00:00Z","report":{"homeserver":"a.example","total_users":3}}`)
	owner := startServing(t, folder, "  - {name: sound, software: prosody, from: '"+records+"'}\n")
	must.Happen(t, func() bool { return owner.scrape(t)[`chat_history_saved_timestamp_seconds{server="sound"}`] != "" })

	server, store := "--server=prosody="+records, "--storage.path="+folder
	writing := map[string][]string{
		"a second exporter": {"serve", server, store, "--web.listen-address=127.0.0.1:0"},
		"a receiver":        {"serve", store, "--web.listen-address=127.0.0.1:0", "--reports.listen-address=127.0.0.1:0"},
		"history import":    {"history", "import", server, store},
		"reports import":    {"reports", "import", store, lines},
		"history purge":     {"history", "purge", store, "--domain=example.org"},
	}
	for name, arguments := range writing {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // one that is not refused would serve
		said, err := exec.CommandContext(ctx, program, arguments...).CombinedOutput()
		cancel()
		want := fmt.Sprintf("%s is used by process %d (serve)", folder, owner.Process.Pid)
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(said), want) {
			t.Errorf("%s beside a running exporter: %v, %q, want exit code 1 and %q", name, err, said, want)
		}
	}
	for _, arguments := range [][]string{
		{"report", server, store},
		{"reports", "export", store},
		{"backfill", server, store, "--from=" + time.Now().AddDate(0, 0, -2).UTC().Format(time.DateOnly), "--to=" + time.Now().AddDate(0, 0, -1).UTC().Format(time.DateOnly)},
	} {
		output(t, arguments...)
	}

	must.Succeed(t, owner.Process.Kill())
	<-owner.exited
	for _, name := range []string{"history import", "reports import", "history purge"} {
		output(t, writing[name]...)
	}
	if mode := must.Get(os.Stat(filepath.Join(folder, "lock")))(t).Mode().Perm(); mode != 0o600 {
		t.Errorf("the lock has mode %v", mode)
	}
}
