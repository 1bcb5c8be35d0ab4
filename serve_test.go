package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"active_users_exporter/collector/reports"
	"active_users_exporter/config"
	"active_users_exporter/test/leaks"
	"active_users_exporter/test/must"
	"active_users_exporter/test/samples"
)

// A client that connects and says nothing, or only begins, is gone after some
// seconds; the others are served meanwhile.
func TestSilentConnectionsAreClosed(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must.Succeed(t, err)
	address := listener.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	logger := slog.New(slog.DiscardHandler)
	go func() {
		ended <- receive(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }),
			environment{logger: log.NewNopLogger(), slogger: logger})
	}()
	var connections []net.Conn
	for n := range 300 {
		connection := must.Dial(t, address)
		begin := []string{"", "PUT /push HTTP/1.1\r\nHost:", "PUT /push HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"}[n%3]
		if _, err := io.WriteString(connection, begin); err != nil {
			t.Fatal(err)
		}
		connections = append(connections, connection)
	}
	response, err := http.Get("http://" + address + "/")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	deadline := time.Now().Add(15 * time.Second)
	for n, connection := range connections {
		if err := connection.SetReadDeadline(deadline); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, connection); os.IsTimeout(err) {
			t.Fatalf("connection %d is still open after 15 s", n)
		}
		_ = connection.Close()
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Ten thousand invented homeservers, with everything that a report can say,
// cost neither much memory nor a large page.
func TestInventedHomeserversCostLittle(t *testing.T) {
	folder := t.TempDir()
	exporter := NewExporter(config.Source{StoragePath: folder, ReportsAddress: "127.0.0.1:0"}, time.Now, log.NewNopLogger())
	if err := exporter.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer exporter.Wait(10 * time.Second)
	receiver, _ := exporter.Receiver()
	handler := receiver.Handler()
	before := leaks.HeapInUse()
	for n := range 10_000 {
		body := fmt.Sprintf(`{"homeserver":"invented%d.example","server_context":"context %d","total_users":%d%s}`, n, n, n, samples.EveryStatistic())
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/push", strings.NewReader(body))
		request.RemoteAddr = "127.0.0.1:1"
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		if recorder.Code != http.StatusOK {
			t.Fatalf("report %d: %d %s", n, recorder.Code, recorder.Body)
		}
	}
	if grown := leaks.HeapInUse() - before; grown > 20<<20 {
		t.Errorf("%d MiB for 10,000 homeservers", grown>>20)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(reports.NewCollector(func() *reports.Receiver { return exporter.receiver }))
	recorder := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if recorder.Code != http.StatusOK || recorder.Body.Len() > 1<<20 {
		t.Errorf("status %d, %d bytes of metrics", recorder.Code, recorder.Body.Len())
	}
	if !bytes.Contains(recorder.Body.Bytes(), []byte("active_users_exporter_reports_overflow_homeservers 9750")) {
		t.Error("the overflow is not counted")
	}
}
