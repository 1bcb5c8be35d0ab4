// Package webapitest stands in for servers that are asked over HTTP, in tests
// of those who ask.
package webapitest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"active_users_exporter/collector/failure"
)

// Replay gives a captured answer: its status, head and body, byte for byte.
// What is no answer is written as it is, and the connection closed.
func Replay(w http.ResponseWriter, answer string) {
	response, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
	if err != nil {
		connection, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(connection, answer)
		_ = connection.Close()
		return
	}
	defer func() { _ = response.Body.Close() }()
	maps.Copy(w.Header(), response.Header)
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, response.Body)
}

// Always is a server that gives one captured answer to everything.
func Always(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { Replay(w, answer) }
}

// Made is a server that gives one invented answer to everything.
func Made(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// Stalled is a server that sends the beginning of an answer, or nothing, and
// then falls silent until the client has gone.
func Stalled(beginning string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // then the server notices
		if beginning != "" {
			_, _ = io.WriteString(w, beginning)
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	}
}

// A Failure is what an operator must learn from an error.
type Failure struct {
	Reason string // the label
	Says   string // a part of the sentence
	Where  string // a part of the location, without its secrets
}

// Check reads from a location for 300 ms, which must fail, with a sentence that
// holds neither the password "secret", nor the user's name "me", nor what the
// answer held of "alice".
func (f Failure) Check(t *testing.T, name string, read func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := read(ctx)
	text := fmt.Sprintf("%v %+v", err, err)
	switch {
	case err == nil || string(failure.Of(err)) != f.Reason || !strings.Contains(text, f.Says) || !strings.Contains(text, f.Where):
		t.Errorf("%s: error %v, want reason %q, %q and %q", name, err, f.Reason, f.Says, f.Where)
	case strings.Contains(text, "secret") || strings.Contains(text, "alice") || strings.Contains(text, "me@"):
		t.Errorf("%s: error %v says what it should not", name, err)
	}
}
