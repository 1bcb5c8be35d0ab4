package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"active_users_exporter/config"
	"active_users_exporter/test/must"
)

// A configuration is parsed without a connection, whatever it names.
func TestSyntaxOnlyConnectsToNothing(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must.Succeed(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	var connections atomic.Int64
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = connection.Close()
		}
	}()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	must.Succeed(t, err)
	folder := t.TempDir()
	must.WriteFile(t, filepath.Join(folder, "homeserver.yaml"), "server_name: a\ndatabase: {name: psycopg2, args: {host: 127.0.0.1, port: "+port+"}}\n")
	path := filepath.Join(folder, "active_users.yml")
	must.WriteFile(t, path, strings.ReplaceAll(`servers:
  - {name: a, software: synapse, from: homeserver.yaml}
  - {name: b, software: prosody, from: "mysql://u:hunter2@127.0.0.1:PORT/db", metrics_url: "http://u:hunter2@127.0.0.1:PORT/metrics"}
  - {name: c, software: ejabberd, from: "postgres://u:hunter2@127.0.0.1:PORT/db", api_url: "http://u:hunter2@127.0.0.1:PORT/api"}
  - {name: d, software: mongooseim, from: "http://u:hunter2@127.0.0.1:PORT/api/graphql"}
`, "PORT", port))
	var out bytes.Buffer
	must.Succeed(t, describeConfiguration(&out, config.Source{File: path, LookupEnv: os.LookupEnv}))
	if n := strings.Count(out.String(), port); n < 6 || strings.Contains(out.String(), "hunter2") {
		t.Errorf("the port is there %d times: %s", n, &out)
	}
	// The listener works, and has counted nobody before.
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
	connection, err := net.Dial("tcp", listener.Addr().String())
	must.Succeed(t, err)
	_ = connection.Close()
	must.Happen(t, func() bool { return connections.Load() == 1 })
}
