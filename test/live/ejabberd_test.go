//go:build live

package live

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/xmpptest"
	"active_users_exporter/test/must"
)

// ejabberdServer is a running ejabberd: a node without a name, which takes part
// in no cluster and needs neither epmd nor a cookie.
type ejabberdServer struct {
	*place
	*process
	c2s    string // ports: for clients,
	api    string // for the address that may ask as documented,
	admin  string // for the account that may,
	all    string // and for the test
	config string
	hosts  []string
}

const ejabberdYML = `
hosts: [%[1]s]
loglevel: warning
auth_password_format: scram
%[2]s
modules: {mod_last: {}, mod_admin_extra: {}, mod_roster: {}}
listen:
  - {ip: "127.0.0.1", port: %[3]s, module: ejabberd_c2s}
  - {ip: "127.0.0.1", port: %[4]s, module: ejabberd_http, tag: exporter, request_handlers: {/api: mod_http_api}}
  - {ip: "127.0.0.1", port: %[5]s, module: ejabberd_http, tag: test, request_handlers: {/api: mod_http_api}}
  - {ip: "127.0.0.1", port: %[6]s, module: ejabberd_http, tag: account, request_handlers: {/api: mod_http_api}}
acl:
  admin: {user: [admin@example.org]}
access_rules: {configure: {allow: admin}}
api_permissions:
  "exporter":
    from: [mod_http_api, {tag: exporter}]
    who: {ip: 127.0.0.0/8}
    what: [status, registered_vhosts, connected_users, connected_users_vhost, stats_host, registered_users, get_last]
  "account":
    from: [mod_http_api, {tag: account}]
    who: {access: {allow: {acl: admin}}}
    what: [status, registered_vhosts, connected_users, connected_users_vhost, stats_host, registered_users, get_last]
  "test":
    from: [mod_http_api, {tag: test}]
    who: {ip: 127.0.0.0/8}
    what: ["*"]
`

func startEjabberd(t *testing.T, b *bench, storage func(*place) string, hosts ...string) *ejabberdServer {
	t.Helper()
	p := b.chat.place(t, "ejabberd")
	s := &ejabberdServer{place: p, c2s: freePort(t), api: freePort(t), admin: freePort(t), all: freePort(t), hosts: hosts}
	s.config = p.write(t, "ejabberd.yml", fmt.Sprintf(ejabberdYML, strings.Join(hosts, ", "), storage(p), s.c2s, s.api, s.all, s.admin))
	s.boot(t)
	return s
}

// boot starts it, the first time or again.
func (s *ejabberdServer) boot(t *testing.T) {
	t.Helper()
	installed, err := filepath.Glob(filepath.Join(s.root.path, "usr/lib/*/ejabberd-*/ebin"))
	if err != nil || len(installed) == 0 {
		t.Fatal("no ejabberd in the root")
	}
	code := strings.TrimPrefix(installed[0], s.root.path)
	command := s.place.command("/usr/bin/erl", "-noinput", "-pa", code, "-mnesia", "dir", fmt.Sprintf("%q", s.in("mnesia")), "-s", "ejabberd")
	command.Env = append(command.Env, "ERL_LIBS="+filepath.Dir(filepath.Dir(code)), "EJABBERD_CONFIG_PATH="+s.config, "EJABBERD_LOG_PATH="+s.in("ejabberd.log"),
		"BINDIR=/usr/lib/erlang/bin", "ROOTDIR=/usr/lib/erlang")
	s.process = s.start(t, command)
	s.listens(t, s.all)
	waitFor(t, "ejabberd's API", func() bool { return s.try("status", struct{}{}, nil) == nil })
}

// try calls a command of the API with all rights.
func (s *ejabberdServer) try(command string, arguments, answer any) error {
	content, err := json.Marshal(arguments)
	if err != nil {
		return err
	}
	response, err := http.Post("http://127.0.0.1:"+s.all+"/api/"+command, "application/json", bytes.NewReader(content))
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", command, response.Status)
	}
	if answer == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(answer)
}

func (s *ejabberdServer) call(t *testing.T, command string, arguments, answer any) {
	t.Helper()
	must.Succeed(t, s.try(command, arguments, answer))
}

func (s *ejabberdServer) login(t *testing.T, host, user string) *xmpptest.Client {
	t.Helper()
	return xmpptest.Login(t, "127.0.0.1:"+s.c2s, host, user, "pw")
}

// own are sums of what the server says about each account, under our names.
func (s *ejabberdServer) own(t *testing.T) figures {
	t.Helper()
	found := make(figures)
	for _, host := range s.hosts {
		var accounts, online []string
		s.call(t, "registered_users", map[string]string{"host": host}, &accounts)
		s.call(t, "connected_users_vhost", map[string]string{"host": host}, &online)
		people := make(map[string]bool)
		for _, session := range online {
			user, _, _ := strings.Cut(session, "@")
			people[user] = true
		}
		name := func(family, label, value string) string {
			if label != "" {
				return fmt.Sprintf("%s{domain=%q,%s=%q}", family, host, label, value)
			}
			return fmt.Sprintf("%s{domain=%q}", family, host)
		}
		found[name("chat_online_users", "", "")] = float64(len(people))
		found[name("chat_registered_users", "type", "native")] = float64(len(accounts))
		for window, days := range map[string]int{"1d": 1, "7d": 7, "30d": 30} {
			active := 0
			for _, user := range accounts {
				var last struct{ Timestamp, Status string }
				s.call(t, "get_last", map[string]string{"user": user, "host": host}, &last)
				at, err := time.Parse(time.RFC3339, last.Timestamp)
				must.Succeed(t, err)
				if people[user] || !slices.Contains([]string{"NOT FOUND", "Registered but didn't login"}, last.Status) && at.After(time.Now().AddDate(0, 0, -days)) {
					active++
				}
			}
			found[name("chat_active_users", "window", window)] = float64(active)
		}
	}
	return found
}

// populate lets people come and go. It returns when the logouts are stored.
func (s *ejabberdServer) populate(t *testing.T) {
	t.Helper()
	register := func(host string, users ...string) {
		for _, user := range users {
			s.call(t, "register", map[string]string{"user": user, "host": host, "password": "pw"}, nil)
		}
	}
	register("example.org", "admin", "online", "phone", "zoë.o_brien", "week", "month", "past", "never", "cut")
	age := map[string]int{"phone": 3, "week": 7, "month": 30, "past": 40}
	for user, days := range age {
		s.call(t, "set_last", map[string]any{"user": user, "host": "example.org", "timestamp": time.Now().AddDate(0, 0, -days).Unix() + 600, "status": "gone"}, nil)
	}
	s.login(t, "example.org", "online")
	s.login(t, "example.org", "phone")
	s.login(t, "example.org", "phone") // a second device
	s.login(t, "example.org", "zoë.o_brien").Leave(t, "good-bye")
	s.login(t, "example.org", "cut").Cut()
	if slices.Contains(s.hosts, "second.example") {
		register("second.example", "online", "never")
		s.login(t, "second.example", "online")
	}
	waitFor(t, "the logouts", func() bool {
		var online []string
		s.call(t, "connected_users_vhost", map[string]string{"host": "example.org"}, &online)
		return len(online) == 3
	})
}

// compared are the families that ejabberd itself knows.
func compared(f figures) figures {
	return f.pick("chat_active_users{", "chat_online_users{", "chat_registered_users{")
}

func (s *ejabberdServer) apiOnly(port string) string { return "http://127.0.0.1:" + port + "/api" }

// checkEjabberd is what is compared where records are in SQL.
func checkEjabberd(t *testing.T, b *bench, s *ejabberdServer, e *exporter) {
	t.Helper()
	s.populate(t)
	own := s.own(t)
	if own[`chat_active_users{domain="example.org",window="1d"}`] != 4 || own[`chat_active_users{domain="example.org",window="30d"}`] != 6 || own[`chat_online_users{domain="example.org"}`] != 2 {
		t.Errorf("ejabberd says %v: not who was there", own)
	}
	config := e.configure(t, fmt.Sprintf("servers: [{software: ejabberd, from: %s, api_url: %q}]", s.config, s.apiOnly(s.api)))
	b.row.compare(t, "records and API", own, compared(e.report(t, 0, "--config.file="+config)))
	b.row.compare(t, "API alone", own, compared(e.report(t, 0, "--server=ejabberd="+s.apiOnly(s.api))))
	alone := e.report(t, 0, "--server=ejabberd="+s.config).pick("chat_active_users{")
	if people := alone[`chat_active_users{domain="example.org",window="1d"}`]; people != 2 { // who has left
		t.Errorf("records alone know %v people of today", people)
	}

	s.call(t, "stop", struct{}{}, nil)
	select {
	case <-s.ended:
	case <-time.After(time.Minute):
		t.Fatal("ejabberd does not stop")
	}
	if found, err := e.tryReport(0, "--config.file="+config); err == nil {
		t.Errorf("a stopped ejabberd's API is reported as %v", compared(found))
	}
	compareRecords(t, b, s, e, "after a stop in order")
	s.login(t, "example.org", "online")
	s.end(syscall.SIGKILL)
	compareRecords(t, b, s, e, "after kill -9")
}

// compareRecords compares the records of a server that has ended with what it
// itself knows when it is started again.
func compareRecords(t *testing.T, b *bench, s *ejabberdServer, e *exporter, what string) {
	t.Helper()
	left := e.report(t, 0, "--server=ejabberd="+s.config).pick("chat_active_users{", "chat_registered_users{")
	s.boot(t)
	b.row.compare(t, "records "+what, s.own(t).pick("chat_active_users{", "chat_registered_users{"), left)
}

func ejabberdOnSQLite(t *testing.T, b *bench) {
	s := startEjabberd(t, b, func(p *place) string {
		return fmt.Sprintf("default_db: sql\nsql_type: sqlite\nsql_database: %s", p.in("ejabberd.db"))
	}, "example.org")
	checkEjabberd(t, b, s, newExporter(t, b, s.place))
}

func onPostgreSQL(t *testing.T, more string) func(*place) string {
	t.Helper()
	u, err := url.Parse(dbtest.StartPostgreSQL(t).Location)
	must.Succeed(t, err)
	return func(*place) string {
		return fmt.Sprintf("default_db: sql\nsql_type: pgsql\nsql_server: %s\nsql_port: %s\nsql_database: postgres\nsql_username: postgres\nsql_password: unused\n%s", u.Hostname(), u.Port(), more)
	}
}

func ejabberdOnPostgreSQL(t *testing.T, b *bench) {
	s := startEjabberd(t, b, onPostgreSQL(t, "sql_schema_multihost: true"), "example.org", "second.example")
	checkEjabberd(t, b, s, newExporter(t, b, s.place))
}

// Where sessions are in SQL, the database alone knows who is connected.
func ejabberdWithSessionsInSQL(t *testing.T, b *bench) {
	s := startEjabberd(t, b, onPostgreSQL(t, "sql_schema_multihost: false\nsm_db_type: sql"), "example.org")
	e := newExporter(t, b, s.place)
	s.populate(t)
	b.row.compare(t, "records alone, with sessions", s.own(t), compared(e.report(t, 0, "--server=ejabberd="+s.config)))
}

func ejabberdOnMySQL(t *testing.T, b *bench) {
	m := startMySQL(t, b, true)
	b.row.storage = "MySQL " + b.data.version("mysql-server") + ", TLS"
	s := startEjabberd(t, b, func(p *place) string {
		authority := p.write(t, "mysql-authority.pem", m.authority)
		return fmt.Sprintf("default_db: sql\nsql_type: mysql\nsql_server: 127.0.0.1\nsql_port: %s\nsql_database: chat\nsql_username: chat\nsql_password: %s\nsql_ssl: true\nsql_ssl_verify: true\nsql_ssl_cafile: %s\nsql_schema_multihost: true",
			m.port, secret, authority)
	}, "example.org", "second.example")
	e := newExporter(t, b, s.place)
	verified := "--server=ejabberd=" + m.location("chat", secret) + "?tls=true"
	if _, err := e.tryReport(0, verified); err == nil || !strings.Contains(err.Error(), "reason=denied") {
		t.Errorf("a certificate of an authority that is not trusted: %v", err)
	}
	config := must.Get(os.ReadFile(s.out("ejabberd.yml")))(t)
	stranger, _, _ := certificateFor127(t)
	other := s.write(t, "other.yml", strings.Replace(string(config), "mysql-authority.pem", filepath.Base(s.write(t, "stranger.pem", stranger)), 1))
	if _, err := e.tryReport(0, "--server=ejabberd="+other); err == nil || !strings.Contains(err.Error(), "reason=denied") {
		t.Errorf("a certificate of another authority than that of sql_ssl_cafile: %v", err)
	}
	checkEjabberd(t, b, s, e) // it has ended, and was started again
	e.trust(t, m.authority)
	b.row.compare(t, "over verified TLS", s.own(t).pick("chat_active_users{", "chat_registered_users{"),
		e.report(t, 0, verified).pick("chat_active_users{", "chat_registered_users{"))
}

// Without SQL the API alone tells everything: to an address, or to an administrator.
func ejabberdOnMnesia(t *testing.T, b *bench) {
	s := startEjabberd(t, b, func(*place) string { return "default_db: mnesia" }, "example.org", "second.example")
	e := newExporter(t, b, s.place)
	s.populate(t)
	own := s.own(t)
	b.row.compare(t, "to an address", own, compared(e.report(t, 0, "--server=ejabberd="+s.apiOnly(s.api))))
	password := e.place.write(t, "admin-password", "pw\n")
	config := e.configure(t, fmt.Sprintf("servers: [{software: ejabberd, from: 'http://admin%%40example.org@127.0.0.1:%s/api', password_file: %s}]", s.admin, password))
	b.row.compare(t, "to an administrator", own, compared(e.report(t, 0, "--config.file="+config)))
	s.call(t, "set_last", map[string]any{"user": "week", "host": "example.org", "timestamp": time.Now().AddDate(0, 0, -50).Unix(), "status": "gone"}, nil)
	b.row.notice(t, "a logout was moved to the past", own, compared(e.report(t, 0, "--server=ejabberd="+s.apiOnly(s.api))))
}
