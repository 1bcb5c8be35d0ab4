package sqldb_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

// A server that says that it is CockroachDB is asked for nothing that CockroachDB
// does not have: COPY in binary form, and two of PostgreSQL's settings. (That its
// SQL is understood there, only a real one could show.)
func TestCockroachDB(t *testing.T) {
	asked := make(chan string, 1)
	source, err := sqldb.ParseSource(asCockroachDB(t, dbtest.PostgreSQL(t), asked))
	must.Succeed(t, err)
	var rows [][]string
	var numbers []int64
	must.Succeed(t, source.Read(t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
		return view.Stream(ctx, `SELECT * FROM (VALUES ('ü', 1::bigint), (NULL, -2)) AS v (a, b)`, 2, func(row *sqldb.Row) {
			rows = append(rows, []string{string(row.Text(0))})
			numbers = append(numbers, row.Integer(1))
		})
	}))
	if diff := cmp.Diff([][]string{{"ü"}, {""}}, rows); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int64{1, -2}, numbers); diff != "" {
		t.Error(diff)
	}
	sent := <-asked
	for _, never := range []string{"COPY", "max_parallel_workers_per_gather", "jit"} {
		if strings.Contains(sent, never) {
			t.Errorf("%s was sent", never)
		}
	}
}

// asCockroachDB puts a proxy before a PostgreSQL that says of itself what
// CockroachDB says when one connection begins, and tells what it was asked once
// that ends.
func asCockroachDB(t *testing.T, location string, asked chan<- string) string {
	t.Helper()
	u, err := url.Parse(location)
	must.Succeed(t, err)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must.Succeed(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	behind := u.Host
	go func() {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = client.Close() }()
		server, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", behind)
		if err != nil {
			return
		}
		defer func() { _ = server.Close() }()
		go func() {
			authenticated := make([]byte, 9) // AuthenticationOk
			_, _ = io.ReadFull(server, authenticated)
			_, _ = client.Write(authenticated)
			const status = "crdb_version\x00CockroachDB CCL v25.2.0\x00" // ParameterStatus
			_, _ = client.Write(append([]byte{'S', 0, 0, 0, byte(4 + len(status))}, status...))
			_, _ = io.Copy(client, server)
		}()
		var sent bytes.Buffer
		_, _ = io.Copy(io.MultiWriter(server, &sent), client)
		asked <- sent.String()
	}()
	u.Host = listener.Addr().String()
	return u.String()
}
