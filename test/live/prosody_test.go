//go:build live

package live

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/xmpptest"
	"active_users_exporter/test/must"
)

// xmppServer is a running Prosody.
type xmppServer struct {
	*place
	*process
	c2s, pages string // ports
	config     string
	started    time.Time
}

// The modules are Debian's, as far as this server needs them.
const prosodyCfg = `
data_path = %[1]q; pidfile = %[2]q; admin_socket = %[3]q; plugin_paths = { %[4]q }
interfaces = { "127.0.0.1" }; local_interfaces = { "127.0.0.1" }
c2s_ports = { %[5]s }; http_ports = { %[6]s }; https_ports = {}; c2s_direct_tls_ports = {}
modules_disabled = { "s2s", "tls" }
c2s_require_encryption = false; allow_unencrypted_plain_auth = true
statistics = "internal"; statistics_interval = "manual"
log = { warn = "*console" }
modules_enabled = { "disco", "roster", "saslauth", "smacks", "carbons", "pep", "register", "admin_shell", "http_openmetrics" }
modules_enabled:append { "account_activity", "measure_active_users" }
%[7]s
VirtualHost "example.com"
VirtualHost "second.example"
VirtualHost "plain.example"
	authentication = "internal_plain"
Component "rooms.example.com" "muc"
`

func startProsody(t *testing.T, b *bench, storage string) *xmppServer {
	t.Helper()
	p := b.chat.place(t, "prosody")
	s := &xmppServer{place: p, c2s: freePort(t), pages: freePort(t)}
	p.write(t, "modules/mod_so_so.lua", `module:set_status("warn", "as well as can be")`)
	p.write(t, "modules/mod_breaks.lua", `error("on purpose")`)
	// A folder of its own, in which Prosody may make what it wants.
	s.config = p.write(t, "prosody.cfg.lua", fmt.Sprintf(prosodyCfg, p.in("data"), p.in("pid"), p.in("sock"), p.in("modules"), s.c2s, s.pages, storage))
	must.Succeed(t, os.Mkdir(p.out("data"), 0o750))
	must.Succeed(t, os.Chown(p.out("data"), int(p.owner.Uid), int(p.owner.Gid)))
	s.process = p.start(t, p.command("/usr/bin/prosody", "-F", "--config", s.config))
	s.listens(t, s.c2s)
	waitFor(t, "the admin socket", func() bool { _, err := os.Stat(p.out("sock")); return err == nil })
	s.started = time.Now()
	return s
}

// lua evaluates an expression in the running server, by its own shell.
func (s *xmppServer) lua(t *testing.T, expression string) string {
	t.Helper()
	return s.shell(t, "> "+expression)
}

func (s *xmppServer) shell(t *testing.T, line string) string {
	t.Helper()
	said := s.run(t, "/usr/bin/prosodyctl", "--config", s.config, "shell", line)
	if strings.Contains(said, "Error:") || strings.HasPrefix(said, "!") {
		t.Fatalf("%s: %s", line, said)
	}
	return said
}

func (s *xmppServer) create(t *testing.T, domain string, users ...string) {
	t.Helper()
	for _, user := range users {
		s.shell(t, fmt.Sprintf("user:create(%q, %q)", user+"@"+domain, "pw"))
	}
}

// registerInBand makes accounts as in-band registration does: first without a
// password.
func (s *xmppServer) registerInBand(t *testing.T, domain string, users ...string) {
	t.Helper()
	for _, user := range users {
		s.lua(t, fmt.Sprintf(`(function(u) assert(u.create_user(%[1]q, nil, %[2]q)); assert(u.set_password(%[1]q, "pw", %[2]q)) end)(require "core.usermanager")`, user, domain))
	}
}

// seen sets when somebody was last there, through Prosody's own storage: in the
// store of Prosody 13, and in that of mod_lastlog2 if mod_measure_active_users has
// loaded it, as Debian 13's does.
func (s *xmppServer) seen(t *testing.T, user string, days int) {
	t.Helper()
	s.store(t, user, fmt.Sprintf("{ timestamp = os.time() - %d * 86400 + 600 }", days), fmt.Sprintf("{ login = { timestamp = os.time() - %d * 86400 + 600 } }", days))
}

func (s *xmppServer) store(t *testing.T, user, activity, lastlog2 string) {
	t.Helper()
	s.lua(t, fmt.Sprintf(`(function(open) open("example.com", "account_activity"):set(%[1]q, %[2]s); `+
		`if prosody.hosts["example.com"].modules.lastlog2 then open("example.com", "lastlog2"):set(%[1]q, %[3]s) end end)(require "core.storagemanager".open)`, user, activity, lastlog2))
}

func (s *xmppServer) login(t *testing.T, domain, user string) *xmpptest.Client {
	t.Helper()
	return xmpptest.Login(t, "127.0.0.1:"+s.c2s, domain, user, "pw")
}

func (s *xmppServer) page() string { return "http://127.0.0.1:" + s.pages + "/metrics" }

// own are the figures of mod_measure_active_users, which counts now, under our
// names for them.
func (s *xmppServer) own(t *testing.T) figures {
	t.Helper()
	for _, domain := range []string{"example.com", "second.example", "plain.example"} {
		s.lua(t, fmt.Sprintf("prosody.hosts[%q].modules.measure_active_users.module.environment.update_calculations()", domain))
	}
	response, err := http.Get(s.page())
	must.Succeed(t, err)
	defer func() { _ = response.Body.Close() }()
	found := make(figures)
	for _, match := range regexp.MustCompile(`(?m)^prosody_mod_measure_active_users__active_users_(\d+)d\{host="([^"]*)"\} (\d+)`).FindAllStringSubmatch(readAll(t, response.Body), -1) {
		value, err := strconv.ParseFloat(match[3], 64)
		must.Succeed(t, err)
		found[fmt.Sprintf("chat_active_users{domain=%q,window=%q}", match[2], match[1]+"d")] = value
	}
	return found
}

// states are what the modules say about themselves (module:get_status), under
// our name for it.
func (s *xmppServer) states(t *testing.T) figures {
	t.Helper()
	said := s.lua(t, `(function() local mm, all = require "core.modulemanager", {}; `+
		`local function add(host) for name, m in pairs(mm.get_modules(host)) do all[#all + 1] = host .. " " .. name .. " " .. (m.module:get_status()) end end; `+
		`add("*"); for host in pairs(prosody.hosts) do add(host) end; return table.concat(all, ";") end)()`)
	found := make(figures)
	for _, match := range regexp.MustCompile(`(\S+) (\w+) (core|info|warn|error)(?:;|\s|$)`).FindAllStringSubmatch(strings.ReplaceAll(strings.TrimPrefix(strings.TrimSpace(said), "Result: "), ";", "; "), -1) {
		value := float64(slices.Index([]string{"core", "info", "warn", "error"}, match[3]))
		found[fmt.Sprintf("chat_module_status{domain=%q,module=%q}", match[1], match[2])] = value
	}
	return found
}

// checkProsody is all that is compared on one kind of storage.
func checkProsody(t *testing.T, b *bench, storage string) {
	t.Helper()
	s := startProsody(t, b, storage)
	e := newExporter(t, b, s.place)
	s.create(t, "example.com", "online", "phone", "zoë.o_brien", "week", "month", "past", "never", "disabled", "deleted")
	s.create(t, "second.example", "only")
	s.login(t, "example.com", "online")
	s.login(t, "example.com", "phone")
	for _, user := range []string{"zoë.o_brien", "week", "month", "past", "disabled", "deleted"} {
		s.login(t, "example.com", user).Leave(t, "good-bye")
	}
	s.login(t, "second.example", "only").Leave(t, "good-bye")
	s.registerInBand(t, "plain.example", "here", "gone", "away")
	s.login(t, "plain.example", "here")
	s.login(t, "plain.example", "gone").Leave(t, "good-bye")
	s.login(t, "plain.example", "away").Leave(t, "good-bye")
	for user, days := range map[string]int{"phone": 3, "week": 7, "month": 30, "past": 40} {
		s.seen(t, user, days) // ten minutes within the day
	}
	s.shell(t, `user:disable("disabled@example.com")`)
	s.shell(t, `user:delete("deleted@example.com")`)

	own := s.own(t)
	if first := own[`chat_active_users{domain="example.com",window="1d"}`]; first != 3 || own[`chat_active_users{domain="example.com",window="30d"}`] != 5 {
		t.Errorf("Prosody counts %v: not who was there", own)
	}
	socket := e.configure(t, fmt.Sprintf("servers: [{software: prosody, from: %s, admin_socket: %s, required_modules: [so_so, example.com/breaks]}]", s.config, s.in("sock")))
	found := s.asRoot(e).report(t, 0, "--config.file="+socket)
	b.row.compare(t, "by the socket", own, found.pick("chat_active_users"))
	b.row.compare(t, "accounts and people online", figures{
		`chat_registered_users{domain="example.com",type="native"}`: 8, `chat_registered_users{domain="second.example",type="native"}`: 1,
		`chat_registered_users{domain="plain.example",type="native"}`: 3, `chat_online_users{domain="plain.example"}`: 1,
		`chat_online_users{domain="example.com"}`: 2, `chat_online_users{domain="second.example"}`: 0,
	}, found.pick("chat_registered_users", "chat_online_users"))

	// The phone has been connected for three days, which no record tells. Accounts
	// on plain.example are said to be disabled, which is hard to believe.
	stored := maps.Clone(own)
	stored[`chat_active_users{domain="example.com",window="1d"}`]--
	for _, window := range []string{"1d", "7d", "30d"} {
		stored[fmt.Sprintf(`chat_active_users{domain="plain.example",window=%q}`, window)] = 0
	}
	b.row.compare(t, "from records alone", stored, e.report(t, 0, "--server=prosody="+s.config).pick("chat_active_users"))
	if !strings.Contains(e.complaints.String(), "plain.example: the 3 accounts with activity are all disabled") {
		t.Errorf("no warning: %s", e.complaints.String())
	}

	checkModules(t, b, s, e, socket)

	// A page of the first minute is not believed: a new Prosody says 0.
	time.Sleep(time.Until(s.started.Add(70 * time.Second)))
	own = s.own(t)
	page := e.configure(t, fmt.Sprintf("servers: [{software: prosody, from: %s, metrics_url: %q}]", s.config, s.page()))
	b.row.compare(t, "by the page", own, e.report(t, 0, "--config.file="+page).pick("chat_active_users"))

	s.store(t, "month", "nil", "nil")
	b.row.notice(t, "a record was removed", own, s.asRoot(e).report(t, 0, "--config.file="+socket).pick("chat_active_users"))
}

// asRoot is the exporter as somebody who may open the admin socket.
func (s *xmppServer) asRoot(e *exporter) *exporter {
	return &exporter{place: &place{e.place.root, e.place.inside, s.owner}, binary: e.binary}
}

// checkModules compares the states of modules through the life of one.
func checkModules(t *testing.T, b *bench, s *xmppServer, e *exporter, config string) {
	t.Helper()
	compare := func(what string, loaded float64) {
		t.Helper()
		found := s.asRoot(e).report(t, 0, "--config.file="+config)
		b.row.compare(t, what, s.states(t), found.pick("chat_module_status{"))
		wanted := figures{`chat_module_loaded{domain="example.com",module="so_so"}`: loaded, `chat_module_loaded{domain="example.com",module="breaks"}`: 0}
		if loaded == 0 {
			wanted = figures{`chat_module_loaded{domain="*",module="so_so"}`: 0, `chat_module_loaded{domain="example.com",module="breaks"}`: 0}
		}
		b.row.compare(t, what+", required modules", wanted, found.pick(slices.Collect(maps.Keys(wanted))...))
	}
	compare("modules at first", 0)
	s.shell(t, `module:load("so_so", "example.com")`)
	compare("a module is loaded, and warns", 1)
	_ = s.place.command("/usr/bin/prosodyctl", "--config", s.config, "shell", `module:load("breaks", "example.com")`).Run() // it fails, as it should
	compare("a module fails to load", 1)
	s.lua(t, `prosody.hosts["example.com"].modules.so_so.module:set_status("error", "on purpose")`)
	compare("a module is in error", 1)
	s.shell(t, `module:unload("so_so", "example.com")`)
	compare("a module is unloaded", 0)
}

func prosodyOnFiles(t *testing.T, b *bench) { checkProsody(t, b, `storage = "internal"`) }

func prosodyOnSQLite(t *testing.T, b *bench) {
	checkProsody(t, b, `storage = "sql"; sql = { driver = "SQLite3", database = "prosody.sqlite" }`)
}

func prosodyOnPostgreSQL(t *testing.T, b *bench) {
	u, err := url.Parse(dbtest.StartPostgreSQL(t).Location)
	must.Succeed(t, err)
	checkProsody(t, b, fmt.Sprintf(`storage = "sql"; sql = { driver = "PostgreSQL", host = %q, port = %s, database = "postgres", username = "postgres", password = "unused" }`, u.Hostname(), u.Port()))
}

func prosodyOnMySQL(t *testing.T, b *bench) {
	m := startMySQL(t, b, false)
	b.row.storage = "MySQL " + b.data.version("mysql-server")
	checkProsody(t, b, fmt.Sprintf(`storage = "sql"; sql = { driver = "MySQL", host = "127.0.0.1", port = %s, database = "chat", username = "chat", password = %q }`, m.port, secret))
}
