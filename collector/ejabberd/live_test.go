package ejabberd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/ejabberd"
	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/webapi"
	"active_users_exporter/collector/xmpptest"
	"active_users_exporter/test/must"
)

// People on a real ejabberd: its table alone does not know those who are
// connected, nor ever those who were when it was killed. With its API we do.
func TestFiguresOfARunningServer(t *testing.T) {
	e := startEjabberd(t, oneHost, nil)
	for _, name := range []string{"online", "phone", "silent", "left", "cut", "never"} {
		e.command(t, "register", map[string]any{"user": name, "host": "example.org", "password": "pw"})
	}
	// The phone's session of today is not over yet, an earlier one is.
	e.command(t, "set_last", map[string]any{"user": "phone", "host": "example.org", "timestamp": time.Now().AddDate(0, 0, -3).Unix(), "status": "gone"})
	login := func(user string) *xmpptest.Client { return xmpptest.Login(t, e.clients, "example.org", user, "pw") }
	login("online")
	login("phone")
	login("phone") // a second device
	xmpptest.Connect(t, e.clients, "example.org", "silent", "pw")
	login("left").Leave(t, "gone fishing")
	login("cut").Cut()

	table := figure{day: 2, week: 3, month: 3, registered: 6, created: 6, online: -1}
	united := figure{day: 5, week: 5, month: 5, registered: 6, created: 6, online: 3}
	fromAPI := united
	fromAPI.created = -1
	database := []ejabberd.Database{{Source: source(t, "sqlite:"+e.database()), Host: "example.org"}}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		// What fails is a reading while the logouts are being stored.
		got, _, err := read(t, ejabberd.Options{Databases: database}, time.Now())
		if err == nil && got["example.org"].day >= table.day || time.Now().After(deadline) {
			break
		}
	}
	check := func(what string, o ejabberd.Options, want figure) {
		t.Helper()
		got, facts, err := read(t, o, time.Now())
		must.Succeed(t, err)
		if diff := cmp.Diff(map[string]figure{"example.org": want}, got, cmp.AllowUnexported(figure{})); diff != "" || len(facts.Warnings) > 0 {
			t.Errorf("%s (-want +got): %s, warnings %q", what, diff, facts.Warnings)
		}
		if !o.API.IsZero() && !strings.HasPrefix(facts.Version, "2") { // as in 23.01
			t.Errorf("%s: version %q", what, facts.Version)
		}
	}
	check("the table alone", ejabberd.Options{Databases: database}, table)
	check("with its API", ejabberd.Options{Databases: database, API: e.api}, united)
	check("its API alone", ejabberd.Options{API: e.api}, fromAPI)

	e.kill()
	check("the table after it was killed", ejabberd.Options{Databases: database}, table)
	got, facts, err := read(t, ejabberd.Options{Databases: database, API: e.api}, time.Now())
	must.Succeed(t, err)
	if diff := cmp.Diff(map[string]figure{"example.org": table}, got, cmp.AllowUnexported(figure{})); diff != "" || failure.Of(facts.OnlineErr) != failure.Unreachable {
		t.Errorf("with the API of the killed server: error %v (-want +got):\n%s", facts.OnlineErr, diff)
	}
}

// liveEjabberd is a private ejabberd.
type liveEjabberd struct {
	clients, directory string
	api                webapi.Endpoint // with the rights that the documentation gives
	all                *webapi.Client  // with all of them
	process            *exec.Cmd
}

func (e *liveEjabberd) in(name string) string { return filepath.Join(e.directory, name) }
func (e *liveEjabberd) database() string      { return e.in("ejabberd.db") }

// oneHost has the legacy schema, as by default.
const oneHost = `
hosts: [example.org]
auth_password_format: scram
default_db: sql
modules: {mod_last: {}, mod_admin_extra: {}, mod_roster: {}}
`

const liveConfig = `
loglevel: warning
sql_type: sqlite
sql_database: %[1]q
listen:
  - {ip: "127.0.0.1", port: %[2]s, module: ejabberd_c2s}
  - {ip: "127.0.0.1", port: %[3]s, module: ejabberd_http, tag: exporter, request_handlers: {/api: mod_http_api}}
  - {ip: "127.0.0.1", port: %[4]s, module: ejabberd_http, tag: test, request_handlers: {/api: mod_http_api}}
api_permissions:
  "exporter":
    from: [mod_http_api, {tag: exporter}]
    who: {ip: 127.0.0.0/8}
    what: [status, registered_vhosts, connected_users, connected_users_vhost, stats_host, registered_users, get_last]
  "test":
    from: [mod_http_api, {tag: test}]
    who: {ip: 127.0.0.0/8}
    what: ["*"]
`

// startEjabberd starts the server of Debian's package as a node without a name: it takes
// part in no cluster, and needs neither epmd nor a cookie. The options say which hosts it
// has, and where their records are; FOLDER in them is its own, with these files in it.
func startEjabberd(t *testing.T, options string, files map[string]string) *liveEjabberd {
	t.Helper()
	clients, exporter, test := dbtest.FreePort(t), dbtest.FreePort(t), dbtest.FreePort(t)
	e := &liveEjabberd{clients: "127.0.0.1:" + clients, directory: t.TempDir(), api: endpoint(t, "http://127.0.0.1:"+exporter+"/api")}
	options = strings.ReplaceAll(options, "FOLDER", e.directory)
	must.Succeed(t, os.WriteFile(e.in("ejabberd.yml"), []byte(options+fmt.Sprintf(liveConfig, e.database(), clients, exporter, test)), 0o644))
	for name, content := range files {
		must.Succeed(t, os.WriteFile(e.in(name), []byte(content), 0o755))
	}
	e.all = webapi.New(endpoint(t, "http://127.0.0.1:"+test+"/api"), "")
	t.Cleanup(e.all.Close)
	e.boot(t)
	return e
}

// boot starts it, the first time or again.
func (e *liveEjabberd) boot(t *testing.T) {
	t.Helper()
	erl, err := exec.LookPath("erl")
	code, _ := filepath.Glob("/usr/lib/*/ejabberd-*/ebin")
	if err != nil || len(code) == 0 {
		dbtest.Missing(t, "no ejabberd installed")
	}
	if driver, _ := filepath.Glob("/usr/lib/erlang/lib/p1_sqlite3-*/ebin"); len(driver) == 0 {
		dbtest.Missing(t, "no SQLite for ejabberd installed: erlang-p1-sqlite3")
	}
	attributes := dbtest.Unprivileged(t, e.directory, "ejabberd")
	if attributes == nil {
		attributes = &syscall.SysProcAttr{}
	}
	attributes.Setpgid = true // it has helpers of its own

	e.process = exec.CommandContext(t.Context(), erl, "-noshell", "-pa", code[len(code)-1], "-mnesia", "dir", fmt.Sprintf("%q", e.in("mnesia")),
		// Should the test die without a word, so does the server: its input ends.
		"-eval", `spawn(fun() -> io:get_line(""), halt() end)`, "-s", "ejabberd")
	e.process.Dir, e.process.SysProcAttr = e.directory, attributes
	e.process.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + e.directory, "LANG=C.UTF-8", "ERL_LIBS=" + filepath.Dir(filepath.Dir(code[len(code)-1])),
		"EJABBERD_CONFIG_PATH=" + e.in("ejabberd.yml"), "EJABBERD_LOG_PATH=" + e.in("ejabberd.log"),
	}
	log, err := os.Create(e.in("output"))
	must.Succeed(t, err)
	defer func() { _ = log.Close() }()
	e.process.Stdout, e.process.Stderr = log, log
	input, err := e.process.StdinPipe()
	must.Succeed(t, err)
	must.Succeed(t, e.process.Start())
	t.Cleanup(func() { e.kill(); _ = input.Close() })

	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if _, err = e.all.Post(t.Context(), "status", struct{}{}); err == nil {
			return
		}
		if time.Now().After(deadline) {
			output, _ := os.ReadFile(e.in("output"))
			t.Fatalf("ejabberd did not start: %v\n%s", err, output)
		}
	}
}

// command is one of an administrator.
func (e *liveEjabberd) command(t *testing.T, name string, arguments map[string]any) {
	t.Helper()
	if answer, err := e.all.Post(t.Context(), name, arguments); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, answer)
	}
}

// kill ends the server and its helpers at once.
func (e *liveEjabberd) kill() {
	if e.process.ProcessState == nil {
		_ = syscall.Kill(-e.process.Process.Pid, syscall.SIGKILL)
		_ = e.process.Wait()
	}
}

// stop ends it in order, as ejabberdctl stop does.
func (e *liveEjabberd) stop(t *testing.T) {
	t.Helper()
	e.command(t, "stop", map[string]any{})
	_ = e.process.Wait()
}
