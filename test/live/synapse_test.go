//go:build live

package live

import (
	"bytes"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite" // an operator's SQL in Synapse's file

	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

const homeserverName = "live.example"

// homeserver is a running Synapse.
type homeserver struct {
	*place
	*process
	url, config string
	receiver    string // the exporter's pages; it receives the reports
	reports     reports

	execute      func(statements ...string) // by SQL, behind Synapse's back
	tokens       map[string]string          // access tokens by user
	open         string                     // the room that is not encrypted
	transactions atomic.Int64
}

const homeserverYAML = `
server_name: ` + homeserverName + `
listeners:
  - {port: %[1]s, bind_addresses: [127.0.0.1], type: http, tls: false, resources: [{names: [client]}]}
database: %[2]s
report_stats: true
report_stats_endpoint: %[3]s
media_store_path: %[4]s/media
signing_key_path: %[4]s/signing.key
registration_shared_secret: %[5]q
macaroon_secret_key: a secret of a test
form_secret: another one
bcrypt_rounds: 4
enable_registration: true
enable_registration_without_verification: true
allow_guest_access: true
app_service_config_files: [%[4]s/bridge.yaml]
track_appservice_user_ips: true
trusted_key_servers: []
suppress_key_server_warning: true
federation_domain_whitelist: []
rc_message: &all {per_second: 10000, burst_count: 10000}
rc_registration: *all
rc_joins: {local: *all}
rc_login: {address: *all, account: *all}
event_cache_size: 5K
caches: {global_factor: 0.75}
`

const bridgeYAML = `
id: bridge
url: null
as_token: %[1]q
hs_token: hs
sender_localpart: bridgebot
rate_limited: false
namespaces: {users: [{exclusive: true, regex: "@bridged_.*"}], aliases: [], rooms: []}
`

const secret = "a-secret-of-this-test"

// startSynapse starts a homeserver whose reports go to an exporter beside it.
func startSynapse(t *testing.T, b *bench, database func(*place) string) (*homeserver, *exporter) {
	t.Helper()
	p := b.chat.place(t, "matrix-synapse")
	e := newExporter(t, b, p)
	receiving := freePort(t)
	h := &homeserver{place: p, receiver: e.serve(t, "--reports.listen-address=127.0.0.1:"+receiving)}
	between := httptest.NewServer(h.reports.passOn(t, "http://127.0.0.1:"+receiving))
	t.Cleanup(between.Close)

	seed := make([]byte, 32)
	_, _ = rand.Read(seed)
	p.write(t, "signing.key", "ed25519 a_live "+base64.RawStdEncoding.EncodeToString(seed)+"\n")
	p.write(t, "bridge.yaml", fmt.Sprintf(bridgeYAML, secret))
	start, err := os.ReadFile("testdata/start_synapse.py")
	must.Succeed(t, err)
	port := freePort(t)
	h.url = "http://127.0.0.1:" + port
	h.config = p.write(t, "homeserver.yaml", fmt.Sprintf(homeserverYAML, port, database(p), between.URL+"/report-usage-stats/push", p.inside, secret))
	h.process = p.start(t, p.command("/usr/bin/python3", p.write(t, "start.py", string(start)), "--config-path="+h.config))
	h.listens(t, port)
	return h, e
}

// report is a usage report as it was pushed.
type report map[string]any

// numbers are the figures in a report, by their names in it.
func (r report) numbers() figures {
	found := make(figures)
	for name, value := range r {
		if number, ok := value.(float64); ok {
			found[name] = number
		}
	}
	return found
}

func (r report) timestamp() int64 { return int64(r["timestamp"].(float64)) }

// reports are those that came.
type reports struct {
	mutex sync.Mutex
	all   []report
}

// passOn remembers each report that the exporter has accepted.
func (r *reports) passOn(t *testing.T, to string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		forward, err := http.NewRequestWithContext(request.Context(), request.Method, to+request.URL.Path, bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		forward.Header = request.Header
		response, err := http.DefaultClient.Do(forward)
		if err != nil {
			t.Errorf("the receiver does not answer: %v", err)
			return
		}
		defer func() { _ = response.Body.Close() }()
		answer, _ := io.ReadAll(response.Body)
		var pushed report
		if err := json.Unmarshal(body, &pushed); err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("a report is answered with %s (%s), %v", response.Status, answer, err)
		}
		w.WriteHeader(response.StatusCode)
		_, _ = w.Write(answer)
		r.mutex.Lock()
		defer r.mutex.Unlock()
		r.all = append(r.all, pushed)
	})
}

// next waits for a report that was begun after a moment.
func (r *reports) next(t *testing.T, after time.Time) (newest report) {
	t.Helper()
	waitFor(t, "a report", func() bool {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		if len(r.all) > 0 {
			newest = r.all[len(r.all)-1]
		}
		return newest != nil && newest.timestamp() > after.Unix()
	})
	return newest
}

// fromProcess are the figures of a report that are in no database, and those
// of them that homeserver.yaml has.
func fromProcess() (neither, inConfig []string) {
	return []string{"timestamp", "memory_rss", "cpu_average", "uptime_seconds"}, []string{"cache_factor", "event_cache_size"}
}

const usage = "synapse_usage_"

// usageOf returns the usage figures among series, by their names in a report.
func usageOf(all figures) figures {
	found := make(figures)
	for name, value := range all {
		if statistic, labels, ok := strings.Cut(strings.TrimPrefix(name, usage), "{"); ok && strings.HasPrefix(name, usage) && labels == fmt.Sprintf("homeserver=%q}", homeserverName) {
			found[statistic] = value
		}
	}
	return found
}

// without returns the figures except for some.
func (f figures) without(names ...string) figures {
	rest := maps.Clone(f)
	maps.DeleteFunc(rest, func(name string, _ float64) bool { return slices.Contains(names, name) })
	return rest
}

// compareSynapse compares a report with the receiver's series and with what is
// read from the database at the report's moment.
func compareSynapse(t *testing.T, b *bench, h *homeserver, e *exporter, what, location string) report {
	t.Helper()
	began := time.Now()
	var pushed report
	neither, inConfig := fromProcess()
	ofReceiver := []string{"last_report_timestamp_seconds", "reports_total", "info"}
	var received figures
	waitFor(t, "the receiver to show a report that was the newest before and after", func() bool {
		pushed = h.reports.next(t, began)
		received = usageOf(scrape(t, h.receiver)).without(ofReceiver...)
		return received["timestamp"] == pushed["timestamp"]
	})
	b.row.compare(t, what+", received", pushed.numbers(), received)
	if b.mistake != "" {
		h.makeMistake(t, b.mistake)
	}

	database := e.report(t, pushed.timestamp(), "--server=synapse="+location)
	b.row.compare(t, what+", the database", pushed.numbers().without(append(neither, inConfig...)...), usageOf(database).without(ofReceiver...))
	config := e.report(t, pushed.timestamp(), "--server=synapse="+h.config)
	b.row.compare(t, what+", homeserver.yaml", pushed.numbers().without(neither...), usageOf(config).without(ofReceiver...))
	domain := fmt.Sprintf("domain=%q", homeserverName)
	b.row.compare(t, what+", chat_*", figures{"active": pushed["daily_active_users"].(float64), "r30v2": pushed["r30v2_users_all"].(float64)},
		figures{"active": database["chat_active_users{"+domain+`,window="1d"}`], "r30v2": database["chat_r30v2_users{"+domain+"}"]})
	return pushed
}

// age lets people have been here before: on days that r30v2 must and must not
// count. It runs as an operator's SQL would, beside the running server.
func (h *homeserver) age() {
	today := time.Now().UTC().Truncate(24 * time.Hour)
	visits := map[string][]int{ // days ago, by user
		"android": {0, 31}, "ios": {1, 32}, "electron": {0, 30}, "web": {0, 29, 59}, "plain": {45},
		"returned": {0, 60}, "longago": {59, 61}, "faithful": {0, 1, 29, 30, 31, 32, 45, 59},
	}
	var statements []string
	for _, user := range slices.Sorted(maps.Keys(visits)) {
		for _, days := range visits[user] {
			statements = append(statements, fmt.Sprintf("INSERT INTO user_daily_visits (user_id, device_id, timestamp, user_agent) VALUES ('@%s:%s', 'OLD', %d, '%s')",
				user, homeserverName, today.AddDate(0, 0, -days).UnixMilli(), agents()[user]))
		}
	}
	for user, days := range map[string]int{"plain": 2, "longago": 20, "returned": 29, "electron": 40} {
		statements = append(statements, fmt.Sprintf("UPDATE user_ips SET last_seen = %d WHERE user_id = '@%s:%s'", time.Now().AddDate(0, 0, -days).UnixMilli(), user, homeserverName))
	}
	for user, days := range map[string]int{"faithful": 100, "android": 40, "longago": 31} {
		statements = append(statements, fmt.Sprintf("UPDATE users SET creation_ts = %d WHERE name = '@%s:%s'", time.Now().AddDate(0, 0, -days).Unix(), user, homeserverName))
	}
	h.execute(statements...)
}

// makeMistake changes a record behind the exporter's back.
func (h *homeserver) makeMistake(t *testing.T, mistake string) {
	t.Helper()
	switch mistake {
	case "visit":
		h.execute(removeVisit)
	case "message":
		h.say(t, "faithful", "one more")
	default:
		t.Fatalf("a mistake %q is not known: visit and message are", mistake)
	}
}

// removeVisit takes away a day of somebody whom r30v2 counts for two.
const removeVisit = `DELETE FROM user_daily_visits WHERE user_id = '@android:` + homeserverName + `' AND timestamp = (SELECT MIN(timestamp) FROM user_daily_visits WHERE user_id = '@android:` + homeserverName + `')`

// checkSynapse is all that is compared on one kind of storage.
func checkSynapse(t *testing.T, b *bench, h *homeserver, e *exporter, location string) {
	t.Helper()
	h.traffic(t)
	// While it is being written to, each reading succeeds and disturbs nobody.
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 60 {
			h.say(t, "faithful", fmt.Sprintf("message %d", i))
		}
	}()
	readings := 0
	for writing := true; writing; readings++ {
		found := e.report(t, 0, "--server=synapse="+location)
		if found["chat_server_up"] != 1 {
			t.Errorf("a reading while it is written to: %v", found.pick("chat_server_up"))
		}
		select {
		case <-done:
			writing = false
		default:
		}
	}
	t.Logf("%d readings while 60 messages were sent", readings)
	time.Sleep(6 * time.Second) // Synapse writes user_ips every five

	fresh := compareSynapse(t, b, h, e, "fresh", location)
	if fresh["daily_messages"].(float64) < 60 || fresh["daily_active_users"].(float64) < 8 || fresh["daily_active_e2ee_rooms"].(float64) < 1 {
		t.Errorf("there was no traffic: %v", fresh)
	}
	h.age()
	aged := compareSynapse(t, b, h, e, "aged", location)
	if aged["r30v2_users_all"].(float64) < 3 || aged["daily_active_users"].(float64) >= fresh["daily_active_users"].(float64) || aged["monthly_active_users"].(float64) <= aged["daily_active_users"].(float64) {
		t.Errorf("nobody has aged: %v", aged)
	}

	for _, wrong := range []string{"database is locked", "Traceback"} {
		if strings.Contains(h.log(), wrong) {
			t.Errorf("Synapse's log has %q", wrong)
		}
	}
	neither, inConfig := fromProcess()
	usageNow := func() figures {
		return usageOf(e.report(t, aged.timestamp(), "--server=synapse="+location)).without("info")
	}
	theirs := aged.numbers().without(append(neither, inConfig...)...)
	h.say(t, "faithful", "one that the report does not know")
	b.row.notice(t, "a message was added", theirs, usageNow())
	h.execute(removeVisit)
	b.row.notice(t, "a visit was removed", theirs.pick("r30v2"), usageNow().pick("r30v2"))
}

func synapseOnSQLite(t *testing.T, b *bench) {
	h, e := startSynapse(t, b, func(p *place) string {
		return fmt.Sprintf("{name: sqlite3, args: {database: %s}}", p.in("homeserver.db"))
	})
	h.execute = func(statements ...string) {
		db, err := sql.Open("sqlite", "file:"+h.out("homeserver.db")+"?_pragma=busy_timeout(10000)")
		must.Succeed(t, err)
		defer func() { _ = db.Close() }()
		for _, statement := range statements {
			_, err := db.ExecContext(t.Context(), statement)
			must.Succeed(t, err)
		}
	}
	checkSynapse(t, b, h, e, "sqlite:"+h.in("homeserver.db"))
}

func synapseOnPostgreSQL(t *testing.T, b *bench) {
	// The standby cancels whatever is in the way of what it follows.
	server := dbtest.StartPostgreSQL(t, "max_standby_streaming_delay=0")
	u, err := url.Parse(server.Location)
	must.Succeed(t, err)
	h, e := startSynapse(t, b, func(*place) string {
		return fmt.Sprintf("{name: psycopg2, args: {host: %s, port: %s, user: postgres, dbname: postgres, sslmode: disable, cp_min: 1, cp_max: 5}}", u.Hostname(), u.Port())
	})
	h.execute = func(statements ...string) { dbtest.Exec(t, server.Location, statements...) }
	checkSynapse(t, b, h, e, server.Location)
	checkStandby(t, b, e, server)
}

// checkStandby reads a hot standby while what it reads is cleaned up on the
// primary, which cancels statements there.
func checkStandby(t *testing.T, b *bench, e *exporter, server *dbtest.Server) {
	t.Helper()
	standby := server.Standby(t)
	now := time.Now().Unix()
	wanted := e.report(t, now, "--server=synapse="+server.Location).pick("chat_active", "chat_r30v2", "chat_registered", usage)
	var done atomic.Bool
	var churn sync.WaitGroup
	churn.Go(func() {
		for ; !done.Load(); time.Sleep(100 * time.Millisecond) { // figures stay as they are
			dbtest.Exec(t, server.Location,
				"UPDATE user_daily_visits SET user_agent = user_agent", "UPDATE user_ips SET user_agent = user_agent",
				"VACUUM user_daily_visits", "VACUUM FULL user_ips")
		}
	})
	read := func() (figures, error) {
		found, err := e.tryReport(now, "--server=synapse="+standby.Location)
		return found.pick("chat_active", "chat_r30v2", "chat_registered", usage), err
	}
	const readings = 10
	cancelled := 0
	for range readings {
		found, err := read()
		if err != nil {
			cancelled++ // no figures, rather than wrong ones
			continue
		}
		b.row.compareAgain(t, "the standby meanwhile", wanted, found)
	}
	done.Store(true)
	churn.Wait()
	t.Logf("%d of %d readings of the standby were cancelled", cancelled, readings)
	var found figures
	waitFor(t, "the standby to be readable again", func() (ok bool) {
		var err error
		found, err = read()
		return err == nil
	})
	b.row.compare(t, "the standby", wanted, found)
}
