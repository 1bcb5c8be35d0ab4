package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"active_users_exporter/web"
)

func TestHealthcheck(t *testing.T) {
	exporter, _ := newTestExporter(t, "servers: [{software: prosody, from: nowhere}]\n")
	if err := exporter.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	healthy := httptest.NewServer(exporter.Pages(web.Options{TelemetryPath: "/metrics"}))
	defer healthy.Close()
	ill := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no", http.StatusServiceUnavailable)
	}))
	defer ill.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()

	for _, test := range []struct {
		name, url string
		code      int
		says      string
	}{
		{"healthy", healthy.URL + "/-/healthy", exitOK, "healthy\n"},
		{"no such page", healthy.URL + "/-/nonsense", exitFault, "the answer is 404 Not Found"},
		{"ill", ill.URL, exitFault, "the answer is 503 Service Unavailable"},
		{"nobody listens", gone.URL, exitFault, "not healthy: Get"},
		{"no URL", "http://[", exitUsage, "--url: parse"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run([]string{"healthcheck", "--url=" + test.url}, &stdout, &stderr)
			if said := stdout.String() + stderr.String(); code != test.code || !strings.Contains(said, test.says) {
				t.Errorf("exit code %d, %q; want %d, %q", code, said, test.code, test.says)
			}
		})
	}
}
