package test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/demo"
	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/synapse/synapsetest"
	"active_users_exporter/test/must"
)

// faultyServers are chat servers of each kind, as operators configure them.
func faultyServers() map[string]func(t *testing.T) faulty {
	return map[string]func(t *testing.T) faulty{
		"Synapse, SQLite":              synapseFile,
		"Synapse, PostgreSQL":          synapsePostgreSQL,
		"Dendrite, SQLite":             dendriteFile,
		"Dendrite, PostgreSQL":         dendritePostgreSQL,
		"Prosody, files and status":    prosodyFiles,
		"Prosody, SQLite":              prosodyFile,
		"Prosody, admin socket":        prosodySocket,
		"Prosody, metrics page":        prosodyPage,
		"ejabberd, PostgreSQL":         ejabberdPostgreSQL,
		"ejabberd, API":                ejabberdAPI,
		"MongooseIM, MariaDB":          mongooseIMMariaDB,
		"MongooseIM, GraphQL":          mongooseIMGraphQL,
		"MongooseIM, report and files": mongooseIMReport,
	}
}

func synapseFile(t *testing.T) faulty {
	path := filepath.Join(t.TempDir(), "homeserver.db")
	must.Succeed(t, demo.Synapse(t.Context(), path, faultsAt, 300, 1))
	// As if yesterday and today had never been.
	restore := func(t *testing.T) {
		makeSQLite(t, path, fmt.Sprintf(`DELETE FROM user_ips WHERE last_seen > %d`, faultsAt.Add(-30*time.Hour).UnixMilli()),
			fmt.Sprintf(`DELETE FROM user_daily_visits WHERE timestamp > %d`, faultsAt.Add(-40*time.Hour).UnixMilli()))
	}
	return faulty{"software: synapse, from: 'sqlite:" + path + "'", append(fileFaults(path),
		fault{name: "an older backup", breaks: restore, mend: func(*testing.T) {}})}
}

func synapsePostgreSQL(t *testing.T) faulty {
	location := dbtest.StartPostgreSQL(t).Location
	must.Succeed(t, synapsetest.Population{Users: 300, Days: 62, Now: faultsAt}.FillPostgreSQL(t.Context(), location))
	p, through := proxied(t, location)
	p.isKept = true
	return faulty{"software: synapse, from: '" + through + "'", append(networkFaults(p), lockedTable(location, "user_ips"))}
}

func dendriteFile(t *testing.T) faulty {
	folder := filepath.Join(t.TempDir(), "dendrite")
	must.Succeed(t, demo.Dendrite(t.Context(), folder, faultsAt, 300, 1))
	path := filepath.Join(folder, demo.DendriteDatabase)
	// As if yesterday and today had never been.
	restore := func(t *testing.T) {
		makeSQLite(t, path, fmt.Sprintf(`DELETE FROM userapi_daily_visits WHERE timestamp > %d`, faultsAt.Add(-40*time.Hour).UnixMilli()),
			fmt.Sprintf(`DELETE FROM userapi_devices WHERE last_seen_ts > %d`, faultsAt.Add(-30*time.Hour).UnixMilli()))
	}
	return faulty{"software: dendrite, from: '" + folder + "'", append(fileFaults(path),
		fault{name: "an older backup", breaks: restore, mend: func(*testing.T) {}})}
}

func dendritePostgreSQL(t *testing.T) faulty {
	location := dbtest.StartPostgreSQL(t).Location
	dbtest.LoadDump(t, location, "../collector/dendrite/testdata/dendrite-pg.sql.gz")
	p, through := proxied(t, location)
	return faulty{"software: dendrite, from: '" + through + "'", append(networkFaults(p), lockedTable(location, "userapi_devices"))}
}

func prosodyFiles(t *testing.T) faulty {
	folder := filepath.Join(t.TempDir(), "prosody")
	must.Succeed(t, demo.Prosody(t.Context(), folder, faultsAt, 200, 1))
	status := httptest.NewServer(demo.StatusPage(faultsAt))
	t.Cleanup(status.Close)
	p, through := proxied(t, status.URL+"/status")
	f := faulty{"software: prosody, from: '" + folder + "', status_url: '" + through + "'", folderFaults(folder)}
	for _, page := range networkFaults(p) {
		page.name, page.alone = "status page: "+page.name, "chat_module_"
		f.faults = append(f.faults, page)
	}
	return f
}

func prosodyFile(t *testing.T) faulty {
	path := filepath.Join(t.TempDir(), "prosody.sqlite")
	rows := []string{
		`PRAGMA journal_mode = delete`,
		`CREATE TABLE prosody (host TEXT NOT NULL, "user" TEXT NOT NULL, store TEXT NOT NULL, "key" TEXT NOT NULL, type TEXT NOT NULL, value TEXT NOT NULL)`,
		`CREATE INDEX prosody_index ON prosody (host, "user", store, "key")`,
	}
	for n := range 300 {
		rows = append(rows, fmt.Sprintf(`INSERT INTO prosody VALUES ('example.org', 'user%d', 'account_activity', 'timestamp', 'number', '%d'), ('example.org', 'user%d', 'accounts', 'password', 'string', 'x')`,
			n, faultsAt.Add(-time.Duration(n)*3*time.Hour).Unix(), n))
	}
	makeSQLite(t, path, rows...)
	return faulty{"software: prosody, from: 'sqlite:" + path + "'", fileFaults(path)}
}

func prosodySocket(t *testing.T) faulty {
	folder := filepath.Join(t.TempDir(), "prosody")
	must.Succeed(t, demo.Prosody(t.Context(), folder, faultsAt, 50, 1))
	p := startProxy(t, "unix", adminSocket(t))
	return faulty{"software: prosody, from: '" + folder + "', admin_socket: '" + p.address + "'", networkFaults(p)}
}

func prosodyPage(t *testing.T) faulty {
	content, err := os.ReadFile("../collector/prosody/testdata/12-int/metrics.txt")
	must.Succeed(t, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }))
	t.Cleanup(server.Close)
	p, through := proxied(t, server.URL+"/metrics")
	return faulty{"software: prosody, metrics_url: '" + through + "'", networkFaults(p)}
}

func ejabberdPostgreSQL(t *testing.T) faulty {
	location := dbtest.StartPostgreSQL(t).Location
	dbtest.Exec(t, location, ejabberdTables(2, 150)...)
	p, through := proxied(t, location)
	return faulty{"software: ejabberd, from: '" + through + "'", append(networkFaults(p), lockedTable(location, "last"))}
}

// ejabberdTables are the statements that make a database of the multihost
// schema, with the given number of hosts and of accounts on each.
func ejabberdTables(hosts, accounts int) []string {
	statements := []string{
		`CREATE TABLE last (username text NOT NULL, server_host text NOT NULL, seconds text NOT NULL, state text NOT NULL, PRIMARY KEY (server_host, username))`,
		`CREATE TABLE users (username text NOT NULL, server_host text NOT NULL, type smallint NOT NULL, password text NOT NULL, created_at timestamp NOT NULL DEFAULT '2026-01-01 00:00:00', PRIMARY KEY (server_host, username, type))`,
	}
	var last, users []string
	for n := range hosts * accounts {
		host, user := n/accounts, n%accounts
		last = append(last, fmt.Sprintf(`('user%d', 'host%d.example', '%d', '')`, user, host, faultsAt.Add(-time.Duration(user)*5*time.Hour).Unix()))
		users = append(users, fmt.Sprintf(`('user%d', 'host%d.example', 1, '')`, user, host))
	}
	return append(statements, `INSERT INTO last VALUES `+strings.Join(last, ","), `INSERT INTO users (username, server_host, type, password) VALUES `+strings.Join(users, ","))
}

func ejabberdAPI(t *testing.T) faulty {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		answers := map[string]string{
			"status":            `"The node ejabberd@localhost is started. Status: started\nejabberd 26.07 is running in that node"`,
			"registered_vhosts": `["example.org"]`,
			"connected_users":   `["ada@example.org/phone"]`,
			"registered_users":  `["ada","alan","grace"]`,
			"get_last":          `{"timestamp":"2026-11-09T05:00:00Z","status":"gone"}`,
		}
		_, _ = io.WriteString(w, answers[strings.TrimPrefix(r.URL.Path, "/api/")])
	}))
	t.Cleanup(server.Close)
	p, through := proxied(t, server.URL+"/api")
	return faulty{"software: ejabberd, from: '" + through + "'", networkFaults(p)}
}

func mongooseIMTables(t *testing.T) *dbtest.MariaServer {
	t.Helper()
	server := dbtest.StartMariaDB(t)
	dbtest.ExecMySQL(t, server.Location,
		`CREATE TABLE last (server varchar(250) NOT NULL, username varchar(250) NOT NULL, seconds int NOT NULL, state text NOT NULL, PRIMARY KEY (server, username))`,
		`CREATE TABLE users (server varchar(250) NOT NULL, username varchar(250) NOT NULL, password text NOT NULL, created_at timestamp NOT NULL DEFAULT '2026-01-01 00:00:00', PRIMARY KEY (server, username))`)
	for n := range 40 {
		dbtest.ExecMySQL(t, server.Location,
			fmt.Sprintf(`INSERT INTO last VALUES ('example.org', 'user%d', %d, '')`, n, faultsAt.Add(-time.Duration(n)*9*time.Hour).Unix()),
			fmt.Sprintf(`INSERT INTO users (server, username, password) VALUES ('example.org', 'user%d', '')`, n))
	}
	return server
}

func mongooseIMMariaDB(t *testing.T) faulty {
	server := mongooseIMTables(t)
	p, through := proxied(t, server.Location)
	return faulty{"software: mongooseim, from: '" + through + "'", append(networkFaults(p),
		fault{name: "stopped in its tracks", breaks: func(*testing.T) { server.Pause() }, mend: func(*testing.T) { server.Resume() }, reasons: []failure.Reason{failure.Timeout}, hangs: true},
		fault{name: "killed", breaks: func(*testing.T) { server.Kill() }, mend: func(t *testing.T) { server.Start(t) }, reasons: []failure.Reason{failure.Unreachable, failure.Unexpected}})}
}

func mongooseIMGraphQL(t *testing.T) faulty {
	p, through := proxied(t, graphQL(t))
	return faulty{"software: mongooseim, from: '" + through + "'", networkFaults(p)}
}

// The report of the node says nothing of who is active.
func mongooseIMReport(t *testing.T) faulty {
	path := filepath.Join(t.TempDir(), "system_metrics_report.json")
	good := `[{"name":"cluster","params":{"number_of_nodes":3}}]`
	must.WriteFile(t, path, good)
	is := func(content string) func(*testing.T) { return func(t *testing.T) { must.WriteFile(t, path, content) } }
	config := "software: mongooseim, from: '" + graphQL(t) + "', report_file: '" + path + "'"
	return faulty{config, []fault{
		{name: "no report", breaks: func(t *testing.T) { must.Succeed(t, os.Remove(path)) }, mend: is(good)},
		{name: "half a report", breaks: is(good[:20]), mend: is(good)},
		{name: "garbage", breaks: is("\x00\xff\x13"), mend: is(good)},
		{name: "something else", breaks: is(`{"data":[null]}`), mend: is(good)},
	}}
}

// graphQL is the address of a MongooseIM 6.5 that keeps everything in Mnesia.
func graphQL(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, _ := io.ReadAll(r.Body)
		for _, answer := range [][2]string{
			{"checkAuth", `{"checkAuth":{"authStatus":"AUTHORIZED","authType":"ADMIN"}}`},
			{"__type", `{"__type":{"fields":[{"name":"status"}]}}`},
			{"status", `{"server":{"status":{"message":"MongooseIM 6.5.0 is running in that node"}}}`},
			{"listSessions", `{"session":{"listSessions":[{"user":"ada@example.org/phone"}]}}`},
			{"listOldUsers", `{"last":{"listOldUsers":[{"jid":"alan@example.org","timestamp":"2026-11-09T05:00:00Z"},{"jid":"grace@example.org","timestamp":"2026-11-01T05:00:00Z"}]}}`},
			{"countUsers", `{"a":{"countUsers":3}}`},
			{"uptimeSeconds", `{"stat":{"globalStats":{"uptimeSeconds":77}}}`},
		} {
			if strings.Contains(string(asked), answer[0]) {
				_, _ = io.WriteString(w, `{"data":`+answer[1]+`}`)
				return
			}
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/api/graphql"
}

// adminSocket is a Prosody with one user online, as its admin socket tells.
func adminSocket(t *testing.T) string {
	t.Helper()
	directory, err := os.MkdirTemp("", "") // the path of a socket must be short
	must.Succeed(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", filepath.Join(directory, "prosody.sock"))
	must.Succeed(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				var err error
				defer func() { _ = connection.Close() }()
				asked := bufio.NewReader(connection)
				for text := ""; !strings.HasSuffix(text, "</repl-input>"); {
					text, err = asked.ReadString('>')
					if err != nil {
						return
					}
				}
				_, _ = io.WriteString(connection, `<stream:stream xmlns='xmpp:prosody.im/admin' xmlns:stream='http://etherx.jabber.org/streams'>`+
					`<repl-result>Result: {&quot;version&quot;:&quot;13.0.1&quot;,&quot;hosts&quot;:{&quot;example.org&quot;:{&quot;online&quot;:{&quot;nobody&quot;:1},&quot;modules&quot;:{&quot;mam&quot;:&quot;core&quot;}}}}</repl-result>`)
				_, _ = io.Copy(io.Discard, asked)
			}()
		}
	}()
	return listener.Addr().String()
}

// proxied starts a proxy to the server of a URL, and returns the URL through it.
func proxied(t *testing.T, location string) (p *proxy, through string) {
	t.Helper()
	u, err := url.Parse(location)
	must.Succeed(t, err)
	p = startProxy(t, "tcp", u.Host)
	u.Host = p.address
	return p, u.String()
}

// lockedTable is a table that somebody does not let go.
func lockedTable(location, table string) fault {
	var connection *pgx.Conn
	return fault{
		name: "a locked table", reasons: []failure.Reason{failure.Locked},
		breaks: func(t *testing.T) {
			var err error
			connection, err = pgx.Connect(t.Context(), location)
			must.Succeed(t, err)
			_, err = connection.Exec(t.Context(), "BEGIN; LOCK TABLE "+table+" IN ACCESS EXCLUSIVE MODE")
			must.Succeed(t, err)
		},
		mend: func(t *testing.T) { must.Succeed(t, connection.Close(t.Context())) },
	}
}

// fileFaults are what can happen to an SQLite file.
func fileFaults(path string) []fault {
	aside := path + ".aside"
	becomes := func(change func(content []byte) []byte) func(t *testing.T) {
		return func(t *testing.T) {
			content, err := os.ReadFile(path)
			must.Succeed(t, err)
			must.Succeed(t, os.Rename(path, aside))
			must.Succeed(t, os.WriteFile(path, change(content), 0o600))
		}
	}
	back := func(t *testing.T) {
		must.Succeed(t, os.RemoveAll(path))
		must.Succeed(t, os.Rename(aside, path))
	}
	unexpected := []failure.Reason{failure.Unexpected}
	var writer *sqlx.DB
	return []fault{
		{name: "deleted", breaks: func(t *testing.T) { must.Succeed(t, os.Rename(path, aside)) }, mend: back, reasons: []failure.Reason{failure.Unreachable}},
		{name: "a folder in its place", mend: back, reasons: unexpected, breaks: func(t *testing.T) {
			must.Succeed(t, os.Rename(path, aside))
			must.Succeed(t, os.Mkdir(path, 0o700))
		}},
		{name: "empty", breaks: becomes(func([]byte) []byte { return nil }), mend: back, reasons: unexpected},
		{name: "cut off", breaks: becomes(func(content []byte) []byte { return content[:len(content)/2] }), mend: back, reasons: unexpected},
		{name: "garbage", breaks: becomes(func(content []byte) []byte { return bytes.Repeat([]byte("garbage "), len(content)/8) }), mend: back, reasons: unexpected},
		{name: "zeros behind the header, as after a power cut", mend: back, reasons: unexpected, breaks: becomes(func(content []byte) []byte {
			clear(content[4096:])
			return content
		})},
		{
			name: "a transaction that does not end", reasons: []failure.Reason{failure.Locked},
			breaks: func(t *testing.T) { must.WriteFile(t, path+"-journal", "journal") },
			mend:   func(t *testing.T) { must.Succeed(t, os.Remove(path+"-journal")) },
		},
		{
			name: "locked", reasons: []failure.Reason{failure.Locked, failure.Timeout}, hangs: true, // for longer than a test should last
			breaks: func(t *testing.T) {
				var err error
				writer, err = sqldb.CreateSQLite(path)
				must.Succeed(t, err)
				writer.SetMaxOpenConns(1)
				for _, statement := range []string{`PRAGMA locking_mode = EXCLUSIVE`, `CREATE TABLE locked (n INTEGER)`, `DROP TABLE locked`} {
					_, err = writer.ExecContext(t.Context(), statement)
					must.Succeed(t, err)
				}
			},
			mend: func(t *testing.T) { must.Succeed(t, writer.Close()) },
		},
	}
}

// folderFaults are what can happen to the folder of Prosody's records.
func folderFaults(folder string) []fault {
	aside := folder + ".aside"
	gone := func(t *testing.T) { must.Succeed(t, os.Rename(folder, aside)) }
	back := func(t *testing.T) {
		must.Succeed(t, os.RemoveAll(folder))
		must.Succeed(t, os.Rename(aside, folder))
	}
	unexpected := []failure.Reason{failure.Unexpected}
	// Records are overwritten in a copy, in whose place the good ones return.
	overwrite := func(pattern, content string) func(t *testing.T) {
		return func(t *testing.T) {
			gone(t)
			must.Succeed(t, os.CopyFS(folder, os.DirFS(aside)))
			files, err := filepath.Glob(filepath.Join(folder, pattern))
			must.Succeed(t, err)
			if len(files) == 0 {
				t.Fatalf("no files %s", pattern)
			}
			for _, file := range files {
				must.Succeed(t, os.WriteFile(file, []byte(content), 0o600))
			}
		}
	}
	return []fault{
		{name: "not mounted", breaks: gone, mend: back, reasons: []failure.Reason{failure.Unreachable}},
		{name: "an empty mount point", mend: back, reasons: unexpected, breaks: func(t *testing.T) {
			gone(t)
			must.Succeed(t, os.Mkdir(folder, 0o700))
		}},
		{name: "a file in its place", mend: back, reasons: unexpected, breaks: func(t *testing.T) {
			gone(t)
			must.WriteFile(t, folder, "")
		}},
		{name: "some damaged records", breaks: overwrite("*/*/a*.dat", "garbage"), mend: back, recorded: "chat_dormant_users"},
		{name: "all records are zeros, as after a power cut", breaks: overwrite("*/*/*.dat", strings.Repeat("\x00", 60)), mend: back, reasons: unexpected},
		{name: "all records are empty", breaks: overwrite("*/*/*.dat", ""), mend: back, reasons: unexpected},
	}
}

// makeSQLite makes a database of the given statements.
func makeSQLite(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sqldb.CreateSQLite(path)
	must.Succeed(t, err)
	db.SetMaxOpenConns(1)
	for _, statement := range statements {
		_, err := db.ExecContext(t.Context(), statement)
		must.Succeed(t, err)
	}
	must.Succeed(t, db.Close())
}
