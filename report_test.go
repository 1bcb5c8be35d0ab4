package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
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

// hanging is a chat server whose reader waits for something that no context ends.
type hanging struct{ release <-chan struct{} }

func (h hanging) NewReader(*activity.Classes) collector.Reader { return h }

func (h hanging) Reads() []string { return nil }

func (h hanging) Read(context.Context, time.Time, time.Time, activity.Recorder) (collector.Facts, error) {
	<-h.release
	return collector.Facts{}, errors.New("at last")
}

func (h hanging) Close() error { return errors.New("closed while it reads") }

// SIGTERM ends a report although a chat server hangs.
func TestAReportEndsWhileAServerHangs(t *testing.T) {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	source := config.Source{
		Kinds: []chatserver.Kind{{
			Name: "hanging", Title: "Hanging", Protocol: "xmpp",
			Configure: func(*chatserver.Item) chatserver.Source { return hanging{release} },
		}},
		Servers: []string{"hanging=here"},
	}
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, stop)
	ended := make(chan error, 1)
	go func() {
		_, err := refreshOnce(ctx, source, environment{clock: time.Now, stdout: io.Discard, stderr: io.Discard, logger: log.NewNopLogger(), slogger: slog.New(slog.DiscardHandler)})
		ended <- err
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want that it was ended", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
}
